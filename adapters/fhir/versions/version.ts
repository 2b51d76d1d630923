/** The releases of FHIR that hospitals speak, and how they name them. */
import { Problem } from '../../../src/fhir/problem.ts';

export const fhirVersions = ['dstu2', 'stu3', 'r4', 'r5'] as const;
export type FhirVersion = (typeof fhirVersions)[number];

/** Releases whose resources are read by a table; R4 is what the hub speaks. */
export type OtherVersion = Exclude<FhirVersion, 'r4'>;

/**
 * R4B (4.3) has the resources that hospitals send as R4 has them. Ballots between releases (1.4, 3.3, 4.2, 5.0.0-ballot) are nobody's
 * release: undefined.
 *
 * @param release `CapabilityStatement.fhirVersion`, or the `fhirVersion` of a media type: `3.0.2`, `3.0`
 * @see https://hl7.org/fhir/R4/versioning.html, http://hl7.org/fhir/directory.html
 */
export function versionOf(release: string): FhirVersion | undefined {
  const [, number] = /^(\d+\.\d+)(\.\d+)?$/.exec(release) ?? [];
  return number === undefined ? undefined : versionsByRelease.get(number);
}
const versionsByRelease = new Map<string, FhirVersion>([
  ['1.0', 'dstu2'],
  ['3.0', 'stu3'],
  ['4.0', 'r4'],
  ['4.3', 'r4'],
  ['5.0', 'r5'],
]);

/**
 * The setting `version` of an endpoint: a name (`stu3`) or a release (`3.0.2`); R4 where nothing is said.
 * @throws Problem value with the expression `version`
 */
export function readVersion(value: unknown): FhirVersion {
  const text = value === undefined ? 'r4' : typeof value === 'string' ? value : '';
  const found = fhirVersions.find((version) => version === text) ?? versionOf(text);
  if (found !== undefined) return found;
  throw new Problem('value', 'not a version of FHIR', {
    expression: 'version',
    hint: `One of ${fhirVersions.join(', ')}.`,
  });
}
