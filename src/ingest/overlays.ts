/**
 * Which overlay each endpoint has: applied, listed, taken back, and followed by every process and worker thread.
 *
 * A change is one transaction with a revision of its own. Workers compare the revision with each batch they pick, so a
 * message that is picked after a change was committed is converted under it; a message already under way ends under the
 * map it began with. What else asks (previews) sees a change within {@link checkMs}.
 */
import { createHash } from 'node:crypto';
import type { Database, Tx } from '../db.ts';
import { sql } from '../db/sql.ts';
import { Problem } from '../fhir/problem.ts';
import { parseOverlay, type Maps, type OverlayText } from '../mapping/maps.ts';
import { assertEndpoint, unknownEndpoint } from './registry/versions.ts';

/** An overlay is some hundred lines; the migration has the same bound. */
export const overlayBytesMax = 1_048_576;
/** A note is a line or two. */
const noteCharsMax = 2_000;

export interface Application {
  /** Names of endpoints. */
  readonly endpoints: readonly string[];
  /** Undefined: back to what is shipped. */
  readonly overlay: { readonly name: string; readonly text: string } | undefined;
  readonly by: string;
  readonly note?: string;
  readonly at: Date;
}

export interface MapVersion {
  readonly endpoint: string;
  readonly version: number;
  /** What messages converted under it name. */
  readonly mapVersion: string;
  /** Name and hash of the overlay; undefined: as shipped. */
  readonly overlay?: string;
  readonly overlayHash?: string;
  readonly restores?: number;
  readonly appliedBy: string;
  readonly appliedAt: string;
  readonly note: string;
}

/**
 * Puts an overlay in force, whole or not at all, at all of these endpoints.
 * @throws Problem invalid when it cannot be compiled, not-found for an endpoint, too-long
 */
export async function applyOverlay(database: Database, maps: Maps, application: Application): Promise<MapVersion[]> {
  const { overlay } = application;
  if (Buffer.byteLength(overlay?.text ?? '') > overlayBytesMax)
    throw new Problem('too-long', `an overlay has at most ${overlayBytesMax} bytes`);
  const compiled = overlay && maps.compile(parseOverlay(overlay.text, overlay.name));
  return change(database, application, async (tx, endpoint) => ({
    hash: overlay && (await storeOverlay(tx, overlay)),
    // Back to what is shipped for this endpoint, which another may have otherwise.
    mapVersion: compiled?.version ?? shippedVersion(maps, endpoint.name),
    restores: undefined,
  }));
}

/**
 * Puts in force again what an endpoint had before.
 * @param to a version of its history; 0: the map as shipped; undefined: the one before that in force
 * @throws Problem not-found for an endpoint or version, invalid when that overlay does not fit this version of the hub
 */
export async function rollBack(
  database: Database,
  maps: Maps,
  rollback: Omit<Application, 'endpoints' | 'overlay'> & { readonly endpoint: string; readonly to?: number },
): Promise<MapVersion> {
  const { endpoint: name, to } = rollback;
  const [done] = await change(database, { ...rollback, endpoints: [name] }, async (tx, endpoint, latest) => {
    const wanted = to ?? (latest === undefined ? 0 : (latest.restores ?? latest.version) - 1);
    if (wanted === 0) return { hash: undefined, mapVersion: shippedVersion(maps, endpoint.name), restores: 0 };
    const [row] = await tx.query<{ hash: string | null; name: string | null; content: string | null }>(sql`
      select o.hash, o.name, o.content
      from endpoint_map m left join overlay o on o.hash = m.overlay
      where m.endpoint_id = ${endpoint.id} and m.version = ${wanted}`);
    if (wanted < 0) {
      throw new Problem('business-rule', `nothing was in force at ${name} before the map as shipped`, {
        hint: `List its versions: hub map history --endpoint ${name}, and choose one: --to N`,
      });
    }
    if (row === undefined)
      throw new Problem('not-found', `${name} has no map version ${wanted}`, {
        hint: `List them: hub map history --endpoint ${name}`,
      });
    const compiled = row.content === null ? undefined : maps.compile(parseOverlay(row.content, row.name ?? 'overlay'));
    return {
      hash: row.hash ?? undefined,
      mapVersion: compiled?.version ?? shippedVersion(maps, endpoint.name),
      restores: wanted,
    };
  });
  return done as MapVersion;
}

interface KnownEndpoint {
  readonly id: number;
  readonly name: string;
}

interface Latest {
  readonly version: number;
  readonly restores: number | null;
}

interface Content {
  readonly hash: string | undefined;
  readonly mapVersion: string;
  readonly restores: number | undefined;
}

type Choose = (tx: Tx, endpoint: KnownEndpoint, latest: Latest | undefined) => Promise<Content>;

async function change(
  database: Database,
  { endpoints: names, by, note = '', at }: Omit<Application, 'overlay'>,
  choose: Choose,
): Promise<MapVersion[]> {
  if (note.length > noteCharsMax) throw new Problem('too-long', `a note has at most ${noteCharsMax} characters`);
  return database.inTransaction(async (tx) => {
    const [counter] = await tx.query<{ revision: number }>(
      sql`update map_revision set revision = revision + 1 returning revision`,
    );
    const done: MapVersion[] = [];
    for (const endpoint of await endpointsNamed(tx, names)) {
      const [latest] = await tx.query<Latest>(sql`
        select version, restores from endpoint_map where endpoint_id = ${endpoint.id} order by version desc limit 1`);
      const { hash, mapVersion, restores } = await choose(tx, endpoint, latest);
      const version = (latest?.version ?? 0) + 1;
      await tx.query(sql`
        insert into endpoint_map
          (endpoint_id, version, overlay, restores, map_version, applied_by, applied_at, note, revision)
        values (${endpoint.id}, ${version}, ${hash ?? null}, ${restores ?? null}, ${mapVersion}, ${by}, ${at}, ${note},
          ${counter?.revision ?? 0})`);
      done.push({
        endpoint: endpoint.name,
        version,
        mapVersion,
        ...(hash === undefined ? {} : { overlayHash: hash }),
        ...(restores === undefined ? {} : { restores }),
        appliedBy: by,
        appliedAt: at.toISOString(),
        note,
      });
    }
    return done;
  });
}

async function endpointsNamed(tx: Tx, names: readonly string[]): Promise<KnownEndpoint[]> {
  const wanted = [...new Set(names)];
  if (wanted.length === 0)
    throw new Problem('required', 'no endpoint is named', {
      hint: 'Name one: --endpoint, or `endpoints` in the file.',
    });
  const found = await tx.query<KnownEndpoint>(
    sql`select id, name from endpoint where name = any(${wanted}::text[]) order by id`,
  );
  const missing = wanted.find((name) => !found.some((endpoint) => endpoint.name === name));
  if (missing === undefined) return found;
  throw unknownEndpoint(missing);
}

async function storeOverlay(tx: Tx, { name, text }: { name: string; text: string }): Promise<string> {
  const hash = createHash('sha256').update(text).digest('hex');
  await tx.query(sql`
    insert into overlay (hash, name, content) values (${hash}, ${name}, ${text}) on conflict (hash) do nothing`);
  return hash;
}

function shippedVersion(maps: Maps, endpoint: string): string {
  return maps.shipped(endpoint).version;
}

/** The versions of an endpoint, newest first; without a name the one in force of each endpoint that has any. @throws Problem not-found */
export async function listMapVersions(db: Tx, endpoint?: string): Promise<MapVersion[]> {
  await assertEndpoint(db, endpoint);
  const rows = await db.query<VersionRow>(sql`
    select e.name as endpoint, m.version, m.map_version, o.name as overlay, m.overlay as hash, m.restores, m.applied_by,
      m.applied_at, m.note
    from endpoint_map m join endpoint e on e.id = m.endpoint_id left join overlay o on o.hash = m.overlay
    where case when ${endpoint ?? null}::text is null
      then m.version = (select max(n.version) from endpoint_map n where n.endpoint_id = m.endpoint_id)
      else e.name = ${endpoint ?? null} end
    order by e.name, m.version desc
    limit ${versionsMax}`);
  return rows.map((row) => ({
    endpoint: row.endpoint,
    version: row.version,
    mapVersion: row.map_version,
    ...(row.overlay === null ? {} : { overlay: row.overlay }),
    ...(row.hash === null ? {} : { overlayHash: row.hash }),
    ...(row.restores === null ? {} : { restores: row.restores }),
    appliedBy: row.applied_by,
    appliedAt: row.applied_at.toISOString(),
    note: row.note,
  }));
}

/** All endpoints of a region, each with one line. */
const versionsMax = 10_000;

interface VersionRow {
  endpoint: string;
  version: number;
  map_version: string;
  overlay: string | null;
  hash: string | null;
  restores: number | null;
  applied_by: string;
  applied_at: Date;
  note: string;
}

/** The text of a version, as it was written; undefined for the map as shipped. @throws Problem not-found */
export async function readOverlayText(db: Tx, endpoint: string, version?: number): Promise<OverlayText | undefined> {
  const [row] = await db.query<{ hash: string | null; name: string | null; content: string | null }>(sql`
    select o.hash, o.name, o.content
    from endpoint_map m join endpoint e on e.id = m.endpoint_id left join overlay o on o.hash = m.overlay
    where e.name = ${endpoint} and (${version ?? null}::int is null or m.version = ${version ?? null})
    order by m.version desc limit 1`);
  if (row === undefined && version !== undefined)
    throw new Problem('not-found', `${endpoint} has no map version ${version}`, {
      hint: `List them: hub map history --endpoint ${endpoint}`,
    });
  return row === undefined || row.hash === null
    ? undefined
    : { hash: row.hash, name: row.name ?? '', text: row.content ?? '' };
}

/** Keeps the maps of a process as the database has them. */
export interface Overlays {
  /** Reads what has changed; with a revision, only when that is not known yet. */
  refresh(revision?: number): Promise<void>;
  close(): void;
}

/** How late a change is seen by what does not ask for it. */
const checkMs = 1_000;

/** @param onProblem told of an overlay that does not fit this version of the hub: the endpoint's messages are quarantined */
export async function followOverlays(
  db: Tx,
  maps: Maps,
  onProblem: (endpoint: string, problem: Problem) => void = () => undefined,
): Promise<Overlays> {
  let known = 0;
  const current = Promise.resolve();
  let looking = current;
  const look = async (revision: number): Promise<void> => {
    if (revision <= known) return;
    const { latest, overlays } = await readChanges(db, known);
    maps.assign(overlays);
    known = latest;
    for (const [endpoint, problem] of maps.problems()) if (overlays.has(endpoint)) onProblem(endpoint, problem);
  };
  // One after the other: an older answer must not come after a newer one.
  const refresh = (revision = Infinity): Promise<void> => {
    if (revision <= known) return current;
    const next = looking.catch(() => undefined).then(() => look(revision));
    looking = next;
    return next;
  };
  await refresh();
  // Without the database the maps known so far stay in force; messages cannot be stored then anyway.
  const timer = setInterval(() => void refresh().catch(() => undefined), checkMs).unref();
  return { refresh, close: () => clearInterval(timer) };
}

interface ChangeRow {
  endpoint: string | null;
  hash: string | null;
  latest: number;
}

async function readChanges(
  db: Tx,
  since: number,
): Promise<{ latest: number; overlays: Map<string, OverlayText | undefined> }> {
  // One statement, one snapshot: the revision, and what is in force of the endpoints that changed since.
  const rows = await db.query<ChangeRow>(sql`
    select c.endpoint, c.overlay as hash, r.revision as latest
    from map_revision r
    left join (
      select distinct on (m.endpoint_id) e.name as endpoint, m.overlay
      from endpoint_map m join endpoint e on e.id = m.endpoint_id
      where m.endpoint_id in (select n.endpoint_id from endpoint_map n where n.revision > ${since})
      order by m.endpoint_id, m.version desc
    ) c on true`);
  const hashes = new Set(rows.flatMap(({ hash }) => (hash === null ? [] : [hash])));
  // Twenty texts for three thousand endpoints: each is read once.
  const texts = hashes.size === 0 ? [] : await readTexts(db, [...hashes]);
  const byHash = new Map(texts.map((text) => [text.hash, text]));
  const overlays = new Map<string, OverlayText | undefined>();
  for (const { endpoint, hash } of rows) if (endpoint !== null) overlays.set(endpoint, byHash.get(hash ?? ''));
  return { latest: rows[0]?.latest ?? since, overlays };
}

/** What a hash names never changes. */
function readTexts(db: Tx, hashes: readonly string[]): Promise<OverlayText[]> {
  return db.query<OverlayText>(
    sql`select hash, name, content as text from overlay where hash = any(${hashes}::text[])`,
  );
}
