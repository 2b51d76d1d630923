/** `/ops/alerts`, `/ops/runbook` and the rule of a silence, over HTTP. What alerts are is test/watch. */
import assert from 'node:assert/strict';
import { alertKinds } from '../../../src/watch/alerts/condition.ts';
import { givenHub, type GivenHub } from '../../given-hub.ts';
import { after as minutesAfter, givenWatch, type WatchWorld } from '../../watch/given.ts';

describe('/ops/alerts', () => {
  let hub: GivenHub;
  let world: WatchWorld;
  let operator: string;
  const now = new Date();

  before(async () => {
    // No role `scheduler`: the rounds are those that the test asks for.
    hub = await givenHub({ HUB_ROLES: 'api' });
    world = await givenWatch(hub);
    operator = await hub.token('operator', { client_id: 'lin' });
  });
  after(async () => {
    await world.close();
    await hub.close();
  });

  const alerts = async (query = ''): Promise<string[]> => {
    const { status, json } = await hub.send('GET', `/ops/alerts${query}`, operator);
    assert.equal(status, 200);
    return json['alerts'].map(({ kind, subject }: Record<string, string>) => `${kind} ${subject}`);
  };
  const allow = (name: string, allowed: unknown, token = operator) =>
    hub.send('PUT', `/ops/endpoints/${name}/silence`, token, { body: { allow: allowed } });

  /** Rounds every four minutes, so that the watch is not taken for blind. */
  const rounds = async (from: number, to: number): Promise<void> => {
    for (let minute = from; minute <= to; minute += 4) await world.round(minutesAfter(minute, now));
  };

  it('before anybody looked it says so', async () => {
    const { json } = await hub.send('GET', '/ops/alerts', operator);
    assert.deepEqual(json, { alerts: [], evaluatedAt: null });
  });

  it('the rule of a silence is set, shown, judged by and taken back', async () => {
    const ward = await world.endpoint({ name: 'ward' });
    await rounds(-60, -56);
    await world.messages(ward, [minutesAfter(-54, now)]);
    await rounds(-52, -40);
    assert.deepEqual(await alerts(), []);
    assert.equal((await allow('ward', '10m')).status, 200);
    const { json } = await hub.send('GET', '/ops/health?endpoint=ward', operator);
    assert.equal(json['endpoints'][0].silenceRuleSeconds, 600);
    await rounds(-36, -36);
    assert.deepEqual(await alerts(), ['silence ward']);
    for (const [text, seconds] of [
      ['learned', null],
      ['any', 0],
      ['2d', 172_800],
    ] as const) {
      await allow('ward', text);
      const shown = await hub.send('GET', '/ops/health?endpoint=ward', operator);
      assert.equal(shown.json['endpoints'][0].silenceRuleSeconds, seconds);
    }
  });

  for (const wrong of ['', '0m', '10', '10s', '1.5h', '366d', '-1h', 10, null, undefined]) {
    it(`a rule of ${JSON.stringify(wrong)} is refused, with the rules that there are`, async () => {
      const { status, json } = await allow('ward', wrong);
      assert.equal(status, 422);
      const [{ diagnostics, details, expression }] = json['issue'];
      assert.deepEqual([diagnostics, expression], ['allow is not valid', ['allow']]);
      assert.match(details.text, /90m, 6h or 3d.*learned.*any/);
    });
  }

  it('a rule is for operators, of an endpoint that there is', async () => {
    for (const role of ['analyst', 'auditor'] as const) {
      const token = await hub.token('operator', { client_id: role, ops_role: role });
      assert.equal((await allow('ward', 'any', token)).status, 403, role);
    }
    assert.equal((await allow('nobody', 'any')).status, 404);
  });

  it('each alert is in one of three states', async () => {
    const [lab, icu] = await Promise.all([world.endpoint({ name: 'lab' }), world.endpoint({ name: 'icu' })]);
    await Promise.all([allow('lab', '10m'), allow('icu', '10m')]);
    await Promise.all([lab, icu].map((endpoint) => world.messages(endpoint, [minutesAfter(-34, now)])));
    await rounds(-32, -20);
    assert.deepEqual((await alerts()).toSorted(), ['silence icu', 'silence lab', 'silence ward']);
    const { json } = await hub.send('GET', '/ops/alerts?kind=silence', operator);
    const { id } = json['alerts'].find(({ subject }: Record<string, string>) => subject === 'icu');
    await hub.send('POST', `/ops/alerts/${id}/ack`, operator, { body: { note: 'called' } });
    await world.messages(lab, [minutesAfter(-18, now)]);
    await rounds(-16, -16);
    assert.deepEqual(await alerts('?state=ended'), ['silence lab']);
    assert.deepEqual(await alerts('?state=acknowledged'), ['silence icu']);
    assert.deepEqual(await alerts('?state=new'), ['silence ward']);
    assert.deepEqual((await alerts('?all=true')).length, 3);
    assert.equal((await hub.send('GET', '/ops/alerts?state=asleep', operator)).status, 400);
  });

  it('says when somebody looked last', async () => {
    const { json } = await hub.send('GET', '/ops/alerts', operator);
    assert.equal(json['evaluatedAt'], minutesAfter(-16, now).toISOString());
  });

  it('has a runbook for each kind of alert, and for those that Prometheus tells', async () => {
    for (const kind of [...alertKinds, 'hub-down', 'enumeration']) {
      const { status, json } = await hub.send('GET', `/ops/runbook/${kind}`, operator);
      assert.deepEqual([status, json['kind']], [200, kind]);
      assert.ok(json['text'].length > 60, kind);
      assert.doesNotMatch(json['text'], /^#/m, kind);
    }
    assert.equal((await hub.send('GET', '/ops/runbook/nothing', operator)).status, 404);
    assert.equal((await hub.send('GET', '/ops/runbook/silence', undefined)).status, 401);
  });
});
