import assert from 'node:assert/strict';
import { parseMessage } from '../../../adapters/hl7v2/message.ts';
import { lettersAt, mishapsOf, noMishaps, withClocksOff, type Letter } from '../../../src/cli/simulate/mishaps.ts';
import { laterOf, type Statement } from '../../../src/cli/simulate/statement.ts';
import { courseLength, simulate, simulatedHospitals, visitsAtOnce } from '../../../src/cli/simulate/stream.ts';

describe('simulated hospitals: what goes wrong', () => {
  const seed = 4;
  const simulation = simulate({ seed, hospitals: simulatedHospitals(6) });
  const count = 3 * visitsAtOnce * courseLength;
  const lettersOf = (percent: number): Letter[] =>
    Array.from({ length: count }, (_, number) => lettersAt(simulation, seed, number, mishapsOf(percent))).flat();
  const letters = lettersOf(10);
  const share = (some: readonly unknown[]): number => (some.length * 100) / count;

  it('given none, then each letter is the message itself', () => {
    for (let number = 0; number < count; number += 5) {
      const [letter, ...others] = lettersAt(simulation, seed, number, noMishaps);
      assert.deepEqual(letter?.bytes, simulation.messageAt(number).bytes);
      assert.equal(others.length, 0);
    }
  });

  it('happens to the same messages each time', () => {
    assert.deepEqual(
      lettersOf(10).map(({ digest }) => digest),
      letters.map(({ digest }) => digest),
    );
  });

  it('loses no message: each one of the stream is among the letters, whole', () => {
    const sent = new Set(letters.map(({ controlId, isBroken }) => (isBroken ? '' : controlId)));
    for (let number = 0; number < count; number++) assert.ok(sent.has(`S${seed}N${number}`), String(number));
  });

  it('sends some twice, byte for byte, and cuts some off', () => {
    const digests = Map.groupBy(letters, ({ digest }) => digest);
    const twice = [...digests.values()].filter(({ length }) => length === 2);
    assert.ok(share(twice) > 7 && share(twice) < 13, String(share(twice)));
    const cut = letters.filter(({ isCutOff }) => isCutOff);
    assert.ok(share(cut) > 7 && share(cut) < 13, String(share(cut)));
  });

  it('lets a result overtake the one before it, of the same visit', () => {
    const numbers = letters
      .filter(({ controlId }) => /^S4N\d+$/.test(controlId))
      .map(({ controlId, type }) => ({ type, number: Number(controlId.slice(3)) }));
    const overtaken = numbers.filter(({ number }, at) => number < (numbers[at - 1]?.number ?? 0));
    assert.ok(overtaken.length > 10, String(overtaken.length));
    // Behind a message that has overtaken stands one that was not overtaken itself: only results change places.
    const moved = numbers.filter(({ number }, at) => number > (numbers[at + 1]?.number ?? Infinity));
    assert.ok(moved.every(({ type }) => type === 'ORU^R01'));
  });

  it('merges the second record number of a visit into its first, after it was used', () => {
    const merges = letters.filter(({ type }) => type === 'ADT^A40');
    assert.ok(merges.length > 5, String(merges.length));
    for (const letter of merges) {
      const message = parseMessage(letter.bytes.toString('latin1'));
      const from = message.first('MRG')?.field(1)[0]?.get(1) ?? '';
      const first = letters.findIndex(({ mrn }) => mrn === from);
      assert.ok(first >= 0 && first < letters.indexOf(letter), from);
      assert.equal(message.first('PID')?.field(3)[0]?.get(1), letter.mrn);
    }
  });

  it('sends broken messages under control ids of their own', () => {
    const broken = letters.filter(({ isBroken }) => isBroken);
    assert.ok(share(broken) > 7 && share(broken) < 13, String(share(broken)));
    const whole = new Set(letters.filter(({ isBroken }) => !isBroken).map(({ controlId }) => controlId));
    assert.ok(broken.every(({ controlId }) => !whole.has(controlId)));
  });

  it('given clocks that are off, then MSH-7 of these hospitals is, and no date of the record', () => {
    const hospitals = withClocksOff(simulatedHospitals(6), seed, 50);
    const off = hospitals.filter(({ clockMs }) => clockMs !== undefined);
    assert.ok(off.length > 0 && off.length < 6);
    const wrong = simulate({ seed, hospitals });
    let seen = 0;
    for (let number = 0; number < 200; number++) {
      const [right, shown] = [simulation.messageAt(number), wrong.messageAt(number)].map(({ text }) =>
        parseMessage(text),
      );
      const isOff = wrong.messageAt(number).hospital.clockMs !== undefined;
      if (isOff) seen++;
      assert.equal(right?.first('MSH')?.text(7) !== shown?.first('MSH')?.text(7), isOff);
      assert.equal(right?.first('PV1')?.text(44), shown?.first('PV1')?.text(44));
      assert.equal(right?.first('OBR')?.text(7), shown?.first('OBR')?.text(7));
    }
    assert.ok(seen > 0);
  });

  const [preliminary, final, corrected] = (['preliminary', 'final', 'corrected'] as const).map((status): Statement => {
    return { is: 'report', key: 'L1', status, values: [status] };
  }) as [Statement, Statement, Statement];
  for (const [before, now, stands] of [
    [undefined, preliminary, preliminary],
    [preliminary, final, final],
    [final, preliminary, final],
    [corrected, final, corrected],
    [final, { ...final, values: ['2'] }, { ...final, values: ['2'] }],
  ] as [Statement | undefined, Statement, Statement][]) {
    const name = (one: Statement | undefined) =>
      one?.is === 'report' ? `${one.status} ${one.values.join(' ')}` : 'nothing';
    it(`given ${name(before)}, when ${name(now)} comes, then ${name(stands)} stands`, () => {
      assert.deepEqual(laterOf(before, now), stands);
    });
  }
});
