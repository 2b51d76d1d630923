/**
 * A page of answers taken apart: what stands around the resources is read, the resources stay the text they came as. So what is
 * kept is what the source sent, and one broken resource does not cost its neighbours.
 *
 * @see https://hl7.org/fhir/R4/bundle.html
 */
import { endOfString } from '../../src/fhir/json.ts';
import { Problem } from '../../src/fhir/problem.ts';
import type { Pulled } from '../../src/ingest/contract.ts';
import { noFhir } from './ask.ts';

export interface Page {
  readonly entries: readonly PageEntry[];
  readonly next: string | undefined;
  /** What the server says it was asked. @see https://hl7.org/fhir/R4/search.html#conformance */
  readonly self: string | undefined;
  /** When the server made the page (`Bundle.meta.lastUpdated`). */
  readonly madeAt: Date | undefined;
  readonly total: number | undefined;
}

export interface PageEntry {
  /** The text of the resource; undefined for a deletion, and for an entry without one. */
  readonly text: string | undefined;
  readonly fullUrl: string | undefined;
  /** `match`, `include` or `outcome`. */
  readonly mode: string | undefined;
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly etag: string | undefined;
  readonly lastModified: Date | undefined;
}

interface Skeleton {
  resourceType?: unknown;
  type?: unknown;
  total?: unknown;
  meta?: { lastUpdated?: unknown };
  link?: { relation?: unknown; url?: unknown }[];
  entry?: {
    fullUrl?: unknown;
    resource?: unknown;
    search?: { mode?: unknown };
    request?: { method?: unknown; url?: unknown };
    response?: { etag?: unknown; lastModified?: unknown };
  }[];
  issue?: { code?: unknown }[];
}

/** @throws Problem transient when it is no Bundle: broken, something else, an OperationOutcome */
export function readPage(text: string): Page {
  const spans = findResources(text);
  const bundle = parseSkeleton(text, spans);
  if (bundle.resourceType === 'OperationOutcome') throw outcome(bundle);
  if (bundle.resourceType !== 'Bundle') throw noFhir('another resource than a Bundle');
  const link = (relation: string): string | undefined =>
    textOf(listOf(bundle.link).find((one) => one?.relation === relation)?.url);
  return {
    entries: listOf(bundle.entry).map((entry) => {
      const span = typeof entry?.resource === 'number' ? spans[entry.resource] : undefined;
      return {
        text: span === undefined ? undefined : text.slice(span.start, span.end),
        fullUrl: textOf(entry?.fullUrl),
        mode: textOf(entry?.search?.mode),
        method: textOf(entry?.request?.method),
        url: textOf(entry?.request?.url),
        etag: textOf(entry?.response?.etag),
        lastModified: dateOf(entry?.response?.lastModified),
      };
    }),
    next: link('next'),
    self: link('self'),
    madeAt: dateOf(bundle.meta?.lastUpdated),
    total: typeof bundle.total === 'number' ? bundle.total : undefined,
  };
}

/** Resources of a page as the hub takes them; includes and outcomes are not what was asked for. */
export function matchesOf(page: Page, type: string): Pulled[] {
  return page.entries.flatMap(({ text, mode }) => {
    if (text === undefined || mode === 'outcome' || mode === 'include') return [];
    const pulled = pulledOf(text);
    return pulled?.type === type ? [pulled] : [];
  });
}

/** What the hub must know of a resource before it keeps it; undefined for a text that names no type and id. */
export function pulledOf(text: string): Pulled | undefined {
  let resource: Record<string, unknown>;
  try {
    resource = JSON.parse(text) as Record<string, unknown>;
  } catch {
    return undefined;
  }
  const { resourceType: type, id, meta } = resource as { resourceType?: unknown; id?: unknown; meta?: unknown };
  if (typeof type !== 'string' || typeof id !== 'string' || id === '') return undefined;
  const { versionId, lastUpdated } = (meta ?? {}) as { versionId?: unknown; lastUpdated?: unknown };
  return {
    type,
    id,
    version: textOf(versionId),
    updatedAt: dateOf(lastUpdated),
    patient: type === 'Patient' ? id : patientOf(resource),
    bytes: Buffer.from(text, 'utf8'),
  };
}

/** What a resource that is gone is kept as: `isDeletion` of convert.ts knows it again. */
export function deletionOf(type: string, id: string, known: Pick<Pulled, 'version' | 'updatedAt'> = {}): Pulled {
  const bytes = Buffer.from(JSON.stringify({ resourceType: type, id }), 'utf8');
  return { type, id, ...known, isDeleted: true, patient: type === 'Patient' ? id : undefined, bytes };
}

/** By which element a resource says whose record it is in, most telling first. */
const patientElements = ['patient', 'subject', 'beneficiary', 'individual', 'for'];

/** The source's id of the patient: what is about one patient keeps its order. */
function patientOf(resource: Record<string, unknown>): string | undefined {
  for (const name of patientElements) {
    const { reference } = (resource[name] ?? {}) as { reference?: unknown };
    const id =
      typeof reference === 'string' ? /(?:^|\/)Patient\/([A-Za-z0-9\-.]{1,64})/.exec(reference)?.[1] : undefined;
    if (id !== undefined) return id;
  }
  return undefined;
}

interface Span {
  readonly start: number;
  readonly end: number;
}

/** Where `entry[*].resource` stands. A text that is no JSON gives anything; parsing what is left finds out. */
function findResources(text: string): Span[] {
  const spans: Span[] = [];
  // Containers that are open: '{' or '[' and, of an object, the name that was read last.
  const open: { isObject: boolean; name: string }[] = [];
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (char === '"') {
      const end = endOfString(text, at);
      const top = open.at(-1);
      if (top?.isObject === true && nextChar(text, end + 1) === ':') top.name = text.slice(at + 1, end);
      at = end;
    } else if (char === '{' || char === '[') {
      if (char === '{' && isResource(open)) {
        const end = endOfObject(text, at);
        spans.push({ start: at, end });
        at = end - 1;
      } else open.push({ isObject: char === '{', name: '' });
    } else if (char === '}' || char === ']') open.pop();
  }
  return spans;
}

function isResource(open: readonly { isObject: boolean; name: string }[]): boolean {
  const [root, list, entry] = open;
  return open.length === 3 && root?.name === 'entry' && list?.isObject === false && entry?.name === 'resource';
}

function nextChar(text: string, from: number): string {
  let at = from;
  while (at < text.length && /\s/.test(text[at] as string)) at++;
  return text[at] ?? '';
}

/** Past the closing brace; the text's end when there is none. */
function endOfObject(text: string, start: number): number {
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (char === 0x22) at = endOfString(text, at);
    else if (char === 0x7b || char === 0x5b) depth++;
    else if ((char === 0x7d || char === 0x5d) && --depth === 0) return at + 1;
  }
  return text.length;
}

/** The page without its resources: each is the number of its span instead. */
function parseSkeleton(text: string, spans: readonly Span[]): Skeleton {
  let rest = '';
  let at = 0;
  for (const [index, { start, end }] of spans.entries()) {
    rest += `${text.slice(at, start)}${index}`;
    at = end;
  }
  try {
    const value = JSON.parse(rest + text.slice(at)) as unknown;
    if (typeof value === 'object' && value !== null) return value;
  } catch {
    // Its error quotes the text.
  }
  throw new Problem('transient', 'the answer of the source is broken JSON');
}

function outcome({ issue }: Skeleton): Problem {
  const code = textOf(listOf(issue)[0]?.code) ?? '';
  const told = /^[a-z-]{1,30}$/.test(code) ? `: ${code}` : '';
  return new Problem('transient', `the source answers 200 with an OperationOutcome${told}`);
}

function listOf<Item>(value: readonly Item[] | undefined): readonly Item[] {
  return Array.isArray(value) ? (value as readonly Item[]) : [];
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function dateOf(value: unknown): Date | undefined {
  const ms = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  return Number.isNaN(ms) ? undefined : new Date(ms);
}
