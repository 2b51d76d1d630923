/** What is wrong is told once at its start and once at its end, from rows in real tables at times a test says. */
import assert from 'node:assert/strict';
import { sql } from '../../src/db/sql.ts';
import { Problem } from '../../src/fhir/problem.ts';
import { changeEndpoint } from '../../src/ingest/registry/change.ts';
import { acknowledge, listAlerts } from '../../src/watch/alerts/alert.ts';
import type { Disk } from '../../src/watch/alerts/surroundings.ts';
import { noteCertificates } from '../../src/watch/certificates.ts';
import { allowSilence, readHealth } from '../../src/watch/health.ts';
import type { Notice } from '../../src/watch/tell/message.ts';
import type { Target } from '../../src/watch/tell/target.ts';
import { after, days, givenWatch, monday, type WatchWorld } from './given.ts';

describe('alerts', () => {
  let world: WatchWorld;
  let told: string[];
  let isDown: boolean;
  let disks: Disk[];
  /** Keeps what it was told; refuses while it is down. */
  const target: Target = {
    name: 'webhook:test',
    channel: 'webhook',
    send: (notice: Notice) => {
      if (isDown) return Promise.reject(new Problem('transient', 'the receiver answered 503'));
      told.push(`${notice.event} ${notice.alert.kind} ${notice.alert.subject}`);
      return Promise.resolve();
    },
  };
  beforeEach(async () => {
    world = await givenWatch();
    [told, isDown, disks] = [[], false, []];
    await world.watch({ targets: [target], disks: () => Promise.resolve(disks) });
  });
  afterEach(() => world.close());

  /** Rounds every four minutes, so that the watch is not taken for blind. */
  const rounds = async (from: number, to: number): Promise<void> => {
    for (let minute = from; minute < to; minute += 4) await world.round(after(minute));
    await world.round(after(to));
  };

  it('a silence is told once when it is too long, and once when it ends', async () => {
    const endpoint = await world.endpoint();
    await world.steady(endpoint, 4, after(-days(21)), after(2));
    await rounds(2, 14);
    assert.deepEqual(told, []);
    await rounds(15, 40);
    assert.deepEqual(told, ['started silence hospa']);
    await world.messages(endpoint, [after(41)]);
    await rounds(41, 50);
    assert.deepEqual(told, ['started silence hospa', 'ended silence hospa']);
    const [alert] = await listAlerts(world.database, { isAll: true });
    assert.ok(alert?.endedAt !== null && alert?.detail['lastMessageAt'] === after(0).toISOString());
  });

  it('a silence that ends before it was told is told to nobody', async () => {
    const endpoint = await world.endpoint();
    await world.messages(endpoint, [monday]);
    await world.round(after(0));
    await allowSilence(world.database, endpoint.name, 60, monday);
    await world.round(after(2));
    await world.messages(endpoint, [after(2.5)]);
    await world.round(after(3));
    assert.deepEqual(told, []);
    const [alert] = await listAlerts(world.database, { isAll: true });
    assert.deepEqual([alert?.toldAt, alert?.endedAt], [null, after(3)]);
  });

  it('when many fall silent at once it is one alert; who is left when it ends is told of alone', async () => {
    const many = await Promise.all(
      Array.from({ length: 12 }, (_, index) => world.endpoint({ name: `h${index}`, addresses: [`10.1.2.${index}`] })),
    );
    for (const endpoint of many) {
      await world.messages(endpoint, [monday]);
      await allowSilence(world.database, endpoint.name, 300, monday);
    }
    await rounds(0, 12);
    assert.deepEqual(told, ['started silence-many 10.1.2.0/24']);
    const [group] = await listAlerts(world.database);
    assert.equal((await listAlerts(world.database, { group: group?.id ?? 0 })).length, 12);
    // All but one send again.
    for (const endpoint of many.slice(1)) {
      await world.messages(endpoint, [after(13)]);
      await allowSilence(world.database, endpoint.name, 0, monday);
    }
    await rounds(13, 20);
    assert.deepEqual(told.slice(1).toSorted(), ['ended silence-many 10.1.2.0/24', 'started silence h0']);
  });

  it('a silence stays one while the hub was away, and when its rule is made longer', async () => {
    const endpoint = await world.endpoint();
    await world.messages(endpoint, [monday]);
    await allowSilence(world.database, endpoint.name, 600, monday);
    await rounds(0, 16);
    await world.round(after(600));
    await allowSilence(world.database, endpoint.name, 86_400, monday);
    await world.round(after(601));
    assert.deepEqual(told, ['started silence hospa']);
    await changeEndpoint(world.database, endpoint.name, { state: 'paused' }, { by: 'test', at: monday });
    await world.round(after(602));
    assert.deepEqual(told.at(-1), 'ended silence hospa');
  });

  it('a silence that a person expected is learned, another one is not', async () => {
    const [expected, other] = [await world.endpoint({ name: 'expected' }), await world.endpoint({ name: 'other' })];
    for (const endpoint of [expected, other]) await world.steady(endpoint, 4, after(-days(21)), after(2));
    await rounds(2, 24);
    const alert = (await listAlerts(world.database)).find(({ subject }) => subject === 'expected');
    await acknowledge(world.database, alert?.id ?? 0, { by: 'Lin', isExpected: true });
    for (const endpoint of [expected, other]) await world.messages(endpoint, [after(25)]);
    await rounds(25, 27);
    const rows = await world.database.query<{ gap: number }>(sql`select gap from feed_rhythm order by endpoint_id`);
    assert.deepEqual(
      rows.map(({ gap }) => Math.round(gap)),
      [12, 0],
    );
  });

  it('messages that fail, a lane that is held, and a backlog are told of, and that they are over', async () => {
    const endpoint = await world.endpoint({ poisonPolicy: 'hold' });
    await world.round(monday);
    await world.messages(
      endpoint,
      Array.from({ length: 10 }, () => after(1)),
      2,
    );
    await world.messages(endpoint, [after(1)], 3);
    await world.messages(
      endpoint,
      Array.from({ length: 10 }, () => after(1)),
      0,
    );
    await world.round(after(2));
    await world.round(after(4));
    assert.deepEqual(told.toSorted(), ['started backlog hub', 'started failing hospa', 'started held hospa']);
    await world.database.query(sql`update message set status = 1, processed_at = ${after(5)}`);
    await world.round(after(6));
    assert.deepEqual(told.slice(3).toSorted(), ['ended backlog hub', 'ended failing hospa', 'ended held hospa']);
  });

  it('a destination that refuses, a source that cannot be asked, a certificate, a disk', async () => {
    const pulled = await world.endpoint({ name: 'clinic' });
    await world.round(monday);
    await world.database.query(sql`
      insert into destination (name, organization, host, port, version, charset, sending_application, sending_facility,
        receiving_application, receiving_facility)
      values ('lab', 'Organization/lab', 'localhost', 1, '2.5.1', 'UNICODE UTF-8', 'HUB', 'HUB', 'LAB', 'LAB')`);
    await world.database.query(sql`
      insert into outbound_message (destination_id, status, queued_at, control_id, type, ack_code, raw)
      select id, 2, ${monday}, 'A', 'ORM^O01', 'AR', '' from destination`);
    await world.database.query(sql`
      insert into pull (endpoint_id, due_at, slot_at, decided_at, every_ms, failures, last_error)
      values (${pulled.id}, ${after(60)}, ${monday}, ${monday}, 900000, 3, 'transient: it answered 503')`);
    await noteCertificates(
      world.database,
      [{ subject: 'server fhir.example.org:443', endsAt: after(days(20)) }],
      monday,
    );
    disks = [{ name: 'data directory', freeBytes: 9, totalBytes: 100 }];
    await rounds(0, 4);
    const kinds = ['certificate server fhir.example.org:443', 'outbound lab', 'pull clinic', 'storage data directory'];
    assert.deepEqual(
      told.toSorted(),
      kinds.map((kind) => `started ${kind}`),
    );
    await world.database.query(sql`update outbound_message set status = 4`);
    await world.database.query(sql`update pull set failures = 0`);
    await noteCertificates(
      world.database,
      [{ subject: 'server fhir.example.org:443', endsAt: after(days(90)) }],
      monday,
    );
    disks = [{ name: 'data directory', freeBytes: 11, totalBytes: 100 }];
    await world.round(after(5));
    assert.equal(told.includes('ended storage data directory'), false, 'it ends at 12 %');
    disks = [{ name: 'data directory', freeBytes: 13, totalBytes: 100 }];
    await world.round(after(6));
    assert.deepEqual(
      told.slice(4).toSorted(),
      kinds.map((kind) => `ended ${kind}`),
    );
  });

  it('who cannot be told is told later, in order, each once', async () => {
    isDown = true;
    disks = [{ name: 'data directory', freeBytes: 1, totalBytes: 100 }];
    await world.round(monday);
    disks = [];
    await world.round(after(1));
    assert.deepEqual(told, []);
    isDown = false;
    await world.round(after(2));
    await world.round(after(3));
    assert.deepEqual(told, ['started storage data directory', 'ended storage data directory']);
    const rows = await world.database.query<{ attempts: number; error: string | null }>(
      sql`select attempts, error from alert_delivery order by id`,
    );
    assert.deepEqual(
      rows.map(({ error }) => error),
      [null, null],
    );
    assert.ok((rows[0]?.attempts ?? 0) >= 2);
  });

  it('after a day it is given up', async () => {
    isDown = true;
    disks = [{ name: 'data directory', freeBytes: 1, totalBytes: 100 }];
    await world.round(monday);
    await world.round(after(days(1)));
    const [row] = await world.database.query<{ given: Date | null; error: string }>(
      sql`select given_up_at as given, error from alert_delivery`,
    );
    assert.deepEqual([row?.given, row?.error], [after(days(1)), 'the receiver answered 503']);
  });

  it('an alert is taken in hand by a name; one that is over is not found', async () => {
    disks = [{ name: 'data directory', freeBytes: 1, totalBytes: 100 }];
    await world.round(monday);
    const [alert] = await listAlerts(world.database);
    const taken = await acknowledge(world.database, alert?.id ?? 0, { by: 'Lin', note: 'ordered' });
    assert.deepEqual([taken.acknowledgedBy, taken.note], ['Lin', 'ordered']);
    disks = [];
    await world.round(after(1));
    await assert.rejects(acknowledge(world.database, alert?.id ?? 0, { by: 'Lin' }), { code: 'not-found' });
  });

  it('a clock that is off is told of by what came at once, and ends within two minutes of ours', async () => {
    const endpoint = await world.endpoint();
    let offMs = 400_000;
    const other = await givenWatch();
    try {
      const lab = await other.endpoint();
      await other.watch({
        targets: [target],
        readClock: () => new Date(clock.getTime() + offMs),
      });
      let clock = monday;
      for (let minute = 0; minute < 8; minute++) {
        clock = after(minute);
        await other.messages(lab, [clock]);
        await other.round(clock);
      }
      assert.deepEqual(told, ['started clock hospa']);
      offMs = 0;
      for (let minute = 8; minute < 30; minute++) {
        clock = after(minute);
        await other.messages(lab, [clock]);
        await other.round(clock);
      }
      assert.deepEqual(told, ['started clock hospa', 'ended clock hospa']);
    } finally {
      await other.close();
    }
    assert.equal(endpoint.name, 'hospa');
  });

  it('the clock of a source that is asked: told when its last runs agree, and over with one that was right', async () => {
    const endpoint = await world.endpoint({
      kind: 'fhir-rest',
      facilities: [],
      config: { base: 'http://127.0.0.1:1' },
    });
    const runs = async (aheadSeconds: readonly number[]): Promise<void> => {
      await world.database.query(sql`
        insert into pull (endpoint_id, due_at, slot_at, decided_at, every_ms, watermark)
        values (${endpoint.id}, ${after(60)}, ${after(60)}, ${monday}, 60000, ${JSON.stringify({ aheadSeconds })}::jsonb)
        on conflict (endpoint_id) do update set watermark = excluded.watermark`);
    };
    await runs([700, 701]);
    await world.round(after(0));
    await runs([700, -3, 700]);
    await world.round(after(1));
    assert.deepEqual(told, [], 'two runs, and a balancer between them that is right');
    await runs([-700, -712.5, -701]);
    await rounds(2, 6);
    assert.deepEqual(told, ['started clock hospa']);
    const [alert] = await listAlerts(world.database);
    assert.deepEqual([alert?.summary, alert?.detail['seconds']], ['hospa: its clock is 12 min behind ours', -700]);
    assert.equal((await readHealth(world.database, after(6), 'hospa')).endpoints[0]?.clockSeconds, -700);
    await runs([-712.5, -701, 0]);
    await rounds(7, 12);
    assert.deepEqual(told, ['started clock hospa', 'ended clock hospa']);
  });
});
