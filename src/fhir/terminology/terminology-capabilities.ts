/** What the terminology operations can be asked. @see https://hl7.org/fhir/R4/terminologycapabilities.html */
import type { Capability } from '../capability.ts';
import type { AnyResource } from '../types.ts';

export interface ServedSystem {
  readonly url: string;
  /** The one that counts when none is named comes first; undefined for a system without versions. */
  readonly versions: readonly (string | undefined)[];
}

/** Names of the parameters of $expand beside those that name the value set. */
const expansionParameters = 'filter offset count activeOnly displayLanguage includeDesignations includeDefinition';

export function buildTerminologyCapabilities(
  { base, software, date }: Pick<Capability, 'base' | 'software' | 'date'>,
  systems: readonly ServedSystem[],
): AnyResource {
  return {
    resourceType: 'TerminologyCapabilities',
    url: `${base}/metadata?mode=terminology`,
    status: 'active',
    date,
    kind: 'instance',
    software,
    implementation: { description: software.name, url: base },
    ...(systems.length === 0 ? {} : { codeSystem: systems.map(describeSystem) }),
    expansion: {
      hierarchical: false,
      paging: true,
      incomplete: false,
      parameter: expansionParameters.split(' ').map((name) => ({ name })),
      textFilter: 'Every word must occur in code, display or a designation, whatever their case, accents and width.',
    },
    codeSearch: 'all',
    validateCode: { translations: true },
    translation: { needsMap: true },
  };
}

function describeSystem({ url, versions }: ServedSystem): object {
  const named = versions.filter((version) => version !== undefined);
  return {
    uri: url,
    ...(named.length === 0
      ? {}
      : { version: versions.flatMap((code, index) => (code === undefined ? [] : [{ code, isDefault: index === 0 }])) }),
  };
}
