import assert from 'node:assert/strict';
import { sql } from '../../../src/db/sql.ts';
import { Problem } from '../../../src/fhir/problem.ts';
import { laneKey } from '../../../src/ingest/lane.ts';
import { comparePage as compareIn, findSource, readKnown, type Remembered } from '../../../src/ingest/pull/memory.ts';
import { takePage, type Hold } from '../../../src/ingest/pull/take.ts';
import type { Pulled } from '../../../src/ingest/contract.ts';
import { givenPull, type PullWorld } from '../../given-pull.ts';

const time = (text: string): Date => new Date(`2026-01-01T${text}Z`);

function pulled({ value = 'a', ...rest }: Partial<Pulled> & { value?: string } = {}): Pulled {
  const { type = 'Observation', id = 'o1' } = rest;
  return { type, id, patient: 'p1', bytes: Buffer.from(JSON.stringify({ resourceType: type, id, value })), ...rest };
}

const comparePage = (page: readonly Pulled[], known: readonly Remembered[]) => compareIn(page, known, () => 1);

describe('what of a page is new', () => {
  const states: [string, Pulled, Pulled, number][] = [
    ['the same again', pulled({ version: '1' }), pulled({ version: '1' }), 0],
    ['a new version', pulled({ version: '1' }), pulled({ version: '2', value: 'b' }), 1],
    ['a new version of the same content', pulled({ version: '1' }), pulled({ version: '2' }), 0],
    ['no version, the same content', pulled(), pulled(), 0],
    ['no version, other content', pulled(), pulled({ value: 'b' }), 1],
    [
      'the same version, written down in another way',
      pulled({ version: '1' }),
      pulled({ version: '1', value: 'b' }),
      0,
    ],
    [
      'the same version at another time: the server was restored',
      pulled({ version: '2', updatedAt: time('10:00:00') }),
      pulled({ version: '2', updatedAt: time('11:00:00'), value: 'b' }),
      1,
    ],
    [
      'an older state',
      pulled({ version: '2', updatedAt: time('10:00:00') }),
      pulled({ version: '1', updatedAt: time('09:00:00'), value: 'b' }),
      0,
    ],
    [
      "a newer version of an earlier time: the server's clock was set back",
      pulled({ version: '2', updatedAt: time('10:00:00') }),
      pulled({ version: '3', updatedAt: time('09:00:00'), value: 'b' }),
      1,
    ],
    [
      'an older state of a server whose versions are no numbers',
      pulled({ version: 'f0', updatedAt: time('10:00:00') }),
      pulled({ version: 'ab', updatedAt: time('09:00:00'), value: 'b' }),
      0,
    ],
    [
      'another version of the same second',
      pulled({ version: 'f0', updatedAt: time('10:00:00') }),
      pulled({ version: 'ab', updatedAt: time('10:00:00'), value: 'b' }),
      1,
    ],
    ['a deletion', pulled({ version: '1' }), pulled({ isDeleted: true }), 1],
    ['a deletion again', pulled({ isDeleted: true }), pulled({ isDeleted: true }), 0],
    [
      'what came back after its deletion, as it was',
      pulled({ version: '2', isDeleted: true }),
      pulled({ version: '3' }),
      1,
    ],
    [
      'an older state after its deletion',
      pulled({ version: '3', updatedAt: time('10:00:00'), isDeleted: true }),
      pulled({ version: '2', updatedAt: time('09:00:00') }),
      0,
    ],
  ];
  for (const [what, first, second, received] of states) {
    it(`${what}: ${received === 1 ? 'received' : 'left out'}`, () => {
      const { remembered } = comparePage([first], []);
      assert.equal(comparePage([second], remembered).received.length, received);
      // In one page it is the same.
      assert.equal(comparePage([first, second], []).received.length, received + (first.isDeleted === true ? 0 : 1));
    });
  }

  it('a server that makes meta anew each time it is asked sends the same', () => {
    const made = (lastUpdated: string): Pulled => ({
      type: 'Observation',
      id: 'o1',
      version: '1',
      updatedAt: new Date(lastUpdated),
      bytes: Buffer.from(
        `{"resourceType":"Observation","id":"o1","meta":{"versionId":"1","lastUpdated":"${lastUpdated}"}}`,
      ),
    });
    const { remembered } = comparePage([made('2026-01-01T00:00:00Z')], []);
    assert.equal(comparePage([made('2026-01-02T00:00:00Z')], remembered).received.length, 0);
  });
  it('digits count: 1.50 is not 1.5', () => {
    const made = (value: string): Pulled => ({
      type: 'Observation',
      id: 'o1',
      bytes: Buffer.from(`{"value":${value}}`),
    });
    const { remembered } = comparePage([made('1.5')], []);
    assert.equal(comparePage([made('1.50')], remembered).received.length, 1);
  });
  it('what was never heard of and is gone is remembered, not received: its older states are left out', () => {
    const gone = pulled({ version: '3', updatedAt: time('10:00:00'), isDeleted: true });
    const { received, remembered } = comparePage([gone], []);
    assert.deepEqual([received.length, remembered.length], [0, 1]);
    const older = pulled({ version: '2', updatedAt: time('09:00:00') });
    assert.equal(comparePage([older], remembered).received.length, 0);
  });
  it('a later deletion of what is gone is remembered: what was between the two is left out', () => {
    const first = comparePage([pulled(), pulled({ updatedAt: time('09:00:00'), isDeleted: true })], []).remembered;
    const second = comparePage([pulled({ updatedAt: time('11:00:00'), isDeleted: true })], first);
    assert.equal(second.received.length, 0);
    const between = pulled({ updatedAt: time('10:00:00'), value: 'b' });
    assert.equal(comparePage([between], second.remembered as Remembered[]).received.length, 0);
  });
});

describe('taking a page', () => {
  let world: PullWorld;
  before(async () => (world = await givenPull()));
  after(() => world.close());

  const messages = (
    name: string,
  ): Promise<{ control_id: string; type: string; raw: string; facility: string; lane: number }[]> =>
    world.database.query(sql`
      select m.control_id, m.type, convert_from(m.raw, 'utf8') as raw, m.facility, m.lane_key as lane
      from message m join endpoint e on e.id = m.endpoint_id where e.name = ${name} order by m.id`);
  const watermarkOf = async (hold: Hold): Promise<unknown> =>
    (
      await world.database.query<{ watermark: unknown }>(
        sql`select watermark from pull where endpoint_id = ${hold.endpointId}`,
      )
    )[0]?.watermark;
  const at = time('12:00:00');

  it('resources become messages of their type and version, in the lane of their patient; the watermark is moved', async () => {
    const { endpoint, source, hold } = await world.held('first');
    const page = [
      pulled({ type: 'Patient', id: 'p1', patient: undefined, version: '3' }),
      pulled({ version: '7' }),
      pulled({ type: 'Location', id: 'l1', patient: undefined }),
    ];
    const taken = await takePage({ database: world.database, endpoint, source, hold, at }, page, { since: 'x' });
    assert.deepEqual(taken, { received: 3, unchanged: 0 });
    const stored = await messages('first');
    assert.deepEqual(
      stored.map(({ control_id, type }) => [control_id, type]),
      [
        ['Patient/p1/3', 'Patient'],
        ['Observation/o1/7', 'Observation'],
        ['Location/l1/~1', 'Location'],
      ],
    );
    assert.deepEqual(
      stored.map(({ raw }) => raw),
      page.map(({ bytes }) => Buffer.from(bytes).toString()),
    );
    assert.equal(stored[0]?.lane, stored[1]?.lane);
    assert.equal(stored[0]?.lane, laneKey(`source ${source}`, 'Patient/p1'));
    assert.notEqual(stored[0]?.lane, stored[2]?.lane);
    assert.equal(stored[0]?.facility, 'first');
    assert.deepEqual(await watermarkOf(hold), { since: 'x' });
  });

  it('what is known is not received again, and the watermark is moved', async () => {
    const { endpoint, source, hold } = await world.held('again');
    const options = { database: world.database, endpoint, source, hold, at };
    await takePage(options, [pulled({ version: '1' })], { n: 1 });
    const page = [pulled({ version: '1' }), pulled({ id: 'o2', version: '1' })];
    assert.deepEqual(await takePage(options, page, { n: 2 }), { received: 1, unchanged: 1 });
    assert.deepEqual(
      (await messages('again')).map(({ control_id }) => control_id),
      ['Observation/o1/1', 'Observation/o2/1'],
    );
    assert.deepEqual(await watermarkOf(hold), { n: 2 });
  });

  it('a state that comes back is a message of its own each time, with a version or without', async () => {
    const { endpoint, source, hold } = await world.held('back');
    const options = { database: world.database, endpoint, source, hold, at };
    for (const [version, value] of [
      [undefined, 'a'],
      [undefined, 'b'],
      [undefined, 'a'],
      ['1', 'b'],
      ['2', 'a'],
    ] as const)
      await takePage(options, [pulled({ version, value })], {});
    const gone = pulled({ version: '3', isDeleted: true });
    for (const page of [[gone], [pulled({ version: '2', value: 'a' })], [gone]]) await takePage(options, page, {});
    assert.deepEqual(
      (await messages('back')).map(({ control_id, type }) => [control_id, type]),
      [
        ['Observation/o1/~1', 'Observation'],
        ['Observation/o1/~2', 'Observation'],
        ['Observation/o1/~3', 'Observation'],
        ['Observation/o1/1', 'Observation'],
        ['Observation/o1/2', 'Observation'],
        ['Observation/o1/3', 'Observation:delete'],
        ['Observation/o1/2~7', 'Observation'],
        ['Observation/o1/3~8', 'Observation:delete'],
      ],
    );
  });

  it('a deletion that does not say whose record it was in does not overtake what it deletes', async () => {
    const { endpoint, source, hold } = await world.held('order');
    const options = { database: world.database, endpoint, source, hold, at };
    await takePage(options, [pulled({ version: '1' })], {});
    await takePage(options, [pulled({ version: '2', patient: undefined, isDeleted: true })], {});
    await takePage(options, [pulled({ version: '3', patient: 'p2' })], {});
    const lanes = (await messages('order')).map(({ lane }) => lane);
    assert.deepEqual([lanes.length, new Set(lanes).size], [3, 1]);
  });

  it('a watermark alone is a step, kept in the same way', async () => {
    const { endpoint, source, hold } = await world.held('step');
    const options = { database: world.database, endpoint, source, hold, at };
    assert.deepEqual(await takePage(options, [], { job: 'https://x/1' }), { received: 0, unchanged: 0 });
    assert.deepEqual(await watermarkOf(hold), { job: 'https://x/1' });
  });

  it('after another process has taken over nothing is written', async () => {
    const { endpoint, source, hold } = await world.held('lost');
    const options = { database: world.database, endpoint, source, hold, at };
    await world.database.query(
      sql`update pull set fence = fence + 1, worker = 'other' where endpoint_id = ${endpoint.id}`,
    );
    await assert.rejects(
      takePage(options, [pulled()], { n: 1 }),
      (error: unknown) => error instanceof Problem && error.code === 'lock-error',
    );
    assert.deepEqual(await messages('lost'), []);
    assert.equal(await watermarkOf(hold), null);
  });

  it('two endpoints of one server share what was taken, and its order', async () => {
    const config = { base: 'https://one.example.org/fhir' };
    const [rest, bulk] = [
      await world.held('rest', { config }),
      await world.held('bulk', { config, kind: 'fhir-bulk' }),
    ];
    assert.equal(rest.source, bulk.source);
    const page = Array.from({ length: 50 }, (_, n) => pulled({ id: `o${n}`, version: '1' }));
    const taken = await Promise.all(
      [rest, bulk].map((one) => takePage({ database: world.database, at, ...one }, page, {})),
    );
    assert.equal(
      taken.reduce((sum, { received }) => sum + received, 0),
      50,
    );
    const lanes = [...(await messages('rest')), ...(await messages('bulk'))].map(({ lane }) => lane);
    assert.deepEqual([lanes.length, new Set(lanes).size], [50, 1]);
  });

  it('what is known of a type is told in full, without what is gone', async () => {
    const { endpoint, source, hold } = await world.held('known');
    const page = Array.from({ length: 2_500 }, (_, n) => pulled({ id: `o${n}`, version: '1' }));
    const options = { database: world.database, endpoint, source, hold, at };
    await takePage(options, [...page, pulled({ type: 'Condition', id: 'c1' })], {});
    await takePage(options, [pulled({ id: 'o7', isDeleted: true })], {});
    const known = new Set<string>();
    for await (const { id, version } of readKnown(world.database, source, 'Observation')) known.add(`${id}/${version}`);
    assert.deepEqual(known, new Set(page.filter(({ id }) => id !== 'o7').map(({ id }) => `${id}/1`)));
    assert.equal(
      await findSource(world.database, {
        organization: 'Organization/a',
        base: 'urn:health-record-hub:endpoint:known',
      }),
      source,
    );
  });
});
