/**
 * What simulated FHIR sources have against the records: each resource that a source has stands once in the hub, as the source says it,
 * by whatever way it came; what is gone there is gone here; nothing else claims to be from there.
 */
import type { Tx } from '../../../db.ts';
import { sql } from '../../../db/sql.ts';
import type { ResourceEntry } from '../ledger.ts';
import { contentDigest } from '../sources/content.ts';
import type { Findings } from './findings.ts';
import { resourceRows } from './rows.ts';

/** By type, then by `base/Type id`: the last version of each. */
export type ServedResources = Map<string, Map<string, ResourceEntry>>;

export interface SourceCounts {
  readonly resources: number;
  readonly deleted: number;
}

export function enterResource(served: ServedResources, line: ResourceEntry): void {
  const ofType = served.get(line.type) ?? new Map<string, ResourceEntry>();
  served.set(line.type, ofType);
  const key = `${line.base}/${line.type} ${line.id}`;
  if ((ofType.get(key)?.version ?? 0) < line.version) ofType.set(key, line);
}

export async function checkSources(db: Tx, served: ServedResources, findings: Findings): Promise<SourceCounts> {
  if (served.size === 0) return { resources: 0, deleted: 0 };
  const bases = new Set([...served.values()].flatMap((ofType) => [...ofType.values()].map(({ base }) => base)));
  const names = await sourceNames(db, [...served.keys()], bases);
  const rename = (reference: string): string => names.get(reference) ?? reference;
  let [resources, deleted] = [0, 0];
  for (const [type, ofType] of served) {
    const found = new Set<string>();
    for await (const { body } of resourceRows(db, type)) {
      const own = ownIdentifier(body, type, bases);
      if (own === undefined) continue;
      const key = `${own.system} ${own.value}`;
      const entry = ofType.get(key);
      if (found.has(key)) findings.add('resources of a source are several in the hub', key);
      found.add(key);
      if (entry === undefined) findings.add('resources are in the hub that no source has', key);
      else if (entry.isDeleted) findings.add('resources are in the hub that are gone at the source', key);
      else if (contentDigest(body, own.system, rename) !== entry.digest) {
        findings.add('resources do not say what their source says', `${key} (version ${entry.version})`);
      } else resources++;
    }
    for (const [key, { isDeleted, version }] of ofType) {
      if (isDeleted) deleted++;
      else if (!found.has(key)) findings.add('resources of a source are missing', `${key} (version ${version})`);
    }
  }
  await checkPulled(db, findings);
  return { resources, deleted };
}

/** `Observation/ID of the hub` -> `Observation/ID of the source`. */
async function sourceNames(db: Tx, types: readonly string[], bases: ReadonlySet<string>): Promise<Map<string, string>> {
  const names = new Map<string, string>();
  for (const type of types) {
    for await (const { id, body } of resourceRows(db, type)) {
      const own = ownIdentifier(body, type, bases);
      if (own !== undefined) names.set(`${type}/${id}`, `${type}/${own.value}`);
    }
  }
  return names;
}

/** Under which the hub keeps the id that the resource has at its source. */
function ownIdentifier(
  body: string,
  type: string,
  bases: ReadonlySet<string>,
): { system: string; value: string } | undefined {
  const { identifier } = JSON.parse(body) as { identifier?: unknown };
  if (!Array.isArray(identifier)) return undefined;
  return (identifier as { system?: string; value?: string }[]).find(
    (one): one is { system: string; value: string } =>
      one.system?.endsWith(`/${type}`) === true && bases.has(one.system.slice(0, -type.length - 1)),
  );
}

/** What was pulled is processed, and no version of it came in twice. */
async function checkPulled(db: Tx, findings: Findings): Promise<void> {
  const rows = await db.query<{ name: string; control_id: string; count: number; open: number }>(sql`
    select e.name, m.control_id, count(*)::int as count, (count(*) filter (where m.status <> 1))::int as open
    from message m join endpoint e on e.id = m.endpoint_id
    where e.kind like 'fhir-%'
    group by e.name, m.control_id
    having count(*) > 1 or count(*) filter (where m.status <> 1) > 0`);
  for (const { name, control_id: id, count, open } of rows) {
    if (count > 1) findings.add('versions were received more than once', `${name} ${id}`);
    if (open > 0) findings.add('versions were received and not processed', `${name} ${id}`);
  }
}
