/**
 * Samples of devices, each kept once: sent again it changes nothing, with another value it is a correction. Which hours and days are to
 * be summed up again follows from what changed.
 */
import type { Tx } from '../../db.ts';
import { sql, textArray } from '../../db/sql.ts';
import type { DayOfSamples, HourOfSamples } from '../../fhir/device/observation.ts';
import { dayOf, hourOf, type Sample } from '../../fhir/device/sample.ts';
import { ownBucket } from '../../fhir/ids.ts';

/** Whose, and by which endpoint they came. */
export interface SampleOwner {
  readonly endpointId: number;
  readonly patient: string;
}

export interface Affected {
  readonly metric: string;
  /** Beginnings of hours, in milliseconds since 1970. */
  readonly hours: readonly number[];
  /** `2026-03-01` */
  readonly days: readonly string[];
}

interface SampleRow {
  metric: string;
  key: string;
  began_at: Date;
  ended_at: Date;
  offset_minutes: number;
  value: number;
}

/** @returns what is to be summed up again; nothing when all were known */
export async function keepSamples(tx: Tx, owner: SampleOwner, samples: readonly Sample[]): Promise<Affected[]> {
  // One statement cannot meet a row twice: of two with one key the later one holds.
  const distinct = [...new Map(samples.map((sample) => [`${sample.metric} ${sample.key}`, sample])).values()];
  const before = await readKnown(tx, owner, distinct);
  const rows = await tx.query<SampleRow>(sql`
    insert into device_sample as known
      (bucket, patient, endpoint_id, metric, key, began_at, ended_at, offset_minutes, value)
    select ${ownBucket(owner.patient)}, ${owner.patient}, ${owner.endpointId}, s.*
    from unnest(
      ${textArray(distinct.map(({ metric }) => metric))}::text[],
      ${textArray(distinct.map(({ key }) => key))}::text[],
      ${distinct.map(({ from }) => new Date(from))}::timestamptz[],
      ${distinct.map(({ to }) => new Date(to))}::timestamptz[],
      ${distinct.map(({ offsetMinutes }) => offsetMinutes)}::smallint[],
      ${distinct.map(({ value }) => value)}::float8[]) s
    on conflict (bucket, patient, endpoint_id, metric, key) do update
    set began_at = excluded.began_at, ended_at = excluded.ended_at, offset_minutes = excluded.offset_minutes,
      value = excluded.value
    where (known.began_at, known.ended_at, known.offset_minutes, known.value)
      is distinct from (excluded.began_at, excluded.ended_at, excluded.offset_minutes, excluded.value)
    returning metric, key, began_at, ended_at, offset_minutes, value`);
  // Where a corrected sample was before counts as well: it may have been in another hour.
  const changed = rows.map(toSample);
  const former = changed.flatMap(({ metric, key }) => before.get(`${metric} ${key}`) ?? []);
  return affectedBy([...changed, ...former]);
}

async function readKnown(
  tx: Tx,
  { endpointId, patient }: SampleOwner,
  samples: readonly Sample[],
): Promise<Map<string, Sample>> {
  const rows = await tx.query<SampleRow>(sql`
    select metric, key, began_at, ended_at, offset_minutes, value from device_sample
    where bucket = ${ownBucket(patient)} and patient = ${patient} and endpoint_id = ${endpointId}
      and metric = any(${textArray([...new Set(samples.map(({ metric }) => metric))])}::text[])
      and key = any(${textArray(samples.map(({ key }) => key))}::text[])
    order by metric, key for update`);
  return new Map(rows.map((row) => [`${row.metric} ${row.key}`, toSample(row)]));
}

function affectedBy(samples: readonly Sample[]): Affected[] {
  return [...Map.groupBy(samples, ({ metric }) => metric)].map(([metric, of]) => ({
    metric,
    hours: [...new Set(of.map(hourOf))].sort((one, other) => one - other),
    days: [...new Set(of.map(dayOf))].sort(),
  }));
}

/** Minutes of these hours of UTC, summed up by the database: a day of a watch is 86,400 values, of which the hub sees 24 times 60. */
export async function readHours(
  tx: Tx,
  { endpointId, patient }: SampleOwner,
  metric: string,
  hours: readonly number[],
): Promise<Map<number, HourOfSamples>> {
  const rows = await tx.query<MinuteRow>(sql`
    select h.hour, floor(extract(epoch from s.began_at - h.hour) / 60)::int as minute,
      sum(s.value order by s.began_at, s.key) as total, count(*)::int as count,
      (array_agg(s.offset_minutes order by s.began_at, s.key))[1] as offset_minutes
    from unnest(${hours.map((hour) => new Date(hour))}::timestamptz[]) h (hour)
    join device_sample s on s.bucket = ${ownBucket(patient)} and s.patient = ${patient} and s.endpoint_id = ${endpointId}
      and s.metric = ${metric} and s.began_at >= h.hour and s.began_at < h.hour + interval '1 hour'
    group by 1, 2 order by 1, 2`);
  const byHour = Map.groupBy(rows, ({ hour }) => hour.getTime());
  return new Map(
    Array.from(byHour, ([hour, minutes]) => [
      hour,
      {
        offsetMinutes: minutes[0]?.offset_minutes ?? 0,
        minutes: new Map(minutes.map(({ minute, total, count }) => [minute, { total, count }])),
      },
    ]),
  );
}

interface MinuteRow {
  hour: Date;
  minute: number;
  total: number;
  count: number;
  offset_minutes: number;
}

/** Days of whoever was measured (`2026-03-01`), summed up by the database. */
export async function readDays(
  tx: Tx,
  { endpointId, patient }: SampleOwner,
  metric: string,
  days: readonly string[],
): Promise<Map<string, DayOfSamples>> {
  // Clocks are at most 14 hours from UTC.
  const rows = await tx.query<DayOfSamples & { day: string }>(sql`
    select d.day::text as day, count(*)::int as count, sum(s.value order by s.began_at, s.key) as total,
      min(s.value) as lowest, max(s.value) as highest
    from unnest(${textArray(days)}::text[]::date[]) d (day)
    join device_sample s on s.bucket = ${ownBucket(patient)} and s.patient = ${patient} and s.endpoint_id = ${endpointId}
      and s.metric = ${metric}
      and s.began_at >= d.day::timestamp at time zone 'UTC' - interval '14 hours'
      and s.began_at < d.day::timestamp at time zone 'UTC' + interval '38 hours'
      and (s.began_at at time zone 'UTC' + s.offset_minutes * interval '1 minute')::date = d.day
    group by d.day`);
  return new Map(rows.map(({ day, ...summed }) => [day, summed]));
}

function toSample(row: SampleRow): Sample {
  return {
    metric: row.metric,
    key: row.key,
    from: row.began_at.getTime(),
    to: row.ended_at.getTime(),
    offsetMinutes: row.offset_minutes,
    value: row.value,
    unit: '',
  };
}

/** When a person's copies are erased. */
export async function eraseSamples(tx: Tx, patients: readonly string[]): Promise<void> {
  await tx.query(sql`
    delete from device_sample
    where bucket = any(${patients.map(ownBucket)}::int[]) and patient = any(${textArray(patients)}::text[])`);
}
