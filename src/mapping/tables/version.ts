/** The name of a map: a hash of everything that decides what a message becomes. */
import { hash } from 'node:crypto';
import type { MapSource, Rule } from '../table.ts';

/** 64 bits: versions are compared within one hub, never made by an adversary. */
const versionDigits = 16;

/** @returns the same text for the same content, wherever its files are and wherever in them a rule stands */
export function versionOf(source: MapSource): string {
  const { messages, segments, datatypes, vocabularies, keys, structural } = source;
  const all = [digestOf(messages), digestOf(structural)];
  for (const tables of [segments, datatypes, vocabularies, keys] as ReadonlyMap<string, object>[]) {
    all.push(`\n${tables.size}`);
    for (const table of tables.values()) all.push(digestOf(table));
  }
  return hash('sha256', all.join(''), 'hex').slice(0, versionDigits);
}

/** Of one table, or one rule; read once, because overlays share most of them. */
function digestOf(table: object): string {
  let digest = digests.get(table);
  if (digest === undefined) digests.set(table, (digest = hash('sha256', textOf(table), 'hex')));
  return digest;
}
const digests = new WeakMap<object, string>();

/** What a table says, without where it stands. */
function textOf(table: object): string {
  if (Array.isArray(table)) return JSON.stringify(table, (key, value: unknown) => (key === 'at' ? undefined : value));
  const { at: _, rules, ...said } = table as { at?: string; rules?: readonly Rule[] };
  // An overlay that changes one rule of a map keeps the others.
  return JSON.stringify({ ...said, rules: rules?.map(digestOf) });
}
