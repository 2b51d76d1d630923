/**
 * $validate: would this resource be accepted, and what is there to say about it. Of a resource that is sent, or of the one that
 * is stored; against R4, the profiles it names, and those that are asked for. The answer is 200 whatever is found: the
 * operation itself has worked.
 *
 * @see https://hl7.org/fhir/R4/resource-operation-validate.html
 */
import { ownerOf } from '../../access/predicate/owner.ts';
import type { Principal } from '../../access/principal/principal.ts';
import { requireScope } from '../../access/principal/scope.ts';
import { parseJson } from '../../fhir/json.ts';
import { Problem } from '../../fhir/problem.ts';
import type { AnyResource } from '../../fhir/types.ts';
import { examine, type Finding } from '../../fhir/validate.ts';
import type { Call, Plan } from '../interaction.ts';
import { read } from '../read.ts';
import { HttpProblem, issueOf, outcomeOf, type Issue } from '../respond.ts';
import { readInput } from './input.ts';
import type { OperationInteraction } from './operation.ts';

/** @see https://hl7.org/fhir/R4/valueset-resource-validation-mode.html */
type Mode = 'create' | 'update' | 'delete' | 'profile';

/** More profiles than any resource follows. */
const profilesMax = 10;

interface Asked {
  readonly mode: Mode | undefined;
  readonly profiles: readonly string[];
  /** As sent; undefined: the stored one. */
  readonly resource: unknown;
}

export const validate: OperationInteraction = {
  code: 'operation',
  operation: {
    name: 'validate',
    definition: 'http://hl7.org/fhir/OperationDefinition/Resource-validate',
    levels: ['type', 'instance'],
  },
  isWrite: false,
  prepare: async (call) => {
    const { principal, incoming } = call;
    const input = await readInput(call, { allowed: ['resource', 'mode', 'profile'], resource: 'resource' });
    const asked = {
      mode: modeOf(input.text('mode')),
      profiles: input.list('profile'),
      resource: input.one('resource'),
    };
    const query = input.namesOf('validate');
    if (asked.profiles.length > profilesMax)
      throw new Problem('too-costly', `at most ${profilesMax} profiles at a time`, { expression: 'profile' });
    if (asked.mode === 'delete') return planDeletion(call, query);
    if (asked.resource === undefined && incoming.id === '')
      throw new HttpProblem(400, 'required', 'there is no resource to validate', {
        expression: 'resource',
        hint: 'POST it as the body or as the parameter resource, or ask [base]/[type]/[id]/$validate of a stored one.',
      });
    if (asked.mode === 'profile' && asked.profiles.length === 0)
      throw new HttpProblem(400, 'required', 'mode=profile needs a profile', { expression: 'profile' });
    if (asked.resource === undefined) return planStored(call, asked, query);
    if (typeof asked.resource !== 'object' || asked.resource === null)
      throw new HttpProblem(400, 'structure', 'this is no resource', { expression: 'resource' });
    requireAnyScope(principal, incoming.type);
    const issues = judge(asked.resource as AnyResource, call, asked);
    return { query, run: async () => ({ answer: answerOf(issues), shown: [] }) };
  },
};

function modeOf(text: string | undefined): Mode | undefined {
  if (text === undefined || /^(create|update|delete|profile)$/.test(text)) return text as Mode | undefined;
  throw new HttpProblem(400, 'code-invalid', 'no such mode', {
    expression: 'mode',
    hint: 'create, update, delete or profile.',
  });
}

/** What is sent tells nothing about what is stored, so any right on the type will do. */
function requireAnyScope(principal: Principal, type: string): void {
  const letters = ['c', 'u', 'r', 's'] as const;
  for (const letter of letters) {
    try {
      return requireScope(principal, type, letter);
    } catch (problem) {
      if (!(problem instanceof Problem) || letter === 's') throw problem;
    }
  }
}

/** A read, of which what there is to say is sent. */
async function planStored(call: Call, asked: Asked, query: string): Promise<Plan> {
  const plan = await read.prepare(withoutConditions(call));
  return {
    ...plan,
    query,
    run: async (tx, entriesOf) => {
      const result = await plan.run(tx, entriesOf);
      const resource = parseJson(result.answer.body as string) as AnyResource;
      return { ...result, answer: answerOf(judge(resource, call, asked)) };
    },
  };
}

/** Who may delete a resource that is there may do so: the hub refuses no deletion for what refers to it. */
async function planDeletion(call: Call, query: string): Promise<Plan> {
  const { principal, incoming } = call;
  if (incoming.id === '')
    throw new HttpProblem(400, 'required', 'a deletion is of a stored resource', {
      expression: 'mode',
      hint: 'Ask [base]/[type]/[id]/$validate?mode=delete.',
    });
  requireScope(principal, incoming.type, 'd');
  const plan = await read.prepare(withoutConditions(call));
  const issues = acceptance(principal, { resourceType: incoming.type });
  return {
    ...plan,
    query,
    run: async (tx, entriesOf) => ({ ...(await plan.run(tx, entriesOf)), answer: answerOf(issues) }),
  };
}

/** What the conditional headers speak of is the resource, not what is said about it. */
function withoutConditions(call: Call): Call {
  const { 'if-none-match': _match, 'if-modified-since': _since, ...headers } = call.incoming.headers;
  return { ...call, incoming: { ...call.incoming, headers } };
}

function judge(resource: AnyResource, { facade, principal, incoming }: Call, { mode, profiles }: Asked): Issue[] {
  const issues: Issue[] = [];
  const refuse = (code: Problem['code'], diagnostics: string, expression: string): void => {
    issues.push({ severity: 'error', code, diagnostics, expression: [expression] });
  };
  const { type, id } = incoming;
  if (resource.resourceType !== type) refuse('invalid', 'the resource is not of the type of the URL', 'resourceType');
  // FHIR R4 http.html#create: an id in the body is ignored; http.html#update: it is that of the URL.
  const { id: own, ...others } = resource;
  if (mode === 'update' && (own === undefined || (id !== '' && own !== id)))
    refuse('invalid', 'an update has the id of the resource it replaces', `${type}.id`);
  const unknown = profiles.filter((url) => facade.profiles.check(url, 'errors') === undefined);
  for (const _ of unknown) refuse('not-found', 'this profile is not loaded here', 'profile');
  const candidate = mode === 'create' ? (others as AnyResource) : resource;
  const findings = examine(candidate, { profiles: facade.profiles, depth: 'all', against: profiles });
  issues.push(...findings.map(issueOfFinding));
  if (mode === 'create' || mode === 'update') issues.push(...acceptance(principal, resource, mode));
  return issues;
}

/** What the token allows, as the write itself would ask it. */
function acceptance(principal: Principal, resource: AnyResource, mode?: 'create' | 'update'): Issue[] {
  try {
    if (mode !== undefined) requireScope(principal, resource.resourceType, mode === 'create' ? 'c' : 'u');
    ownerOf(principal, resource);
    return [];
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    return [issueOf(problem)];
  }
}

function issueOfFinding({ severity, code, message, hint, path }: Finding): Issue {
  return { severity, code, diagnostics: message, expression: [path], ...(hint === undefined ? {} : { hint }) };
}

const nothingFound: Issue = {
  severity: 'information',
  code: 'informational',
  diagnostics: 'Nothing is wrong with it.',
};

function answerOf(issues: readonly Issue[]): { status: number; body: string } {
  return { status: 200, body: outcomeOf(issues.length === 0 ? [nothingFound] : issues) };
}
