/**
 * The work list of whoever maintains an endpoint's map: what no rule took, by the messages and patients it concerns.
 *
 * Counted in memory first, because hot rows would make every commit wait; a hub that is killed loses the counts of
 * {@link flushMs}. Each message keeps hashes of its own entries, so that a replay finds exactly the messages concerned
 * and takes them off the count until they have run again.
 */
import type { Tx } from '../db.ts';
import { sql } from '../db/sql.ts';
import { Problem } from '../fhir/problem.ts';
import type { Draft, Unmapped } from '../mapping/message/draft.ts';
import { assertEndpoint } from './registry/versions.ts';

/** How late counts are seen. */
export const flushMs = 5_000;

export interface UnmappedEntry extends Unmapped {
  readonly code: string;
  /** Of kind, position and code: 32 bits, because an endpoint has some hundreds of them. */
  readonly hash: number;
}

/** Entries of one message; a sender of ever new codes is counted no finer than that. */
const entriesPerMessageMax = 200;

/** What a message leaves, each entry once however often it stands there. */
export function entriesOf(unmapped: readonly Unmapped[]): readonly UnmappedEntry[] {
  if (unmapped.length === 0) return none;
  const found = new Set<UnmappedEntry>();
  for (const one of unmapped) {
    if (found.size >= entriesPerMessageMax) break;
    found.add(entryOf(one));
  }
  return [...found];
}
const none: readonly UnmappedEntry[] = [];

function entryOf({ kind, position, code: sent = '' }: Unmapped): UnmappedEntry {
  const code = isCode(sent) ? sent : '';
  const key = `${kind} ${position} ${code}`;
  let entry = entries.get(key);
  if (entry === undefined) {
    if (entries.size >= entriesMax) entries.clear();
    entry = { kind, position, code, hash: hash32(key) };
    entries.set(key, entry);
  }
  return entry;
}
/** The same entries come with every message of a source. */
const entries = new Map<string, UnmappedEntry>();
/** Different entries known, and different entries between two writes. */
const entriesMax = 10_000;

/** Where a code was expected a sender may put anything: what is long, or looks like a number of a person, is not kept. */
function isCode(text: string): boolean {
  return text.length <= codeCharsMax && !/\s|\d{6}/.test(text);
}
const codeCharsMax = 20;

/** FNV-1a. @see https://datatracker.ietf.org/doc/html/draft-eastlake-fnv */
function hash32(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash | 0;
}

/** A converted message, as it is counted. */
export interface Counted {
  readonly endpointId: number;
  readonly messageId: number;
  readonly drafts: readonly Draft[];
  readonly entries: readonly UnmappedEntry[];
}

export interface UnmappedCounts {
  add(message: Counted): void;
  /** Writes what was counted since the last time. */
  flush(at: Date): Promise<void>;
}

/**
 * Smallest hashes kept of the patients seen: with 128 the estimate beyond them is within 9 % (standard error 1/sqrt(k)).
 * @see Bar-Yossef et al. 2002, Counting distinct elements in a data stream
 */
const patientsKept = 128;
/** Messages named as examples, the latest ones. */
const examplesKept = 5;

interface Count {
  readonly endpointId: number;
  readonly entry: UnmappedEntry;
  messages: number;
  patients: readonly number[];
  examples: readonly number[];
}

export function countUnmapped(db: Tx): UnmappedCounts {
  let counts = new Map<string, Count>();
  return {
    add: ({ endpointId, messageId, drafts, entries: found }) => {
      if (found.length === 0) return;
      const patient = patientHash(drafts);
      for (const entry of found) {
        const key = `${endpointId} ${entry.kind} ${entry.position} ${entry.code}`;
        const count = counts.get(key);
        const patients = patient === undefined ? [] : [patient];
        const one = { endpointId, entry, messages: 1, patients, examples: [messageId] };
        if (count !== undefined) merge(count, one);
        else if (counts.size < entriesMax) counts.set(key, one);
      }
    },
    flush: async (at) => {
      if (counts.size === 0) return;
      // One order for all processes, so that two flushes cannot wait for each other.
      const rows = [...counts].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, count]) => count);
      const before = counts;
      counts = new Map();
      try {
        await writeCounts(db, rows, at);
      } catch (error) {
        for (const [key, count] of before) {
          const newer = counts.get(key);
          if (newer === undefined) counts.set(key, count);
          else merge(newer, count);
        }
        throw error;
      }
    },
  };
}

function merge(count: Count, other: Count): void {
  count.messages += other.messages;
  count.patients = smallest(count.patients, other.patients);
  count.examples = [...count.examples, ...other.examples].slice(-examplesKept);
}

function smallest(known: readonly number[], more: readonly number[]): readonly number[] {
  const isNew = more.some((hash) => !known.includes(hash) && (known.length < patientsKept || hash < last(known)));
  return isNew ? [...new Set([...known, ...more])].toSorted((a, b) => a - b).slice(0, patientsKept) : known;
}

function last(hashes: readonly number[]): number {
  return hashes.at(-1) ?? Infinity;
}

/** Bits of a derived id that are hash and nothing else (ids.ts): its last twelve digits. */
const patientHashBits = 48;

function patientHash(drafts: readonly Draft[]): number | undefined {
  const id = drafts.find(({ resource }) => resource.resourceType === 'Patient')?.resource.id;
  return id === undefined ? undefined : Number.parseInt(id.slice(-patientHashBits / 4), 16);
}

/** Messages that were put back into the queue since they were counted (replay.ts). */
const replayed = sql`coalesce((
  select r.messages from unmapped_replayed r
  where r.endpoint_id = unmapped.endpoint_id and r.hash = unmapped.hash), 0)`;

async function writeCounts(db: Tx, rows: readonly Count[], at: Date): Promise<void> {
  await db.query(sql`
    insert into unmapped
      (endpoint_id, kind, position, code, hash, count, patients, examples, first_seen_at, last_seen_at)
    select u.endpoint_id, u.kind, u.position, u.code, u.hash, u.count, u.patients::bigint[], u.examples::bigint[],
      ${at}::timestamptz, ${at}::timestamptz
    from unnest(
      ${rows.map(({ endpointId }) => endpointId)}::int[],
      ${rows.map(({ entry }) => entry.kind)}::text[],
      ${rows.map(({ entry }) => entry.position)}::text[],
      ${rows.map(({ entry }) => entry.code)}::text[],
      ${rows.map(({ entry }) => entry.hash)}::int[],
      ${rows.map(({ messages }) => messages)}::bigint[],
      ${rows.map(({ patients }) => `{${patients.join(',')}}`)}::text[],
      ${rows.map(({ examples }) => `{${examples.join(',')}}`)}::text[]
    ) with ordinality as u (endpoint_id, kind, position, code, hash, count, patients, examples, n)
    order by u.n
    on conflict (endpoint_id, kind, position, code) do update set
      count = unmapped.count + excluded.count,
      last_seen_at = excluded.last_seen_at,
      -- What had left the list and is there again begins anew.
      patients = array(
        select distinct p
        from unnest(case when unmapped.count > ${replayed} then unmapped.patients end || excluded.patients) as p
        order by p limit ${patientsKept}
      ),
      examples = (unmapped.examples || excluded.examples)[
        greatest(1, cardinality(unmapped.examples) + cardinality(excluded.examples) - ${examplesKept - 1}):]`);
}

/** An entry of the work list. */
export interface UnmappedLine {
  readonly source: string;
  readonly kind: string;
  /** `ZPI-3`, or for a code the position and table: `PID-8 HL70001`. */
  readonly position: string;
  readonly code?: string;
  /** Messages whose resources stand in the store without it. */
  readonly messages: number;
  /** Different patients of these; exact up to some hundred, an estimate beyond. */
  readonly patients: number;
  readonly firstSeenAt: string;
  readonly lastSeenAt: string;
  /** Ids of the latest messages that have it, as /ops/messages names them. */
  readonly examples: readonly number[];
}

/** Lines of the work list that a person reads at once. */
const linesMax = 1_000;

interface UnmappedRow {
  source: string;
  kind: string;
  position: string;
  code: string;
  messages: number;
  patients: number;
  first_seen_at: Date;
  last_seen_at: Date;
  /** Arrays of bigint come as texts. */
  examples: string[];
}

/** What concerns most messages, and among equals most patients, first. @throws Problem not-found */
export async function listUnmapped(db: Tx, source?: string): Promise<UnmappedLine[]> {
  await assertEndpoint(db, source);
  const rows = await db.query<UnmappedRow>(sql`
    select l.source, l.kind, l.position, l.code, l.messages,
      least(l.messages, case when cardinality(l.patients) < ${patientsKept} then cardinality(l.patients)
        else round(${(patientsKept - 1) * 2 ** patientHashBits}::float8 / l.patients[${patientsKept}]) end
      )::bigint as patients,
      l.first_seen_at, l.last_seen_at, l.examples
    from (
      select e.name as source, unmapped.*, unmapped.count - ${replayed} as messages
      from unmapped join endpoint e on e.id = unmapped.endpoint_id
      where ${source ?? null}::text is null or e.name = ${source ?? null}
    ) l
    where l.messages > 0
    order by l.messages desc, patients desc, l.source, l.position, l.code
    limit ${linesMax}`);
  return rows.map(({ code, first_seen_at: first, last_seen_at: latest, examples, ...row }) => ({
    ...row,
    ...(code === '' ? {} : { code }),
    firstSeenAt: first.toISOString(),
    lastSeenAt: latest.toISOString(),
    examples: examples.map(Number),
  }));
}

/**
 * The hashes of what an analyst calls `ZPI-3`, `PID-8`, `PID-8 HL70001` or `Q`: a position with all below it and the codes
 * that stand there, or a code wherever it stands.
 * @throws Problem not-found when nothing in the work list is called so
 */
export async function findUnmapped(db: Tx, name: string, source?: string): Promise<number[]> {
  const rows = await db.query<{ hash: number }>(sql`
    select distinct u.hash
    from unmapped u join endpoint e on e.id = u.endpoint_id
    where (u.position = ${name} or starts_with(u.position, ${`${name}.`}) or starts_with(u.position, ${`${name} `})
        or u.code = ${name} or u.position || ' ' || u.code = ${name})
      and (${source ?? null}::text is null or e.name = ${source ?? null})
    limit ${linesMax}`);
  if (rows.length > 0) return rows.map(({ hash }) => hash);
  throw new Problem('not-found', 'nothing that is unmapped is called so', { hint: 'List it: hub unmapped' });
}
