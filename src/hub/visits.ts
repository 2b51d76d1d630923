/** Visits and accounts under a new number, and visits whose diagnoses were taken back: what one message cannot say alone. */
import type { Tx } from '../db.ts';
import { ownBucket } from '../fhir/ids.ts';
import { parseJson } from '../fhir/json.ts';
import type { AnyResource } from '../fhir/types.ts';
import type { Converted } from '../ingest/process.ts';
import type { RenumberCommand } from '../mapping/message/draft.ts';
import { unmappedUrl } from '../mapping/values/extensions.ts';
import { commit } from '../store/commit.ts';
import type { Write, Written } from '../store/row.ts';
import { lockRows, readRows, type Key } from '../store/rows.ts';
import type { State } from '../store/version.ts';

/** The number itself, and what says that it is not used any more. */
const ofNumber = new Set(['resourceType', 'id', 'meta', 'identifier', 'partOf']);
const retired = new Set(['entered-in-error', 'inactive']);

/** What is stored under the former number, as far as nothing is stored under the new one. */
export async function carryOver(tx: Tx, commands: readonly RenumberCommand[], owner: string): Promise<Write[]> {
  if (commands.length === 0) return [];
  const stored = await readOwn(
    tx,
    commands.map(({ type, from }) => keyOf(type, from)),
    owner,
  );
  return commands.flatMap(({ type, from, to }) => {
    const former = stored.get(from);
    if (former === undefined) return [];
    const resource = { ...withoutNumber(former), resourceType: type, id: to };
    // Replayed: the former one says that it is retired by now, and the new one has what it had.
    if (retired.has(String(former['status']))) return [];
    const fallback = Object.keys(resource).filter((name) => !ofNumber.has(name));
    return [{ kind: 'draft', mode: 'merge', owner, resource, fallback } satisfies Write];
  });
}

function withoutNumber(resource: AnyResource): AnyResource {
  const entries = Object.entries(resource).filter(([name]) => !ofNumber.has(name));
  const kept = Object.fromEntries(entries) as AnyResource;
  const extension = ((resource['extension'] ?? []) as { url?: string }[]).filter(({ url }) => url !== unmappedUrl);
  if (extension.length > 0) kept['extension'] = extension;
  else delete kept['extension'];
  return kept;
}

/** A visit does not refer to a diagnosis that its source has deleted. */
export async function dropDiagnoses(
  tx: Tx,
  messages: readonly Converted[],
  written: readonly Written[],
  at: Date,
): Promise<void> {
  const gone = new Set(
    written.filter(({ outcome, type }) => outcome === 'deleted' && type === 'Condition').map(({ id }) => id),
  );
  if (gone.size === 0) return;
  for (const { endpoint, mapped } of messages) {
    const visits = new Set(mapped.drafts.flatMap(({ resource }) => visitOf(resource, gone)));
    for (const { type, visit, ids } of mapped.snapshots) {
      if (type === 'Condition' && visit !== undefined && ids.length === 0) visits.add(visit);
    }
    const owner = endpoint.organization;
    const stored = await readOwn(
      tx,
      [...visits].map((id) => keyOf('Encounter', id)),
      owner,
    );
    const writes = [...stored.values()].map((visit): Write => {
      return { kind: 'update', owner, resource: withoutDiagnoses(visit, gone) };
    });
    await commit(tx, writes, { at });
  }
}

function visitOf(resource: AnyResource & { id: string }, gone: ReadonlySet<string>): string[] {
  if (resource.resourceType !== 'Condition' || !gone.has(resource.id)) return [];
  const { reference } = (resource['encounter'] ?? {}) as { reference?: string };
  return reference === undefined ? [] : [reference.slice('Encounter/'.length)];
}

function withoutDiagnoses(visit: AnyResource, gone: ReadonlySet<string>): AnyResource {
  const { diagnosis, ...rest } = visit;
  const kept = ((diagnosis ?? []) as { condition: { reference?: string } }[]).filter(
    ({ condition }) => !gone.has((condition.reference ?? '').slice('Condition/'.length)),
  );
  return kept.length === 0 ? rest : { ...rest, diagnosis: kept };
}

const keyOf = (type: string, id: string): Key => ({ bucket: ownBucket(id), type, id });

/** By id, and locked until the transaction ends; what is not there, deleted, or another's is left out. Ids that the mapping derives carry their bucket. */
async function readOwn(tx: Tx, keys: readonly Key[], owner: string): Promise<Map<string, AnyResource>> {
  await lockRows(tx, keys);
  const rows = await readRows(tx, keys);
  const own = rows.filter((row: State) => row.owner === owner && !row.isDeleted);
  return new Map(own.map(({ id, body }) => [id, parseJson(body) as AnyResource]));
}
