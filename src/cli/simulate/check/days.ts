/** What watches sent against the record: each day of each person stands once, with what all its samples add up to, late and corrected ones too. */
import type { Tx } from '../../../db.ts';
import type { DayEntry } from '../ledger.ts';
import type { Findings } from './findings.ts';
import { resourceRows } from './rows.ts';

/** By `patient code date`: the last line of each. */
export type SentDays = Map<string, DayEntry>;

/** LOINC of a day (mappings/device/metrics.yaml). */
const codes: Readonly<Record<DayEntry['metric'], string>> = { 'heart-rate': '8867-4', steps: '41950-7' };

export function enterDay(days: SentDays, line: DayEntry): void {
  days.set(`${line.patient} ${codes[line.metric]} ${line.date}`, line);
}

interface Body {
  readonly effectiveDateTime?: string;
  readonly subject?: { readonly reference?: string };
  readonly code?: { readonly coding?: readonly { readonly code?: string }[] };
  readonly valueQuantity?: { readonly value?: number };
  readonly component?: readonly {
    readonly code?: { readonly coding?: readonly { readonly code?: string }[] };
    readonly valueQuantity?: { readonly value?: number };
  }[];
}

/** @returns how many days are as they should be */
export async function checkDays(db: Tx, days: SentDays, findings: Findings): Promise<number> {
  if (days.size === 0) return 0;
  const found = new Set<string>();
  const wrong = new Set<string>();
  for await (const { body } of resourceRows(db, 'Observation')) {
    const observation = JSON.parse(body) as Body;
    const patient = observation.subject?.reference?.replace(/^Patient\//, '');
    const key = `${patient} ${observation.code?.coding?.[0]?.code} ${observation.effectiveDateTime}`;
    const entry = days.get(key);
    if (entry === undefined) continue;
    if (found.has(key)) findings.add('days stand more than once', key);
    found.add(key);
    const [shown, expected] = [summaryOf(observation, entry), expectedOf(entry)];
    if (shown === expected) continue;
    wrong.add(key);
    findings.add('days do not add up', `${key}: ${shown}, not ${expected}`);
  }
  for (const key of days.keys()) if (!found.has(key)) findings.add('days are missing', key);
  return found.size - wrong.size;
}

function summaryOf({ valueQuantity, component = [] }: Body, { metric }: DayEntry): string {
  const part = (code: string): number | undefined =>
    component.find((one) => one.code?.coding?.[0]?.code === code)?.valueQuantity?.value;
  const count = part('count');
  return metric === 'steps'
    ? `${count} samples, sum ${valueQuantity?.value}`
    : `${count} samples from ${part('minimum')} to ${part('maximum')}`;
}

function expectedOf({ metric, count, low, high, sum }: DayEntry): string {
  return metric === 'steps' ? `${count} samples, sum ${sum}` : `${count} samples from ${low} to ${high}`;
}
