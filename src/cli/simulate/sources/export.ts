/**
 * Bulk exports of a simulated source: kick-off, status, manifest, files, deletion.
 *
 * @see https://hl7.org/fhir/uv/bulkdata/STU2/export.html
 */
import { randomUUID } from 'node:crypto';
import { servedTypes } from './capability.ts';
import type { Served, Source } from './source.ts';

export interface Job {
  readonly id: string;
  /** Right time: what is seen at this moment is exported. */
  readonly at: number;
  readonly since: number | undefined;
  readonly types: readonly string[];
  readonly request: string;
}

export interface Exports {
  /** @returns the job's id */
  kickOff(source: Source, query: URLSearchParams, request: string, now: number): string;
  /** undefined: there is no such job. */
  status(source: Source, id: string, now: number): { status: 200 | 202; body: string } | undefined;
  /** Lines of NDJSON. @param file `Observation`, or `deleted` */
  file(source: Source, id: string, file: string): Generator<string> | undefined;
  end(source: Source, id: string): boolean;
}

/** Time that an export takes here. */
const exportMs = 300;
/** A source keeps so many: those nobody ended go. */
const jobsMax = 100;

export function openExports(): Exports {
  const jobs = new Map<string, Job>();
  const keyOf = (source: Source, id: string): string => `${source.options.name}/${id}`;
  return {
    kickOff: (source, query, request, now) => {
      const id = randomUUID();
      const since = Date.parse(query.get('_since') ?? '');
      const types = query.getAll('_type').flatMap((text) => text.split(','));
      if (jobs.size >= jobsMax) jobs.delete(jobs.keys().next().value as string);
      jobs.set(keyOf(source, id), {
        id,
        at: now,
        since: Number.isNaN(since) ? undefined : since,
        types: types.length > 0 ? types : servedTypes,
        request,
      });
      return id;
    },
    status: (source, id, now) => {
      const job = jobs.get(keyOf(source, id));
      if (job === undefined) return undefined;
      if (now < job.at + exportMs) return { status: 202, body: '' };
      return { status: 200, body: manifest(source, job) };
    },
    file: (source, id, file) => {
      const job = jobs.get(keyOf(source, id));
      if (job === undefined) return undefined;
      return file === 'deleted' ? deletedLines(source, job) : lines(source, job, file);
    },
    end: (source, id) => jobs.delete(keyOf(source, id)),
  };
}

function manifest(source: Source, job: Job): string {
  const { base } = source.options;
  const url = (file: string): string => `${base}/$export-file/${job.id}/${file}`;
  const output = job.types
    .map((type) => ({ type, url: url(type), count: exported(source, job, type).toArray().length }))
    .filter(({ count }) => count > 0);
  const deleted = deletions(source, job).toArray().length;
  return JSON.stringify({
    transactionTime: new Date(source.clock(job.at)).toISOString(),
    request: job.request,
    requiresAccessToken: source.options.habits.auth !== 'none',
    output,
    deleted: deleted > 0 ? [{ type: 'Bundle', url: url('deleted'), count: deleted }] : [],
    error: [],
  });
}

function* exported(source: Source, { at, since }: Job, type: string): Generator<Served> {
  for (const stored of source.resources) {
    if (stored.type !== type) continue;
    const served = source.current(stored, at);
    if (served === undefined || served.isDeleted) continue;
    if (since === undefined || served.updatedAt >= since) yield served;
  }
}

/** Only what was deleted since the last export is news. */
function* deletions(source: Source, { at, since }: Job): Generator<Served> {
  if (since === undefined) return;
  for (const stored of source.resources) {
    const served = source.current(stored, at);
    if (served?.isDeleted === true && served.updatedAt >= since) yield served;
  }
}

function* lines(source: Source, job: Job, type: string): Generator<string> {
  for (const served of exported(source, job, type)) yield `${source.body(served)}\n`;
}

function* deletedLines(source: Source, job: Job): Generator<string> {
  for (const { stored } of deletions(source, job)) {
    const request = { method: 'DELETE', url: `${stored.type}/${stored.id}` };
    yield `${JSON.stringify({ resourceType: 'Bundle', type: 'transaction', entry: [{ request }] })}\n`;
  }
}
