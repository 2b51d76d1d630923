/**
 * What a simulated watch measures: the heart rate each quarter of an hour, steps each hour, as Open mHealth data points. Some of it comes a day late,
 * some is corrected a day later; what a day adds up to then is worked out here, by itself.
 *
 * @see https://www.openmhealth.org/documentation/#/schema-docs/schema-library
 */
import { randomOf } from '../random.ts';

export interface DataPoint {
  readonly header: object;
  readonly body: object;
}

export type Metric = 'heart-rate' | 'steps';

interface Sample {
  readonly metric: Metric;
  readonly id: string;
  /** Local time. */
  readonly at: string;
  readonly value: number;
}

/** What stands of a day, when all that was sent is known. */
export interface DaySummary {
  readonly metric: Metric;
  /** `YYYY-MM-DD`, of the person's zone. */
  readonly date: string;
  readonly count: number;
  readonly low: number;
  readonly high: number;
  readonly sum: number;
}

/** Randomness beside that of messages, contents and crowds. */
const stream = 51;
const offset = '+08:00';
const firstDay = Date.UTC(2026, 2, 1);
const dayMs = 86_400_000;
const quarters = 96;
const hours = 24;
/** Of a hundred samples: those that come with the next day's, and those that are corrected with it. */
const latePercent = 5;
const correctedPercent = 3;

export function dateAt(day: number): string {
  return new Date(firstDay + day * dayMs).toISOString().slice(0, 10);
}

/** What the watch of a person sends at the end of a day: its samples, what was late the day before, what is corrected of it. */
export function uploadOf(seed: number, person: number, day: number): DataPoint[] {
  const own = samplesOf(seed, person, day).filter((one) => !isLate(seed, one));
  const before = day === 0 ? [] : samplesOf(seed, person, day - 1);
  const late = before.filter((one) => isLate(seed, one));
  const corrected = before.filter((one) => isCorrected(seed, one)).map(correct);
  return [...own, ...late, ...corrected].map(toDataPoint);
}

/** After the upload of day `until`. */
export function summariesOf(seed: number, person: number, day: number, until: number): DaySummary[] {
  const known = samplesOf(seed, person, day)
    .filter((one) => until > day || !isLate(seed, one))
    .map((one) => (until > day && isCorrected(seed, one) ? correct(one) : one));
  return (['heart-rate', 'steps'] as const).map((metric) => {
    const values = known.filter((one) => one.metric === metric).map(({ value }) => value);
    const sum = values.reduce((a, b) => a + b, 0);
    return {
      metric,
      date: dateAt(day),
      count: values.length,
      low: Math.min(...values),
      high: Math.max(...values),
      sum,
    };
  });
}

function samplesOf(seed: number, person: number, day: number): Sample[] {
  const of = (metric: Metric, number: number, minutes: number, value: number): Sample => ({
    metric,
    id: `sim-${seed}-${person}-${day}-${metric}-${number}`,
    at: `${dateAt(day)}T${two(Math.floor(minutes / 60))}:${two(minutes % 60)}:00${offset}`,
    value,
  });
  const random = randomOf(seed, person, day, stream);
  const rates = Array.from({ length: quarters }, (_, n) => of('heart-rate', n, n * 15, random.between(52, 128)));
  const steps = Array.from({ length: hours }, (_, n) => of('steps', n, n * 60 + 30, random.between(0, 1_200)));
  return [...rates, ...steps];
}

function isLate(seed: number, { id }: Sample): boolean {
  return randomOf(seed, ...numbersOf(id), stream + 1).chance(latePercent);
}

function isCorrected(seed: number, sample: Sample): boolean {
  return !isLate(seed, sample) && randomOf(seed, ...numbersOf(sample.id), stream + 2).chance(correctedPercent);
}

function correct(sample: Sample): Sample {
  return { ...sample, value: sample.value + 7 };
}

function numbersOf(id: string): number[] {
  return [...(id.match(/\d+/g) ?? []).map(Number), id.length];
}

function toDataPoint({ metric, id, at, value }: Sample): DataPoint {
  const name = metric === 'steps' ? 'step-count' : metric;
  return {
    header: {
      id,
      creation_date_time: at,
      schema_id: { namespace: 'omh', name, version: '2.0' },
    },
    body: {
      ...(metric === 'steps' ? { step_count: value } : { heart_rate: { value, unit: 'beats/min' } }),
      effective_time_frame: { date_time: at },
    },
  };
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}
