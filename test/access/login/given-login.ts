/** Accounts as a person and an operator make them, without HTTP: an invitation redeemed, time as a value. */
import { openAudit, type Audit } from '../../../src/access/audit/audit.ts';
import { inviteAccount } from '../../../src/access/login/account.ts';
import { enrol, openInvitation } from '../../../src/access/login/enrolment.ts';
import { openLogin, type Login, type Origin } from '../../../src/access/login/login.ts';
import { totpCode } from '../../../src/access/login/totp.ts';
import { openRegistry, type Registry } from '../../../src/access/client/registry.ts';
import { openSealer, type Sealer } from '../../../src/access/secrets/seal.ts';
import type { Database } from '../../../src/db.ts';
import { sql } from '../../../src/db/sql.ts';
import { givenDatabase } from '../../given.ts';
import { keyringOf } from '../secrets/given-keys.ts';

export const issuer = 'https://hub.example';
export const password = 'four brown owls';
export const stepMs = 30_000;

export interface GivenLogin {
  readonly db: Database;
  readonly login: Login;
  readonly registry: Registry;
  readonly sealer: Sealer;
  readonly audit: Audit;
  readonly clock: { now: number };
  /** Somebody who has set up their access. */
  enrolled(who: string, login: string): Promise<Enrolled>;
  interactions(): Promise<{ interaction: string; patient: string | null; subject: string | null; outcome: number }[]>;
  close(): Promise<void>;
}

export interface Enrolled {
  readonly account: string;
  readonly login: string;
  readonly key: string;
  readonly recoveryCodes: readonly string[];
  readonly device: string;
}

/** Each test from an address of its own, so that none is slowed by what another one tried. */
let addresses = 0;
export function fromSomewhere(): Origin {
  addresses++;
  return { address: `10.0.${addresses >> 8}.${addresses & 255}`, agent: 'test' };
}

export async function givenLogin(): Promise<GivenLogin> {
  const database = await givenDatabase();
  const db = database.database;
  const clock = { now: Date.now() };
  const registry = openRegistry(db);
  const audit = openAudit(db);
  const sealer = openSealer(keyringOf());
  const login = openLogin({
    db,
    audit,
    registry,
    sealer,
    issuer,
    now: () => clock.now,
    failed: (error) => {
      throw error;
    },
  });
  return {
    db,
    login,
    registry,
    sealer,
    audit,
    clock,
    enrolled: async (who, name) => {
      const origin = fromSomewhere();
      const { account, code } = await inviteAccount(db, who, new Date(clock.now + 3_600_000));
      const invited = await openInvitation(login.context, code, origin);
      const key = invited?.totpKey ?? '';
      const chosen = { login: name, password, repeated: password, code: totpCode(key, clock.now) };
      const outcome = await enrol(login.context, code, chosen, origin);
      if (outcome === undefined || 'faults' in outcome) throw new Error(JSON.stringify(outcome));
      // The code that enrolled is used up.
      clock.now += stepMs;
      const { recoveryCodes, signedIn } = outcome;
      return { account, login: name, key, recoveryCodes, device: signedIn.device };
    },
    interactions: async () => {
      await login.context.trail.settled();
      return db.query(sql`select interaction, patient, subject, outcome from audit_entry order by shard, seq`);
    },
    close: async () => {
      await audit.close();
      await database.close();
    },
  };
}
