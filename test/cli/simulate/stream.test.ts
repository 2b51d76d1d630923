import assert from 'node:assert/strict';
import iconv from 'iconv-lite';
import { parseMessage } from '../../../adapters/hl7v2/message.ts';
import { checkNationalId } from '../../../src/fhir/identifiers.ts';
import { demoHospitals } from '../../../src/cli/simulate/hospitals.ts';
import { encodeMessage } from '../../../src/cli/simulate/messages.ts';
import { citizenAt } from '../../../src/cli/simulate/resident-id.ts';
import { escapeText } from '../../../src/cli/simulate/segments.ts';
import {
  courseLength,
  messageAt,
  simulate,
  simulatedHospitals,
  visitsAtOnce,
  type SimulatedMessage,
} from '../../../src/cli/simulate/stream.ts';

const block = visitsAtOnce * courseLength;
const decode = (message: SimulatedMessage): string => iconv.decode(message.bytes, message.hospital.charset);

describe('simulated hospitals: the stream', () => {
  const simulation = simulate({ seed: 7, hospitals: simulatedHospitals(6) });
  const messages = Array.from({ length: 2 * block }, (_, number) => simulation.messageAt(number));

  it('given the same seed, when made again in any order, then every byte is the same', () => {
    const again = simulate({ seed: 7, hospitals: simulatedHospitals(6) });
    for (const number of [900, 3, 511, 3, 0, 1023, 512]) {
      assert.deepEqual(again.messageAt(number).bytes, messages[number]?.bytes);
    }
  });

  it('given another seed, then no control id, record number or resident number is the same', () => {
    const other = simulate({ seed: 8, hospitals: simulatedHospitals(6) });
    const keysOf = (list: SimulatedMessage[]): Set<string> =>
      new Set(list.flatMap((message) => [message.controlId, message.mrn, message.person.residentId ?? message.mrn]));
    const others = keysOf(Array.from({ length: block }, (_, number) => other.messageAt(number)));
    assert.equal(keysOf(messages).isDisjointFrom(others), true);
  });

  it('gives every message a control id of its own that fits MSH-10 of version 2.4 (20 characters)', () => {
    const ids = new Set(messages.map((message) => message.controlId));
    assert.equal(ids.size, messages.length);
    assert.ok([...ids].every((id) => id.length <= 20));
  });

  it('sends ADT A01, A03, A04, A08, A11 and ORU R01', () => {
    assert.deepEqual([...new Set(messages.map((message) => message.type))].sort(), [
      'ADT^A01',
      'ADT^A03',
      'ADT^A04',
      'ADT^A08',
      'ADT^A11',
      'ORU^R01',
    ]);
  });

  it('declares the charset that the bytes are in, and every character survives it', () => {
    for (const message of messages) {
      assert.equal(decode(message), message.text);
      assert.equal(parseMessage(message.text).first('MSH')?.text(18), message.hospital.declaredCharset);
    }
    assert.equal(new Set(messages.map((message) => message.hospital.charset)).size, 3);
  });

  it('parses to the person, the record number and the visit it was made from', () => {
    for (const message of messages) {
      const parsed = parseMessage(message.text);
      const pid = parsed.first('PID');
      const { person, hospital } = message;
      assert.equal(parsed.first('MSH')?.text(10), message.controlId);
      assert.equal(parsed.first('MSH')?.text(4), hospital.facility);
      assert.equal(pid?.field(3)[0]?.get(1), message.mrn);
      assert.equal(pid?.text(7), person.birthDate);
      if (hospital.tongue === 'zh') assert.ok(pid?.text(5).startsWith(person.family));
      else assert.equal(pid?.text(5), person.latin.family);
      assert.match(parsed.first('PV1')?.text(19) ?? '', /^V/);
    }
  });

  it('has about ten segments a message', () => {
    const counts = messages.map((message) => message.text.split('\r').length - 1);
    const mean = counts.reduce((sum, count) => sum + count, 0) / counts.length;
    assert.ok(mean > 8.5 && mean < 11.5, String(mean));
  });

  it('keeps the order of a visit: collected before reported, corrected after final, discharged last', () => {
    const visits = Map.groupBy(messages, (message) => parseMessage(message.text).first('PV1')?.text(19));
    for (const course of visits.values()) {
      assert.equal(course.length, courseLength);
      assert.equal(course.at(-1)?.type, 'ADT^A03');
      const seen = new Set<string>();
      for (const message of course) {
        const obr = parseMessage(message.text).first('OBR');
        if (obr === undefined) continue;
        assert.ok(obr.text(7) < obr.text(22));
        if (obr.text(25) === 'C') assert.ok(seen.has(`${obr.text(3)} F`));
        seen.add(`${obr.text(3)} ${obr.text(25)}`);
      }
    }
  });

  it('corrects one value and says so at that value only (OBX-11)', () => {
    const corrected = messages.filter((message) => parseMessage(message.text).first('OBR')?.text(25) === 'C');
    assert.ok(corrected.length > 50);
    for (const message of corrected) {
      const states = parseMessage(message.text)
        .segments.filter((segment) => segment.name === 'OBX')
        .map((segment) => segment.text(11));
      assert.deepEqual(states, ['C', ...states.slice(1).fill('F')]);
    }
  });

  it('knows one person at two hospitals by one resident number', () => {
    const homes = Map.groupBy(
      messages.filter((message) => message.person.residentId !== undefined),
      (message) => message.person.residentId,
    );
    for (const known of homes.values()) assert.equal(new Set(known.map((message) => message.hospital)).size, 2);
  });

  it('given mix results, then only ORU^R01', () => {
    const results = simulate({ seed: 1, hospitals: simulatedHospitals(3), mix: 'results' });
    for (let number = 0; number < block; number += 7) assert.equal(results.messageAt(number).type, 'ORU^R01');
  });

  it('messageAt is the same stream from three hospitals', () => {
    const three = simulate({ seed: 5, hospitals: simulatedHospitals(3) });
    assert.deepEqual(messageAt(5, 700).bytes, three.messageAt(700).bytes);
  });
});

describe('simulated hospitals: GB18030', () => {
  for (const [hanzi, delimiter] of [
    ['珅', '|'],
    ['昞', '\\'],
    ['琟', '^'],
    ['珇', '~'],
  ] as const) {
    it(`sends ${hanzi}, whose second byte is ${delimiter}, unescaped`, () => {
      const bytes = encodeMessage(demoHospitals[0], escapeText(hanzi));
      assert.equal(bytes.length, 2);
      assert.equal(bytes[1], delimiter.charCodeAt(0));
    });
  }

  it('escapes delimiters that are text', () => {
    assert.equal(escapeText('a|b^c&d~e\\f'), 'a\\F\\b\\S\\c\\T\\d\\R\\e\\E\\f');
  });
});

describe('simulated resident identity numbers (GB 11643)', () => {
  it('have a right check character, the sex in the sequence and a prefecture that does not exist', () => {
    for (let person = 0; person < 5000; person++) {
      const sex = person % 2 === 0 ? 'F' : 'M';
      const { residentId, birthDate } = citizenAt(123_456, person, sex);
      assert.equal(checkNationalId(residentId), residentId);
      assert.equal(residentId.slice(6, 14), birthDate);
      assert.equal(residentId.slice(2, 4), '99');
      assert.equal(Number(residentId.charAt(16)) % 2, sex === 'M' ? 1 : 0);
    }
  });

  it('are never given twice within a seed', () => {
    const numbers = new Set(Array.from({ length: 100_000 }, (_, person) => citizenAt(9, person, 'F').residentId));
    assert.equal(numbers.size, 100_000);
  });
});
