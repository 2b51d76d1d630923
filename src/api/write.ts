/**
 * create, update (also of an id that does not exist yet), delete, and their conditional forms. Who owns what is written comes
 * from the token. patch has a file of its own; what becomes of a write is in intent.ts.
 *
 * @see https://hl7.org/fhir/R4/http.html#create
 * @see https://hl7.org/fhir/R4/http.html#update
 * @see https://hl7.org/fhir/R4/http.html#delete
 */
import { ownerOf } from '../access/predicate/owner.ts';
import { requireScope } from '../access/principal/scope.ts';
import type { Tx } from '../db.ts';
import { idPattern } from '../fhir/ids.ts';
import { Problem } from '../fhir/problem.ts';
import { localizeReferences } from '../fhir/reference.ts';
import type { AnyResource } from '../fhir/types.ts';
import { validate, type Profiles } from '../fhir/validate.ts';
import { namesOf, readCondition } from './write/condition.ts';
import { hasConsequences } from './write/consequences.ts';
import { checkContentType, ifMatchOf, jsonOf, resourceMediaTypes, type Incoming } from './incoming.ts';
import { asPrecondition, carryOut, type Intent, type Outcome } from './write/intent.ts';
import type { Call, EntriesOf, Interaction, Plan, Result } from './interaction.ts';
import type { Written } from '../store/row.ts';
import { HttpProblem, ProblemList } from './respond.ts';
import { resultOf } from './write/written.ts';

type WriteInteraction = Interaction & Required<Pick<Interaction, 'intend'>>;

/** A write by itself, and what it means for a transaction that commits it with others. */
export function writeInteraction(
  code: Intent['kind'],
  intend: (call: Call) => Promise<Intent>,
  isConditional = false,
): WriteInteraction {
  return {
    code,
    isWrite: true,
    isConditional,
    intend,
    prepare: async (call) => {
      const intent = await intend(call);
      if (intent.resource !== undefined) requireValid(intent.resource, call.facade.profiles);
      return planWrite(call, intent);
    },
  };
}

export const create = writeInteraction(
  'create',
  async (call) => {
    const { facade, principal, incoming } = call;
    requireScope(principal, incoming.type, 'c');
    const query = incoming.headers['if-none-exist'];
    const resource = await readResource(incoming, facade.base);
    // FHIR R4 http.html#create: an id in the body is ignored.
    delete resource.id;
    return {
      kind: 'create',
      type: incoming.type,
      resource,
      owner: ownerOf(principal, resource),
      ...(query === undefined ? {} : { condition: readCondition(incoming.type, String(query), facade) }),
    };
  },
  true,
);

export const update = writeInteraction('update', async (call) => {
  const { facade, principal, incoming } = call;
  const { type, id } = incoming;
  requireScope(principal, type, 'u');
  const preconditions = preconditionsOf(incoming);
  requireId(id);
  const resource = await readResource(incoming, facade.base);
  if (resource.id !== id) {
    throw new HttpProblem(400, 'invalid', 'the id of the resource is not the id of the URL', {
      expression: `${type}.id`,
    });
  }
  return { kind: 'update', type, id, resource, owner: ownerOf(principal, resource), ...preconditions };
});

/** @see https://hl7.org/fhir/R4/http.html#cond-update */
export const conditionalUpdate = writeInteraction(
  'update',
  async (call) => {
    const { facade, principal, incoming } = call;
    const { type } = incoming;
    requireScope(principal, type, 'u');
    const preconditions = preconditionsOf(incoming);
    const condition = readCondition(type, incoming.query, facade);
    const resource = await readResource(incoming, facade.base);
    if (resource.id !== undefined) requireId(resource.id);
    return { kind: 'update', type, condition, resource, owner: ownerOf(principal, resource), ...preconditions };
  },
  true,
);

export const remove = writeInteraction('delete', async ({ principal, incoming }) => {
  const { type, id } = incoming;
  requireScope(principal, type, 'd');
  const { ifVersion } = preconditionsOf(incoming);
  requireId(id);
  return { kind: 'delete', type, id, owner: ownerOf(principal, { resourceType: type }), ifVersion };
});

/** @see https://hl7.org/fhir/R4/http.html#3.1.0.7.1 conditional delete */
export const conditionalRemove = writeInteraction(
  'delete',
  async ({ facade, principal, incoming }) => {
    const { type, query } = incoming;
    requireScope(principal, type, 'd');
    const { ifVersion } = preconditionsOf(incoming);
    const condition = readCondition(type, query, facade);
    return { kind: 'delete', type, condition, owner: ownerOf(principal, { resourceType: type }), ifVersion };
  },
  true,
);

/** Complete by itself, a write shares a transaction with those that arrive beside it; any other has one of its own. */
export function planWrite(call: Call, intent: Intent): Plan {
  const { principal } = call;
  const isTransaction =
    intent.condition !== undefined ||
    intent.kind === 'patch' ||
    hasConsequences(intent.type) ||
    principal.patient !== undefined;
  return {
    isTransaction,
    ...(intent.condition === undefined ? {} : { query: namesOf(intent.condition) }),
    run: async (tx, entriesOf) =>
      isTransaction ? resultOf(call, intent, await carryOutOne(tx, call, intent)) : share(call, intent, entriesOf),
  };
}

async function carryOutOne(tx: Tx, call: Call, intent: Intent): Promise<Outcome> {
  const [outcome] = await carryOut(tx, call, [intent]);
  return outcome as Outcome;
}

async function share(call: Call, intent: Intent, entriesOf: EntriesOf): Promise<Result> {
  const { kind, type, id, owner, ifVersion, isNew } = intent;
  const resource = intent.resource ?? { resourceType: type, id };
  const resultFrom = (written: readonly Written[]): Result => resultOf(call, intent, { kind: 'written', written });
  try {
    const written = await call.facade.writer.write(
      [{ kind: kind as 'create' | 'update' | 'delete', resource, owner, ifVersion, isNew }],
      (rows) => entriesOf(resultFrom(rows)),
    );
    return { ...resultFrom(written), isRecorded: true };
  } catch (error) {
    throw error instanceof Problem ? asPrecondition(error) : error;
  }
}

/** @throws HttpProblem 400 for an entity tag that is none of ours */
export function preconditionsOf({ headers }: Incoming): Pick<Intent, 'ifVersion' | 'isNew'> {
  const tag = headers['if-none-match'];
  if (tag !== undefined && tag.trim() !== '*') {
    throw new HttpProblem(400, 'not-supported', 'a write takes If-None-Match: * alone', {
      hint: 'Send If-Match with the ETag of the version you read.',
    });
  }
  return { ifVersion: ifMatchOf(headers), ...(tag === undefined ? {} : { isNew: true }) };
}

/** @throws HttpProblem 400 */
export function requireId(id: string): void {
  if (idPattern.test(id)) return;
  throw new HttpProblem(400, 'value', 'this is no FHIR id', { hint: 'Letters, digits, - and . up to 64.' });
}

/** @throws ProblemList all that is wrong, each with its expression */
export function requireValid(resource: AnyResource, profiles: Profiles): void {
  const problems = validate(resource, profiles);
  if (problems.length > 0) throw new ProblemList(problems);
}

async function readResource(incoming: Incoming, base: string): Promise<AnyResource> {
  checkContentType(incoming.headers, resourceMediaTypes);
  const value = await jsonOf(incoming);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Problem('structure', 'the body is no JSON object', { hint: `Send one ${incoming.type} resource.` });
  }
  const resource = value as AnyResource;
  if (resource.resourceType !== incoming.type) {
    throw new HttpProblem(400, 'invalid', 'the resource is not of the type of the URL', { expression: 'resourceType' });
  }
  localizeReferences(resource, base);
  return resource;
}
