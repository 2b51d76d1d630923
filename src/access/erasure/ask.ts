/**
 * When a Consent has ended for a recipient (it was revoked, deleted, narrowed, or its period is over), whoever was shown something under
 * it is asked to delete its copies. Nobody has to write anything for that: the clock does, in any process, a few at a time.
 */
import type { Database, Tx } from '../../db.ts';
import { sql } from '../../db/sql.ts';
import type { AnyResource } from '../../fhir/types.ts';
import { commit } from '../../store/commit.ts';
import type { Written } from '../../store/row.ts';
import type { Audit, AuditEntry } from '../audit/audit.ts';
import { isOfPatients } from '../audit/entries.ts';
import type { Principal } from '../principal/principal.ts';
import { deletionTask } from './task.ts';

/** Ended Consents of one transaction: some dozens of rows. */
const batchMax = 20;
/** What left in the last moment is on record by then: an answer whose rows were read before the end is committed to the trail after. */
export const settleSeconds = 30;
/** Where the Consent does not say how long copies are kept: "without undue delay", GDPR article 17. */
const daysDefault = 30;
/** Clients of one organization share a Task; a Practitioner is seldom at more places. */
const ownersMax = 20;

interface Ended {
  consentId: string;
  recipient: string;
  patient: string;
  at: Date;
  eraseBy: Date;
}

/** Who asks, in the trail. */
export const clock: Principal = {
  issuer: 'hub',
  subject: 'hub-erasure',
  clientId: 'hub-erasure',
  jti: '',
  expiresAt: 0,
  scopes: [],
  isOperator: false,
  purposes: 0,
};

/** @returns how many ended or renewed Consents were looked at; 0: nothing is due */
export async function askForDeletion(
  database: Database,
  audit: Audit,
  { settle = settleSeconds }: { readonly settle?: number } = {},
): Promise<number> {
  return audit.inTransaction(database, async (tx) => {
    const ended = await takeEnded(tx, settle);
    const asked: AuditEntry[] = [];
    for (const one of ended) {
      for (const owner of await receiversOf(tx, one)) {
        const task = await writeTask(tx, owner, deletionTask({ ...one, owner }), one);
        await tx.query(sql`
          insert into deletion_task (id, consent_id, recipient, owner, patient, erase_by, asked_at)
          values (${task.id}, ${one.consentId}, ${one.recipient}, ${owner}, ${one.patient}, ${one.eraseBy}, ${one.at})`);
        asked.push(entryOf('create', task, one));
      }
    }
    const renewed = await takeBack(tx);
    return { value: ended.length + renewed.length, entries: [...asked, ...renewed] };
  });
}

function entryOf(
  interaction: 'create' | 'update',
  task: Written,
  { patient, at }: { patient: string; at: Date },
): AuditEntry {
  const { id, version } = task;
  return {
    context: { principal: clock, interaction, type: 'Task', id, version, at: at.getTime() },
    patient,
    rows: 1,
    decidedBy: 'internal:deletion of copies',
    outcome: 'success',
  };
}

/** Several processes share the work: what one has locked the others pass over. */
async function takeEnded(tx: Tx, settle: number): Promise<Ended[]> {
  return tx.query<Ended>(sql`
    update consent_receiver ended set asked_at = statement_timestamp()
    from (
      select consent_id, recipient from consent_receiver
      where asked_at is null and ends_at <= statement_timestamp() - make_interval(secs => ${settle}::float8)
      order by ends_at limit ${batchMax} for update skip locked) due
    where ended.consent_id = due.consent_id and ended.recipient = due.recipient
    returning ended.consent_id as "consentId", ended.recipient, ended.patient, ended.asked_at as at,
      greatest(ended.ends_at + make_interval(days => coalesce(ended.kept_days, ${daysDefault}::int)), ended.asked_at) as "eraseBy"`);
}

/**
 * Who was shown something, as the trail says: the recipient itself, or the organization that a Practitioner read for. Under other
 * recipients of the same Consent others were; an open Task is not written again.
 */
async function receiversOf(tx: Tx, { consentId, recipient, patient }: Ended): Promise<string[]> {
  const owner = sql`coalesce(shown.organization, 'Device/' || shown.client)`;
  const isIt = recipient.startsWith('Practitioner/')
    ? sql`shown.organization is not null`
    : sql`${recipient} in (shown.organization, 'Device/' || shown.client)`;
  const rows = await tx.query<{ owner: string }>(sql`
    select distinct ${owner} as owner from audit_entry shown
    where ${isOfPatients(
      sql`array(
        select ${patient}::text union
        select other.patient from person_member one join person_member other on other.person = one.person
        where one.patient = ${patient})`,
      'shown',
    )}
      and shown.decided_by ~ ${`(^| )consent:${consentId.replaceAll('.', '\\.')}/`} and shown.rows > 0 and ${isIt}
      and not exists (
        select from deletion_task known
        where known.consent_id = ${consentId} and known.owner = ${owner} and known.status not in ('completed', 'cancelled'))
    limit ${ownersMax}`);
  return rows.map((row) => row.owner);
}

/** A Consent that is in force again: what was asked under it and not done is no longer asked. */
async function takeBack(tx: Tx): Promise<AuditEntry[]> {
  const rows = await tx.query<{
    id: string;
    owner: string;
    patient: string;
    consentId: string;
    at: Date;
    eraseBy: Date;
  }>(sql`
    update deletion_task task set status = 'cancelled', answered_at = statement_timestamp()
    from (
      select task.id from deletion_task task join consent_receiver again
        on again.consent_id = task.consent_id and again.recipient = task.recipient
      where task.status not in ('completed', 'failed', 'rejected', 'cancelled') and again.asked_at is null
        and again.ends_at > statement_timestamp()
      order by task.id limit ${batchMax} for update of task skip locked) open
    where open.id = task.id
    returning task.id, task.owner, task.patient, task.consent_id as "consentId", task.asked_at as at, task.erase_by as "eraseBy"`);
  const entries: AuditEntry[] = [];
  for (const row of rows) {
    const resource = { ...deletionTask(row), id: row.id, status: 'cancelled' };
    const at = new Date();
    entries.push(entryOf('update', await writeTask(tx, row.owner, resource, { ...row, at }), { ...row, at }));
  }
  return entries;
}

async function writeTask(
  tx: Tx,
  owner: string,
  resource: AnyResource,
  { patient, at }: { readonly patient: string; readonly at: Date },
): Promise<Written> {
  const kind = resource.id === undefined ? 'create' : 'update';
  const [written] = await commit(tx, [{ kind, resource, owner, speaksFor: [patient] }], { at });
  return written as Written;
}
