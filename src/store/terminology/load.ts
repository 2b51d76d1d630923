/**
 * What the operator loads: FHIR resources as they are, and code lists of any length row by row. Both stand in the store like
 * every other resource, under the owner `hub`, so that they are read, searched and have a history; the codes of what is too
 * long for a resource are in the tables alone, and the resource says so (`content: not-present`).
 *
 * @see https://hl7.org/fhir/R4/codesystem.html#content
 */
import { hash } from 'node:crypto';
import type { Tx } from '../../db.ts';
import { sql } from '../../db/sql.ts';
import { deriveId } from '../../fhir/ids.ts';
import { Problem } from '../../fhir/problem.ts';
import { conceptsOf, isTerminology, type Concept } from '../../fhir/terminology.ts';
import { typeCode, typeName, type AnyResource } from '../../fhir/types.ts';
import { assertValid } from '../../fhir/validate.ts';
import { commit } from '../commit.ts';
import { publisher } from './owners.ts';
import { clear, closeHierarchy, insertConcepts } from './write.ts';

export interface Loaded {
  readonly type: string;
  readonly id: string;
  readonly url: string;
  readonly version: string | undefined;
  readonly concepts: number;
  readonly outcome: 'loaded' | 'unchanged';
}

/** As for what is sent by REST: nobody reads a longer body in one piece. */
const bodyCharsMax = 5_000_000;
/** Rows that are held at once. */
const batchRows = 5_000;

/**
 * A CodeSystem, ValueSet or ConceptMap. The same again is nothing to do; another state replaces the one before.
 * @throws Problem not-supported (another type), required (no url), conflict (the id is taken), or what is not valid R4
 */
export async function loadResource(tx: Tx, resource: AnyResource, at: Date): Promise<Loaded> {
  const { resourceType: type, url, version } = resource as AnyResource & { url?: string; version?: string };
  if (!isTerminology(type)) {
    throw new Problem('not-supported', `${type} is no terminology`, {
      hint: 'CodeSystem, ValueSet and ConceptMap are.',
    });
  }
  if (url === undefined) throw new Problem('required', 'what is loaded has a url', { expression: `${type}.url` });
  const { id = idOf(type, url, version) } = resource as { id?: string };
  const text = JSON.stringify(resource);
  const digest = hash('sha256', text, 'base64url');
  if (await isLoaded(tx, type, id, digest)) return describe(tx, type, id, 'unchanged');
  assertValid(resource);
  const isLong = type === 'CodeSystem' && text.length > bodyCharsMax;
  await write(tx, isLong ? withoutConcepts({ ...resource, id }) : { ...resource, id }, at);
  if (isLong) await fill(tx, id, toAsync(conceptsOf(resource)));
  await mark(tx, type, id, digest);
  return describe(tx, type, id, 'loaded');
}

export interface CodeList {
  readonly url: string;
  readonly version?: string;
  readonly title?: string;
  readonly isCaseSensitive: boolean;
  /** Of the file and how it is read. */
  readonly digest: string;
  /** Read once, only when the digest is new. */
  readonly concepts: () => AsyncIterable<Concept>;
}

/** A code system as a list of its codes; each version is a resource of its own. */
export async function loadCodeList(tx: Tx, list: CodeList, at: Date): Promise<Loaded> {
  const { url, version, title, isCaseSensitive, digest, concepts } = list;
  const id = idOf('CodeSystem', url, version);
  if (await isLoaded(tx, 'CodeSystem', id, digest)) return describe(tx, 'CodeSystem', id, 'unchanged');
  const resource: AnyResource = {
    resourceType: 'CodeSystem',
    id,
    url,
    ...(version === undefined ? {} : { version }),
    ...(title === undefined ? {} : { title }),
    status: 'active',
    caseSensitive: isCaseSensitive,
    content: 'not-present',
  };
  assertValid(resource);
  await write(tx, resource, at);
  await fill(tx, id, concepts());
  await mark(tx, 'CodeSystem', id, digest);
  return describe(tx, 'CodeSystem', id, 'loaded');
}

function idOf(type: string, url: string, version = ''): string {
  return deriveId(undefined, ['terminology', type, url, version]);
}

/** R4 codesystem.html#content: the codes are elsewhere; `count` says how many. */
function withoutConcepts({ concept: _concept, text: _text, ...header }: AnyResource): AnyResource {
  return { ...header, content: 'not-present' };
}

async function write(tx: Tx, resource: AnyResource, at: Date): Promise<void> {
  // Longer than a request may take: a large hierarchy is closed in one statement.
  await tx.query(sql`set local statement_timeout = '10min'`);
  try {
    // In a process that serves nobody: a value set may list every code there is.
    await commit(tx, [{ kind: 'draft', resource, owner: publisher }], { at, valuesMax: Number.POSITIVE_INFINITY });
  } catch (error) {
    if (!(error instanceof Problem) || error.code !== 'not-found') throw error;
    throw new Problem('conflict', 'the id of the resource is taken', {
      expression: `${resource.resourceType}.id`,
      hint: 'Another has written a resource of this id: load it with another id, or without one.',
      cause: error,
    });
  }
}

async function fill(tx: Tx, id: string, concepts: AsyncIterable<Concept>): Promise<void> {
  const [{ key } = { key: 0 }] = await tx.query<{ key: number }>(sql`
    select key from terminology where owner = ${publisher} and type = ${typeCode('CodeSystem')} and id = ${id}`);
  await clear(tx, [key]);
  let ordinal = 0;
  let batch: { system: number; concept: Concept }[] = [];
  const flush = async (): Promise<void> => {
    await insertConcepts(tx, batch, ordinal);
    ordinal += batch.length;
    batch = [];
  };
  for await (const concept of concepts) {
    batch.push({ system: key, concept });
    if (batch.length >= batchRows) await flush();
  }
  await flush();
  if (ordinal === 0) throw new Problem('required', 'there are no codes', { expression: 'CodeSystem.concept' });
  await closeHierarchy(tx, [key]);
}

async function* toAsync<T>(items: Iterable<T>): AsyncGenerator<T> {
  yield* items;
}

async function isLoaded(tx: Tx, type: string, id: string, digest: string): Promise<boolean> {
  const found = await tx.query(sql`
    select from terminology where owner = ${publisher} and type = ${typeCode(type)} and id = ${id} and digest = ${digest}`);
  return found.length > 0;
}

async function mark(tx: Tx, type: string, id: string, digest: string): Promise<void> {
  await tx.query(sql`
    update terminology set digest = ${digest} where owner = ${publisher} and type = ${typeCode(type)} and id = ${id}`);
}

async function describe(tx: Tx, type: string, id: string, outcome: Loaded['outcome']): Promise<Loaded> {
  const found = await listLoaded(tx);
  const one = found.find((row) => row.type === type && row.id === id);
  if (one === undefined) throw new Error('what was loaded is listed');
  return { type, id, url: one.url, version: one.version, concepts: one.concepts, outcome };
}

export interface Listed extends Omit<Loaded, 'outcome'> {
  readonly loadedAt: Date;
}

/** What everybody is served from beside R4's own. */
export async function listLoaded(tx: Tx): Promise<Listed[]> {
  const rows = await tx.query<{
    type: number;
    id: string;
    url: string | null;
    version: string | null;
    concepts: number;
    last_updated: Date;
  }>(sql`
    select type, id, url, version, concepts, last_updated from terminology where owner = ${publisher}
    order by type, url, version, id`);
  return rows.map(({ type, id, url, version, concepts, last_updated }) => ({
    type: typeName(type),
    id,
    url: url ?? '',
    version: version ?? undefined,
    concepts,
    loadedAt: last_updated,
  }));
}

/** By `url`, `url|version` or `Type/id`. @returns what is gone. @throws Problem not-found when nothing of this name is loaded */
export async function removeLoaded(tx: Tx, name: string, at: Date): Promise<Listed[]> {
  const found = (await listLoaded(tx)).filter(
    ({ type, id, url, version }) => name === url || name === `${url}|${version}` || name === `${type}/${id}`,
  );
  if (found.length === 0) {
    throw new Problem('not-found', 'nothing of this name is loaded', { hint: 'hub terminology list shows what is.' });
  }
  const writes = found.map(({ type, id }) => ({
    kind: 'delete' as const,
    resource: { resourceType: type, id } as AnyResource,
    owner: publisher,
  }));
  await commit(tx, writes, { at });
  return found;
}
