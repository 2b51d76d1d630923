/**
 * Messages as the console has them: lists, one message with what happened to it, the error inbox; and content, for an analyst who says what
 * for. An identifier of a patient comes in a body, never in a URL, which is in every log on the way.
 */
import type { Request } from 'express';
import type { Audit, AuditContext } from '../access/audit/audit.ts';
import type { Database, Tx } from '../db.ts';
import { Problem } from '../fhir/problem.ts';
import { dismissMessages, parseDismissal } from '../ingest/dismiss.ts';
import { listErrors } from '../ingest/errors.ts';
import type { Mark } from '../ingest/marks.ts';
import { describeMessage, readContent, type MessageContent } from '../ingest/message.ts';
import { findMarked } from '../ingest/search.ts';
import {
  everyMessage,
  listMessages,
  pageRowsDefault,
  pageRowsMax,
  type MessageFilter,
  type MessageLine,
} from '../ingest/status.ts';
import { filterNames, instantOf, numberOf, queryOf, readFilter } from './ops-filter.ts';
import { idOf, json, readObject, type OpsRoute } from './ops-route.ts';
import type { Answer } from './respond.ts';

export interface MessageService {
  readonly database: Database;
  readonly audit: Audit;
  readonly mark: Mark;
  /** What a stored message holds, in parts that a person reads, and whom it is about. */
  show(content: MessageContent): Promise<ShownContent>;
}

export interface ShownContent {
  /** As it came, decoded. */
  readonly text: string;
  /** Of HL7v2: each field by its position. */
  readonly segments?: readonly { readonly name: string; readonly fields: Readonly<Record<string, string>> }[];
  /** What it becomes under the map in force; absent: it cannot be converted. */
  readonly bundle?: object;
  readonly mapVersion?: string;
  /** Why it cannot be converted. */
  readonly problem?: { readonly code: string; readonly diagnostics: string; readonly position?: string };
  /** Ids of Patients. */
  readonly patients: readonly string[];
}

export function messageRoutes(service: MessageService): readonly OpsRoute[] {
  const { database } = service;
  return [
    ['get', '/messages', (request, query) => answerMessages(database, request, query)],
    ['post', '/messages/search', (request) => search(service, request), { act: 'view', isView: true }],
    ['get', '/messages/:id', async (request) => json(await describeMessage(database, idOf(request)))],
    [
      'post',
      '/messages/:id/content',
      (request, _query, _principal, asked) => showContent(service, request, asked),
      { act: 'content', isView: true, interaction: 'ops-content' },
    ],
    ['get', '/errors', (_request, query) => answerErrors(database, query)],
    ['post', '/errors/dismiss', (request) => dismiss(database, request), { act: 'mend' }],
    ['post', '/messages/:id/dismiss', (request) => dismissOne(database, request), { act: 'mend' }],
  ];
}

/** As JSON a page; as NDJSON every message that matches, written as fast as the caller reads. */
async function answerMessages(database: Tx, request: Request, query: URLSearchParams): Promise<Answer> {
  const filter = await readFilter(database, query, pageNames);
  const after = numberOf(query, 'after', 0);
  if ((request.headers.accept ?? '').includes('application/x-ndjson')) {
    const pages = everyMessage(database, filter, after);
    return { status: 200, contentType: 'application/x-ndjson; charset=utf-8', chunks: toLines(pages) };
  }
  return answerPage(database, filter, query);
}

const pageNames = ['after', 'limit'];

async function answerPage(database: Tx, filter: MessageFilter, query: URLSearchParams): Promise<Answer> {
  const after = numberOf(query, 'after', 0);
  const limit = Math.min(numberOf(query, 'limit', pageRowsDefault), pageRowsMax);
  const lines = await listMessages(database, filter, { after, limit });
  const next = lines.length === limit ? lines.at(-1)?.id : undefined;
  return json({ messages: lines, ...(next !== undefined && { after: next }) });
}

async function* toLines(pages: AsyncIterable<readonly MessageLine[]>): AsyncGenerator<string> {
  for await (const page of pages) yield page.map((line) => `${JSON.stringify(line)}\n`).join('');
}

/** Shorter ones are numbers that everybody has. */
const identifierChars = { min: 2, max: 128 };

/** `{"identifier":"4711","source":"ward"}`: also by what is in no table but its mark. */
async function search({ database, mark }: MessageService, request: Request): Promise<Answer> {
  const body = await readObject(request, ['identifier', ...filterNames, ...pageNames]);
  const { identifier, ...rest } = body;
  const query = queryOf(rest);
  const filter = await readFilter(database, query, pageNames);
  if (identifier === undefined) return answerPage(database, filter, query);
  const isText = typeof identifier === 'string';
  if (!isText || identifier.length < identifierChars.min || identifier.length > identifierChars.max) {
    throw new Problem('value', 'the identifier is none', {
      expression: 'identifier',
      hint: `A text of ${identifierChars.min} to ${identifierChars.max} characters, as the source sends it.`,
    });
  }
  const marks = await findMarked(database, mark(identifier), mark);
  return answerPage(database, { ...filter, marks }, query);
}

async function answerErrors(database: Tx, query: URLSearchParams): Promise<Answer> {
  const { source, since: _since, ...others } = Object.fromEntries(query);
  const [foreign] = Object.keys(others);
  if (foreign !== undefined) {
    throw new Problem('not-supported', 'unknown parameter', { hint: 'The parameters are source, since.' });
  }
  const since = instantOf(query, 'since');
  return json(await listErrors(database, { ...(source && { source }), ...(since && { since }) }));
}

/** `{"why":"test","source":"ward","code":"value"}`: of one endpoint at least, so that nobody empties the inbox by mistake. */
async function dismiss(database: Database, request: Request): Promise<Answer> {
  const { why, ...rest } = await readObject(request, ['why', ...filterNames]);
  const filter = await readFilter(database, queryOf(rest));
  if (filter.source === undefined) {
    throw new Problem('required', 'the source says of which endpoint', { expression: 'source' });
  }
  return json(await dismissMessages(database, filter, { why: parseDismissal(why), at: new Date() }));
}

async function dismissOne(database: Database, request: Request): Promise<Answer> {
  const id = idOf(request);
  const { why } = await readObject(request, ['why']);
  const done = await dismissMessages(database, { id }, { why: parseDismissal(why), at: new Date() });
  if (done.dismissed === 1) return json(done);
  const { status } = await describeMessage(database, id);
  throw new Problem('conflict', `the message is not quarantined but ${status}`);
}

const reasonChars = { min: 10, max: 500 };

/** What a message holds, when whoever asks has said what for; it stands in the log of each patient before it is shown. */
async function showContent(service: MessageService, request: Request, asked: AuditContext): Promise<Answer> {
  const id = idOf(request);
  const { reason: stated } = await readObject(request, ['reason']);
  const reason = typeof stated === 'string' ? stated.trim() : '';
  if (reason.length < reasonChars.min || reason.length > reasonChars.max) {
    throw new Problem('required', 'the reason says in words what the content is needed for', {
      expression: 'reason',
      hint: `${reasonChars.min} to ${reasonChars.max} characters; the patient reads it.`,
    });
  }
  const content = await readContent(service.database, id);
  const { patients, ...shown } = await service.show(content);
  const context: AuditContext = { ...asked, query: `POST /ops/messages/${id}/content`, reason };
  const whose = patients.length === 0 ? [undefined] : patients;
  await service.audit.record(
    whose.map((patient) => ({ context, ...(patient && { patient }), rows: 1, outcome: 'success' as const })),
  );
  const { source, kind, mapVersion: processedBy } = content;
  return json({ id, source, kind, ...(processedBy !== null && { processedBy }), ...shown });
}
