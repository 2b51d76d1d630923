/**
 * A data point of Open mHealth -> what was measured. Rules: `mappings/device/open-mhealth.yaml`.
 *
 * @see https://www.openmhealth.org/documentation/#/schema-docs/schema-library
 */
import { readDeviceTable } from '../../src/fhir/device/metrics.ts';
import { numberOf } from '../../src/fhir/json.ts';
import { Problem } from '../../src/fhir/problem.ts';
import type { Measured, Reading } from './reading.ts';

interface Rule {
  readonly metric: string;
  /** Name of the element of the body that holds the value. */
  readonly value: string | undefined;
  /** UCUM, of values that are bare numbers. */
  readonly unit: string | undefined;
  readonly components: Readonly<Record<string, unknown>>;
}

let known:
  | { readonly schemas: ReadonlyMap<string, Rule>; readonly units: Readonly<Record<string, unknown>> }
  | undefined;

function rules(): NonNullable<typeof known> {
  if (known !== undefined) return known;
  const table = readDeviceTable('open-mhealth.yaml');
  table.only([], ['schemas', 'units']);
  const schemas = table.list(['schemas'], ['schema', 'metric', 'value', 'unit', 'components']).map((path) => {
    const rule = {
      metric: table.string([...path, 'metric']),
      value: table.optional([...path, 'value']),
      unit: table.optional([...path, 'unit']),
      components: table.record([...path, 'components']),
    };
    return [table.string([...path, 'schema']), rule] as const;
  });
  known = { schemas: new Map(schemas), units: table.record(['units']) };
  return known;
}

/** What a JSON body holds: one data point, a list of them, or an object that has one. @throws Problem structure */
export function dataPointsOf(body: unknown): unknown[] {
  if (Array.isArray(body)) return body as unknown[];
  const { header, dataPoints } = (body ?? {}) as { header?: unknown; dataPoints?: unknown };
  if (Array.isArray(dataPoints)) return dataPoints as unknown[];
  if (typeof header === 'object' && header !== null) return [body];
  throw new Problem('structure', 'this is no data point of Open mHealth', {
    hint: 'A data point has header and body; several are a JSON array.',
  });
}

interface DataPoint {
  readonly header?: { readonly id?: unknown; readonly schema_id?: { readonly name?: unknown } };
  readonly body?: Readonly<Record<string, unknown>>;
}

export function readDataPoint(point: unknown): Reading {
  const { header, body = {} } = (point ?? {}) as DataPoint;
  const name = textOf(header?.schema_id?.name);
  const rule = rules().schemas.get(name);
  if (rule === undefined) return { unmapped: { position: 'header.schema_id.name', code: name } };
  const times = timesOf(body['effective_time_frame']);
  if (times === undefined) return { unmapped: { position: `${name} effective_time_frame`, code: 'no time' } };
  const key = typeof header?.id === 'string' ? header.id : `${name} ${times.start} ${times.end}`;
  const components = Object.entries(rule.components);
  if (components.length === 0) {
    const value = valueOf(body[rule.value ?? ''], rule.unit);
    return value === undefined
      ? { unmapped: { position: `${name} unit`, code: unitOf(body[rule.value ?? '']) } }
      : { ...times, metric: rule.metric, key, ...value };
  }
  const parts: Record<string, number> = {};
  let unit = '';
  for (const [part, element] of components) {
    const value = valueOf(body[String(element)], undefined);
    if (value === undefined) return { unmapped: { position: `${name} unit`, code: unitOf(body[String(element)]) } };
    parts[part] = value.value;
    unit = value.unit;
  }
  return { ...times, metric: rule.metric, key, value: Number.NaN, unit, parts };
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
const unitOf = (value: unknown): string => textOf((value as { unit?: unknown } | undefined)?.unit);

function valueOf(held: unknown, unit: string | undefined): Pick<Measured, 'value' | 'unit'> | undefined {
  const bare = numberOf(held);
  if (!Number.isNaN(bare)) return unit === undefined ? undefined : { value: bare, unit };
  const value = numberOf(((held ?? {}) as { value?: unknown }).value);
  // A count says no unit, or a word for it.
  const code = unit ?? rules().units[unitOf(held)];
  return Number.isNaN(value) || typeof code !== 'string' ? undefined : { value, unit: code };
}

/** Of a duration its unit in milliseconds. */
const durations: Readonly<Record<string, number>> = { ms: 1, sec: 1_000, min: 60_000, h: 3_600_000, d: 86_400_000 };

/** A moment, or an interval with its start, its end, or one of them and how long it was. */
function timesOf(frame: unknown): Pick<Measured, 'start' | 'end'> | undefined {
  const { date_time: moment, time_interval: interval } = (frame ?? {}) as Record<string, unknown>;
  if (typeof moment === 'string') return { start: moment, end: moment };
  const { start_date_time: start, end_date_time: end, duration } = (interval ?? {}) as Record<string, unknown>;
  if (typeof start === 'string' && typeof end === 'string') return { start, end };
  const { value, unit } = (duration ?? {}) as { value?: unknown; unit?: unknown };
  const lengthMs = numberOf(value) * (durations[String(unit)] ?? Number.NaN);
  if (Number.isNaN(lengthMs)) return undefined;
  if (typeof start === 'string') return { start, end: shifted(start, lengthMs) };
  return typeof end === 'string' ? { start: shifted(end, -lengthMs), end } : undefined;
}

/** The same zone, so that the day stays theirs. */
function shifted(text: string, byMs: number): string {
  const zone = /(Z|[+-]\d{2}:\d{2})$/.exec(text)?.[0] ?? 'Z';
  const local = new Date(`${text.slice(0, -zone.length)}Z`);
  return Number.isNaN(local.getTime()) ? text : `${new Date(local.getTime() + byMs).toISOString().slice(0, -1)}${zone}`;
}
