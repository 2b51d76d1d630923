/** The name of a map: a hash of everything that decides what a message becomes. */
import { createHash } from 'node:crypto';
import type { MapSource } from './table.ts';

/** 64 bits: versions are compared within one hub, never made by an adversary. */
const versionDigits = 16;

/** @returns the same text for the same content, wherever its files are and wherever in them a rule stands */
export function versionOf(source: MapSource): string {
  const { messages, segments, datatypes, vocabularies, keys, structural } = source;
  const hash = createHash('sha256').update(digestOf(messages)).update(digestOf(structural));
  for (const tables of [segments, datatypes, vocabularies, keys] as ReadonlyMap<string, object>[]) {
    hash.update(`\n${tables.size}`);
    for (const table of tables.values()) hash.update(digestOf(table));
  }
  return hash.digest('hex').slice(0, versionDigits);
}

/** Of one table; read once, because overlays share most of them. */
function digestOf(table: object): string {
  let digest = digests.get(table);
  if (digest === undefined) {
    const text = JSON.stringify(table, (key, value: unknown) => (key === 'at' ? undefined : value));
    digests.set(table, (digest = createHash('sha256').update(text).digest('hex')));
  }
  return digest;
}
const digests = new WeakMap<object, string>();
