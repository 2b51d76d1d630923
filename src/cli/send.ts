/** `hub send` and `hub outbound`: messages to hospitals, into the queue of their destination, and what became of them. */
import { userInfo } from 'node:os';
import { text } from 'node:stream/consumers';
import { openAudit } from '../access/audit/audit.ts';
import { readConfig } from '../config.ts';
import type { Database } from '../db.ts';
import { Problem } from '../fhir/problem.ts';
import { queueOutbound } from '../hub/outbound.ts';
import { openStorage } from '../hub/storage.ts';
import { findDestination } from '../outbound/destination.ts';
import { decideRefused, listOutbound, outboundStatuses } from '../outbound/queue.ts';

export interface SendCommandOptions {
  readonly resource?: string;
}

export async function runSend(
  name: string,
  type: string,
  { resource }: SendCommandOptions,
  environment: NodeJS.ProcessEnv,
): Promise<void> {
  const content = resource === undefined ? { bundle: await text(process.stdin) } : { reference: resource };
  await withDatabase(environment, async (database) => {
    const audit = openAudit(database);
    try {
      const destination = await findDestination(database, name);
      const operator = `hub-cli:${userInfo().username}`;
      const { id, controlId, omitted } = await queueOutbound(database, audit, { destination, type, content, operator });
      console.log(JSON.stringify({ id, controlId, ...(omitted.length > 0 && { omitted }) }));
    } finally {
      await audit.close();
    }
  });
}

export interface OutboundListOptions {
  readonly destination?: string;
  readonly status?: string;
}

export async function runOutboundList(options: OutboundListOptions, environment: NodeJS.ProcessEnv): Promise<void> {
  const { destination } = options;
  const status = outboundStatuses.find((known) => known === options.status);
  if (options.status !== undefined && status === undefined) {
    throw new Problem('value', '--status is not valid', { hint: `One of ${outboundStatuses.join(', ')}.` });
  }
  await withDatabase(environment, async (database) => {
    let after = 0;
    for (;;) {
      const page = await listOutbound(database, { destination, status, after });
      if (page.length === 0) return;
      for (const line of page) console.log(JSON.stringify(line));
      after = page.at(-1)?.id ?? after;
    }
  });
}

/** A refused message: send it again in its old place, or drop it so that the next ones pass. */
export async function runOutboundDecide(
  id: string,
  status: 'waiting' | 'dropped',
  environment: NodeJS.ProcessEnv,
): Promise<void> {
  if (!/^\d{1,15}$/.test(id))
    throw new Problem('value', 'the id is a number', { hint: 'List them: hub outbound list' });
  await withDatabase(environment, (database) => decideRefused(database, Number(id), status));
}

async function withDatabase(
  environment: NodeJS.ProcessEnv,
  work: (database: Database) => Promise<void>,
): Promise<void> {
  const storage = await openStorage(readConfig(environment));
  try {
    await work(storage.database);
  } finally {
    await storage.close();
  }
}
