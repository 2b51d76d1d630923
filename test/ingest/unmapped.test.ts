/** The work list: counted by messages and patients, replayed for exactly the messages concerned, and shorter afterwards. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { Endpoint } from '../../src/ingest/contract.ts';
import { replayMessages } from '../../src/ingest/replay.ts';
import { listMessages } from '../../src/ingest/status.ts';
import { countUnmapped, entriesOf, findUnmapped, listUnmapped, type UnmappedLine } from '../../src/ingest/unmapped.ts';
import type { Draft, MappedMessage, Unmapped } from '../../src/mapping/message/draft.ts';
import { appliedValues, givenInbound, givenIngest, givenMessage, mapValue, type IngestWorld } from '../given-ingest.ts';
import { until } from '../until.ts';

const patient = (name: string): Draft => ({
  resource: { resourceType: 'Patient', id: createHash('sha256').update(name).digest('hex').slice(0, 32) },
  mode: 'merge',
  removed: [],
  fallback: [],
  precedence: 0,
});

describe('what a message leaves', () => {
  const kept = (unmapped: readonly Unmapped[]) => entriesOf(unmapped).map(({ position, code }) => [position, code]);

  it('counts once however often it stands there', () => {
    const field: Unmapped = { kind: 'field', position: 'OBX-13' };
    assert.deepEqual(kept([field, { ...field }, { ...field }]), [['OBX-13', '']]);
  });

  const rows: [what: string, code: string, kept: string][] = [
    ['a code', 'Q', 'Q'],
    ['a word', '已婚', '已婚'],
    ['a number of a person', '440524188001010014', ''],
    ['a telephone number', '13800138000', ''],
    ['a sentence', 'see the note', ''],
    ['a long text', 'x'.repeat(21), ''],
  ];
  for (const [what, code, expected] of rows) {
    it(`given ${what} where a code was expected, ${expected === '' ? 'only its position is kept' : 'it is kept'}`, () => {
      assert.deepEqual(kept([{ kind: 'code', position: 'PID-16 HL70002', code }]), [['PID-16 HL70002', expected]]);
    });
  }
});

describe('the work list', () => {
  let world: IngestWorld;
  let endpoint: Endpoint;
  before(async () => {
    world = await givenIngest();
    endpoint = await world.endpoint({ name: 'lakeside', facilities: ['LAKE'] });
  });
  after(() => world.close());

  const lines = async (): Promise<UnmappedLine[]> => listUnmapped(world.database, 'lakeside');
  const settled = () =>
    until('the queue is empty', async () => (await listMessages(world.database, { status: 'waiting' })).length === 0);

  it('estimates patients beyond those it keeps, within a few percent, over any number of writes', async () => {
    const other = await world.endpoint({ name: 'many', facilities: ['MANY'] });
    const counts = countUnmapped(world.database);
    const entries = entriesOf([{ kind: 'field', position: 'ZPI-9' }]);
    for (let index = 0; index < 3_000; index++) {
      counts.add({ endpointId: other.id, messageId: index, drafts: [patient(`p${index % 1_000}`)], entries });
      if (index % 500 === 0) await counts.flush(new Date());
    }
    await counts.flush(new Date());
    const [line] = await listUnmapped(world.database, 'many');
    assert.equal(line?.messages, 3_000);
    assert.ok(Math.abs((line?.patients ?? 0) - 1_000) < 250, `${line?.patients} of 1000`);
    assert.deepEqual(line?.examples, [2_995, 2_996, 2_997, 2_998, 2_999]);
  });

  it('ranks by messages and patients; what was repaired is replayed, in order and once, and leaves the list', async () => {
    /** OBX-5 says what the message leaves while nothing is repaired. */
    const convert =
      (isRepaired: boolean) =>
      (raw: Buffer): MappedMessage => {
        const mapped = mapValue(raw);
        const { value, patient: name } = (mapped.drafts[0]?.resource ?? {}) as unknown as Record<string, string>;
        const unmapped: Unmapped[] = [{ kind: 'field', position: 'ZZ-1.2' }];
        if (value?.startsWith('Z') === true && !isRepaired)
          unmapped.push({ kind: 'code', position: 'PID-8 HL70001', code: 'Q' });
        return {
          ...mapped,
          drafts: [...mapped.drafts, patient(name ?? '')],
          unmapped,
          mapVersion: isRepaired ? 'new' : 'old',
        };
      };
    const before = await world.process({ convert: convert(false) });
    for (const [name, value] of [
      ['A', 'Z1'],
      ['B', '1'],
      ['A', '2'],
      ['A', 'Z3'],
      ['C', 'Z1'],
      ['B', '2'],
    ] as const) {
      const text = givenMessage({ id: `${name}${value}`, patient: name, value, facility: 'LAKE' });
      await world.door.receive(givenInbound(endpoint, text));
    }
    await settled();
    await before.close();
    const found = (await lines()).map(({ position, code, messages, patients }) => [position, code, messages, patients]);
    assert.deepEqual(found, [
      ['ZZ-1.2', undefined, 6, 3],
      ['PID-8 HL70001', 'Q', 3, 2],
    ]);

    const after = await world.process({ convert: convert(true) });
    const unmapped = await findUnmapped(world.database, 'PID-8', 'lakeside');
    const replayed = await replayMessages(world.database, { source: 'lakeside', unmapped });
    // A1, A3 and C1, and A2 because it came after A1.
    assert.deepEqual(replayed, { matched: 3, queued: 4, lanes: 2 });
    await settled();
    await after.close();
    assert.deepEqual(await appliedValues(world.database, 'A'), ['Z1', '2', 'Z3', 'Z1', '2', 'Z3']);
    assert.deepEqual(await appliedValues(world.database, 'B'), ['1', '2']);
    assert.deepEqual(await appliedValues(world.database, 'C'), ['Z1', 'Z1']);
    assert.deepEqual(
      (await lines()).map(({ position, messages, patients }) => [position, messages, patients]),
      [['ZZ-1.2', 6, 3]],
    );
    const versions = await listMessages(world.database, { source: 'lakeside', mapVersion: 'new' });
    assert.equal(versions.length, 4, 'each message names the map it was last converted by');
  });

  const names: [name: string, isThere: boolean][] = [
    ['ZZ-1', true],
    ['ZZ-1.2', true],
    ['PID-8', true],
    ['PID-8 HL70001', true],
    ['PID-8 HL70001 Q', true],
    ['Q', true],
    ['ZZ-11', false],
    ['ZZ', false],
    ['HL70001', false],
  ];
  for (const [name, isThere] of names) {
    it(`${name} ${isThere ? 'names what is unmapped' : 'names nothing'}`, async () => {
      const looked = findUnmapped(world.database, name, 'lakeside');
      if (isThere) assert.ok((await looked).length > 0);
      else await assert.rejects(looked, { code: 'not-found' });
    });
  }
});
