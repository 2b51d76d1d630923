/**
 * What stands for an id in a conditional interaction, or in a reference of a transaction: a search that must find one resource.
 * A condition that says nothing, or names a parameter the hub does not know, is refused; read leniently it would match widely.
 *
 * @see https://hl7.org/fhir/R4/http.html#ccreate
 * @see https://hl7.org/fhir/R4/http.html#cond-update
 */
import { visibility, written } from '../../access/predicate/predicate.ts';
import type { Principal } from '../../access/principal/principal.ts';
import { requireScope } from '../../access/principal/scope.ts';
import { seenBy } from '../../access/predicate/seen-by.ts';
import type { Tx } from '../../db.ts';
import { atIndex, Problem } from '../../fhir/problem.ts';
import { parseSearch, type SearchRequest } from '../../fhir/search.ts';
import { samePerson } from '../../identity/link.ts';
import { isByIdentifier, selectIdentified, type Identified } from '../../store/identified.ts';
import { compartmentsOf, patientsNamed } from '../../store/search.ts';
import { selectPage } from '../../store/select.ts';
import type { Visibility, VisibilityOf } from '../../store/visibility.ts';
import { cursorBinding } from '../cursor.ts';
import type { Facade } from '../interaction.ts';
import { inParallel } from '../parallel.ts';
import { HttpProblem, statusOf } from '../respond.ts';
import { requireParams } from '../search-rights.ts';
import { aliasesOf } from '../search.ts';

export interface Condition {
  readonly request: SearchRequest;
  /** Equal for conditions that say the same, in whatever order. */
  readonly key: string;
}

type Server = Pick<Facade, 'base' | 'now' | 'cursorKey'>;

/** @throws HttpProblem 412 for one without a parameter, 400 for one with an unknown parameter */
export function readCondition(type: string, query: string, { base, now }: Server): Condition {
  const request = parse(type, query.replace(/^\?/, ''), { handling: 'strict', base, now: now() });
  if (request.filters.length === 0) {
    throw new HttpProblem(412, 'multiple-matches', 'the condition chooses no resource', {
      hint: 'Name a search parameter with its value, best an identifier: system|value.',
    });
  }
  const parameters = request.parameters.map(([name, value]) => `${name}=${value}`).toSorted();
  return { request, key: `${type}?${parameters.join('&')}` };
}

/** Where the body is a resource too, what is wrong with the condition is still a bad request. */
function parse(...[type, query, options]: Parameters<typeof parseSearch>): SearchRequest {
  try {
    return parseSearch(type, query, options);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const { code, message, expression, hint } = error;
    throw new HttpProblem(statusOf(error, false), code, message, {
      expression,
      ...(hint === undefined ? {} : { hint }),
    });
  }
}

/** Names of the condition's parameters, as the trail keeps them. */
export function namesOf({ request }: Condition): string {
  return request.parameters.map(([name]) => name).join('&');
}

/** Who asks. */
export interface Matching {
  readonly facade: Server;
  readonly principal: Principal;
}

export interface Asked {
  readonly conditions: readonly Condition[];
  /** One more than this tells that there are too many. */
  readonly limit: number;
}

/** What a condition describes: its id, and what the trail keeps of it. */
export type Match = Identified;

/**
 * What the caller wrote and each condition describes (LEAKS 23): what others wrote is no match, whoever may see it, so a
 * conditional create makes the caller's own resource beside a hidden one.
 * @throws Problem with the `index` of the condition
 */
export async function matchWritten(
  tx: Tx,
  owner: string,
  matching: Matching,
  asked: Asked,
): Promise<(readonly Match[])[]> {
  const { principal } = matching;
  requireAskable(principal, asked);
  return match(tx, matching, asked, (types) => written(principal, owner, { interaction: 's', types }));
}

/** What the caller may see and each reference describes: a search like any other, which the trail must keep. */
export async function matchVisible(tx: Tx, matching: Matching, asked: Asked): Promise<(readonly Match[])[]> {
  const { principal } = matching;
  requireAskable(principal, asked);
  return match(tx, matching, asked, (types) => visibility(principal, { interaction: 's', types }));
}

/** @throws Problem forbidden with the `index` of the condition */
function requireAskable(principal: Principal, { conditions }: Asked): void {
  each(conditions, ({ request }) => {
    requireScope(principal, request.type, 's');
    requireParams(principal, request);
  });
}

function each(conditions: readonly Condition[], check: (condition: Condition) => void): void {
  for (const [index, condition] of conditions.entries()) {
    try {
      check(condition);
    } catch (error) {
      throw atIndex(index, error);
    }
  }
}

/** Conditions by identifier in one go, others each as a search. */
async function match(
  tx: Tx,
  matching: Matching,
  { conditions, limit }: Asked,
  visibleOf: VisibilityOf,
): Promise<(readonly Match[])[]> {
  const matches: (readonly Match[])[] = [];
  const places = [...conditions.keys()];
  const [together, alone] = [true, false].map((isTogether) =>
    places.filter((at) => isByIdentifier((conditions[at] as Condition).request) === isTogether),
  ) as [number[], number[]];
  const requests = together.map((at) => (conditions[at] as Condition).request);
  const types = [...new Set(requests.map(({ type }) => type))];
  await Promise.all([
    selectIdentified(tx, visibleOf(types), requests, limit + 1).then((found) =>
      found.forEach((rows, index) => (matches[together[index] as number] = rows)),
    ),
    inParallel(alone, searchesMax, async (at) => {
      const condition = conditions[at] as Condition;
      const visible = visibleOf([condition.request.type]);
      matches[at] = await search(tx, visible, matching, { condition, limit }).catch((error: unknown) => {
        throw atIndex(at, error);
      });
    }),
  ]);
  return matches;
}

/** Searches of one transaction at the same time: others use the same connections. */
const searchesMax = 16;

async function search(
  tx: Tx,
  visible: Visibility,
  { facade, principal }: Matching,
  { condition, limit }: { readonly condition: Condition; readonly limit: number },
): Promise<readonly Match[]> {
  const request: SearchRequest = { ...neutral, ...pickChoice(condition.request), count: limit + 1 };
  const context = principal.patient ?? principal.self;
  const [aliases, within] = await Promise.all([
    aliasesOf(tx, patientsNamed(request)),
    context === undefined ? undefined : samePerson(tx, context),
  ]);
  // A record in which nothing can lie is asked for nothing.
  if (compartmentsOf(request, aliases, within)?.length === 0) return [];
  const seal = { key: facade.cursorKey, boundTo: cursorBinding(principal, request.type, request.parameters) };
  const { rows } = await selectPage(tx, visible, request, {
    seal,
    aliases,
    within,
    visibilityOf: seenBy(principal),
    organization: principal.organization,
  });
  return rows;
}

/** What chooses resources; what shapes an answer has no meaning in a condition. */
function pickChoice({
  type,
  filters,
  parameters,
}: SearchRequest): Pick<SearchRequest, 'type' | 'filters' | 'parameters'> {
  return { type, filters, parameters };
}
const neutral = { includes: [], sort: [], total: 'none', issues: [] } as const;

/** @see https://hl7.org/fhir/R4/http.html#cond-update Multiple matches: 412, "the client's criteria were not selective enough" */
export function tooMany(expression?: string): HttpProblem {
  return new HttpProblem(412, 'multiple-matches', 'the condition describes more than one resource', {
    ...(expression === undefined ? {} : { expression }),
    hint: 'Describe one resource, best by an identifier: system|value.',
  });
}
