import assert from 'node:assert/strict';
import { Problem } from '../../../src/fhir/problem.ts';
import type { Manners } from '../../given-fhir-server.ts';
import type { PullWorld } from '../../given-pull.ts';
import { givenPull, givenRest, type RestWorld } from '../../given-rest.ts';
import { answer } from '../../given-source.ts';

const minute = 60_000;
const day = 24 * 60 * minute;
const ago = (ms: number): Date => new Date(Date.now() - ms);

describe('fhir-rest: what is pulled', () => {
  let world: PullWorld;
  let rest: RestWorld;
  before(async () => {
    world = await givenPull();
  });
  after(() => world.close());
  afterEach(() => rest.close());

  async function given(manners: Manners = {}, config: Record<string, unknown> = {}): Promise<RestWorld> {
    rest = await givenRest(world, manners, config);
    return rest;
  }
  /** Questions since the last call. */
  let asked = 0;
  beforeEach(() => {
    asked = 0;
  });
  function questions(): readonly string[] {
    const fresh = rest.server.questions.slice(asked);
    asked = rest.server.questions.length;
    return fresh;
  }

  it('everything at first, Patients before what refers to them, page by page', async () => {
    await given({}, { count: 2 });
    for (const id of ['o1', 'o2', 'o3', 'o4', 'o5']) rest.server.put('Observation', id);
    rest.server.put('Patient', 'p1');
    assert.deepEqual(await rest.run(), { isMore: false, notes: [] });
    assert.deepEqual(await rest.messages(), [
      'Patient/p1/1',
      ...['o1', 'o2', 'o3', 'o4', 'o5'].map((id) => `Observation/${id}/1`),
    ]);
  });

  it('then what changed, each state once, though windows overlap', async () => {
    await given();
    rest.server.put('Observation', 'o1');
    await rest.run();
    rest.server.put('Observation', 'o1', { status: 'amended' });
    rest.server.put('Observation', 'o2');
    await rest.run();
    await rest.run();
    assert.deepEqual(await rest.messages(), ['Observation/o1/1', 'Observation/o1/2', 'Observation/o2/1']);
  });

  it('`reconcileEvery` never: however long ago, only what changed is asked for', async () => {
    await given({}, { reconcileEvery: 'never' });
    rest.server.put('Observation', 'o1', undefined, ago(minute));
    await rest.run();
    questions();
    await rest.run({ now: () => new Date(Date.now() + 60 * day) });
    assert.ok(questions().every((url) => url.includes('_lastUpdated=')));
  });

  it('the clock of the source, as its answers tell it in the last three runs, stands in the watermark', async () => {
    await given({ aheadMs: 10 * minute });
    const near = (ahead: unknown, seconds: number): boolean => Math.abs(Number(ahead) - seconds) < 60;
    for (const expected of [[600], [600, 600], [600, 600, 600]]) {
      await rest.run();
      const { aheadSeconds = [] } = (await rest.watermark()) ?? {};
      assert.equal(aheadSeconds.length, expected.length);
      assert.ok(aheadSeconds.every((ahead) => near(ahead, 600)));
    }
    rest.server.manners.aheadMs = 0;
    await rest.run();
    const { aheadSeconds = [] } = (await rest.watermark()) ?? {};
    assert.ok(aheadSeconds.length === 3 && near(aheadSeconds[1], 600) && near(aheadSeconds[2], 0));
    rest.server.manners.isTimeless = true;
    await rest.run();
    assert.deepEqual((await rest.watermark())?.aheadSeconds, aheadSeconds, 'a server without dates tells nothing');
  });

  it('a window begins at the server’s time, not ours, less the overlap', async () => {
    await given({ aheadMs: 3 * 60 * minute });
    await rest.run();
    questions();
    await rest.run();
    const from = /_lastUpdated=ge([^&]+)/.exec(questions()[0] ?? '')?.[1] ?? '';
    const expected = Date.now() + 3 * 60 * minute - 10 * minute;
    assert.ok(Math.abs(Date.parse(from) - expected) < minute, from);
  });

  for (const minutes of [-5, 5]) {
    it(`clocks of the source that differ by ${minutes} minutes cost nothing`, async () => {
      await given();
      await rest.run();
      // Stamped by another machine of the source than the one that answers.
      rest.server.put('Observation', 'o1', undefined, ago(-minutes * minute));
      await rest.run();
      rest.server.put('Observation', 'o2', undefined, ago(-minutes * minute));
      await rest.run();
      assert.deepEqual(await rest.known(), ['Observation/o1', 'Observation/o2']);
    });
  }

  it('a transaction that commits minutes after its time is not missed', async () => {
    await given();
    rest.server.put('Observation', 'o1', undefined, ago(2 * minute));
    await rest.run();
    rest.server.put('Observation', 'late', undefined, ago(5 * minute));
    await rest.run();
    assert.deepEqual(await rest.known(), ['Observation/late', 'Observation/o1']);
  });

  it('a clock of the source that is set back by an hour is noticed, and what is written after it is found', async () => {
    const { server } = await given();
    await rest.run();
    server.manners.aheadMs = -60 * minute;
    server.put('Observation', 'o1');
    const { notes } = await rest.run();
    assert.deepEqual(await rest.known(), ['Observation/o1']);
    assert.deepEqual(notes, ['the clock of the source was set back']);
    server.put('Observation', 'o2');
    assert.deepEqual((await rest.run()).notes, []);
    assert.deepEqual(await rest.known(), ['Observation/o1', 'Observation/o2']);
  });

  it('a server that tells no time is asked by ours', async () => {
    await given({ isTimeless: true });
    rest.server.put('Observation', 'o1');
    await rest.run();
    rest.server.put('Observation', 'o2');
    await rest.run();
    assert.deepEqual(await rest.known(), ['Observation/o1', 'Observation/o2']);
  });

  it('10,000 resources of one second are all there, each once', async () => {
    await given({}, { count: 1_000, types: 'Observation' });
    const at = ago(minute);
    for (let n = 0; n < 10_000; n++) rest.server.put('Observation', `o${n}`, undefined, at);
    for (let runs = 0; (await rest.run({ resources: 3_000 })).isMore === true; runs++) assert.ok(runs < 10);
    assert.equal((await rest.known()).length, 10_000);
    assert.equal((await rest.messages()).length, 10_000);
  });

  it('a type alone, and only what a filter lets through', async () => {
    await given({}, { types: ['Observation'], filters: { Observation: 'category=laboratory' } });
    await rest.run();
    assert.deepEqual(questions(), ['Observation?category=laboratory&_sort=_lastUpdated&_count=200']);
  });

  it('a source of another version than R4 is not read as if it were', async () => {
    await given({ fhirVersion: '3.0.2' });
    await assert.rejects(rest.run(), { code: 'required', expression: ['version'] });
  });

  describe('what the answers show', () => {
    const unheeded: [string, Manners][] = [
      ['it sends what is older', { ignores: ['_lastUpdated'], isSelfless: true }],
      ['its self link does not have it', { ignores: ['_lastUpdated'] }],
      ['its resources have no times', { isMetaless: true }],
      ['it refuses it', { refuses: ['_lastUpdated'] }],
    ];
    for (const [what, manners] of unheeded) {
      it(`_lastUpdated is not heeded (${what}): everything is compared, and each state comes once`, async () => {
        await given({ ...manners }, { fullEvery: '1h', types: 'Observation' });
        for (const id of ['o1', 'o2', 'o3']) rest.server.put('Observation', id, undefined, ago(day));
        await rest.run();
        rest.server.put('Observation', 'o1', { status: 'amended' });
        const { notes } = await rest.run();
        assert.match(
          notes?.join() ?? '',
          /^Observation: _lastUpdated is (not heeded|refused); everything is compared$/,
        );
        rest.server.put('Observation', 'o2', { status: 'amended' });
        questions();
        await rest.run({ now: () => new Date(Date.now() + 61 * minute) });
        assert.ok(questions().every((question) => !question.includes('_lastUpdated=')));
        assert.equal((await rest.messages()).length, 5);
      });
    }

    it('everything is compared as seldom as the endpoint says', async () => {
      await given({ ignores: ['_lastUpdated'] }, { fullEvery: '1h', types: 'Observation' });
      rest.server.put('Observation', 'o1', undefined, ago(day));
      await rest.run();
      await rest.run();
      questions();
      await rest.run();
      assert.deepEqual(questions(), []);
      await rest.run({ now: () => new Date(Date.now() + 61 * minute) });
      assert.equal(questions().length, 1);
    });

    it('a server that finds nothing by time is found out by what it had', async () => {
      await given({ findsNothingByTime: true }, { types: 'Observation' });
      rest.server.put('Observation', 'o1', undefined, ago(day));
      await rest.run();
      rest.server.put('Observation', 'o2');
      const { notes } = await rest.run();
      assert.deepEqual(notes, ['Observation: _lastUpdated finds nothing that is there; everything is compared']);
      await rest.run();
      assert.deepEqual(await rest.known(), ['Observation/o1', 'Observation/o2']);
    });

    it('an order that is refused is not asked for', async () => {
      await given({ refuses: ['_sort'] }, { types: 'Observation' });
      rest.server.put('Observation', 'o1');
      await rest.run();
      rest.server.put('Observation', 'o2');
      await rest.run();
      assert.deepEqual(await rest.known(), ['Observation/o1', 'Observation/o2']);
      assert.equal(questions().filter((question) => question.includes('_sort')).length, 1);
    });
  });

  describe('history', () => {
    it('brings changes and deletions, the newest state of each', async () => {
      await given({ hasHistory: true }, { types: 'Observation' });
      rest.server.put('Observation', 'o1');
      rest.server.put('Observation', 'o2');
      await rest.run();
      rest.server.put('Observation', 'o1', { status: 'amended' });
      rest.server.put('Observation', 'o1', { status: 'corrected' });
      rest.server.delete('Observation', 'o2');
      await rest.run();
      await rest.run();
      assert.deepEqual((await rest.messages()).slice(2), ['Observation/o1/3', 'Observation:delete o2']);
      assert.deepEqual(await rest.known(), ['Observation/o1']);
    });

    it('what came back after its deletion is there', async () => {
      await given({ hasHistory: true }, { types: 'Observation' });
      rest.server.put('Observation', 'o1');
      await rest.run();
      rest.server.delete('Observation', 'o1');
      rest.server.put('Observation', 'o1');
      await rest.run();
      assert.deepEqual(await rest.known(), ['Observation/o1']);
    });

    const refused: [string, Manners][] = [
      ['is refused', { hasHistory: true }],
      ['does not heed _since', { hasHistory: true, ignores: ['_since'] }],
    ];
    for (const [what, manners] of refused) {
      it(`that ${what}: changes are asked for by _lastUpdated`, async () => {
        await given({ ...manners }, { types: 'Observation' });
        rest.server.put('Observation', 'o1', undefined, ago(day));
        await rest.run();
        if (what === 'is refused') rest.server.manners.hasHistory = false;
        rest.server.put('Observation', 'o2');
        const { notes } = await rest.run();
        assert.match(notes?.join() ?? '', /asked by _lastUpdated/);
        assert.deepEqual(await rest.known(), ['Observation/o1', 'Observation/o2']);
      });
    }
  });

  describe('what is gone', () => {
    const later = (): Date => new Date(Date.now() + 8 * day);

    for (const [what, manners] of [
      ['', {}],
      [', where ids are not searched', { ignores: ['_id'] }],
      [', where a search by id is refused', { refuses: ['_id'] }],
    ] as [string, Manners][]) {
      it(`is found by a pass over everything, and by asking for it${what}`, async () => {
        await given({ ...manners }, { types: 'Observation' });
        for (const id of ['o1', 'o2', 'o3']) rest.server.put('Observation', id, undefined, ago(day));
        await rest.run();
        rest.server.delete('Observation', 'o2');
        await rest.run();
        assert.equal((await rest.known()).length, 3);
        await rest.run({ now: later });
        assert.deepEqual(await rest.known(), ['Observation/o1', 'Observation/o3']);
        assert.deepEqual((await rest.messages()).slice(3), ['Observation:delete o2']);
      });
    }

    it('what a pass did not show and the source still has is kept', async () => {
      await given({}, { types: 'Observation', count: 2 });
      for (const id of ['o1', 'o2', 'o3']) rest.server.put('Observation', id, undefined, ago(day));
      await rest.run();
      rest.server.next((_, response) => answer(response, { resourceType: 'Bundle', type: 'searchset' }));
      await rest.run({ now: later });
      assert.equal((await rest.known()).length, 3);
    });

    it('a change without a new time is found by the pass too', async () => {
      await given({ isMetaless: true }, { types: 'Observation', mode: 'updated' });
      rest.server.put('Observation', 'o1', undefined, ago(day));
      await rest.run();
      rest.server.put('Observation', 'o1', { status: 'amended' }, ago(day));
      await rest.run({ now: later });
      assert.equal((await rest.messages()).length, 2);
    });

    it('a source that shows less than half of what it had is not believed until a person says so', async () => {
      await given({}, { types: 'Observation' });
      for (let n = 0; n < 250; n++) rest.server.put('Observation', `o${n}`, undefined, ago(day));
      await rest.run();
      for (let n = 0; n < 200; n++) rest.server.delete('Observation', `o${n}`);
      const { notes } = await rest.run({ now: later });
      assert.match(notes?.join() ?? '', /200 of 250 are not shown any more, and kept: see massDeletion/);
      assert.equal((await rest.known()).length, 250);
    });

    it('a pass that took several runs asks for each, and deletes only what is gone', async () => {
      await given({}, { types: 'Observation', count: 20 });
      for (let n = 0; n < 100; n++) rest.server.put('Observation', `o${n}`, undefined, ago(day));
      await rest.run();
      rest.server.delete('Observation', 'o7');
      let runs = 1;
      while ((await rest.run({ now: later, resources: 40 })).isMore === true) runs++;
      assert.ok(runs > 1);
      assert.equal((await rest.known()).length, 99);
    });
  });

  describe('a run that ends in the middle', () => {
    it('goes on where it was: by its link', async () => {
      await given({}, { types: 'Observation', count: 2 });
      for (let n = 0; n < 6; n++) rest.server.put('Observation', `o${n}`);
      assert.equal((await rest.run({ resources: 2 })).isMore, true);
      questions();
      assert.equal((await rest.run()).isMore, false);
      assert.match(questions()[0] ?? '', /^page\?/);
      assert.equal((await rest.messages()).length, 6);
    });

    it('a page that was not taken is asked for again', async () => {
      await given({}, { types: 'Observation', count: 2 });
      for (let n = 0; n < 6; n++) rest.server.put('Observation', `o${n}`);
      let takes = 0;
      const failing = rest.run({
        onTake: () => {
          if (++takes === 2) throw new Problem('lock-error', 'taken over');
        },
      });
      await assert.rejects(failing, { code: 'lock-error' });
      assert.equal((await rest.messages()).length, 2);
      await rest.run();
      assert.equal((await rest.messages()).length, 6);
      assert.equal((await rest.known()).length, 6);
    });
  });

  it('what the hub needs to know of a server is asked once a day', async () => {
    await given();
    await rest.run();
    await rest.run();
    const statements = (): number => rest.server.asked.filter(({ url }) => url === 'metadata').length;
    assert.equal(statements(), 1);
    await rest.run({ now: () => new Date(Date.now() + 25 * 60 * minute) });
    assert.equal(statements(), 2);
  });
});
