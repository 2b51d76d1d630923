/** What the hub sends over HL7v2: the rooms that build and queue, joined with the adapter that reaches a hospital. */
import { randomBytes, randomUUID } from 'node:crypto';
import { findCharset } from '../../adapters/hl7v2/charset.ts';
import { connectMllp } from '../../adapters/hl7v2/client.ts';
import { encodeMessage } from '../../adapters/hl7v2/encode.ts';
import type { Audit } from '../access/audit/audit.ts';
import type { Database } from '../db.ts';
import { Problem } from '../fhir/problem.ts';
import { addDestination, type Destination, type NewDestination } from '../outbound/destination.ts';
import { sendMessage, type Queued, type SendRequest } from '../outbound/send.ts';
import { startSending, type Sending, type Transport } from '../outbound/sender.ts';
import type { Logger } from './log.ts';
import type { Metrics } from './metrics.ts';

/** Receivers that write to a slow system before they answer; after it the message is sent again. */
const ackTimeoutMs = 30_000;

/** One message at a time, one try: order and repetition are the queue's, which remembers them. */
export function openTransport({ host, port, isTls }: Destination, timeoutMs = ackTimeoutMs): Transport {
  return connectMllp({ host, port, ...(isTls && { tls: {} }), depth: 1, attemptsMax: 1, ackTimeoutMs: timeoutMs });
}

export async function startOutbound(options: {
  readonly database: Database;
  readonly log: Logger;
  readonly metrics: Metrics;
}): Promise<Sending> {
  const { database, log, metrics } = options;
  return startSending({
    database,
    worker: `hub-sender-${randomUUID()}`,
    open: openTransport,
    onEvent: ({ destination, outcome }) => {
      metrics.countOutbound(destination, outcome);
      if (outcome === 'refused') log.warn({ destination }, 'message refused by its receiver');
    },
    onError: (error) => log.error({ error }, 'sending failed'),
  });
}

/** `hub send` and the console: into the queue; whichever process sends finds it there. */
export async function queueOutbound(database: Database, audit: Audit, request: SendRequest): Promise<Queued> {
  return sendMessage(
    {
      database,
      audit,
      encode: encodeMessage,
      now: () => new Date(),
      // 16 characters, of 96 random bits: MSH-10 has room for 20.
      newControlId: () => randomBytes(12).toString('base64url'),
    },
    request,
  );
}

/** @throws Problem value, not-supported, conflict */
export async function registerDestination(database: Database, wanted: NewDestination): Promise<Destination> {
  return addDestination(database, { ...wanted, charset: wanted.charset && nameOfCharset(wanted.charset) });
}

/** With the names of charsets as they go into MSH-18. @throws Problem value */
export function canonical<Wanted extends { readonly charset: string }>(wanted: readonly Wanted[]): Wanted[] {
  return wanted.map((one) => ({ ...one, charset: nameOfCharset(one.charset) }));
}

/** As HL70211 writes it. */
function nameOfCharset(charset: string): string {
  const found = findCharset(charset);
  if (found !== undefined) return found.name;
  throw new Problem('value', 'the hub does not know this charset', {
    expression: 'charset',
    hint: 'Name it as HL70211 or IANA does: UNICODE UTF-8, GB18030.',
  });
}
