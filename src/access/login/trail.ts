/**
 * What signing in leaves in the audit trail. What succeeds is committed before it is answered, like every access. What fails
 * is recorded behind the answer, so that its time says nothing of who has an account, and so many an hour: a stranger must not
 * fill the trail. All are counted (metrics).
 */
import type { Database, Tx } from '../../db.ts';
import type { Audit, AuditEntry } from '../audit/audit.ts';
import type { Principal } from '../principal/principal.ts';
import type { Account } from './account.ts';
import { isWithinHourly } from './throttle.ts';

export interface Trail {
  /** @throws Problem transient */
  record(interaction: string, about: About): Promise<void>;
  /** A change and its row are one commit. @throws Problem transient, and what `work` throws: then neither is */
  change<T>(interaction: string, work: (tx: Tx) => Promise<{ value: T; about: About }>): Promise<T>;
  /** @param account whom it was tried on, when there is one */
  recordFailure(account: Account | undefined, address?: string): void;
  /** Resolves when what was recorded behind answers is written. */
  settled(): Promise<void>;
}

export interface About {
  readonly account: Account;
  /** Names the session or token it is about. */
  readonly jti?: string;
  /** Whose log it belongs to, when that is not the account's own. */
  readonly patient?: string | undefined;
  /** Where it came from. */
  readonly address?: string;
}

export interface TrailOptions {
  readonly db: Database;
  readonly audit: Audit;
  readonly issuer: string;
  readonly now: () => number;
  readonly failed: (error: unknown) => void;
}

/** Of one account: enough for the person to see that somebody tries. */
const accountFailuresPerHour = 20;
/** On names that nobody has, all together. */
const strangersFailuresPerHour = 100;

/** What names the hub's own pages in the trail. */
export const loginClient = 'hub-login';

export function openTrail({ db, audit, issuer, now, failed }: TrailOptions): Trail {
  const pending = new Set<Promise<void>>();

  const entryOf = (interaction: string, { account, jti, patient, address }: About): AuditEntry => {
    const principal = principalOf(account, issuer, jti ?? account.id, now());
    const context = { principal, interaction, at: now(), ...(address && { address }) };
    return { context, ...(patient === undefined ? patientOf(account) : { patient }), rows: 0, outcome: 'success' };
  };
  const fail = async (account: Account | undefined, address: string | undefined): Promise<void> => {
    const [key, max] =
      account === undefined ? ['trail', strangersFailuresPerHour] : [`trail ${account.id}`, accountFailuresPerHour];
    if (!(await isWithinHourly(db, key, max, now()))) return;
    const context = { interaction: 'login-failed', at: now(), ...(address && { address }) };
    await audit.record([{ context, ...patientOf(account), rows: 0, outcome: 'refused' }]);
  };

  return {
    record: (interaction, about) => audit.record([entryOf(interaction, about)]),
    change: (interaction, work) =>
      audit.inTransaction(db, async (tx) => {
        const { value, about } = await work(tx);
        return { value, entries: [entryOf(interaction, about)] };
      }),
    recordFailure: (account, address) => {
      const work = fail(account, address)
        .catch(failed)
        .finally(() => pending.delete(work));
      pending.add(work);
    },
    settled: async () => {
      await Promise.all(pending);
    },
  };
}

/** The entry is the person's to read. */
function patientOf(account: Account | undefined): Pick<AuditEntry, 'patient'> {
  const [type, id] = account?.fhirUser?.split('/') ?? [];
  return type === 'Patient' && id !== undefined ? { patient: id } : {};
}

function principalOf({ id, fhirUser }: Account, issuer: string, jti: string, now: number): Principal {
  return {
    issuer,
    // Never the login name: people put their address, or a resident number, there.
    subject: fhirUser ?? `account/${id}`,
    clientId: loginClient,
    jti,
    expiresAt: now,
    scopes: [],
    isOperator: fhirUser === undefined,
    ...(fhirUser === undefined ? {} : { fhirUser }),
    purposes: 0,
  };
}
