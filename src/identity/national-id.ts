/** The checksummed national identifiers that a Patient shows. Pure. */
import { createHash } from 'node:crypto';
import { checkNationalId, nationalIdSystem } from '../fhir/identifiers.ts';
import type { AnyResource } from '../fhir/types.ts';

export interface NationalId {
  readonly system: string;
  /** SHA-256 over system and normalised value, in hex: what the identifier index keeps instead of the number. */
  readonly hash: string;
}

interface Identifier {
  system?: unknown;
  value?: unknown;
  use?: unknown;
  period?: { end?: unknown };
}

/**
 * The normalised, valid national identifiers of a Patient, each once. A number that fails its check is no evidence, nor one
 * that is marked `old` or whose period has an end: it may be a correction, or somebody else's by now.
 */
export function nationalIdsOf(patient: AnyResource): NationalId[] {
  const identifiers = patient['identifier'];
  if (!Array.isArray(identifiers)) return [];
  const found = new Map<string, NationalId>();
  for (const { system, value, use, period } of identifiers as Identifier[]) {
    if (system !== nationalIdSystem || typeof value !== 'string' || use === 'old' || period?.end !== undefined)
      continue;
    const normalised = checkNationalId(value);
    if (normalised === undefined) continue;
    const hash = createHash('sha256').update(`${nationalIdSystem}|${normalised}`).digest('hex');
    found.set(hash, { system: nationalIdSystem, hash });
  }
  return [...found.values()];
}
