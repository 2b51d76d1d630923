/** `/ops/endpoints`: the registry over HTTP, signed by the operator, secrets never shown. */
import assert from 'node:assert/strict';
import { sql } from '../../../src/db/sql.ts';
import { givenAdmission } from '../../hub/onboarding/given-samples.ts';
import { givenHub, type GivenHub } from '../../given-hub.ts';

describe('/ops/endpoints', () => {
  let hub: GivenHub;
  let operator: string;
  before(async () => {
    hub = await givenHub();
    operator = await hub.token('operator', { client_id: 'console' });
  });
  after(() => hub.close());

  const call = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
    hub.send(method, `/ops/endpoints${path}`, operator, { body, headers });
  const ward = {
    name: 'ward',
    kind: 'hl7v2-mllp',
    organization: 'Organization/a',
    facilities: ['WARD'],
    state: 'testing',
  };

  it('adds, changes, resumes and retires; each is a version by the operator of the token', async () => {
    const looked = await call('POST', '?dry-run=true', ward);
    assert.deepEqual([looked.status, (await call('GET', '/ward')).status], [200, 404]);
    assert.equal((await call('POST', '?note=ticket', ward)).status, 201);
    const patch = { zone: 'Asia/Shanghai', secrets: { key: 'open sesame' } };
    const changed = await call('PATCH', '/ward', patch);
    assert.deepEqual([changed.status, changed.json['zone']], [200, 'Asia/Shanghai']);
    for (const step of ['resume', 'pause', 'resume', 'retire']) {
      assert.equal((await call('POST', `/ward/${step}`)).status, 200, step);
    }
    const history = (await call('GET', '/ward/history')).json['versions'] as Record<string, unknown>[];
    assert.deepEqual(
      history.map(({ state, changedBy, note }) => [state, changedBy, note]),
      [
        ['retired', 'console', undefined],
        ['live', 'console', undefined],
        ['paused', 'console', undefined],
        ['live', 'console', undefined],
        ['testing', 'console', undefined],
        ['testing', 'console', 'ticket'],
      ],
    );
    const shown = await call('GET', '/ward');
    assert.deepEqual([shown.json['secrets'], shown.json['version'], shown.json['held']], [['key'], 6, 0]);
    for (const answer of [changed, shown, await call('GET', '/ward/history'), await call('GET', '')])
      assert.doesNotMatch(answer.text, /sesame/);
  });

  it('an Endpoint and an Organization of the hospital are seen by it', async () => {
    const hospital = await hub.token('hospital', { organization: 'Organization/a' });
    const found = await hub.send('GET', 'Endpoint?organization=Organization/a', hospital);
    const [entry] = found.json['entry'] as { resource: Record<string, unknown> }[];
    assert.deepEqual([entry?.resource['name'], entry?.resource['status']], ['ward', 'off']);
    assert.equal((await hub.send('GET', 'Organization/a', hospital)).status, 200);
    const other = await hub.token('hospital', { organization: 'Organization/b' });
    assert.equal((await hub.send('GET', 'Endpoint', other)).json['entry'], undefined);
  });

  it('goes to YAML and back', async () => {
    const text = (await call('GET', '', undefined, { accept: 'application/yaml' })).text;
    assert.match(text, /^endpoints:\n {2}- name: ward\n/);
    const added = `${text}  - { name: lab, kind: hl7v2-http, organization: Organization/a, facilities: [LAB] }\n`;
    const imported = await call('POST', '/import', added, { 'content-type': 'application/yaml' });
    assert.equal(imported.status, 200, imported.text);
    const endpoints = imported.json['endpoints'] as Record<string, unknown>[];
    assert.deepEqual(
      endpoints.map(({ name, outcome }) => [name, outcome]),
      [
        ['ward', 'unchanged'],
        ['lab', 'added'],
      ],
    );
  });

  it('tries an endpoint with samples, without storing them', async () => {
    const answer = await call('POST', '/lab/test', givenAdmission({ facility: 'LAB' }), {
      'content-type': 'application/hl7-v2',
    });
    assert.equal(answer.status, 200, answer.text);
    const [sample] = answer.json['samples'] as Record<string, unknown>[];
    assert.deepEqual([sample?.['type'], sample?.['facility']], ['ADT^A01', 'LAB']);
    assert.equal((await hub.send('GET', '/ops/messages?source=lab', operator)).json['messages'].length, 0);
    assert.equal((await call('POST', '/lab/test')).json['samples'].length, 0);
  });

  it('asks a source now, and none that comes by itself', async () => {
    const source = {
      name: 'his',
      kind: 'fhir-rest',
      organization: 'Organization/a',
      config: { base: 'http://127.0.0.1:1' },
    };
    const added = await call('POST', '', source);
    assert.equal(added.status, 201, added.text);
    assert.equal((await call('POST', '/his/run')).status, 202);
    const [row] = await hub.database.query<{ started: number }>(sql`
      select count(*)::int as started from pull p join endpoint e on e.id = p.endpoint_id where e.name = 'his'`);
    assert.equal(row?.started, 1);
    assert.equal((await call('POST', '/lab/run')).status, 400);
    await call('POST', '/his/retire');
  });

  const refused: [string, string, string, unknown, number][] = [
    ['a description without a facility', 'POST', '', { ...ward, name: 'x', facilities: [] }, 422],
    ['a word nobody knows', 'PATCH', '/lab', { colour: 'red' }, 422],
    ['an endpoint that is not there', 'PATCH', '/nobody', {}, 404],
    ['what is no JSON', 'POST', '', 'endpoints: []', 400],
    ['settings nested beyond any', 'PATCH', '/lab', `{"config":${'{"a":'.repeat(60_000)}1${'}'.repeat(60_001)}`, 400],
    [
      'settings nested beyond any, of a new one',
      'POST',
      '',
      `{"config":${'['.repeat(90_000)}${']'.repeat(90_000)}}`,
      400,
    ],
    [
      'a filter nested beyond any',
      'POST',
      '/../errors/dismiss',
      `{"source":${'['.repeat(8_000)}${']'.repeat(8_000)}}`,
      400,
    ],
    ['a key that would reach a prototype', 'PATCH', '/lab', '{"config":{"__proto__":{"a":1}}}', 400],
    ['secrets that are no texts', 'PATCH', '/lab', { secrets: { a: 1 } }, 422],
    ['a state that may not follow', 'POST', '/ward/resume', undefined, 422],
  ];
  for (const [what, method, path, body, status] of refused) {
    it(`refuses ${what}`, async () => {
      assert.equal((await call(method, path, body)).status, status);
    });
  }

  it('an analyst and an auditor look and change nothing; others do not look', async () => {
    for (const role of ['analyst', 'auditor']) {
      const token = await hub.token('operator', { ops_role: role } as object);
      const send = (method: string, path: string) => hub.send(method, `/ops/endpoints${path}`, token, { body: {} });
      assert.equal((await hub.send('GET', '/ops/endpoints', token)).status, 200);
      for (const [method, path] of [
        ['POST', ''],
        ['PATCH', '/lab'],
        ['POST', '/lab/pause'],
        ['POST', '/import'],
      ] as const)
        assert.equal((await send(method, path)).status, 403, `${role} ${method} ${path}`);
    }
    const ai = await hub.token('ai');
    assert.equal((await hub.send('GET', '/ops/endpoints', ai)).status, 403);
  });

  it('each call is in the trail before it is answered, without names or values', async () => {
    const rows = await hub.database.query<{ entry: string }>(
      sql`select to_jsonb(a)::text as entry from audit_entry a where to_jsonb(a)::text like '%/ops/endpoints%'`,
    );
    assert.ok(rows.some(({ entry }) => entry.includes('PATCH /ops/endpoints/:name')));
    for (const { entry } of rows) assert.doesNotMatch(entry, /sesame|ward/);
  });
});
