/**
 * patch, by id and by condition: JSON Patch or FHIRPath Patch on the current version, which the caller must have written. Both are
 * read before the database is asked; what they say of the row is looked at after (LEAKS 24): for a row of another a `test` is not
 * run, and the answer is that of a row that is not there.
 *
 * @see https://hl7.org/fhir/R4/http.html#patch
 */
import { ownerOf } from '../../access/predicate/owner.ts';
import { requireScope } from '../../access/principal/scope.ts';
import { applyFhirPathPatch, readFhirPathPatch } from '../../fhir/patch/fhirpath-patch.ts';
import { parseJson } from '../../fhir/json.ts';
import { applyJsonPatch, readJsonPatch } from '../../fhir/patch/json-patch.ts';
import { Problem } from '../../fhir/problem.ts';
import { prune } from '../../fhir/prune.ts';
import { localizeReferences } from '../../fhir/reference.ts';
import type { AnyResource } from '../../fhir/types.ts';
import { readCondition } from './condition.ts';
import { checkContentType, jsonOf, resourceMediaTypes, type Incoming } from '../incoming.ts';
import type { Intent } from './intent.ts';
import type { Call } from '../interaction.ts';
import { HttpProblem } from '../respond.ts';
import { preconditionsOf, requireId, requireValid, writeInteraction } from '../write.ts';

export const jsonPatchType = 'application/json-patch+json';
/** @see https://hl7.org/fhir/R4/capabilitystatement-definitions.html#CapabilityStatement.patchFormat */
export const patchFormats: readonly string[] = [jsonPatchType, 'application/fhir+json'];

export const patch = writeInteraction('patch', async (call) => {
  const { type, id } = call.incoming;
  requireScope(call.principal, type, 'u');
  requireId(id);
  return { ...(await readPatch(call)), id };
});

/** @see https://hl7.org/fhir/R4/http.html#patch */
export const conditionalPatch = writeInteraction(
  'patch',
  async (call) => {
    const { type, query } = call.incoming;
    requireScope(call.principal, type, 'u');
    const condition = readCondition(type, query, call.facade);
    return { ...(await readPatch(call)), condition };
  },
  true,
);

async function readPatch({ facade, principal, incoming }: Call): Promise<Intent> {
  const { type } = incoming;
  const { ifVersion } = preconditionsOf(incoming);
  const apply = await readChange(incoming);
  return {
    kind: 'patch',
    type,
    owner: ownerOf(principal, { resourceType: type }),
    ifVersion,
    change: (current) => {
      const { id, resourceType, meta: { versionId } = {} } = current;
      const result = apply(current) as AnyResource | null;
      if (typeof result !== 'object' || result === null || result.id !== id || result.resourceType !== resourceType) {
        throw immutable(`${type}.id`);
      }
      if (result.meta?.versionId !== versionId) throw immutable(`${type}.meta.versionId`);
      localizeReferences(result, facade.base);
      requireValid(result, facade.profiles);
      return result;
    },
  };
}

function immutable(expression: string): Problem {
  return new Problem('business-rule', 'type, id and version of a resource cannot be changed', { expression });
}

async function readChange(incoming: Incoming): Promise<(current: AnyResource) => unknown> {
  const [mediaType = ''] = (incoming.headers['content-type'] ?? '').toLowerCase().split(';', 1);
  if (mediaType.trim() !== jsonPatchType) {
    checkContentType(incoming.headers, [jsonPatchType, ...resourceMediaTypes]);
    const body = (await jsonOf(incoming)) as { resourceType?: unknown; contentType?: unknown; data?: unknown } | null;
    if (body?.resourceType === 'Binary') return jsonPatchOf(fromBinary(body));
    const operations = readFhirPathPatch(body);
    return (current) => applyFhirPathPatch(current, operations);
  }
  return jsonPatchOf(await jsonOf(incoming));
}

function jsonPatchOf(body: unknown): (current: AnyResource) => unknown {
  const operations = readJsonPatch(body);
  return (current) => {
    const result = applyJsonPatch(current, operations);
    prune(result);
    return result;
  };
}

/** @see https://hl7.org/fhir/R4/http.html#patch in a Bundle the content of a JSON Patch is that of a Binary */
function fromBinary(binary: { contentType?: unknown; data?: unknown }): unknown {
  if (binary.contentType !== jsonPatchType || typeof binary.data !== 'string') {
    throw new HttpProblem(415, 'not-supported', 'the Binary is no JSON Patch', {
      expression: 'Binary.contentType',
      hint: `Send ${jsonPatchType}, or a Parameters resource.`,
    });
  }
  return parseJson(Buffer.from(binary.data, 'base64').toString());
}
