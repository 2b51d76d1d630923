/** Drafts -> store, within the transaction that marks their messages as processed; the Patients among them are linked. */
import type { Tx } from '../db.ts';
import { parseJson } from '../fhir/json.ts';
import { Problem } from '../fhir/problem.ts';
import type { AnyResource } from '../fhir/types.ts';
import { linkPatients } from '../identity/link.ts';
import type { Converted } from '../ingest/process.ts';
import { commit } from '../store/commit.ts';
import type { Write } from '../store/row.ts';

export async function applyMessages(tx: Tx, messages: readonly Converted[], at: Date): Promise<void> {
  const writes = messages.flatMap(({ endpoint, mapped }) =>
    mapped.drafts.map((draft): Write => {
      if (draft.mode === 'delete') throw new Problem('not-supported', 'deletions are not stored yet');
      return { kind: 'draft', owner: endpoint.organization, ...draft, mode: draft.mode };
    }),
  );
  const written = await commit(tx, writes, { at });
  const patients = new Map<string, AnyResource>();
  for (const { type, id, body, outcome } of written) {
    if (type === 'Patient' && outcome !== 'unchanged') patients.set(id, parseJson(body) as AnyResource);
  }
  await linkPatients(
    tx,
    Array.from(patients, ([id, resource]) => ({ id, resource })),
    at,
  );
}
