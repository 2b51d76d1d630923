/** One value that a device measured, as the hub keeps it: of a metric, in UCUM, with the time and zone in which it was measured. */
import { canonicalUnit, toCanonical } from '../ucum.ts';
import type { Metric } from './metrics.ts';

export interface Sample {
  readonly metric: string;
  /** What makes it this sample and no other: the source's id, else a hash of what it says beside its value. */
  readonly key: string;
  /** Milliseconds since 1970. */
  readonly from: number;
  /** After `from` for what was measured over a time. */
  readonly to: number;
  /** Minutes that the clock of whoever was measured was ahead of UTC: their day is theirs. */
  readonly offsetMinutes: number;
  readonly value: number;
  /** UCUM. */
  readonly unit: string;
}

/** The value in this unit; undefined where the units do not convert. */
export function valueIn(unit: string, { value, unit: own }: Pick<Sample, 'value' | 'unit'>): number | undefined {
  if (own === unit) return value;
  const [from, to] = [canonicalUnit(own), canonicalUnit(unit)];
  if (from === undefined || to === undefined || from.dimension !== to.dimension) return undefined;
  return Number(((toCanonical(from, value) - to.offset) / to.factor).toPrecision(10));
}

/** In the metric's unit. @returns undefined for a value that cannot be of this metric */
export function inMetric(metric: Metric, sample: Sample): Sample | undefined {
  const value = valueIn(metric.unit, sample);
  return value === undefined || !Number.isFinite(value) ? undefined : { ...sample, value, unit: metric.unit };
}

export const hourMs = 3_600_000;
export const dayMs = 24 * hourMs;

/** The beginning of the hour of UTC it falls into. */
export function hourOf({ from }: Pick<Sample, 'from'>): number {
  return Math.floor(from / hourMs) * hourMs;
}

/** The day of whoever was measured: `2026-03-01`. */
export function dayOf({ from, offsetMinutes }: Pick<Sample, 'from' | 'offsetMinutes'>): string {
  return new Date(from + offsetMinutes * 60_000).toISOString().slice(0, 10);
}

/** `2026-03-01T08:00:00+08:00` */
export function instantAt(at: number, offsetMinutes: number): string {
  const sign = offsetMinutes < 0 ? '-' : '+';
  const two = (value: number): string => String(value).padStart(2, '0');
  const minutes = Math.abs(offsetMinutes);
  const zone = `${sign}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
  return `${new Date(at + offsetMinutes * 60_000)
    .toISOString()
    .replace(/\.000Z$/, 'Z')
    .slice(0, -1)}${zone}`;
}
