/** What a measurement says, and how it is printed: JSON for programs, a table for people. */
import { cpus, release, totalmem } from 'node:os';

export interface Result {
  /** What was done, as in the speed table of the design. */
  readonly work: string;
  readonly figure: number;
  readonly unit: string;
  /** The figure to reach; `isMaximum` when it is an upper bound. */
  readonly target?: number;
  readonly isMaximum?: boolean;
  /** The database's own limit for the same rows, measured in the same run. */
  readonly limit?: number;
  readonly p50Ms?: number;
  readonly p99Ms?: number;
  /** Processor time of one operation, in microseconds. What is shared is compared by this, not by rates. */
  readonly micros?: { readonly hub: number; readonly database: number; readonly load: number };
  readonly note?: string;
}

export interface Latencies {
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Percentiles of samples in milliseconds; sorts in place. */
export function percentiles(samplesMs: Float64Array): Latencies {
  samplesMs.sort();
  const at = (share: number): number =>
    samplesMs[Math.min(samplesMs.length - 1, Math.floor(samplesMs.length * share))] ?? 0;
  return { p50Ms: round(at(0.5)), p99Ms: round(at(0.99)) };
}

export function round(value: number, digits = 2): number {
  return Number(value.toFixed(digits));
}

export function machine(): string {
  const [cpu] = cpus();
  return `${cpus().length} x ${cpu?.model.trim() ?? 'unknown'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}, Node ${process.version}`;
}

const columns = [
  'work',
  'figure',
  'target',
  'reached',
  'database limit',
  'ratio',
  'p50 ms',
  'p99 ms',
  'us: hub + db + load',
  'note',
] as const;

/** A Markdown table, one row a result, without columns that nothing is in. */
export function toTable(results: readonly Result[]): string {
  const rows = results.map((result) => [
    result.work,
    `${round(result.figure, Math.abs(result.figure) < 10 ? 2 : 1)} ${result.unit}`.trim(),
    result.target === undefined ? '' : `${result.isMaximum ? '<=' : '>='} ${result.target}`,
    isReached(result),
    result.limit === undefined ? '' : String(Math.round(result.limit)),
    result.limit === undefined ? '' : (result.figure / result.limit).toFixed(2),
    result.p50Ms === undefined ? '' : String(result.p50Ms),
    result.p99Ms === undefined ? '' : String(result.p99Ms),
    result.micros === undefined
      ? ''
      : `${Math.round(result.micros.hub)} + ${Math.round(result.micros.database)} + ${Math.round(result.micros.load)}`,
    result.note ?? '',
  ]);
  const isFilled = columns.map((_, index) => rows.some((row) => row[index] !== ''));
  return [columns, columns.map(() => '---'), ...rows]
    .map((row) => `| ${row.filter((_, index) => isFilled[index]).join(' | ')} |`)
    .join('\n');
}

function isReached(result: Result): string {
  if (result.target === undefined) return '';
  return (result.isMaximum ? result.figure <= result.target : result.figure >= result.target) ? 'yes' : 'no';
}
