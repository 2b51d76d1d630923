/** A record of Apple Health -> what was measured. Rules: `mappings/device/apple-health.yaml`. */
import { readDeviceTable } from '../../src/fhir/device/metrics.ts';
import type { Measured, Reading } from './reading.ts';
import type { AppleRecord } from './apple-stream.ts';

interface Rules {
  readonly records: Readonly<Record<string, unknown>>;
  readonly correlations: Readonly<Record<string, unknown>>;
  readonly units: Readonly<Record<string, unknown>>;
  readonly unitless: Readonly<Record<string, unknown>>;
  readonly fractions: ReadonlySet<string>;
}

let known: Rules | undefined;

function rules(): Rules {
  if (known !== undefined) return known;
  const table = readDeviceTable('apple-health.yaml');
  table.only([], ['records', 'correlations', 'units', 'fractions', 'unitless']);
  known = {
    records: table.record(['records']),
    correlations: table.record(['correlations']),
    units: table.record(['units']),
    unitless: table.record(['unitless']),
    fractions: new Set(table.strings(['fractions'])),
  };
  return known;
}

export function readAppleRecord({ record, parts = [] }: AppleRecord): Reading {
  const { type = '' } = record;
  const correlation = rules().correlations[type] as Record<string, string> | undefined;
  if (correlation !== undefined) return pairOf(record, parts, correlation);
  const metric = rules().records[type];
  if (typeof metric !== 'string') return { unmapped: { position: 'Record.type', code: type } };
  const value = valueOf(record);
  return value === undefined
    ? { unmapped: { position: `${type} unit`, code: record['unit'] ?? '' } }
    : { ...timesOf(record), metric, key: keyOf(record), ...value };
}

function pairOf(
  record: Readonly<Record<string, string>>,
  parts: readonly Readonly<Record<string, string>>[],
  { metric = '', ...names }: Record<string, string>,
): Reading {
  const values: Record<string, number> = {};
  let unit = '';
  for (const [name, type] of Object.entries(names)) {
    const part = parts.find((one) => one['type'] === type);
    const value = part === undefined ? undefined : valueOf(part);
    if (value === undefined) return { unmapped: { position: `${record['type']} part`, code: type } };
    values[name] = value.value;
    unit = value.unit;
  }
  return { ...timesOf(record), metric, key: keyOf(record), value: Number.NaN, unit, parts: values };
}

function valueOf({
  type = '',
  unit = '',
  value = '',
}: Readonly<Record<string, string>>): Pick<Measured, 'value' | 'unit'> | undefined {
  const code = rules().unitless[type] ?? rules().units[unit];
  const number = value.trim() === '' ? Number.NaN : Number(value);
  if (typeof code !== 'string' || !Number.isFinite(number)) return undefined;
  return { value: rules().fractions.has(type) ? Number((number * 100).toPrecision(10)) : number, unit: code };
}

/** Apple names no record: it is told by what, from where and when. */
function keyOf({ type, sourceName, startDate, endDate }: Readonly<Record<string, string>>): string {
  return [type, sourceName, startDate, endDate].join(' ');
}

function timesOf({
  startDate = '',
  endDate = startDate,
}: Readonly<Record<string, string>>): Pick<Measured, 'start' | 'end'> {
  return { start: iso(startDate), end: iso(endDate) };
}

/** `2026-03-01 08:00:00 +0800` */
function iso(text: string): string {
  return text.replace(/^(\S+) (\S+) ([+-]\d{2})(\d{2})$/, '$1T$2$3:$4');
}
