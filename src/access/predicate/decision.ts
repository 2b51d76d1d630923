/** What lets a row through: the caller's own, a source's own, an emergency, a Task, a Consent; nothing else does. */
import { raw, sql, type Sql } from '../../db/sql.ts';
import { mayBreakGlass, openWindow } from '../break-glass/predicate.ts';
import { basisOf, isSource, type Principal } from '../principal/principal.ts';
import { consentAmong, type Among } from './consent-among.ts';
import { consentOfRow } from './consent-of-row.ts';
import { isDeletionTask, isGrantable } from './row.ts';
import { boundOf, denies, isAbout, isAddressed } from './rule.ts';

/**
 * What lets the row through, as the audit trail and the patient's own log name it; null or empty: nothing does. LEAKS 14: a
 * row of no patient is its source's alone; so is a deleted one, and the patient's.
 */
export function decision(
  row: Sql,
  principal: Principal,
  { among, isOfTasks = false }: { readonly among?: Among | undefined; readonly isOfTasks?: boolean },
  about = isAbout,
): Sql {
  if (principal.self !== undefined) return basis(principal);
  const ofRow = consentOfRow(row, principal, about);
  const consent = among === undefined ? ofRow : consentAmong(row, among, ofRow);
  const opened = mayBreakGlass(principal)
    ? sql`coalesce(${openWindow(row, principal, sql`${isAddressed(principal)} and ${about(row)} and ${denies(row)}`)}, ${consent})`
    : consent;
  const byConsent = sql`case when ${row}.patient is not null and not ${row}.is_deleted and ${isGrantable(row, principal)}
    then ${opened} end`;
  const others = isOfTasks
    ? sql`case when ${isAddressee(row, principal)} then 'source' else ${byConsent} end`
    : byConsent;
  return isSource(principal)
    ? sql`case when ${row}.owner = ${boundOf(principal).organization} then 'source' else ${others} end`
    : others;
}

/** Asks whom it is addressed to to delete copies: read for any purpose, and without a Consent, because that one has ended. */
function isAddressee(row: Sql, principal: Principal): Sql {
  return sql`${row}.owner = any(${boundOf(principal).recipients}::text[]) and ${isDeletionTask(row)}`;
}

export function basis(principal: Principal): Sql {
  return raw(`'${basisOf(principal)}'::text`);
}
