/** What a record of any format says, before it is put into the hub's terms. */
import { hash } from 'node:crypto';
import type { Sample } from '../../src/fhir/device/sample.ts';

export interface Measured {
  readonly metric: string;
  /** What makes it this record and no other. */
  readonly key: string;
  /** RFC 3339, with the zone of whoever was measured. */
  readonly start: string;
  readonly end: string;
  readonly value: number;
  /** UCUM. */
  readonly unit: string;
  /** By the name of the component, of a metric that has several; `value` is then no number. */
  readonly parts?: Readonly<Record<string, number>>;
}

/** Or what no rule takes: where, and the code it has there; never a value. */
export type Reading = Measured | { readonly unmapped: { readonly position: string; readonly code: string } };

const instant = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})$/;

/** @returns undefined for times that are none, or have no zone: then nobody knows which day it was */
export function sampleOf({ metric, key, start, end, value, unit }: Measured): Sample | undefined {
  if (!instant.test(start) || !instant.test(end)) return undefined;
  const [from, to] = [Date.parse(start), Date.parse(end)];
  if (Number.isNaN(from) || Number.isNaN(to)) return undefined;
  return {
    metric,
    key: hash('sha256', key, 'base64url').slice(0, 27),
    from,
    to: Math.max(from, to),
    offsetMinutes: offsetOf(start),
    value,
    unit,
  };
}

function offsetOf(text: string): number {
  const [, sign, hours, minutes] = /([+-])(\d{2}):(\d{2})$/.exec(text) ?? [];
  const size = Number(hours ?? 0) * 60 + Number(minutes ?? 0);
  return sign === '-' ? -size : size;
}
