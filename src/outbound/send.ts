/**
 * An operator sends something to a hospital: build, record who is shown what of whom, queue. In this order: nothing is
 * queued that the trail does not have.
 */
import { auditEntries, type Disclosed, type Audit, type AuditContext } from '../access/audit/audit.ts';
import type { Database } from '../db.ts';
import { assertValid } from '../fhir/validate.ts';
import { buildMessage, parseMessageType } from './build/message.ts';
import { readSource, sourceOf, type Source } from './build/source.ts';
import { writeMessage } from './build/write.ts';
import { collect, recipientOf } from './collect.ts';
import type { Destination } from './destination.ts';
import { queueMessage } from './queue.ts';
import { versionOf } from './versions.ts';

export interface SendOptions {
  readonly database: Database;
  readonly audit: Audit;
  /** @throws Problem value for text that the charset cannot say */
  readonly encode: (text: string, charset: string) => Uint8Array;
  readonly now: () => Date;
  /** Of 20 characters at most (MSH-10 before version 2.7), never the same twice. */
  readonly newControlId: () => string;
}

export interface SendRequest {
  readonly destination: Destination;
  /** `SIU^S12`. */
  readonly type: string;
  /** A Bundle as JSON, or what to read from the store: `Appointment/1`. */
  readonly content: { readonly bundle: string } | { readonly reference: string };
  /** Who sends, for the audit trail: a client or user. */
  readonly operator: string;
}

export interface Queued {
  readonly id: number;
  readonly controlId: string;
  /** Positions that the destination's version has no place for. */
  readonly omitted: readonly string[];
}

/** @throws Problem for content that does not give such a message; not-found for what the recipient may not see */
export async function sendMessage(options: SendOptions, request: SendRequest): Promise<Queued> {
  const { database, audit, now, newControlId } = options;
  const { destination, operator } = request;
  const at = now();
  const type = parseMessageType(request.type);
  const recipient = recipientOf(destination.organization, operator, at);
  const context: AuditContext = {
    principal: recipient,
    interaction: 'operation',
    query: 'hl7v2-send',
    at: at.getTime(),
  };
  const { source, shown, subject } = await contentOf(database, request, recipient);
  const controlId = newControlId();
  const { version, charset, sender, receiver, ackMode } = destination;
  const outgoing = { sender, receiver, version, charset, ackMode, controlId, trigger: type.trigger, at };
  const segments = buildMessage(type, source, outgoing);
  const { text, omitted } = writeMessage(segments, versionOf(version), type.structure);
  const bytes = options.encode(text, charset);
  await audit.record(auditEntries({ ...context, ...subject }, shown));
  const patients = [...new Set(shown.flatMap(({ patient }) => (patient === null ? [] : [patient])))];
  const id = await queueMessage(
    database,
    { destination, type: `${type.code}^${type.trigger}`, controlId, bytes, patients },
    at,
  );
  return { id, controlId, omitted };
}

interface Content {
  readonly source: Source;
  readonly shown: readonly Disclosed[];
  readonly subject: { readonly type?: string; readonly id?: string };
}

async function contentOf(
  database: Database,
  { content, operator }: SendRequest,
  recipient: Parameters<typeof collect>[1],
): Promise<Content> {
  if ('reference' in content) {
    const { entries, rows } = await collect(database, recipient, content.reference);
    const shown = rows.map(({ patient = null, otherPatients, decidedBy }) => ({ patient, otherPatients, decidedBy }));
    const [type, id] = content.reference.split('/') as [string, string];
    return { source: sourceOf(entries), shown, subject: { type, id } };
  }
  const source = readSource(content.bundle);
  for (const resource of source.resources) assertValid(resource);
  // What an operator brings along is not read from the store; of whom it is stands in the trail all the same.
  const shown = source.all('Patient').map(({ id = null }) => ({ patient: id, decidedBy: `operator:${operator}` }));
  return { source, shown, subject: {} };
}
