/** What a source that is pulled by REST needs beside its connection. */
import { z } from 'zod';
import { Problem } from '../../../src/fhir/problem.ts';
import { resourceTypes } from '../../../src/fhir/types.ts';
import {
  connectionShape,
  contentShape,
  duration,
  durationOrNever,
  keptSettings,
  list,
  readSettings,
} from '../settings.ts';
import { isTakenType } from '../taken-types.ts';
import { typeInR4 } from '../versions/to-r4.ts';
import { readVersion } from '../versions/version.ts';

export const restShape = {
  ...connectionShape,
  ...contentShape,
  /** Default: those of the CapabilityStatement that the hub takes. */
  types: list.optional(),
  /**
   * How changes are asked for. `auto`: by history where the source says that it has one, else by `_lastUpdated`; either is given up for
   * `full` when the answers show that it is not heeded.
   */
  mode: z.enum(['auto', 'updated', 'history', 'full']).default('auto'),
  /** Most resources a page; less where the source is slow. */
  count: z.coerce.number().int().min(1).max(1_000).default(200),
  /**
   * How far before the time that is known a window begins: clocks of one source that differ by five minutes, and transactions that
   * commit as long after their time.
   */
  overlap: duration.default(600_000),
  /** Between two passes over everything, of types whose changes cannot be asked for. */
  fullEvery: duration.default(6 * 3_600_000),
  /** Between two passes by which deletions, and changes without a new time, are found; `never` leaves them to history. */
  reconcileEvery: durationOrNever.default(7 * 86_400_000),
  /** Type -> search that narrows it: `{"Observation": "category=laboratory"}`. */
  filters: z.record(z.string(), z.string().max(1_000)).default({}),
  /** A source that shows less than half of what it had is taken at its word only when this says so. */
  massDeletion: z.enum(['refused', 'allowed']).default('refused'),
};

const shape = z.object(restShape);
export type RestSettings = z.output<typeof shape>;

/** As a person gives them. @returns as they are kept. @throws Problem value, required */
export function keptRestSettings(config: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const kept = keptSettings(restShape, config);
  readRestSettings(kept);
  return kept;
}

/** @throws Problem value, required */
export function readRestSettings(config: Readonly<Record<string, unknown>>): RestSettings {
  const settings = readSettings(restShape, config);
  const inR4 = namesOf(settings);
  const [wrong] = [...(settings.types ?? []), ...Object.keys(settings.filters)].filter(
    (type) => !isTakenType(inR4(type)),
  );
  if (wrong === undefined) return settings;
  const isType = resourceTypes.includes(wrong);
  throw new Problem('value', `the hub does not take ${isType ? wrong : 'a type of that name'} from sources`, {
    expression: settings.types?.includes(wrong) === true ? 'types' : 'filters',
    hint: 'Name types of records, such as Patient,Encounter,Observation.',
  });
}

/** What R4 calls the types of the source. @throws Problem value for a version that is none */
export function namesOf({ version }: Pick<RestSettings, 'version'>): (type: string) => string {
  const read = readVersion(version);
  return (type) => typeInR4(type, read);
}
