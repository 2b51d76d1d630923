/** Guesses below /oauth slow down by address; whoever is not refused is never in their way. */
import assert from 'node:assert/strict';
import { openRefusals } from '../../../src/access/rate/refusals.ts';
import { givenHub, type GivenHub } from '../../given-hub.ts';

describe('/oauth: refused again and again', () => {
  let hub: GivenHub;
  before(async () => {
    hub = await givenHub({ HUB_RATE_REFUSALS: '5', HUB_TRUSTED_PROXIES: '127.0.0.1/32', HUB_LOG_LEVEL: 'silent' });
  });
  after(() => hub.close());

  const guess = (address: string, path = '/oauth/token'): Promise<Response> =>
    fetch(`${hub.url}${path}`, {
      method: 'POST',
      headers: { 'x-forwarded-for': address },
      body: new URLSearchParams({ grant_type: 'authorization_code', code: 'guessed', client_id: 'nobody' }),
    });
  const statuses = async (address: string, count: number): Promise<number[]> => {
    const all: number[] = [];
    for (let n = 0; n < count; n++) all.push((await guess(address)).status);
    return all;
  };

  it('over the limit: 429 with Retry-After within the minute, also for what would not be refused', async () => {
    const all = await statuses('192.0.2.1', 8);
    assert.ok(
      all.slice(0, 5).every((status) => status === 400 || status === 401),
      all.join(),
    );
    assert.deepEqual(all.slice(6), [429, 429]);
    const { status, headers } = await fetch(`${hub.url}/oauth/authorize`, {
      headers: { 'x-forwarded-for': '192.0.2.1' },
    });
    assert.equal(status, 429);
    const seconds = Number(headers.get('retry-after'));
    assert.ok(seconds >= 1 && seconds <= 60, String(seconds));
    assert.match(await (await fetch(`${hub.url}/metrics`)).text(), /hub_throttled_total\{limit="refusals"\} [1-9]/);
  });

  it('another address is not concerned, and what is granted does not count', async () => {
    assert.notEqual((await guess('192.0.2.2')).status, 429);
    for (let n = 0; n < 8; n++) {
      const { status } = await fetch(`${hub.url}/oauth/jwks`, { headers: { 'x-forwarded-for': '192.0.2.3' } });
      assert.equal(status, 200);
    }
    assert.notEqual((await guess('192.0.2.3')).status, 429);
  });

  it('the window ends: asked again after it', async () => {
    let at = Date.now();
    const refusals = openRefusals(1, () => at);
    refusals.count('a');
    refusals.count('a');
    await new Promise(setImmediate);
    assert.throws(() => refusals.admit('a'), { code: 'throttled' });
    refusals.admit('b');
    at += 61_000;
    refusals.admit('a');
  });

  it('0 is no limit', async () => {
    const refusals = openRefusals(0);
    for (let n = 0; n < 100; n++) refusals.count('a');
    await new Promise(setImmediate);
    refusals.admit('a');
  });
});
