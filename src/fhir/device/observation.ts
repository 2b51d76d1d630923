/**
 * What samples become in the record: a single value an Observation, an hour of values one SampledData of minutes, a day its count and
 * what sums it up. Pure: the same samples give the same resources.
 *
 * @see https://hl7.org/fhir/R4/datatypes.html#SampledData
 */
import { deriveId, ownBucket } from '../ids.ts';
import type { AnyResource } from '../types.ts';
import { ucum } from '../ucum.ts';
import type { Metric, MetricCode } from './metrics.ts';
import { hourMs, instantAt, type Sample } from './sample.ts';

/** Whose samples they are, and by which way they came. */
export interface SampleSource {
  /** `Organization/x`. */
  readonly owner: string;
  /** Name of the endpoint. */
  readonly endpoint: string;
  /** The hub's id of the patient. */
  readonly patient: string;
}

type Observation = AnyResource & { id: string };

const minuteMs = 60_000;
const minutesOfHour = 60;

/** An Observation of its own. @param parts values by the name of the component, of a metric that has several */
export function singleObservation(
  source: SampleSource,
  metric: Metric,
  sample: Sample,
  parts: Readonly<Record<string, number>> = {},
): Observation {
  const { from, to, offsetMinutes, unit } = sample;
  const [start, end] = [instantAt(from, offsetMinutes), instantAt(to, offsetMinutes)];
  const components = metric.components.filter(({ name }) => parts[name] !== undefined);
  return {
    ...base(source, metric, metric.codes.get(unit) ?? metric, ['single', sample.key]),
    ...(to > from ? { effectivePeriod: { start, end } } : { effectiveDateTime: start }),
    ...(components.length === 0
      ? { valueQuantity: quantity(sample.value, unit) }
      : {
          component: components.map(({ name, ...code }) => ({
            code: codeable(code),
            valueQuantity: quantity(parts[name] as number, unit),
          })),
        }),
  };
}

/** What was measured in an hour of UTC, by its minutes from 0 on. */
export interface HourOfSamples {
  readonly minutes: ReadonlyMap<number, { readonly total: number; readonly count: number }>;
  /** Of the clock of whoever was measured. */
  readonly offsetMinutes: number;
}

export interface DayOfSamples {
  readonly count: number;
  readonly total: number;
  readonly lowest: number;
  readonly highest: number;
}

/**
 * An hour in minutes: of a rate their means, of a count their sums; `E` where nothing was measured. What was counted over more than a
 * minute stands in the minute it began in.
 * @param hour its beginning, in milliseconds since 1970
 * @param summed undefined: all that was there was corrected away
 */
export function hourlyObservation(
  source: SampleSource,
  metric: Metric,
  hour: number,
  summed: HourOfSamples | undefined,
): Observation {
  const data = Array.from({ length: minutesOfHour }, (_, minute) => {
    const of = summed?.minutes.get(minute);
    if (of === undefined) return 'E';
    return decimal(metric.kind === 'count' ? of.total : of.total / of.count);
  });
  const offsetMinutes = summed?.offsetMinutes ?? 0;
  return {
    ...base(source, metric, metric, ['hour', new Date(hour).toISOString()]),
    ...(summed === undefined ? { status: 'entered-in-error' } : {}),
    effectivePeriod: { start: instantAt(hour, offsetMinutes), end: instantAt(hour + hourMs, offsetMinutes) },
    valueSampledData: {
      origin: quantity(0, metric.unit),
      period: minuteMs,
      dimensions: 1,
      data: data.join(' '),
    },
  };
}

/**
 * @param day of whoever was measured: `2026-03-01`
 * @param summed undefined: all that was there was corrected away
 */
export function dailyObservation(
  source: SampleSource,
  metric: Metric,
  day: string,
  summed: DayOfSamples | undefined,
): Observation {
  const one = { ...base(source, metric, metric.day, ['day', day]), effectiveDateTime: day };
  if (summed === undefined) return { ...one, status: 'entered-in-error', dataAbsentReason: notMeasured };
  const { count: values, total, lowest, highest } = summed;
  const count = { code: statistic('count', 'Count'), valueQuantity: quantity(values, '1') };
  if (metric.kind === 'count') return { ...one, valueQuantity: quantity(total, metric.unit), component: [count] };
  const of = (code: string, display: string, value: number): object => ({
    code: statistic(code, display),
    valueQuantity: quantity(value, metric.unit),
  });
  const mean = total / values;
  return {
    ...one,
    valueQuantity: quantity(mean, metric.unit),
    component: [
      of('average', 'Average', mean),
      of('minimum', 'Minimum', lowest),
      of('maximum', 'Maximum', highest),
      count,
    ],
  };
}

const notMeasured = {
  coding: [{ system: 'http://terminology.hl7.org/CodeSystem/data-absent-reason', code: 'not-performed' }],
};

function base(
  { owner, endpoint, patient }: SampleSource,
  { metric, category }: Metric,
  code: MetricCode,
  parts: readonly string[],
): Observation {
  return {
    resourceType: 'Observation',
    id: deriveId(ownBucket(patient), [owner, 'Observation', 'device', endpoint, patient, metric, ...parts]),
    status: 'final',
    category: [
      {
        coding: [{ system: 'http://terminology.hl7.org/CodeSystem/observation-category', code: category }],
      },
    ],
    code: codeable(code),
    subject: { reference: `Patient/${patient}` },
  };
}

function codeable({ code, display }: MetricCode): object {
  return { coding: [{ system: 'http://loinc.org', code, display }], text: display };
}

/** @see https://hl7.org/fhir/R4/codesystem-observation-statistics.html */
function statistic(code: string, display: string): object {
  return {
    coding: [{ system: 'http://terminology.hl7.org/CodeSystem/observation-statistics', code, display }],
  };
}

function quantity(value: number, code: string): object {
  return { value: Number(decimal(value)), unit: code, system: ucum, code };
}

/** Without the noise of binary fractions, and as SampledData writes numbers: never with an exponent. */
function decimal(value: number): string {
  const rounded = Number(value.toPrecision(8));
  return Math.abs(rounded) >= 1e-6 || rounded === 0 ? String(rounded) : rounded.toFixed(12).replace(/0+$/, '');
}
