/** How a simulated hospital reaches the hub besides MLLP: it posts its messages, or leaves them as files. */
import { mkdirSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Problem } from '../../fhir/problem.ts';
import type { Hospital } from './hospitals.ts';
import type { Line } from './send.ts';

/** What is answered to whoever leaves a file: nobody, yet. It counts as accepted; whether it is, the hub writes beside it. */
const left = 'left';

/** A hub that restarts is waited for: 0.1 + 0.2 + 0.4 + 0.8 + 1.6 s. */
const attemptsMax = 6;
const firstWaitMs = 100;
const answerMs = 30_000;

/** HL7v2 over HTTP. @param tokenOf an access token that speaks for the organization */
export function httpLine(url: string, tokenOf: () => Promise<string>): Line {
  const ended = new AbortController();
  const post = async (message: Uint8Array): Promise<{ code: string; bytes: Buffer }> => {
    const response = await fetch(`${url}/hl7v2`, {
      method: 'POST',
      headers: { authorization: `Bearer ${await tokenOf()}`, 'content-type': 'application/hl7-v2' },
      body: message as Uint8Array<ArrayBuffer>,
      signal: AbortSignal.any([ended.signal, AbortSignal.timeout(answerMs)]),
    });
    const bytes = Buffer.from(await response.arrayBuffer());
    const code = /\rMSA\|([A-Z]{2})/.exec(bytes.toString('latin1'))?.[1];
    return { code: code ?? `HTTP ${response.status}`, bytes };
  };
  return {
    send: async (message) => {
      for (let attempt = 1; ; attempt++) {
        try {
          return await post(message);
        } catch (cause) {
          if (ended.signal.aborted || attempt >= attemptsMax) {
            throw new Problem('transient', 'no answer from the receiver', { cause });
          }
          await sleep(firstWaitMs * 2 ** (attempt - 1));
        }
      }
    },
    close: async () => undefined,
    destroy: () => ended.abort(),
  };
}

/**
 * A file a message, numbered in the order they were left, in a folder per hospital: `DIR/SIM0001/000000001.hl7`. It appears under its
 * name when it is whole.
 * @param startedAt part of the names, so that a later simulation's files come after this one's
 */
export function folderLine(directory: string, { facility }: Hospital, startedAt: number): Line {
  const folder = join(directory, facility);
  mkdirSync(folder, { recursive: true });
  let number = 0;
  return {
    send: async (message) => {
      const path = join(folder, `${startedAt}-${String(++number).padStart(9, '0')}.hl7`);
      await writeFile(`${path}.tmp`, message);
      await rename(`${path}.tmp`, path);
      return { code: left, bytes: Buffer.alloc(0) };
    },
    close: async () => undefined,
    destroy: () => undefined,
  };
}
