/** Where alerts are told. A target has a name that says nothing of its address: addresses may hold secrets. */
import { hash } from 'node:crypto';
import type { Notice } from './message.ts';

export interface Target {
  /** `webhook:3f2a9c01d4e5`, `email:...`. */
  readonly name: string;
  readonly channel: 'webhook' | 'email';
  /** @throws Problem transient with what went wrong: a status or a code, never an address */
  send(notice: Notice): Promise<void>;
}

export function targetName(channel: Target['channel'], address: string): string {
  return `${channel}:${hash('sha256', address, 'hex').slice(0, 12)}`;
}
