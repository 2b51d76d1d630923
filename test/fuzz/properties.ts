/**
 * What must hold for any bytes at all: the parser and the mapper give a result or a Problem, in bounded time and space. And for
 * what a correct sender writes: the parser reads every value as it was meant, and writes the message back byte for byte.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import fc from 'fast-check';
import { checkBatch, splitMessages } from '../../adapters/hl7v2/batch.ts';
import { buildAck } from '../../adapters/hl7v2/ack.ts';
import { parseMessage } from '../../adapters/hl7v2/message.ts';
import { readEnvelope, readMessage } from '../../adapters/hl7v2/read.ts';
import { guessSender } from '../../adapters/hl7v2/sender.ts';
import { serialise } from '../../adapters/hl7v2/serialise.ts';
import { Problem } from '../../src/fhir/problem.ts';
import type { AnyResource } from '../../src/fhir/types.ts';
import { toBundle } from '../../src/mapping/bundle.ts';
import type { Hl7Message, Hl7Value } from '../../src/mapping/message.ts';
import { mapMessage } from '../../src/mapping/run.ts';
import { maps } from '../mapping/given.ts';
import { model, mutate, mutations, write, type MessageModel } from './messages.ts';

const root = resolve(import.meta.dirname, '../..');

/** Processor time that one message may cost; thousands of times what it takes. */
const messageMsMax = 3_000;
/** Length of a Bundle's JSON: a resource has a frame of its own, and a value may stand in it more than once. */
const bundleCharsMax = ({ chars, segments }: { chars: number; segments: number }): number =>
  20_000 + 8_000 * segments + 40 * chars;

/** A broken piece that is repeated may make thousands of messages of one; the first are enough. */
const messagesMax = 20;

export interface Outcomes {
  converted: number;
  refused: number;
}

/** Bytes that real senders sent: the fixtures of the tests, and the corpus where it is laid beside the checkout. */
export function seeds(): Buffer[] {
  const fixtures = join(root, 'test/fixtures/hl7v2');
  const corpus = join(process.env['CORPUS_DIR'] ?? resolve(root, '../shared/corpus'), 'hl7v2');
  const files = existsSync(corpus) ? readdirSync(corpus, { recursive: true, encoding: 'utf8' }) : [];
  return [
    ...readdirSync(fixtures).map((name) => join(fixtures, name)),
    ...files.filter((name) => name.endsWith('.hl7')).map((name) => join(corpus, name)),
  ]
    .sort()
    .map((file) => readFileSync(file));
}

/** Generated messages: read as they were meant, written back as they were sent, mapped. */
export function generated(outcomes: Outcomes): fc.IProperty<[MessageModel]> {
  return fc.property(model, (given) => {
    const text = write(given);
    const message = parseMessage(text);
    assert.equal(serialise(message), text, 'parse and serialise give the same text');
    readsAs(message, given);
    takes(Buffer.from(text), outcomes);
  });
}

/** Real messages, broken. */
export function mutated(from: readonly Buffer[], outcomes: Outcomes): fc.IProperty<[Buffer]> {
  const index = fc.nat({ max: from.length - 1 });
  const bytes = fc.tuple(index, mutations).map(([which, steps]) => mutate(from[which] as Buffer, steps));
  return fc.property(bytes, (broken) => {
    orProblem(() => checkBatch(broken));
    for (const one of splitMessages(broken).slice(0, messagesMax)) takes(one, outcomes);
  });
}

/** A line of blanks is no segment, and blanks before a name are no part of it. */
function readsAs({ segments }: Hl7Message, { segments: models }: MessageModel): void {
  assert.equal(segments.length, models.length + 1);
  for (const [index, { name, fields }] of models.entries()) {
    const segment = segments[index + 1];
    assert.equal(segment?.name, name);
    // The first two fields of a header are its separators.
    for (const [at, repetitions] of name === 'MSH' ? [] : fields.entries()) {
      const values: readonly Hl7Value[] = segment?.field(at + 1) ?? [];
      for (const [repetition, components] of repetitions.entries()) {
        for (const [component, parts] of components.entries()) {
          const read: string[] = parts.map((_, part) => values[repetition]?.get(component + 1, part + 1) ?? '');
          assert.deepEqual(read, parts, `${name}-${at + 1}~${repetition + 1}.${component + 1}`);
        }
      }
    }
  }
}

/** The way of any message through the hub, as far as it is pure. */
function takes(bytes: Uint8Array, outcomes: Outcomes): void {
  const before = process.cpuUsage();
  const bundle = orProblem(() => {
    const { message } = readMessage(bytes);
    orProblem(() => readEnvelope(message));
    const mapped = toBundle(
      mapMessage(maps.forEndpoint('test'), message, { endpoint: 'test', owner: 'Organization/x', zone: '+08:00' }),
    );
    const size = { chars: bytes.length, segments: message.segments.length };
    const chars = JSON.stringify(mapped).length;
    assert.ok(chars <= bundleCharsMax(size), `${chars} characters of ${JSON.stringify(size)}`);
    return mapped;
  });
  const { user, system } = process.cpuUsage(before);
  const spentMs = (user + system) / 1_000;
  assert.ok(spentMs <= messageMsMax, `took ${Math.round(spentMs)} ms`);
  if (bundle instanceof Problem) outcomes.refused++;
  else outcomes.converted++;
  answers(bytes, bundle);
}

/** Whatever came, an acknowledgment can be written. */
function answers(bytes: Uint8Array, outcome: AnyResource | Problem): void {
  const verdict = outcome instanceof Problem ? outcome : undefined;
  const facts = { kind: 'application', verdict, at: new Date(0), controlId: 'A1' } as const;
  assert.match(buildAck({ sender: guessSender(bytes), ...facts }).toString('latin1'), /^MSH/);
}

/** @returns what the work gives, or the Problem that it throws; anything else thrown is a defect */
function orProblem<T>(work: () => T): T | Problem {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    assert.notEqual(error.message, '', 'a Problem says what is wrong');
    assert.notEqual(error.code, 'exception', 'a defect of ours is no Problem');
    return error;
  }
}
