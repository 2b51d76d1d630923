/** What `/ops/health` and `hub endpoint health` say, from messages in a real table, at times a test says. */
import assert from 'node:assert/strict';
import { sql } from '../../src/db/sql.ts';
import type { Endpoint } from '../../src/ingest/contract.ts';
import { changeEndpoint } from '../../src/ingest/registry/change.ts';
import { allowSilence, readHealth, type FeedHealth } from '../../src/watch/health.ts';
import { after, days, givenWatch, monday, type WatchWorld } from './given.ts';

describe('feed health', () => {
  let world: WatchWorld;
  beforeEach(async () => {
    world = await givenWatch();
  });
  afterEach(() => world.close());

  const healthOf = async (endpoint: Endpoint, at: Date): Promise<FeedHealth> => {
    await world.round(at);
    const { endpoints } = await readHealth(world.database, at, endpoint.name);
    return endpoints[0] as FeedHealth;
  };

  it('an endpoint that nothing came from is new; then it is being learned', async () => {
    const endpoint = await world.endpoint();
    const before = await healthOf(endpoint, monday);
    assert.deepEqual([before.status, before.lastMessageAt, before.perMinute], ['new', null, 0]);
    await world.messages(endpoint, [after(1)]);
    const later = await healthOf(endpoint, after(2));
    assert.deepEqual([later.status, later.lastMessageAt], ['learning', after(1).toISOString()]);
  });

  it('rates are of the last five minutes and of the last hour', async () => {
    const endpoint = await world.endpoint();
    await world.round(monday);
    await world.steady(endpoint, 0.5, after(0), after(60));
    const { perMinute, perMinuteOfHour } = await healthOf(endpoint, after(59.9));
    assert.deepEqual([perMinute, perMinuteOfHour], [2, 2]);
    const quiet = await healthOf(endpoint, after(79.9));
    assert.deepEqual([quiet.perMinute, quiet.perMinuteOfHour], [0, 1.33]);
  });

  it('what waits, is held and quarantined is counted, and the oldest that waits is the lag', async () => {
    const endpoint = await world.endpoint();
    await world.round(monday);
    await world.messages(endpoint, [after(1), after(2), after(3)], 0);
    await world.messages(endpoint, [after(4), after(5)], 2);
    await world.messages(endpoint, [after(6)], 3);
    const health = await healthOf(endpoint, after(10));
    const { waiting, quarantined, held, lagSeconds, receivedLately, failedLately } = health;
    assert.deepEqual(
      { waiting, quarantined, held, lagSeconds },
      { waiting: 3, quarantined: 2, held: 1, lagSeconds: 540 },
    );
    assert.deepEqual([receivedLately, failedLately], [6, 2]);
  });

  it('a tenth of what came in a quarter of an hour in quarantine is failing, for as long', async () => {
    const endpoint = await world.endpoint();
    for (let minute = 0; minute < 20; minute += 4) await world.round(after(minute));
    await world.steady(endpoint, 0.25, after(10), after(20));
    await world.messages(
      endpoint,
      Array.from({ length: 5 }, () => after(19)),
      2,
    );
    assert.equal((await healthOf(endpoint, after(20))).status, 'failing');
    for (let minute = 24; minute < 36; minute += 4) await world.round(after(minute));
    const { status, failedLately, quarantined } = await healthOf(endpoint, after(36));
    assert.deepEqual([status, failedLately, quarantined], ['learning', 0, 5]);
  });

  it('the rhythm is learned from the archive, and the silence that is too long follows from it', async () => {
    const endpoint = await world.endpoint();
    await world.steady(endpoint, 4, after(-days(21)), monday);
    const { status, silentAt, silenceAllowedSeconds } = await healthOf(endpoint, after(1));
    assert.equal(status, 'ok');
    // Twenty minutes: it never missed a slot of five, so the shortest silence that is told of is the rule.
    assert.ok(silenceAllowedSeconds !== null && silenceAllowedSeconds >= 900 && silenceAllowedSeconds <= 1_200);
    // Rounds go on meanwhile: without them a silence begins anew.
    for (let minute = 5; after(minute) < new Date(silentAt ?? ''); minute += 4) await world.round(after(minute));
    assert.equal((await healthOf(endpoint, new Date(Date.parse(silentAt ?? '') - 1))).status, 'ok');
    assert.equal((await healthOf(endpoint, new Date(silentAt ?? ''))).status, 'silent');
  });

  it('what another watch goes on with is what the first one knew', async () => {
    const endpoint = await world.endpoint();
    await world.steady(endpoint, 4, after(-days(21)), after(2));
    const first = await healthOf(endpoint, after(2));
    const [read] = await world.database.query<{ hours: number }>(
      sql`select cardinality(hours) as hours from feed_rhythm`,
    );
    assert.equal(read?.hours, 1_008);
    await world.stop();
    await world.round(after(2));
    const { endpoints } = await readHealth(world.database, after(2), endpoint.name);
    assert.deepEqual(endpoints[0], first);
  });

  it('after the hub was away nobody is silent until as long again has passed', async () => {
    const endpoint = await world.endpoint();
    await world.steady(endpoint, 4, after(-days(21)), monday);
    await world.round(after(1));
    const health = await healthOf(endpoint, after(180));
    assert.equal(health.status, 'ok');
    assert.ok(Date.parse(health.silentAt ?? '') >= after(195).getTime());
  });

  it('only what is live can be silent, from when it is live again', async () => {
    const endpoint = await world.endpoint();
    await world.steady(endpoint, 4, after(-days(21)), monday);
    await world.round(after(1));
    await changeEndpoint(world.database, endpoint.name, { state: 'paused' }, { by: 'test', at: monday });
    for (let minute = 2; minute < 60; minute += 4) await world.round(after(minute));
    assert.equal((await healthOf(endpoint, after(60))).status, 'paused');
    await changeEndpoint(world.database, endpoint.name, { state: 'live' }, { by: 'test', at: monday });
    const { status, silentAt } = await healthOf(endpoint, after(61));
    assert.equal(status, 'ok');
    assert.ok(Date.parse(silentAt ?? '') >= after(76).getTime());
  });

  it('a person may say how long, in place of what is learned: six hours, or any', async () => {
    const endpoint = await world.endpoint();
    await world.messages(endpoint, [monday]);
    await world.round(after(1));
    await allowSilence(world.database, endpoint.name, 21_600, after(1));
    const restarted = await readHealth(world.database, after(2), endpoint.name);
    assert.equal(restarted.endpoints[0]?.silenceAllowedSeconds, 21_600);
    await allowSilence(world.database, endpoint.name, 0, after(1));
    const any = await readHealth(world.database, after(2), endpoint.name);
    assert.equal(any.endpoints[0]?.silentAt, null);
  });

  it('an endpoint that is not there is not found', async () => {
    await assert.rejects(readHealth(world.database, monday, 'nobody'), { code: 'not-found' });
    await assert.rejects(allowSilence(world.database, 'nobody', 1, monday), { code: 'not-found' });
  });
});
