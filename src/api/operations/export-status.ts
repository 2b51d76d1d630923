/**
 * How far an export is, its manifest when it is complete, its files, and its end. For the client that began it; to everybody
 * else there is none.
 *
 * @see https://hl7.org/fhir/uv/bulkdata/STU2/export.html#bulk-data-status-request
 */
import { visibility } from '../../access/predicate/predicate.ts';
import { cancelExport, findExport, notePoll, type ExportJob } from '../../feeds/export.ts';
import { exportLines } from '../../feeds/export-file.ts';
import { listParts, readKeys, type ExportPart } from '../../feeds/export-parts.ts';
import { Problem } from '../../fhir/problem.ts';
import type { Interaction, Part, Result } from '../interaction.ts';
import { bodyFor } from '../read.ts';
import { HttpProblem, outcomeOf, type Answer } from '../respond.ts';
import { subsetOf } from '../subset.ts';
import { exportClient } from './export.ts';

/** A client that asks again sooner than this is told to wait. */
const pollPauseMs = 500;
/** How long a client should wait between looks: a quarter of how long it has waited, within these. */
const retrySeconds = { min: 1, max: 60 };

export const ndjson = 'application/fhir+ndjson';

/** What the trail keeps of a look at a job: it shows nothing of anybody. */
const nothingShown: Result['shown'] = [{ patient: undefined, decidedBy: undefined }];

export const exportStatus: Interaction = {
  code: 'operation',
  isWrite: false,
  prepare: async ({ facade, principal, incoming }) => ({
    query: '$export?status',
    run: async (tx) => {
      const job = await findExport(tx, incoming.id, exportClient(principal));
      if (job === undefined) throw gone();
      if (job.status === 'failed') {
        throw new HttpProblem(500, 'exception', 'the export has failed', { hint: 'Delete it, and begin another one.' });
      }
      if (job.status === 'collecting') {
        return {
          answer: await progressOf(job, await notePoll(tx, job.id, pollPauseMs), facade.now()),
          shown: nothingShown,
        };
      }
      const answer = {
        status: 200,
        contentType: 'application/json',
        headers: { expires: new Date(job.expiresAt).toUTCString() },
        body: manifestOf(job, await listParts(tx, job.id), facade.base),
      };
      return { answer, shown: nothingShown };
    },
  }),
};

async function progressOf(job: ExportJob, isPatient: boolean, now: number): Promise<Answer> {
  const waited = Math.round((now - job.requestedAt) / 4_000);
  const seconds = Math.min(Math.max(waited, retrySeconds.min), retrySeconds.max);
  const headers = { 'retry-after': String(seconds) };
  if (isPatient) return { status: 202, headers: { ...headers, 'x-progress': `${job.rowCount} resources collected` } };
  const issue = { severity: 'error', code: 'throttled', diagnostics: 'the status is asked for too often' } as const;
  return { status: 429, headers, body: outcomeOf([{ ...issue, hint: 'Wait as long as Retry-After says.' }]) };
}

/** @see https://hl7.org/fhir/uv/bulkdata/STU2/export.html#response---complete-status */
function manifestOf(job: ExportJob, parts: readonly ExportPart[], base: string): string {
  const fileOf = ({ part, type, rowCount }: ExportPart): object => ({
    type,
    url: `${base}/_export/${job.id}/${part}.ndjson`,
    count: rowCount,
  });
  return JSON.stringify({
    transactionTime: new Date(job.transactionTime).toISOString(),
    request: job.request.url,
    requiresAccessToken: true,
    output: parts.filter(({ isDeleted }) => !isDeleted).map(fileOf),
    deleted: parts.filter(({ isDeleted }) => isDeleted).map((part) => ({ ...fileOf(part), type: 'Bundle' })),
    error: [],
  });
}

export const exportFile: Interaction = {
  code: 'operation',
  isWrite: false,
  accepts: [ndjson, 'application/ndjson'],
  prepare: async ({ principal, incoming }) => ({
    query: '$export?file',
    run: async (tx) => {
      const job = await findExport(tx, incoming.id, exportClient(principal));
      const [, part] = /^(\d{1,9})\.ndjson$/.exec(incoming.version) ?? [];
      if (job?.status !== 'ready' || part === undefined) throw gone();
      const keys = await readKeys(tx, job.id, Number(part));
      if (keys === undefined) throw gone();
      const visible = visibility(principal, { interaction: 'r', types: [keys.type] });
      const elements = elementsFor(job.request.elements, keys.type);
      const pages = exportLines(tx, visible, keys, (row) => subsetOf(elements, bodyFor(principal, row)));
      return { answer: { status: 200, contentType: ndjson, body: '' }, shown: nothingShown, parts: partsOf(pages) };
    },
  }),
};

async function* partsOf(pages: ReturnType<typeof exportLines>): AsyncGenerator<Part, undefined> {
  let isEmpty = true;
  for await (const { rows, text } of pages) {
    isEmpty = false;
    yield { text, shown: rows };
  }
  // That it was asked for is on record also when nothing of it may be seen any more.
  if (isEmpty) yield { text: '', shown: [] };
}

/** `_elements=id,Patient.name`: a name without a type is of every type. */
function elementsFor(elements: readonly string[] | undefined, type: string): { elements?: readonly string[] } {
  if (elements === undefined) return {};
  const wanted = elements.flatMap((element) => {
    const [first = '', second] = element.split('.');
    if (second === undefined) return [first];
    return first === type ? [second] : [];
  });
  // Of a type that no element names all are sent.
  return wanted.length === 0 ? {} : { elements: wanted };
}

export const exportCancel: Interaction = {
  code: 'operation',
  isWrite: false,
  prepare: async ({ principal, incoming }) => ({
    query: '$export?delete',
    run: async (tx) => {
      if (!(await cancelExport(tx, incoming.id, exportClient(principal)))) throw gone();
      return { answer: { status: 202 }, shown: nothingShown };
    },
  }),
};

/** Unknown, another client's, expired, cancelled, a file that is not there: one answer (LEAKS 7). */
function gone(): Problem {
  return new Problem('not-found', 'there is no such export of this client');
}
