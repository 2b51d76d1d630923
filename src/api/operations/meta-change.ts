/**
 * $meta-add and $meta-delete: profiles, tags and security labels of a resource, changed without sending it. A change is a
 * version as any other, so that history says who labelled what; only the source of a resource makes one. A label that was taken
 * away still counts for who may see the row: labels of a row are the union over its versions (LEAKS 8, 36).
 *
 * @see https://hl7.org/fhir/R4/resource-operation-meta-add.html
 * @see https://hl7.org/fhir/R4/resource-operation-meta-delete.html
 */
import { ownerOf } from '../../access/predicate/owner.ts';
import { requireScope, requireWholeScope } from '../../access/principal/scope.ts';
import { parseJson } from '../../fhir/json.ts';
import { Problem } from '../../fhir/problem.ts';
import type { AnyResource } from '../../fhir/types.ts';
import type { Intent } from '../write/intent.ts';
import type { Call, Plan } from '../interaction.ts';
import { planWrite, preconditionsOf, requireId, requireValid } from '../write.ts';
import { readInput } from './input.ts';
import { metaParameters } from './meta.ts';
import type { OperationInteraction } from './operation.ts';

export const metaAdd = metaChange('meta-add', (held, given, keyOf) => {
  const known = new Set(held.map(keyOf));
  return [...held, ...given.filter((item) => !known.has(keyOf(item)) && known.add(keyOf(item)))];
});

export const metaDelete = metaChange('meta-delete', (held, given, keyOf) => {
  const gone = new Set(given.map(keyOf));
  return held.filter((item) => !gone.has(keyOf(item)));
});

/** What becomes of a list that is a set by `keyOf`. */
type Change = (held: readonly unknown[], given: readonly unknown[], keyOf: (item: unknown) => string) => unknown[];

function metaChange(name: 'meta-add' | 'meta-delete', change: Change): OperationInteraction {
  return {
    code: 'operation',
    operation: {
      name,
      definition: `http://hl7.org/fhir/OperationDefinition/Resource-${name}`,
      levels: ['instance'],
      affectsState: true,
    },
    isWrite: true,
    recordedAs: 'patch',
    prepare: async (call) => planChange(call, name, change),
  };
}

async function planChange(call: Call, name: string, change: Change): Promise<Plan> {
  const { principal, incoming } = call;
  const { type, id, headers } = incoming;
  requireScope(principal, type, 'u');
  // The answer is the whole meta.
  requireWholeScope(principal, type, 'r');
  requireId(id);
  const input = await readInput(call, { allowed: ['meta'] });
  const given = listsOf(input.one('meta'));
  const intent: Intent = {
    kind: 'patch',
    type,
    id,
    owner: ownerOf(principal, { resourceType: type }),
    ...preconditionsOf(incoming),
    change: (current) => {
      const changed = { ...current, meta: changeMeta(current.meta ?? {}, given, change) } as AnyResource;
      requireValid(changed, call.facade.profiles);
      return changed;
    },
  };
  // What is answered is the meta, whatever the client prefers to see of a resource.
  const { prefer: _prefer, ...others } = headers;
  const plan = planWrite({ ...call, incoming: { ...incoming, headers: others } }, intent);
  return {
    ...plan,
    query: input.namesOf(name),
    run: async (tx, entriesOf) => {
      const result = await plan.run(tx, entriesOf);
      const { meta = {} } = parseJson(result.answer.body as string) as AnyResource;
      return { ...result, answer: { ...result.answer, body: metaParameters(meta) } };
    },
  };
}

const sets = ['profile', 'tag', 'security'] as const;
type Lists = Readonly<Record<(typeof sets)[number], readonly unknown[]>>;

/** @throws Problem required, structure */
function listsOf(meta: unknown): Lists {
  if (typeof meta !== 'object' || meta === null) {
    throw new Problem('required', 'the parameter meta is missing', {
      expression: 'meta',
      hint: 'Send Parameters with one parameter: name meta, valueMeta with profile, tag or security.',
    });
  }
  const lists = sets.map((name) => {
    const list = (meta as Record<string, unknown>)[name] ?? [];
    if (Array.isArray(list)) return [name, list] as const;
    throw new Problem('structure', 'not a list', { expression: `meta.${name}` });
  });
  return Object.fromEntries(lists) as unknown as Lists;
}

function changeMeta(meta: object, given: Lists, change: Change): object {
  const changed: Record<string, unknown> = { ...meta };
  for (const name of sets) {
    const list = change((changed[name] as unknown[] | undefined) ?? [], given[name], keyOf);
    if (list.length > 0) changed[name] = list;
    else delete changed[name];
  }
  return changed;
}

/** R4: "The identity of a tag or security label is the system+code. ... For profiles, matching is based on the full URL." */
function keyOf(item: unknown): string {
  if (typeof item !== 'object' || item === null) return JSON.stringify(item);
  const { system = '', code = '' } = item as { system?: unknown; code?: unknown };
  return JSON.stringify([system, code]);
}
