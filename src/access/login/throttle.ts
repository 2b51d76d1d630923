/**
 * Guessing slows down: each attempt counts as failed before it is looked at, in one statement, so that any number sent at once
 * to any number of processes pass one by one. What an attempt is counted on (a name, an address, a known browser) is a key.
 *
 * A stranger who fails on purpose must not lock a person out. So the pause for a name is short, and a browser in which the
 * person signed in before is counted by itself, whatever strangers do (OWASP: device cookies).
 *
 * @see https://owasp.org/www-community/Slow_Down_Online_Guessing_Attacks_with_Device_Cookies
 */
import type { Tx } from '../../db.ts';
import { sql } from '../../db/sql.ts';

export interface Pace {
  /** Failures without a pause. */
  readonly free: number;
  /** After that each pause is twice as long as the one before, from a second up to this. */
  readonly pauseSecondsMax: number;
}

export const paces = {
  /** A minute: a person who meets it waits, an attacker guesses 60 times an hour, and needs the second factor with each. */
  name: { free: 4, pauseSecondsMax: 60 },
  /** A ward behind one address mistypes more often than one person. */
  address: { free: 20, pauseSecondsMax: 900 },
  device: { free: 5, pauseSecondsMax: 900 },
} as const satisfies Record<string, Pace>;

/** So long after the last attempt all is forgotten. */
const forgottenAfterMinutes = 60;

/** Counts an attempt. @returns undefined: go on; else how many seconds to wait, and it was not counted */
export async function countAttempt(db: Tx, key: string, pace: Pace, now: number): Promise<number | undefined> {
  const at = sql`to_timestamp(${now / 1000}::float8)`;
  const failures = sql`(case when one.updated_at < ${at} - make_interval(mins => ${forgottenAfterMinutes})
    then 1 else one.failures + 1 end)`;
  const pause = sql`make_interval(secs => case when ${failures} <= ${pace.free} then 0
    else least(${pace.pauseSecondsMax}, power(2, least(${failures} - ${pace.free}, 20) - 1)) end)`;
  const counted = await db.query(sql`
    insert into login_attempt as one (key, failures, blocked_until, updated_at) values (${key}, 1, ${at}, ${at})
    on conflict (key) do update set failures = ${failures}, blocked_until = ${at} + ${pause}, updated_at = ${at}
      where one.blocked_until <= ${at}
    returning key`);
  if (counted.length === 1) return undefined;
  const [row] = await db.query<{ seconds: number }>(sql`
    select ceil(extract(epoch from blocked_until - ${at}))::int as seconds from login_attempt where key = ${key}`);
  return Math.max(row?.seconds ?? 1, 1);
}

/** The attempt succeeded: a name and a browser start anew. */
export async function forgetAttempts(db: Tx, key: string): Promise<void> {
  await db.query(sql`delete from login_attempt where key = ${key}`);
}

/** The attempt succeeded: an address only gets this one back, or one's own account would hide guesses at others. */
export async function takeBackAttempt(db: Tx, key: string, now: number): Promise<void> {
  await db.query(sql`
    update login_attempt set failures = greatest(failures - 1, 0), blocked_until = to_timestamp(${now / 1000}::float8)
    where key = ${key}`);
}

/** @returns whether fewer than `max` of these were counted in the last hour */
export async function isWithinHourly(db: Tx, key: string, max: number, now: number): Promise<boolean> {
  const at = sql`to_timestamp(${now / 1000}::float8)`;
  const counted = await db.query(sql`
    insert into login_attempt as one (key, failures, blocked_until, updated_at) values (${key}, 1, ${at}, ${at})
    on conflict (key) do update set
      failures = case when one.updated_at < ${at} - interval '1 hour' then 1 else one.failures + 1 end,
      updated_at = case when one.updated_at < ${at} - interval '1 hour' then ${at} else one.updated_at end
      where one.failures < ${max} or one.updated_at < ${at} - interval '1 hour'
    returning key`);
  return counted.length === 1;
}

export async function sweepAttempts(db: Tx): Promise<void> {
  await db.query(sql`delete from login_attempt where updated_at < now() - interval '1 day'`);
}

/** A caller with IPv6 has a /64 to choose from; it is one caller. */
export function addressKey(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined || !address.includes(':')) return mapped ?? address;
  const [head = '', tail] = address.replace(/%.*$/, '').split('::');
  const groups = (text: string): string[] => (text === '' ? [] : text.split(':'));
  const [first, last] = [groups(head), groups(tail ?? '')];
  const zeros = tail === undefined ? [] : Array.from({ length: 8 - first.length - last.length }, () => '0');
  return [...first, ...zeros, ...last]
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':');
}
