/** Simulated sources that send by themselves, as servers of R4 call their rest-hooks: each version as it comes to be, in its order. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Problem } from '../../../fhir/problem.ts';
import type { ResourceEntry } from '../ledger.ts';
import { pushTokenOf } from './endpoints.ts';
import type { Source } from './source.ts';

export interface Pusher {
  /** Of the source with this base. */
  push(source: Source, entry: ResourceEntry): void;
  /** Resolves when all that was to be sent has been taken. @throws Problem when the hub refused something */
  settle(): Promise<void>;
}

/** A hub that restarts is waited for: 0.1 + 0.2 + 0.4 + ... s. */
const attemptsMax = 8;
const firstWaitMs = 100;

/** @param url of the hub */
export function openPusher(url: string): Pusher {
  /** By name of the source: what is sent before the next may be. */
  const lines = new Map<string, Promise<void>>();
  return {
    push: (source, entry) => {
      const { name } = source.options;
      const before = lines.get(name) ?? Promise.resolve();
      // The body is that of this version, even if others have followed when its turn comes.
      const body = entry.isDeleted === true ? undefined : source.bodyOf(entry);
      const sending = before.then(() => send(url, source, entry, body));
      // Told by settle.
      sending.catch(() => undefined);
      lines.set(name, sending);
    },
    settle: async () => {
      await Promise.all(lines.values());
    },
  };
}

async function send(url: string, source: Source, entry: ResourceEntry, body: string | undefined): Promise<void> {
  const { name } = source.options;
  const request = {
    method: body === undefined ? 'DELETE' : 'PUT',
    headers: { authorization: `Bearer ${pushTokenOf(source)}`, 'content-type': 'application/fhir+json' },
    ...(body !== undefined && { body }),
  };
  for (let attempt = 1; ; attempt++) {
    const response = await fetch(`${url}/fhir-push/${name}/${entry.type}/${entry.id}`, request).catch(() => undefined);
    await response?.arrayBuffer();
    if (response?.ok === true) return;
    const mayPass = response === undefined || response.status === 429 || response.status >= 500;
    if (!mayPass || attempt >= attemptsMax) {
      throw new Problem('transient', `the hub answers ${response?.status ?? 'nothing'} to what ${name} sends`);
    }
    await sleep(firstWaitMs * 2 ** (attempt - 1));
  }
}
