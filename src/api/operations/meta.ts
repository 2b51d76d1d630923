/**
 * $meta: the profiles, tags and security labels of a resource or of one version of it, of a type, or of the whole server; the
 * latter two of what the caller may see.
 *
 * @see https://hl7.org/fhir/R4/resource-operation-meta.html
 */
import { isProjected } from '../../access/predicate/minimum.ts';
import { visibility } from '../../access/predicate/predicate.ts';
import { requireScope } from '../../access/principal/scope.ts';
import { parseJson } from '../../fhir/json.ts';
import { resourceTypes, type AnyResource } from '../../fhir/types.ts';
import { samePerson } from '../../identity/link.ts';
import { metaInUse } from '../../store/meta.ts';
import type { Call, Plan } from '../interaction.ts';
import { read, vread } from '../read.ts';
import { readInput } from './input.ts';
import type { OperationInteraction } from './operation.ts';

export const meta: OperationInteraction = {
  code: 'operation',
  operation: {
    name: 'meta',
    definition: 'http://hl7.org/fhir/OperationDefinition/Resource-meta',
    levels: ['system', 'type', 'instance', 'version'],
  },
  isWrite: false,
  prepare: async (call) => {
    const input = await readInput(call, { allowed: [] });
    const query = input.namesOf('meta');
    return call.incoming.id === '' ? planSummary(call, query) : planResource(call, query);
  },
};

/** A read, of which only the meta is sent. */
async function planResource(call: Call, query: string): Promise<Plan> {
  const { headers, version } = call.incoming;
  // What the conditional headers speak of is the resource, not its meta.
  const { 'if-none-match': _match, 'if-modified-since': _since, ...others } = headers;
  const plan = await (version === '' ? read : vread).prepare({
    ...call,
    incoming: { ...call.incoming, headers: others },
  });
  return {
    ...plan,
    query,
    run: async (tx, entriesOf) => {
      const result = await plan.run(tx, entriesOf);
      const { meta: found = {} } = parseJson(result.answer.body as string) as AnyResource;
      return { ...result, answer: { ...result.answer, body: metaParameters(found) } };
    },
  };
}

function planSummary({ principal, incoming }: Call, query: string): Plan {
  const type = incoming.type === '' ? undefined : incoming.type;
  requireScope(principal, type ?? '*', 's');
  const context = principal.patient ?? principal.self;
  return {
    query,
    ...(context === undefined ? {} : { askedFor: [context] }),
    run: async (tx) => {
      const patients = context === undefined ? undefined : await samePerson(tx, context);
      const visible = visibility(principal, {
        interaction: 's',
        ...(type && { types: [type] }),
        ...(patients && { patients }),
      });
      const { profile, tag, security } = await metaInUse(tx, visible, {
        ...(type && { type }),
        // Of a resource that is trimmed for this caller the meta is trimmed too.
        except: resourceTypes.filter((one) => isProjected(principal, one)),
        ...(patients && { patients }),
      });
      // FHIR JSON has no empty arrays.
      const found = Object.fromEntries(
        Object.entries({ profile, tag, security }).filter(([, list]) => list.length > 0),
      );
      return { answer: { status: 200, body: metaParameters(found) }, shown: [] };
    },
  };
}

/** A data type does not stand alone: it is the parameter `return`. @see https://hl7.org/fhir/R4/operations.html#response */
export function metaParameters(found: object): string {
  return JSON.stringify({ resourceType: 'Parameters', parameter: [{ name: 'return', valueMeta: found }] });
}
