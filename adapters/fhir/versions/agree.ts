/** Whether a source speaks the release that its endpoint says: the setting decides how its resources are read, and is never guessed. */
import { Problem } from '../../../src/fhir/problem.ts';
import { readVersion, versionOf } from './version.ts';

/**
 * @param fhirVersion as the CapabilityStatement says; undefined: nothing is known
 * @param setting `version` of the endpoint
 * @throws Problem required: what another release sends would be taken for this one
 */
export function checkRelease(fhirVersion: string | undefined, setting: string | undefined): void {
  if (fhirVersion === undefined) return;
  const [spoken, read] = [versionOf(fhirVersion), readVersion(setting)];
  // A ballot is read as whatever the endpoint says, if it says it.
  if (spoken === read || (spoken === undefined && setting !== undefined)) return;
  const shown = /^[\w.-]{1,20}$/.test(fhirVersion) ? fhirVersion : '?';
  throw new Problem('required', `the source speaks FHIR ${shown}, and its endpoint says ${read}`, {
    expression: 'version',
    hint:
      spoken === undefined ? 'Set `version` to the release that is nearest to it.' : `Set \`version\` to ${spoken}.`,
  });
}
