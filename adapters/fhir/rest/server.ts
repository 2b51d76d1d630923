/**
 * What a server says of itself. Asked once a day: a CapabilityStatement has megabytes where a server has much to say.
 *
 * @see https://hl7.org/fhir/R4/capabilitystatement.html
 */
import { Problem } from '../../../src/fhir/problem.ts';
import type { FhirSource } from '../ask.ts';
import type { ServerMark } from './mark.ts';

const askedMsMax = 24 * 60 * 60 * 1_000;

interface Statement {
  readonly resourceType?: unknown;
  readonly fhirVersion?: unknown;
  readonly rest?: readonly {
    readonly mode?: unknown;
    readonly resource?: readonly {
      readonly type?: unknown;
      readonly interaction?: readonly { readonly code?: unknown }[];
    }[];
  }[];
}

/**
 * @param known as it was told before
 * @throws Problem not-supported when it says nothing of itself
 */
export async function askServer(source: FhirSource, known: ServerMark | undefined, now: Date): Promise<ServerMark> {
  const age = known === undefined ? Infinity : now.getTime() - Date.parse(known.askedAt);
  if (known !== undefined && age >= 0 && age < askedMsMax) return known;
  const { text } = await source.read('metadata');
  const statement = JSON.parse(text) as Statement;
  if (statement.resourceType !== 'CapabilityStatement' && statement.resourceType !== 'Conformance') {
    throw new Problem('not-supported', 'the source has no CapabilityStatement under `metadata`', {
      expression: 'base',
      hint: 'The setting `base` is the address under which `metadata` lies.',
    });
  }
  const resources = statement.rest?.find(({ mode }) => mode === 'server')?.resource ?? [];
  const having = (wanted: string): string[] =>
    resources.flatMap(({ type, interaction = [] }) =>
      typeof type === 'string' && interaction.some(({ code }) => code === wanted) ? [type] : [],
    );
  return {
    askedAt: now.toISOString(),
    ...(typeof statement.fhirVersion === 'string' ? { fhirVersion: statement.fhirVersion } : {}),
    types: having('search-type'),
    history: having('history-type'),
  };
}
