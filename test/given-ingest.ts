/** A hub's ingest on a real database and real sockets, for tests of the wire, the queue and the two together. */
import { createHash } from 'node:crypto';
import { connectMllp, type Ack, type MllpClient } from '../adapters/hl7v2/client.ts';
import { listenMllp, type MllpOptions } from '../adapters/hl7v2/mllp.ts';
import { readMessage } from '../adapters/hl7v2/read.ts';
import type { Database } from '../src/db.ts';
import { sql } from '../src/db/sql.ts';
import type { Connection, Endpoint, Inbound, Listener } from '../src/ingest/contract.ts';
import { addEndpoint, openRegistry, type NewEndpoint, type Registry } from '../src/ingest/endpoint.ts';
import {
  openDoor,
  startProcessing,
  type OpenDoor,
  type Processing,
  type ProcessingOptions,
} from '../src/ingest/ingest.ts';
import type { MappedMessage } from '../src/mapping/message/draft.ts';
import { givenDatabase } from './given.ts';

export interface IngestWorld {
  readonly url: string;
  readonly database: Database;
  readonly registry: Registry;
  readonly door: OpenDoor;
  endpoint(endpoint?: Partial<NewEndpoint>): Promise<Endpoint>;
  listen(options?: Partial<MllpOptions>): Promise<Listener>;
  client(port: number, options?: { depth?: number; onApplicationAck?: (ack: Ack) => void }): MllpClient;
  process(options?: Partial<ProcessingOptions>): Promise<Processing>;
  close(): Promise<void>;
}

export async function givenIngest(): Promise<IngestWorld> {
  const given = await givenDatabase();
  const { url, database } = given;
  await database.query(sql`create table applied (n bigserial, message_id bigint, patient text, value text)`);
  const registry = await openRegistry(database);
  const processing: Processing[] = [];
  const door = openDoor({ registry, database, onStored: () => processing.forEach((one) => one.wake()) });
  const listeners: Listener[] = [];
  const clients: MllpClient[] = [];
  let acks = 0;
  return {
    url,
    database,
    registry,
    door,
    endpoint: async (endpoint) => {
      const added = await addEndpoint(database, { ...oneHospital, ...endpoint });
      await untilKnown(registry, added.name);
      return added;
    },
    listen: async (options) => {
      const listener = await listenMllp({
        host: '127.0.0.1',
        port: 0,
        door,
        now: () => new Date('2024-01-02T03:04:05Z'),
        nextControlId: () => `ACK${++acks}`,
        ...options,
      });
      listeners.push(listener);
      return listener;
    },
    client: (port, options) => {
      const client = connectMllp({ host: '127.0.0.1', port, backoffMs: 20, ...options });
      clients.push(client);
      return client;
    },
    process: async (options) => {
      const one = await startProcessing({
        database,
        registry,
        worker: `worker-${Math.random()}`,
        convert: mapValue,
        apply: applyValues,
        ...options,
      });
      processing.push(one);
      return one;
    },
    close: async () => {
      for (const client of clients) client.destroy();
      await Promise.all(listeners.map((listener) => listener.close()));
      await door.close();
      await Promise.all(processing.map((one) => one.close()));
      registry.close();
      await given.close();
    },
  };
}

export const oneHospital: NewEndpoint = {
  name: 'hospa',
  kind: 'hl7v2-mllp',
  organization: 'Organization/a',
  facilities: ['HOSPA'],
};

async function untilKnown(registry: Registry, name: string): Promise<void> {
  while (registry.byName(name) === undefined) {
    await registry.refresh();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** An ORU^R01 with what a test names. */
export function givenMessage({
  id = 'M1',
  facility = 'HOSPA',
  patient = 'P1',
  value = '1',
  type = 'ORU^R01',
  charset = '',
  acks = ['', ''],
}: {
  id?: string;
  facility?: string;
  patient?: string;
  value?: string;
  type?: string;
  charset?: string;
  acks?: readonly [string, string];
} = {}): string {
  return [
    `MSH|^~\\&|LAB|${facility}|HUB|REGION|20240101||${type}|${id}|P|2.5.1|||${acks[0]}|${acks[1]}||${charset}`,
    `PID|1||${patient}^^^${facility}^MR||DOE^JANE`,
    `OBX|1|NM|718-7^HGB^LN||${value}|g/dL|||||F`,
    '',
  ].join('\r');
}

export function givenInbound(endpoint: Endpoint, text: string): Inbound {
  const { message } = readMessage(Buffer.from(text));
  const msh = message.first('MSH');
  const envelope = {
    controlId: msh?.text(10) ?? '',
    type: 'ORU^R01',
    facility: msh?.text(4) ?? '',
    patientKey: message.first('PID')?.text(3) ?? '',
  };
  return { endpoint, envelope, bytes: Buffer.from(text) };
}

export const fromAnywhere: Connection = { kind: 'hl7v2-mllp', address: '127.0.0.1' };

/** The smallest conversion that shows order and loss: the patient and the value of OBX-5. */
export function mapValue(raw: Buffer): MappedMessage {
  const { message } = readMessage(raw);
  const resource = {
    resourceType: 'Basic',
    id: createHash('sha256').update(raw).digest('hex').slice(0, 32),
    patient: message.first('PID')?.text(3) ?? '',
    value: message.first('OBX')?.text(5) ?? '',
  };
  const draft = { resource, mode: 'replace' as const, removed: [], fallback: [], precedence: 0 };
  return { drafts: [draft], commands: [], snapshots: [], unmapped: [], issues: [], mapVersion: 'map-1' };
}

export const applyValues: ProcessingOptions['apply'] = async (tx, messages) => {
  for (const { messageId, mapped } of messages) {
    const [draft] = mapped.drafts;
    const [patient, value] = [draft?.resource['patient'], draft?.resource['value']];
    await tx.query(sql`insert into applied (message_id, patient, value) values (${messageId}, ${patient}, ${value})`);
  }
};

/** Values of one patient in the order in which they were written. */
export async function appliedValues(database: Database, patient: string): Promise<string[]> {
  const rows = await database.query<{ value: string }>(
    sql`select value from applied where patient = ${patient} order by n`,
  );
  return rows.map(({ value }) => value);
}
