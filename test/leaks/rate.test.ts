/**
 * LEAKS 21: being refused for asking too much tells nothing of what is hidden; who goes through ids is refused, recorded, and the
 * operator hears of it.
 */
import assert from 'node:assert/strict';
import { sql } from '../../src/db/sql.ts';
import { resource } from '../spec/world.ts';
import { givenHub, type GivenHub } from '../given-hub.ts';
import { saidBy } from './world.ts';

describe('LEAKS 21: limits', function () {
  this.timeout(300_000);
  let hub: GivenHub;
  let hospital: string;
  before(async () => {
    hub = await givenHub({ HUB_RATE_MISSES: '20', HUB_RATE_PATIENT: '30', HUB_LOG_LEVEL: 'silent' });
    hospital = await hub.token('hospital');
    for (let n = 0; n < 30; n++) {
      const { status } = await hub.send('PUT', `Patient/hidden-${n}`, hospital, {
        body: resource(`Patient/hidden-${n}`),
      });
      assert.equal(status, 201);
    }
  });
  after(() => hub.close());

  /** A client of its own that asks each question; what it is told. */
  async function ask(client: string, paths: readonly string[], method = 'GET'): Promise<string[]> {
    const token = await hub.token('ai', { client_id: client });
    const told: string[] = [];
    for (const path of paths) told.push(JSON.stringify(saidBy(await hub.send(method, path, token), [path])));
    return told;
  }
  const numbers = Array.from({ length: 30 }, (_, n) => n);

  for (const [title, pathOf] of [
    ['reads', (id: string) => `Patient/${id}`],
    ['histories', (id: string) => `Patient/${id}/_history`],
    ['searches', (id: string) => `Patient?_id=${id}`],
    ['searches in a record', (id: string) => `Observation?patient=${id}`],
    ['everything', (id: string) => `Patient/${id}/$everything`],
  ] as const) {
    it(`${title}: the same answers for hidden and for unknown ids, up to the limit and beyond it`, async () => {
      const status = (text: string): number => (JSON.parse(text) as { status: number }).status;
      const [hidden, unknown] = [
        await ask(
          `h-${title.replaceAll(' ', '-')}`,
          numbers.map((n) => pathOf(`hidden-${n}`)),
        ),
        await ask(
          `u-${title.replaceAll(' ', '-')}`,
          numbers.map((n) => pathOf(`nobody-${n}`)),
        ),
      ];
      const withoutTimes = (told: string): string =>
        told.replace(/retry-after: \d+/, '').replaceAll(/hidden|nobody/g, 'id');
      assert.deepEqual(hidden.map(withoutTimes), unknown.map(withoutTimes));
      assert.deepEqual(
        hidden.slice(21).map(status),
        Array.from({ length: 9 }, () => 429),
      );
      assert.notEqual(status(hidden[0] as string), 429);
    });
  }

  it('429 says when to come again', async () => {
    const token = await hub.token('ai', { client_id: 'h-reads' });
    const { status, headers, json } = await hub.send('GET', 'Patient/hidden-0', token);
    assert.equal(status, 429);
    const seconds = Number(headers.get('retry-after'));
    assert.ok(seconds > 1 && seconds <= 600, `${seconds}`);
    assert.equal((json.issue as { code: string }[])[0]?.code, 'throttled');
  });

  it('entries of a batch count each', async () => {
    const token = await hub.token('ai', { client_id: 'batch' });
    const entry = numbers.map((n) => ({ request: { method: 'GET', url: `Patient/nobody-${n}` } }));
    const { json } = await hub.send('POST', '', token, { body: { resourceType: 'Bundle', type: 'batch', entry } });
    const statuses = (json.entry as { response: { status: string } }[]).map(({ response }) =>
      response.status.slice(0, 3),
    );
    assert.ok(statuses.filter((status) => status === '404').length >= 20);
    assert.equal((await hub.send('GET', 'Patient/nobody-1', token)).status, 429);
  });

  it('reads inside of a transaction count each', async () => {
    const token = await hub.token('ai', { client_id: 'transaction' });
    const entry = numbers.map((n) => ({ request: { method: 'GET', url: `Patient?_id=nobody-${n}` } }));
    await hub.send('POST', '', token, { body: { resourceType: 'Bundle', type: 'transaction', entry } });
    assert.equal((await hub.send('GET', 'Patient?_id=nobody-1', token)).status, 429);
  });

  it('it is on record once, and in the metrics', async () => {
    const [row] = await hub.database.query<{ count: number; outcome: number }>(sql`
      select count(*)::int, min(outcome)::int as outcome from audit_entry where client = 'h-reads' and interaction = 'throttled'`);
    assert.deepEqual(row, { count: 1, outcome: 4 });
    const { text } = await hub.send('GET', '/metrics', undefined);
    assert.match(text, /hub_throttled_total\{limit="misses"\} [1-9]/);
    assert.match(text, /hub_enumeration_total [1-9]/);
  });

  it('one patient again and again is refused; the record of another is not', async () => {
    const token = await hub.token('hospital');
    const statuses: number[] = [];
    for (let n = 0; n < 35; n++) statuses.push((await hub.send('GET', 'Patient/hidden-1', token)).status);
    assert.deepEqual([statuses[0], statuses.at(-1)], [200, 429]);
    assert.equal((await hub.send('GET', 'Patient/hidden-2', token)).status, 200);
    assert.equal((await hub.send('GET', 'Observation?patient=hidden-1', token)).status, 429);
  });
});
