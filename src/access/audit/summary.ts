/** Rows of a patient's log -> what was done on a day by one party, for one purpose, to one kind of records, on one ground. Pure. */
import { typeName } from '../../fhir/types.ts';
import type { Names } from '../consent/names.ts';
import { words, type Language } from '../consent/words/index.ts';
import { outcomes } from './audit.ts';
import { purposeCodesOf } from '../principal/purpose.ts';
import { consentsOf } from './event.ts';
import { kindOf } from './kinds.ts';
import type { LogRow } from './log.ts';
import { accessWords, type AccessWords, type Act } from './words.ts';

export interface Access {
  /** `2026-05-03`, of the zone that was asked for. */
  readonly day: string;
  /** Reference of the organization or person, else the id of the client. */
  readonly who: string;
  /** Who asked in the name of the organization, or of the patient. */
  readonly user?: string;
  readonly isSelf: boolean;
  readonly act: Act;
  /** Resource type; absent: several, or none in particular. */
  readonly type?: string;
  readonly purposes: number;
  /** `self`, `proxy`, `source`, `consent:<id>/<version>`, `break-glass:<id>`; several, separated by spaces. */
  readonly decidedBy?: string;
  /** Why a record was opened in an emergency, or a message was looked into. */
  readonly reason?: string;
  readonly records: number;
  readonly requests: number;
}

/** @returns the day of an instant as a date of FHIR */
export function dayOf(at: number, timeZone: string): string {
  // Sweden writes dates as ISO 8601 has them.
  return new Intl.DateTimeFormat('sv-SE', { dateStyle: 'short', timeZone }).format(at);
}

/** Adds to what was done on its day; accesses stand in the order of their newest row. @returns true when it is one of its own */
export function addRow(accesses: Map<string, Access>, row: LogRow, day: string): boolean {
  const { organization, subject, client, purposes, decidedBy, emergency, reason } = row;
  const isPerson = subject !== null && subject !== client && subject.includes('/');
  const isSelf = organization === null && subject?.startsWith('Patient/') === true;
  const type = row.type === null ? undefined : typeName(row.type);
  const access: Access = {
    day,
    who: organization ?? (isPerson ? subject : undefined) ?? client ?? '',
    ...(isPerson && organization !== null ? { user: subject } : {}),
    isSelf,
    act: actOf(row),
    ...(type === undefined ? {} : { type }),
    purposes,
    ...(decidedBy === null ? {} : { decidedBy }),
    ...((emergency ?? reason) === null ? {} : { reason: (emergency ?? reason) as string }),
    records: row.rows,
    requests: 1,
  };
  const key = JSON.stringify({ ...access, records: 0 });
  const known = accesses.get(key);
  accesses.set(
    key,
    known === undefined ? access : { ...known, records: known.records + row.rows, requests: known.requests + 1 },
  );
  return known === undefined;
}

const acts: Readonly<Record<string, Act>> = {
  login: 'login',
  'login-failed': 'login-failed',
  logout: 'logout',
  'break-glass': 'emergency',
  'break-glass-end': 'emergency-end',
  'consent-request': 'consent-request',
  'consent-decline': 'consent-decline',
  'ops-content': 'message',
};

function actOf({ interaction, outcome, version }: LogRow): Act {
  const { profile } = kindOf(interaction);
  const named = acts[interaction];
  if (named === 'login-failed') return named;
  if (outcome === outcomes.failed) return 'failed';
  if (outcome === outcomes.refused) return 'refused';
  if (named !== undefined) return named;
  if (profile === undefined) return 'other';
  // R4 http.html#upsert: an update of an id that there was not.
  if (profile === 'Update' && version === 1) return 'create';
  return ({ Read: 'read', Query: 'read', Create: 'create', Update: 'change', Delete: 'remove' } as const)[profile];
}

export interface SayAccess {
  readonly names: Names;
  /** Days of the Consents, by id; epoch milliseconds. */
  readonly consentDays: ReadonlyMap<string, number>;
  readonly timeZone: string;
}

/** One sentence. */
export function sayAccess(access: Access, language: Language, { names, consentDays, timeZone }: SayAccess): string {
  const said = words[language];
  const own = accessWords[language];
  const dayText = (at: number, zone: string): string =>
    new Intl.DateTimeFormat(said.locale, { dateStyle: 'long', timeZone: zone }).format(at);
  const { type, purposes, act } = access;
  const codes = access.isSelf ? [] : purposeCodesOf(purposes);
  const isCounted = act === 'read' || act === 'create' || act === 'change' || act === 'remove';
  return own.sentence({
    // A day is no instant: told as it is, in no zone.
    day: dayText(Date.parse(access.day), 'UTC'),
    who: access.isSelf ? undefined : names.nameOf(access.who, language),
    act,
    count: isCounted ? access.records : access.requests,
    kind: type === undefined ? undefined : (said.types[type] ?? own.types[type] ?? type),
    why: codes.length === 0 ? undefined : codes.map((code) => said.purposes[code] ?? code).join(', '),
    basis: basisOf(access, own, (at) => dayText(at, timeZone), consentDays),
  });
}

/** What it was allowed by. */
function basisOf(
  { decidedBy = '', act, reason }: Access,
  own: AccessWords,
  dayText: (at: number) => string,
  consentDays: ReadonlyMap<string, number>,
): string | undefined {
  const consents = consentsOf(decidedBy);
  if (decidedBy.includes('break-glass:') || act === 'emergency') return own.byEmergency(reason);
  if (consents.length > 0) {
    const days = new Set(consents.flatMap(({ id }) => consentDays.get(id) ?? []));
    return own.byConsent(days.size === 0 ? undefined : Array.from(days, dayText).join(', '));
  }
  if (act === 'message') return own.forReason(reason);
  if (decidedBy === 'source') return own.bySource;
  return decidedBy === 'proxy' ? own.byProxy : undefined;
}
