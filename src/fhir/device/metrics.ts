/** What devices measure (`mappings/device/metrics.yaml`): by which code it stands in the record, in which unit, and how much of it is kept. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Table, type Path } from '../yaml-table.ts';

/**
 * - `rate`: many values of something that goes on; an hour is one SampledData, a day its count, lowest, highest and mean.
 * - `count`: amounts that add up; an hour is one SampledData, a day its sum.
 * - `single`: each value is an Observation.
 */
export type MetricKind = 'rate' | 'count' | 'single';

export interface MetricCode {
  /** LOINC. */
  readonly code: string;
  readonly display: string;
}

export interface Metric extends MetricCode {
  readonly metric: string;
  readonly kind: MetricKind;
  readonly day: MetricCode;
  /** UCUM: hours and days are in it; a single value keeps its own. */
  readonly unit: string;
  /** Of http://terminology.hl7.org/CodeSystem/observation-category. */
  readonly category: string;
  /** By unit, where that decides. */
  readonly codes: ReadonlyMap<string, MetricCode>;
  /** Of a value that has several parts. */
  readonly components: readonly (MetricCode & { readonly name: string })[];
}

const guide = 'docs/devices.md';
const folder = join(import.meta.dirname, '..', '..', '..', 'mappings', 'device');

/** @throws Problem invalid naming file and line */
export function readDeviceTable(name: string): Table {
  return new Table(readFileSync(join(folder, name), 'utf8'), `device/${name}`, { guide });
}

let known: ReadonlyMap<string, Metric> | undefined;

/** The shipped table, read once. @throws Problem invalid naming file and line */
export function deviceMetrics(): ReadonlyMap<string, Metric> {
  known ??= readMetrics(readDeviceTable('metrics.yaml'));
  return known;
}

const words = 'metric kind code display day dayDisplay unit category codes components'.split(' ');

export function readMetrics(table: Table): ReadonlyMap<string, Metric> {
  table.only([], ['metrics']);
  return new Map(
    table.list(['metrics'], words).map((path) => {
      const metric = metricOf(table, path);
      return [metric.metric, metric];
    }),
  );
}

function metricOf(table: Table, path: Path): Metric {
  const own = codeOf(table, path);
  const day = table.optional([...path, 'day']);
  const parts = (name: string, key: string): { at: Path; name: string; code: MetricCode }[] =>
    table.get([...path, name]) === undefined
      ? []
      : table.list([...path, name], [key, 'code', 'display']).map((at) => ({
          at,
          name: table.string([...at, key]),
          code: codeOf(table, at),
        }));
  return {
    ...own,
    metric: table.string([...path, 'metric']),
    kind: table.oneOf([...path, 'kind'], ['single', 'rate', 'count']),
    day: day === undefined ? own : { code: day, display: table.string([...path, 'dayDisplay']) },
    unit: table.string([...path, 'unit']),
    category: table.string([...path, 'category']),
    codes: new Map(parts('codes', 'unit').map(({ name, code }) => [name, code])),
    components: parts('components', 'name').map(({ name, code }) => ({ name, ...code })),
  };
}

function codeOf(table: Table, path: Path): MetricCode {
  return { code: table.string([...path, 'code']), display: table.string([...path, 'display']) };
}
