/** The doors for HL7v2 of this process: the shared MLLP listener, one for each endpoint with a port of its own, and HTTP. */
import { randomUUID } from 'node:crypto';
import { answerFrame } from '../../adapters/hl7v2/answer-batch.ts';
import type { AnswerOptions } from '../../adapters/hl7v2/answer.ts';
import { watchFolders } from '../../adapters/hl7v2/folder.ts';
import { openMllpListeners } from '../../adapters/hl7v2/listeners.ts';
import type { Hl7Answer } from '../api/hl7v2.ts';
import type { TlsFiles } from '../config.ts';
import type { Tx } from '../db.ts';
import type { Door } from '../ingest/contract.ts';
import type { Registry } from '../ingest/endpoint.ts';
import { openDoor } from '../ingest/ingest.ts';
import type { Logger } from './log.ts';
import type { Metrics } from './metrics.ts';

export interface IntakeOptions {
  readonly registry: Registry;
  /** A connection of its own: a write that waits for the disk makes what is behind it wait too. */
  readonly database: Tx;
  readonly host: string;
  readonly port: number;
  readonly tls?: TlsFiles;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly onStored: () => void;
  /** A sender has shown its client certificate. */
  readonly onCertificate?: (certificate: { readonly fingerprint: string; readonly endsAt: Date }) => void;
}

export interface Intake {
  /** Of the shared MLLP listener. */
  readonly port: number;
  /** For adapters of this process that are not listeners. */
  readonly door: Door;
  /** Something was stored in another way. */
  readonly onStored: () => void;
  /** A message that came over HTTP. */
  receive(bytes: Buffer, from: { readonly address: string; readonly organization: string }): Promise<Hl7Answer>;
  close(): Promise<void>;
}

export async function openIntake(options: IntakeOptions): Promise<Intake> {
  const { registry, database, host, tls, log, metrics, onStored } = options;
  const door = openDoor({ registry, database, onStored });
  const answers: AnswerOptions = { door, now: () => new Date(), nextControlId: () => randomUUID() };
  const listeners = await openMllpListeners({
    ...answers,
    host,
    port: options.port,
    tls,
    onEvent: ({ kind, reason, certificate }) => {
      metrics.countMllp(kind);
      if (certificate !== undefined) options.onCertificate?.(certificate);
      if (kind === 'unfollowed') log.warn({ reason }, 'an application acknowledgment could not be made');
    },
    onPortError: (port, error) => log.error({ port, error }, 'the port of an endpoint cannot be opened'),
  });
  let isFailing = false;
  const folders = watchFolders({
    ...answers,
    hub: randomUUID(),
    onEvent: (event, error) => {
      metrics.countFolder(event);
      // Told once: a directory that is away is looked for every second.
      if (event === 'failed' && !isFailing) log.error({ error }, 'a file of a watched directory was not taken');
      isFailing = event === 'failed';
    },
  });
  return {
    port: listeners.port,
    door,
    onStored,
    receive: async (bytes, { address, organization }) => {
      const { acks, problem, isLost } = await answerFrame(
        bytes,
        { kind: 'hl7v2-http', address, organization },
        answers,
      );
      return { ack: isLost || acks.length === 0 ? undefined : Buffer.concat(acks), problem };
    },
    close: async () => {
      await Promise.all([listeners.close(), folders.close()]);
      await door.close();
    },
  };
}
