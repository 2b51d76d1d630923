/**
 * Carries out what a message commands of patients: `Patient.link` and `active` of the two records, and who is one person.
 * No clinical row moves. The drafts of the message are stored before, so both records exist.
 */
import type { Tx } from '../db.ts';
import { ownBucket } from '../fhir/ids.ts';
import { parseJson } from '../fhir/json.ts';
import type { AnyResource } from '../fhir/types.ts';
import { withCommand } from '../mapping/commands.ts';
import type { PatientCommand } from '../mapping/message/draft.ts';
import { commit } from '../store/commit.ts';
import type { Write } from '../store/row.ts';
import { lockRows, readRows } from '../store/rows.ts';
import { assertLink, isTakenBack, moveLink, retractLink } from './assertion.ts';
import type { LinkOutcome } from './link.ts';

export interface Source {
  /** `Organization/x`: the owner of both records. */
  readonly owner: string;
  readonly at: Date;
  /** When the message was received, which may be long before it is processed. */
  readonly receivedAt: Date;
}

/** Twice is as once: a replayed message changes nothing, nor does one that its source has taken back since. */
export async function carryOut(tx: Tx, command: PatientCommand, source: Source): Promise<LinkOutcome | undefined> {
  const { kind, patient, other, event, controlId } = command;
  const { owner, at, receivedAt } = source;
  const evidence = { command: kind, event, message: controlId, owner };
  const assertion = { patient, other, owner, evidence, at, receivedAt };
  if (await isTakenBack(tx, assertion, kind === 'unlink')) return undefined;
  await showInPatients(tx, command, source);
  if (kind === 'unlink') return retractLink(tx, assertion);
  return kind === 'move' ? moveLink(tx, assertion) : assertLink(tx, assertion);
}

async function showInPatients(tx: Tx, command: PatientCommand, { owner, at }: Source): Promise<void> {
  const keys = [command.patient, command.other].map((id) => ({ bucket: ownBucket(id), type: 'Patient', id }));
  await lockRows(tx, keys);
  const rows = await readRows(tx, keys);
  const writes = rows
    .filter(({ isDeleted }) => !isDeleted)
    .map((row): Write => {
      const patient = parseJson(row.body) as AnyResource & { id: string };
      return { kind: 'update', owner, resource: withCommand(patient, command) };
    });
  await commit(tx, writes, { at });
}
