/**
 * The hub forgets a person: one step at a time, each a transaction that also says how far it is, so that a process that is killed is
 * followed by whichever takes the next step. In this order:
 *
 * 1. Consents end, and whoever was shown something is asked to delete its copies (access/erasure/ask.ts): who that was is found by links
 *    that are about to go.
 * 2. From one commit on the sources' new messages about the person are kept out. Rows go, Patients first, so that nothing refers to them
 *    any more; then messages; then what the hub decided by.
 * 3. What was under way at that moment did not know of it: when it has ended, all is looked through once more.
 */
import type { Audit, AuditEntry } from '../access/audit/audit.ts';
import { clock } from '../access/erasure/ask.ts';
import { moveErasure, takeErasure, type Erasure } from '../access/erasure/erasure.ts';
import { endConsents, forgetAccess, isAsking, isKept, keepOut } from '../access/erasure/forget.ts';
import { heldPatients } from '../access/erasure/hold.ts';
import type { Database, Tx } from '../db.ts';
import { sql } from '../db/sql.ts';
import { parseJson } from '../fhir/json.ts';
import type { AnyResource } from '../fhir/types.ts';
import { forgetPerson } from '../identity/forget.ts';
import { eraseSamples } from '../ingest/device/samples.ts';
import { eraseMessages, eraseWaiting } from '../ingest/erase.ts';
import { eraseOutbound } from '../outbound/queue.ts';
import { eraseRows } from '../store/erase.ts';
import type { OwnedPatient } from '../store/erased.ts';
import { readRows } from '../store/read.ts';
import { everything } from '../store/visibility.ts';

/** Between two looks at whether something has ended. */
const waitSeconds = 2;
const reason = 'erasure of a person';

/** @param id only this one. @returns `idle`: nothing is due; `waiting`: for others; else there is more to do at once */
export async function eraseStep(database: Database, audit: Audit, id?: string): Promise<'idle' | 'waiting' | 'busy'> {
  return audit.inTransaction(database, async (tx) => {
    const erasure = await takeErasure(tx, id);
    if (erasure === undefined) return { value: 'idle', entries: [] };
    switch (erasure.state) {
      case 'waiting':
        return begin(tx, erasure);
      case 'ending':
        return { value: await keepOutAll(tx, erasure), entries: [] };
      default:
        return sweep(tx, erasure);
    }
  });
}

interface Step {
  readonly value: 'waiting' | 'busy';
  readonly entries: readonly AuditEntry[];
}

async function begin(tx: Tx, erasure: Erasure): Promise<Step> {
  await endConsents(tx, erasure.patients);
  await moveErasure(tx, erasure, { state: 'ending' });
  return { value: 'busy', entries: entriesOf('erase-begin', erasure) };
}

async function keepOutAll(tx: Tx, erasure: Erasure): Promise<Step['value']> {
  if (await isAsking(tx, erasure.patients)) {
    await moveErasure(tx, erasure, { waitSeconds });
    return 'waiting';
  }
  const held = await heldPatients(tx, erasure.patients);
  const patients = erasure.patients.filter((patient) => !held.includes(patient));
  const owned = await ownedPatients(tx, patients);
  await keepOut(tx, erasure.id, owned);
  await forgetAccess(tx, owned);
  await moveErasure(tx, erasure, { state: 'erasing', patients, held });
  return 'busy';
}

async function ownedPatients(tx: Tx, patients: readonly string[]): Promise<OwnedPatient[]> {
  const keys = patients.map((id) => ({ type: 'Patient', id }));
  const rows = await readRows(tx, everything(reason), keys);
  return rows.map(({ id, owner, isDeleted, body }) => ({
    owner,
    resource: isDeleted ? { resourceType: 'Patient', id } : { ...(parseJson(body) as AnyResource), id },
  }));
}

/** Rows until there are none, messages until there are none; then, once nothing is under way that began before, all again. */
async function sweep(tx: Tx, erasure: Erasure): Promise<Step> {
  const { patients, state } = erasure;
  if (state === 'settling' && (await isUnderWay(tx, erasure.markedAt as Date))) {
    await moveErasure(tx, erasure, { waitSeconds });
    return { value: 'waiting', entries: [] };
  }
  const rows = await eraseRows(tx, everything(reason), patients, isKept);
  if (rows > 0) {
    await moveErasure(tx, erasure, { rows });
    return { value: 'busy', entries: [] };
  }
  const walked = await eraseMessages(tx, patients, erasure.messageId);
  if (walked.next !== undefined) {
    await moveErasure(tx, erasure, { messageId: walked.next, messages: walked.emptied });
    return { value: 'busy', entries: [] };
  }
  const messages = (await eraseWaiting(tx, patients)) + (await eraseOutbound(tx, patients));
  await tx.query(sql`delete from sent_list where patient = any(${patients}::text[])`);
  await eraseSamples(tx, patients);
  await forgetPerson(tx, patients);
  if (state === 'erasing') {
    await moveErasure(tx, erasure, { state: 'settling', messageId: 0, messages });
    return { value: 'busy', entries: [] };
  }
  await moveErasure(tx, erasure, { state: 'done', messages });
  return { value: 'busy', entries: entriesOf('erase', erasure) };
}

/** A transaction that began before does not know who is kept out. Those of other roles are not seen; nothing
 * but the role of the hub's processes writes rows (decision 0031). */
async function isUnderWay(tx: Tx, since: Date): Promise<boolean> {
  const rows = await tx.query(sql`
    select from pg_stat_activity where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()
      and xact_start <= ${since}
    limit 1`);
  return rows.length > 0;
}

/** In the log of each of the person's records, which stays. */
function entriesOf(interaction: 'erase-begin' | 'erase', { id, patients, held }: Erasure): AuditEntry[] {
  return [...patients, ...held].map((patient) => ({
    context: { principal: clock, interaction, type: 'Patient', id: patient, correlationId: id, at: Date.now() },
    patient,
    rows: 0,
    decidedBy: `internal:${reason}`,
    outcome: 'success' as const,
  }));
}
