/**
 * `hub account invite | list | disable | reset`: who signs in to the hub. What a command changes is in the trail. Sessions and
 * their tokens belong to the issuer, so the commands want the HUB_PUBLIC_URL (or the port) that the hub runs with.
 */
import { openAudit } from '../access/audit/audit.ts';
import { disableAccount, inviteAccount, listAccounts, readInvited, resetAccount } from '../access/login/account.ts';
import type { Account, Invitation } from '../access/login/account.ts';
import { openSessions } from '../access/login/session.ts';
import { endGrants } from '../access/oauth/app-grant.ts';
import { openRegistry } from '../access/client/registry.ts';
import { addressesOf, readConfig } from '../config.ts';
import type { Database } from '../db.ts';
import { Problem } from '../fhir/problem.ts';
import { openStorage, type Storage } from '../hub/storage.ts';
import { readRow } from '../store/read.ts';
import { everything } from '../store/visibility.ts';
import { operatorHere } from './database.ts';

export interface InviteOptions {
  /** How long the code is good. */
  readonly hours: string;
}

/** A code waits in letters and mailboxes: a month at most. */
const hoursMax = 720;
const hourMs = 3_600_000;

export async function runAccountInvite(
  who: string,
  { hours }: InviteOptions,
  environment: NodeJS.ProcessEnv,
): Promise<void> {
  const [invited, expiresAt] = [readInvited(who), expiryOf(hours)];
  await withHub(environment, async ({ database }, url) => {
    const { type, id } = invited ?? { type: '', id: '' };
    if (invited !== undefined && (await readRow(database, everything('invitation'), type, id)) === undefined) {
      throw new Problem('not-found', 'there is no such resource', {
        expression: 'WHO',
        hint: `Send ${type}/${id} first.`,
      });
    }
    const invitation = await inviteAccount(database, who, expiresAt);
    await recordHere(database, 'account-invite', invitation.whose);
    tell(who, invitation, url);
  });
}

export async function runAccountList(environment: NodeJS.ProcessEnv): Promise<void> {
  await withHub(environment, async ({ database }) => {
    for (const account of await listAccounts(database)) console.log(JSON.stringify(account));
  });
}

export async function runAccountDisable(name: string, environment: NodeJS.ProcessEnv): Promise<void> {
  await withHub(environment, async (storage, url) => {
    const account = await disableAccount(storage.database, name);
    await endSessions(storage, url, account.id);
    await recordHere(storage.database, 'account-disable', account);
    console.log(JSON.stringify({ id: account.id, isActive: false }));
  });
}

export async function runAccountReset(
  name: string,
  { hours }: InviteOptions,
  environment: NodeJS.ProcessEnv,
): Promise<void> {
  const expiresAt = expiryOf(hours);
  await withHub(environment, async (storage, url) => {
    const invitation = await resetAccount(storage.database, name, expiresAt);
    await endSessions(storage, url, invitation.account);
    await recordHere(storage.database, 'account-reset', invitation.whose);
    tell(name, invitation, url);
  });
}

/** The code goes to the person by a way of its own: paper, a letter, face to face. */
function tell(who: string, { account, code, expiresAt }: Invitation, url: string): void {
  console.log(JSON.stringify({ account, who, page: `${url}/oauth/enrol`, code, expiresAt }));
}

function expiryOf(hours: string): Date {
  const number = Number(hours);
  if (!(number > 0 && number <= hoursMax)) {
    throw new Problem('value', `--hours is a number up to ${hoursMax}`, { expression: '--hours' });
  }
  return new Date(Date.now() + number * hourMs);
}

/** In the trail, and in the log of the patient whose account it is, before a code is printed. */
async function recordHere(db: Database, interaction: string, { fhirUser }: Account): Promise<void> {
  const [type, patient] = fhirUser?.split('/') ?? [];
  const audit = openAudit(db);
  const context = { principal: operatorHere(), interaction, at: Date.now() };
  await audit.record([{ context, ...(type === 'Patient' && { patient }), rows: 0, outcome: 'success' }]);
  await audit.close();
}

/** And what the person allowed apps: whoever had the account may have done that. */
async function endSessions({ database: db }: Storage, issuer: string, account: string): Promise<void> {
  const registry = openRegistry(db);
  await openSessions({ db, issuer, registry, now: Date.now }).endAll(account);
  await endGrants(db, registry, issuer, { account });
}

async function withHub(
  environment: NodeJS.ProcessEnv,
  work: (storage: Storage, url: string) => Promise<void>,
): Promise<void> {
  const config = readConfig(environment);
  const storage = await openStorage(config);
  try {
    await work(storage, addressesOf(config).publicUrl);
  } finally {
    await storage.close();
  }
}
