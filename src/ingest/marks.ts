/**
 * Whom a message is about: by ids of Patients, so that it can be emptied one day (erase.ts) and its readers stand in their log; and by
 * marks, so that it is found by an identifier that somebody names. A mark is a keyed hash: without the key, which is in no table, an
 * identifier can be neither read from it nor tried. The index of marks has 24 to 60 bytes a message; what it adds to marking one as
 * processed (31 to 100 us in PostgreSQL) is less than one run differs from the next.
 */
import { createHmac, type KeyObject } from 'node:crypto';
import { normalize } from '../fhir/fold.ts';
import type { MappedMessage } from '../mapping/message/draft.ts';

/** Exact as a JavaScript number. Of 300 million identifiers some ten pairs share one; a search shows a line too many, then. */
export type Mark = (identifier: string) => number;

/** 52 bits. */
const markDigits = 13;
/** Of one message; a sender of ever more identifiers is found by the first ones. */
const identifiersMax = 20;

export function openMark(key: KeyObject): Mark {
  return (identifier) =>
    Number.parseInt(createHmac('sha256', key).update(fold(identifier)).digest('hex').slice(0, markDigits), 16);
}

/** As it is written on a wristband or typed: no case, no width, no spaces or dashes. */
function fold(identifier: string): string {
  return normalize(identifier, 'NFKC')
    .toUpperCase()
    .replace(/[\s\p{Pd}]/gu, '');
}

/** Patients that a message writes or whose records it is in. */
export function patientsOf({ drafts, commands, samples }: MappedMessage): string[] {
  const drafted = drafts.flatMap(({ resource }) =>
    resource.resourceType === 'Patient' ? [resource.id] : [idOf(resource['subject']), idOf(resource['patient'])],
  );
  const commanded = commands.flatMap((command) =>
    command.kind === 'renumber' ? [] : [command.patient, command.other],
  );
  const ids = [...drafted, ...commanded, samples?.patient].filter((id) => id !== undefined);
  return [...new Set(ids)];
}

function idOf(reference: unknown): string | undefined {
  const text = (reference as { reference?: unknown } | undefined)?.reference;
  return typeof text === 'string' && text.startsWith('Patient/') ? text.slice('Patient/'.length) : undefined;
}

/** What such a message may be asked for by: the identifiers it gives the Patients, and their ids here. */
export function identifiersOf(mapped: MappedMessage): string[] {
  const values = mapped.drafts.flatMap(({ resource }) =>
    resource.resourceType === 'Patient' && Array.isArray(resource['identifier'])
      ? resource['identifier'].map((one: { value?: unknown }) => one.value)
      : [],
  );
  const named = values.filter((value): value is string => typeof value === 'string' && value !== '');
  return [...new Set([...patientsOf(mapped), ...named])].slice(0, identifiersMax);
}
