/** What each kind of endpoint asks of its settings: what all kinds share, what pulled ones share, and the rest from its adapter. */
import { fhirBulk } from '../../adapters/fhir/bulk.ts';
import { checkPushSettings, pullOf } from '../../adapters/fhir/push.ts';
import { fhirRest } from '../../adapters/fhir/rest.ts';
import type { EndpointKind, Puller } from '../ingest/contract.ts';
import { pullSettings, readPullSettings } from '../ingest/pull/settings.ts';
import { isHl7, isPulled, type KindRules } from '../ingest/registry/description.ts';
import { readSharedSettings, sharedSettings, without, wrongSetting } from '../ingest/registry/settings.ts';

/** Adapters that ask. */
export const pullers: readonly Puller[] = [fhirRest, fhirBulk];

export function pullerOf(kind: EndpointKind): Puller | undefined {
  return pullers.find((puller) => puller.kind === kind);
}

/** @throws Problem value: `patients` says whether people send by themselves, and there is nothing else to say */
function checkDeviceSettings(config: Readonly<Record<string, unknown>>): void {
  const { patients, ...others } = config;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw wrongSetting(unknown, `only patients, ${sharedSettings.join(', ')}`);
  if (patients !== undefined && typeof patients !== 'boolean') throw wrongSetting('patients', 'true or false');
}

export function kindRules(kind: EndpointKind): KindRules {
  const puller = pullerOf(kind);
  const byOthers = [...sharedSettings, ...(isPulled(kind) ? pullSettings : [])];
  return {
    readConfig: (config) => {
      readSharedSettings(config);
      if (isPulled(kind)) readPullSettings(config);
      const own = without(config, byOthers);
      const [first] = Object.keys(own);
      if (kind === 'device-http') checkDeviceSettings(own);
      if (isHl7(kind) && first !== undefined) throw wrongSetting(first, `only ${sharedSettings.join(', ')}`);
      puller?.readConfig(own);
      if (kind === 'fhir-push') checkPushSettings(own);
      // As it was written: an adapter reads it anew each time, and what is not said stays unsaid in YAML.
      return config;
    },
    secrets: (config) => puller?.secrets(without(config, byOthers)) ?? [],
    asks: (config) => (kind === 'fhir-push' ? pullOf(without(config, byOthers)) : undefined),
  };
}
