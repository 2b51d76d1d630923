/** What a source that exports in bulk needs beside its connection. */
import { z } from 'zod';
import { Problem } from '../../../src/fhir/problem.ts';
import {
  connectionShape,
  contentShape,
  durationOrNever,
  isTrue,
  keptSettings,
  list,
  readSettings,
} from '../settings.ts';
import { isTakenType } from '../taken-types.ts';
import { typeInR4 } from '../versions/to-r4.ts';
import { readVersion } from '../versions/version.ts';

const one = z.union([
  z.array(z.string().min(1).max(1_000)),
  z
    .string()
    .min(1)
    .transform((text) => [text]),
]);

export const bulkShape = {
  ...connectionShape,
  ...contentShape,
  /** `system`: all there is; `patient`: what is about patients; `group`: about those of one Group. */
  level: z.enum(['system', 'patient', 'group']).default('system'),
  /** Id of the Group. */
  group: z
    .string()
    .regex(/^[A-Za-z0-9\-.]{1,64}$/)
    .optional(),
  /** Default: all that the source exports, as far as the hub takes it. */
  types: list.optional(),
  /** Searches that narrow types, as the source understands them: `Observation?category=laboratory`. */
  typeFilter: one.optional(),
  /** Ask for what changed since the last export; some servers know no `_since`. */
  incremental: isTrue.default(true),
  /** How far before the time of the last export the next one begins: what was written then and committed later is in it. */
  overlapSeconds: z.coerce.number().min(0).max(86_400).default(300),
  /** Between two whole exports by which deletions are found, where the source tells none; `never` leaves them. */
  reconcileEvery: durationOrNever.default(7 * 86_400_000),
  /**
   * What a whole export does not show any more: `asked` for by id, and gone when the source says so; or `gone` by that alone, at servers that
   * answer nothing but exports.
   */
  missing: z.enum(['asked', 'gone']).default('asked'),
  /** A source that shows less than half of what it had is taken at its word only when this says so. */
  massDeletion: z.enum(['refused', 'allowed']).default('refused'),
  /** Ids of one type held at a time while an export is compared, 8 bytes each; beyond it the files are read more often. */
  compareMax: z.coerce.number().int().min(1).max(64_000_000).default(4_000_000),
  /** An export that is not ready by then is given up, and asked for again. */
  exportHours: z.coerce.number().min(1).max(168).default(24),
  /** Of one resource. */
  lineBytesMax: z.coerce
    .number()
    .int()
    .min(1_024)
    .max(256 * 1024 * 1024)
    .default(16 * 1024 * 1024),
};

export type BulkSettings = z.output<z.ZodObject<typeof bulkShape>>;

/** @throws Problem value, required: with the expression of what is wrong */
export function readBulkSettings(config: Readonly<Record<string, unknown>>): BulkSettings {
  const settings = readSettings(bulkShape, config);
  const version = readVersion(settings.version);
  if (settings.level === 'group' && settings.group === undefined) {
    throw new Problem('required', 'the setting group is missing', {
      expression: 'group',
      hint: '`level` group needs the id of the Group.',
    });
  }
  if (settings.missing === 'gone' && (settings.level !== 'system' || settings.typeFilter !== undefined)) {
    // Whoever left a group, or is filtered, is not deleted.
    throw new Problem('value', 'the setting missing is not valid', {
      expression: 'missing',
      hint: '`gone` needs `level` system, and no `typeFilter`: what they leave out is not deleted.',
    });
  }
  const isWrong = (type: string): boolean => !isTakenType(typeInR4(type, version));
  if (settings.types?.some(isWrong) === true) {
    throw new Problem('value', 'the hub does not take a type of that name from sources', {
      expression: 'types',
      hint: 'Name types of records, such as Patient,Encounter,Observation.',
    });
  }
  return settings;
}

/**
 * Settings as a person gives them.
 * @returns those that were given, as they are kept
 * @throws Problem as `readBulkSettings`, and for one that nobody knows
 */
export function keptBulkSettings(config: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const kept = keptSettings(bulkShape, config);
  readBulkSettings(kept);
  return kept;
}
