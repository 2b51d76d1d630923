import assert from 'node:assert/strict';
import { fhirRest } from '../../../adapters/fhir/rest.ts';
import { sql } from '../../../src/db/sql.ts';
import { givenPull, type PullWorld } from '../../given-pull.ts';
import type { Manners } from '../../given-fhir-server.ts';
import { givenRest, type RestWorld } from '../../given-rest.ts';
import { answer } from '../../given-source.ts';

const minute = 60_000;

describe('fhir-rest: servers that make it hard', () => {
  let world: PullWorld;
  let rest: RestWorld;
  before(async () => {
    world = await givenPull();
  });
  after(() => world.close());
  afterEach(() => rest.close());

  /** Some Observations, a minute apart. */
  async function given(manners: Manners, config: Record<string, unknown> = {}, number = 12): Promise<RestWorld> {
    rest = await givenRest(world, manners, { types: 'Observation', count: 2, ...config });
    for (let n = 0; n < number; n++) {
      rest.server.put('Observation', `o${n}`, undefined, new Date(Date.now() - (number - n) * minute));
    }
    return rest;
  }
  const isWhole = async (number = 12): Promise<void> => {
    assert.equal((await rest.known()).length, number);
    assert.equal((await rest.messages()).length, number);
  };

  it('links that expire: the window goes on at the last resource taken', async () => {
    await given({ linksLast: 1 });
    await rest.run();
    await isWhole();
    assert.ok(rest.server.questions.some((question) => question.includes('_lastUpdated=ge')));
  });

  it('links that expire, of a server that keeps no order: from the beginning, by larger strides than its links last', async () => {
    await given({ linksLast: 1, ignores: ['_sort', '_lastUpdated'] }, { count: 5 }, 8);
    await rest.run();
    await isWhole(8);
  });

  it('links that always expire too soon end the run, and say so', async () => {
    await given({ linksLast: 1, ignores: ['_sort', '_lastUpdated'] }, { count: 2 });
    await assert.rejects(rest.run(), { code: 'expired' });
    assert.ok(rest.server.questions.length < 30);
  });

  it('a link that leads back to the same page ends the run', async () => {
    await given({ linksRepeat: true });
    await assert.rejects(rest.run(), { code: 'invalid', message: /go on without end/ });
    assert.ok(rest.server.questions.length < 30);
  });

  describe('that give no links, though they have more than they sent', () => {
    it('are asked again from the last time on', async () => {
      await given({ isLinkless: true });
      await rest.run();
      await isWhole();
      assert.ok(rest.server.questions.every((question) => !question.includes('_offset')));
    });

    it('are asked past what they sent, where all has one time', async () => {
      await given({ isLinkless: true }, {}, 0);
      const at = new Date(Date.now() - minute);
      for (let n = 0; n < 9; n++) rest.server.put('Observation', `o${n}`, undefined, at);
      await rest.run();
      await isWhole(9);
      await rest.run();
      await isWhole(9);
    });

    it('are asked past what they sent, where they keep no order and read no time', async () => {
      await given({ isLinkless: true, ignores: ['_sort', '_lastUpdated'] });
      await rest.run();
      await isWhole();
    });

    it('are told, where they do not read that either', async () => {
      await given({ isLinkless: true, ignores: ['_sort', '_lastUpdated', '_offset'] });
      await assert.rejects(rest.run(), { code: 'invalid', message: /go on without end/ });
    });

    it('a run that ends in the middle goes on there', async () => {
      await given({ isLinkless: true });
      for (let runs = 0; (await rest.run({ resources: 3 })).isMore === true; runs++) assert.ok(runs < 12);
      await isWhole();
    });
  });

  it('a link that expires between two runs: the window is begun again', async () => {
    await given({});
    await rest.run({ resources: 4 });
    rest.server.next((_, response) => answer(response, '', {}, 404));
    await rest.run();
    await isWhole();
  });

  it('a link to another host is not followed, and the hub’s credentials go nowhere', async () => {
    await given({});
    const elsewhere = { relation: 'next', url: 'http://127.0.0.2:9/fhir/page' };
    rest.server.next((_, response) =>
      answer(response, { resourceType: 'Bundle', type: 'searchset', link: [elsewhere] }),
    );
    await assert.rejects(rest.run(), { code: 'forbidden' });
  });

  it('a server that calls itself by another name is asked at its base', async () => {
    await given({}, { aliases: 'http://internal.hospital/fhir' });
    const url = 'http://internal.hospital/fhir/Observation?_count=50';
    rest.server.next((_, response) =>
      answer(response, { resourceType: 'Bundle', type: 'searchset', link: [{ relation: 'next', url }] }),
    );
    await rest.run();
    await isWhole();
  });

  for (const [what, send] of [
    ['HTML under 200', { body: '<html>', headers: { 'content-type': 'text/html' } }],
    [
      'an OperationOutcome under 200',
      { body: '{"resourceType":"OperationOutcome","issue":[{"code":"exception"}]}', headers: {} },
    ],
    [
      'broken JSON',
      { body: '{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Observation"', headers: {} },
    ],
  ] as const) {
    it(`${what} in the middle: what was taken stays, the next run goes on from there`, async () => {
      await given({});
      await rest.run({ resources: 4 });
      rest.server.next((_, response) => answer(response, send.body, send.headers));
      await assert.rejects(rest.run(), { code: 'transient' });
      assert.equal((await rest.messages()).length, 4);
      await rest.run();
      await isWhole();
      // The first page was asked for once.
      assert.equal(rest.server.questions.filter((question) => question.includes('_count')).length, 1);
    });
  }

  it('a page that is cut in the middle: nothing of it is taken, and the next run has it whole', async () => {
    await given({});
    rest.server.next((_, response) => {
      response.writeHead(200, { 'content-type': 'application/fhir+json', 'content-length': '9999' });
      response.write('{"resourceType":"Bundle","type":"searchset","entry":[{"resource":');
      setImmediate(() => response.destroy());
    });
    await assert.rejects(rest.run(), { code: 'transient' });
    assert.deepEqual(await rest.messages(), []);
    await rest.run();
    await isWhole();
  });

  for (const [what, header] of [
    ['seconds', () => '600'],
    ['a date', () => new Date(Date.now() + 600_000).toUTCString()],
  ] as const) {
    it(`429 with Retry-After, ${what}: the run ends, and says until when`, async () => {
      await given({});
      const before = Date.now();
      rest.server.next((_, response) => answer(response, '', { 'retry-after': header() }, 429));
      const end = await rest.run();
      assert.equal(end.isMore, true);
      // A date has no milliseconds.
      const at = end.notBefore?.getTime() ?? 0;
      assert.ok(at >= before + 598_000 && at <= Date.now() + 602_000, String(at - before));
      await rest.run();
      await isWhole();
    });
  }

  it('pages that are too large for the server are asked for smaller, down to what it bears, and larger again later', async () => {
    await given({ countMax: 3 }, { count: 100 });
    await rest.run();
    await isWhole();
    const counts = rest.server.questions.flatMap((question) => /_count=(\d+)/.exec(question)?.[1] ?? []);
    assert.deepEqual(counts, ['100', '50', '25', '12', '6', '3']);
    rest.server.manners.countMax = 100;
    await rest.run();
    await rest.run();
    const later = rest.server.questions.flatMap((question) => /_count=(\d+)/.exec(question)?.[1] ?? []);
    assert.deepEqual(later.slice(6), ['6', '12']);
  });

  it('pages that are too large for the hub are asked for smaller', async () => {
    await given({}, { count: 12, pageBytesMax: 2_000 });
    await rest.run();
    await isWhole();
  });

  it('a resource that is larger than the hub takes is told, and nothing else is lost', async () => {
    await given({}, { types: 'Observation,Patient', pageBytesMax: 2_000 });
    rest.server.put('Observation', 'huge', { status: 'final', code: { text: 'x'.repeat(5_000) } });
    rest.server.put('Patient', 'p1');
    const { notes } = await rest.run();
    assert.match(notes?.join() ?? '', /^Observation: the answer of the source is larger than 2000 bytes$/);
    assert.equal((await rest.known()).length, 13);
  });

  it('a server that takes too long for a page is asked for a smaller one', async () => {
    await given({}, { answerSeconds: 1 });
    rest.server.next(() => undefined);
    await assert.rejects(rest.run(), { code: 'timeout' });
    await rest.run();
    await isWhole();
    const counts = rest.server.questions.flatMap((question) => /_count=(\d+)/.exec(question)?.[1] ?? []);
    assert.deepEqual(counts, ['2', '1']);
  });

  it('pages of nothing, each with a next one, end', async () => {
    await given({});
    let n = 0;
    rest.server.next(
      ...Array.from({ length: 100 }, () => (_: unknown, response: Parameters<typeof answer>[0]) => {
        const link = [{ relation: 'next', url: `${rest.server.base}/page?n=${n++}` }];
        answer(response, { resourceType: 'Bundle', type: 'searchset', link });
      }),
    );
    await assert.rejects(rest.run(), { code: 'invalid' });
    assert.ok(n < 60);
  });

  it('a type that is refused does not keep the others back', async () => {
    await given({}, { types: 'Patient,Observation' });
    rest.server.put('Patient', 'p1');
    rest.server.next((_, response) => answer(response, '', {}, 403));
    const { notes } = await rest.run();
    assert.deepEqual(notes, ['Patient: the source answers 403']);
    await isWhole();
  });

  it('when every type is refused, the run fails with what was said first', async () => {
    await given({});
    rest.server.next((_, response) => answer(response, '', {}, 403));
    await assert.rejects(rest.run(), { code: 'forbidden' });
  });

  it('a server that is down is asked once', async () => {
    await given({}, { types: 'Patient,Observation' });
    rest.server.next((_, response) => answer(response, '', {}, 500));
    await assert.rejects(rest.run(), { code: 'transient' });
    assert.equal(rest.server.questions.length, 1);
  });

  it('one broken resource costs none of its neighbours: it is kept as it came', async () => {
    await given({});
    const resources = [
      '{"resourceType":"Observation","id":"ok"}',
      '{"resourceType":"Observation","id":"bad","status":["x"],"status":7}',
    ];
    const entries = resources.map((resource) => `{"resource":${resource}}`).join();
    rest.server.next((_, response) =>
      answer(response, `{"resourceType":"Bundle","type":"searchset","entry":[${entries}]}`),
    );
    await rest.run();
    assert.deepEqual(await rest.known(), ['Observation/bad', 'Observation/ok']);
  });

  it('a watermark that is not its own is none: everything is compared anew, nothing is taken twice', async () => {
    await given({});
    await rest.run();
    const { database } = world;
    await database.query(sql`update pull set watermark = '{"form":"bulk/1","x":1}'`);
    await rest.run();
    await isWhole();
  });

  it('settings are checked before anything is asked', async () => {
    await given({});
    for (const [config, expression] of [
      [{ types: 'Patient,Nonsense' }, 'types'],
      [{ types: 'SearchParameter' }, 'types'],
      [{ count: 5_000 }, 'count'],
      [{ overlap: 'soon' }, 'overlap'],
      [{ filters: { Nonsense: 'x' } }, 'filters'],
    ] as const) {
      assert.throws(() => fhirRest.readConfig({ base: rest.server.base, ...config }), {
        code: 'value',
        expression: [expression],
      });
    }
  });
});

describe('fhir-rest: whether a source can be pulled', () => {
  let world: PullWorld;
  let rest: RestWorld;
  before(async () => {
    world = await givenPull();
  });
  after(() => world.close());
  afterEach(() => rest.close());

  async function check(
    manners: Manners,
    config: Record<string, unknown> = {},
  ): Promise<Record<string, [boolean, string]>> {
    rest = await givenRest(world, manners, config);
    rest.server.put('Patient', 'p1');
    const checks = await fhirRest.test({
      endpoint: {
        ...(await rest.world.endpoint(`test-${Math.random()}`)),
        config: { base: rest.server.base, ...config },
      },
      secrets: {},
      signal: new AbortController().signal,
      now: () => new Date(),
    });
    return Object.fromEntries(checks.map(({ name, isOk, detail }) => [name, [isOk, detail]]));
  }

  it('a server that does all that is asked', async () => {
    const checks = await check({});
    assert.deepEqual(checks['CapabilityStatement'], [true, 'FHIR 4.0.1, 2 types are searched']);
    assert.equal(checks['clock']?.[0], true);
    assert.deepEqual(checks['types'], [true, 'Patient, Observation']);
    assert.deepEqual(checks['Patient'], [true, 'answers; heeds _lastUpdated']);
    assert.deepEqual(checks['Observation'], [true, 'answers; nothing there yet']);
    assert.deepEqual(await rest.messages(), []);
  });

  const rows: [string, Manners, string, [boolean, RegExp]][] = [
    ['a clock that is off', { aheadMs: -10 * minute }, 'clock', [false, /^6[0-5]\d s behind/]],
    ['another version', { fhirVersion: '3.0.2' }, 'version', [false, /Set `version` to stu3/]],
    ['no _lastUpdated', { ignores: ['_lastUpdated'] }, 'Patient', [true, /does not heed/]],
    ['no times', { isMetaless: true }, 'Patient', [true, /without times/]],
    ['a search that is refused', { refuses: ['_sort'] }, 'Patient', [false, /^invalid: the source answers 400/]],
  ];
  for (const [what, manners, name, [isOk, detail]] of rows) {
    it(`tells ${what}`, async () => {
      const found = (await check(manners))[name];
      assert.equal(found?.[0], isOk);
      assert.match(found?.[1] ?? '', detail);
    });
  }
});
