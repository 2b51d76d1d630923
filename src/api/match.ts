/**
 * From method and path to the row of the route table: the one way in, for requests from a socket and for the entries of a
 * Bundle alike, so that an entry can reach nothing that a request of its own could not.
 */
import { HttpProblem } from './respond.ts';
import { fixedTypeOf, fixedTypes, type Route } from './routes.ts';

export interface Matched {
  readonly route: Route;
  /** `type`, `id`, `version`, as the path names them. */
  readonly params: Readonly<Record<string, string>>;
}

/** @throws HttpProblem 400 for a path that cannot be decoded; 404 or 405 for what the table does not have */
export type Match = (method: string, path: string) => Matched;

export interface Table {
  readonly operations: readonly Route[];
  readonly routes: readonly Route[];
}

interface Candidate {
  readonly route: Route;
  readonly pattern: readonly string[];
}

/** The first row that fits, in the order of the tables; a type with routes of its own is served by no other. */
export function matchOf({ operations, routes }: Table): Match {
  const rows = [...operations, ...routes].map((route): Candidate => ({ route, pattern: segmentsOf(route.path) }));
  const candidates = Map.groupBy(rows, ({ route: { method }, pattern }) => keyOf(method, pattern));
  return (method, path) => {
    const segments = segmentsOf(path);
    for (const { route, pattern } of candidates.get(keyOf(method, segments)) ?? []) {
      const params = paramsOf(pattern, segments);
      if (params === undefined) continue;
      const type = fixedTypeOf(route);
      if (type !== undefined) return { route, params: { ...params, type } };
      if (isOperation(pattern) || !fixedTypes.has(params['type'] ?? '')) return { route, params };
    }
    throw isOperation(segments) ? unservedOperation(operations, segments) : unserved(path);
  };
}

/** What a path takes, for `Allow`; none for a path that the table does not have. */
export function methodsOf(match: Match, path: string): string[] {
  const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'].filter((method) => {
    try {
      match(method, path);
      return true;
    } catch (error) {
      if (error instanceof HttpProblem) return false;
      throw error;
    }
  });
  if (methods.length === 0) return [];
  return [
    ...(methods.includes('GET') ? ['GET', 'HEAD'] : []),
    ...methods.filter((method) => method !== 'GET'),
    'OPTIONS',
  ];
}

/** `/Patient/1` has two; the base itself, with or without its slash, none. */
function segmentsOf(path: string): string[] {
  return path === '/' || path === '' ? [] : path.slice(1).split('/');
}

/** Rows that cannot fit are not tried: most requests meet a table of one. */
const keyOf = (method: string, segments: readonly string[]): string =>
  `${method.toLowerCase()} ${segments.length}${isOperation(segments) ? '$' : ''}`;

/** A path that ends in `$name` is an operation and nothing else: `:id` never takes it. */
function isOperation(segments: readonly string[]): boolean {
  return segments.at(-1)?.startsWith('$') ?? false;
}

function paramsOf(pattern: readonly string[], segments: readonly string[]): Record<string, string> | undefined {
  const params: Record<string, string> = {};
  for (const [index, segment] of segments.entries()) {
    const expected = pattern[index] as string;
    if (!expected.startsWith(':')) {
      if (expected !== segment) return undefined;
    } else if (segment === '' || segment.startsWith('$')) return undefined;
    else params[expected.slice(1)] = decode(segment);
  }
  return params;
}

function decode(segment: string): string {
  if (!segment.includes('%')) return segment;
  try {
    return decodeURIComponent(segment);
  } catch (cause) {
    throw new HttpProblem(400, 'value', 'the path is not properly encoded', { cause });
  }
}

const knownPath = /^(\/[A-Za-z]+(\/[^/]+(\/_history(\/[^/]+)?)?)?)?\/?$/;

/** @see https://hl7.org/fhir/R4/http.html#general 405 for an interaction that a resource does not have */
function unserved(path: string): HttpProblem {
  const status = knownPath.test(path) ? 405 : 404;
  return new HttpProblem(status, 'not-supported', 'the server does not have this interaction', {
    hint: 'The CapabilityStatement lists what it has: [base]/metadata.',
  });
}

function unservedOperation(operations: readonly Route[], segments: readonly string[]): HttpProblem {
  const name = segments.at(-1) as string;
  if (operations.some(({ path }) => path.endsWith(`/${name}`))) {
    return new HttpProblem(405, 'not-supported', 'the operation is not invoked here, or not by this method', {
      hint: 'Its OperationDefinition says at which level; one that changes something takes POST alone.',
    });
  }
  return new HttpProblem(404, 'not-supported', 'the server does not have this operation', {
    hint: hints[name] ?? 'The CapabilityStatement lists the operations it has: [base]/metadata.',
  });
}

/** What to use instead of what is asked for most often. */
const hints: Readonly<Record<string, string>> = {
  $graphql: 'The hub has no GraphQL: use search with _include, or Patient/[id]/$everything.',
};
