/** What the watch knows through adapters and files of this machine: the time in a message, the ends of certificates; and a whole hub that watches. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createServer } from 'node:tls';
import { connectMllp } from '../../adapters/hl7v2/client.ts';
import { sql } from '../../src/db/sql.ts';
import { lookAtCertificates, openSenderCertificates } from '../../src/hub/certificates.ts';
import { readClock } from '../../src/hub/clock.ts';
import { openLog } from '../../src/hub/log.ts';
import { addEndpoint } from '../../src/ingest/endpoint.ts';
import { endOf, probeServer } from '../../src/watch/certificates.ts';
import { readConfig } from '../../src/config.ts';
import { givenDataDir } from '../hub-process.ts';
import { givenHub } from '../given-hub.ts';
import { givenIngest, givenMessage, oneHospital } from '../given-ingest.ts';
import { until } from '../until.ts';

const pem = (name: string): string => readFileSync(join(import.meta.dirname, '../adapters/hl7v2/tls', name), 'utf8');
const endsAt = (name: string): Date => new X509Certificate(pem(name)).validToDate;

describe('the clock of a source', () => {
  const cases: [msh7: string, zone: string | undefined, expected: string | undefined][] = [
    ['20240506103015', 'Asia/Shanghai', '2024-05-06T02:30:15.000Z'],
    ['20240506103015.5+0100', 'Asia/Shanghai', '2024-05-06T09:30:15.500Z'],
    ['202405061030', '+08:00', '2024-05-06T02:30:00.000Z'],
    // No zone, an hour alone, a day alone, no time: nothing can be said.
    ['20240506103015', undefined, undefined],
    ['2024050610', 'UTC', undefined],
    ['20240506', 'UTC', undefined],
    ['', 'UTC', undefined],
  ];
  for (const [msh7, zone, expected] of cases) {
    it(`MSH-7 ${msh7 || '(empty)'} in ${zone ?? 'no known zone'}: ${expected ?? 'not known'}`, () => {
      const head = `MSH|^~\\&|LAB|HOSPA|HUB|REGION|${msh7}||ORU^R01|M1|P|2.5.1\rPID|1||P1^^^HOSPA^MR||D`;
      assert.equal(readClock(Buffer.from(head), { zone })?.toISOString(), expected);
    });
  }

  it('of something else it is not known', () => {
    assert.equal(readClock(Buffer.from('{"resourceType":"Patient"}'), { zone: 'UTC' }), undefined);
    assert.equal(readClock(Buffer.from('{}\r'), { zone: 'UTC' }), undefined);
    assert.equal(readClock(Buffer.alloc(0), { zone: 'UTC' }), undefined);
  });
});

describe('certificates', () => {
  it('a chain ends with the first of it that ends', () => {
    const ends = [endsAt('server.pem').getTime(), endsAt('ca.pem').getTime()];
    assert.equal(endOf(pem('server.pem') + pem('ca.pem'))?.getTime(), Math.min(...ends));
    assert.equal(endOf('nothing'), undefined);
  });

  it('of a server it is seen without being trusted; who cannot be reached shows none', async () => {
    const server = createServer({ key: pem('server.key'), cert: pem('server.pem') }, (socket) => socket.end());
    server.on('tlsClientError', () => undefined);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const seen = await probeServer('127.0.0.1', port);
    assert.deepEqual(seen, { subject: `server 127.0.0.1:${port}`, endsAt: endsAt('server.pem') });
    await new Promise((resolve) => server.close(resolve));
    assert.equal(await probeServer('127.0.0.1', port), undefined);
  });

  it("the listener's own and those of senders are noted, by their endpoints", async () => {
    const [world, dataDir] = await Promise.all([givenIngest(), givenDataDir()]);
    const log = openLog('silent');
    try {
      const { database, registry: endpoints } = world;
      await world.endpoint({ certificate: new X509Certificate(pem('client.pem')).fingerprint256 });
      const mllpTls = { key: Buffer.from(pem('server.key')), cert: Buffer.from(pem('server.pem')) };
      const config = { ...readConfig({ HUB_DATA_DIR: dataDir.path }), mllpTls };
      const note = openSenderCertificates({ database, endpoints, log });
      const { port } = await world.listen({
        tls: { ...mllpTls, ca: pem('ca.pem') },
        onEvent: ({ certificate }) => certificate !== undefined && note(certificate),
      });
      const sender = { ca: pem('ca.pem'), key: pem('client.key'), cert: pem('client.pem') };
      const client = connectMllp({ host: '127.0.0.1', port, attemptsMax: 1, tls: sender });
      await client.send(Buffer.from(givenMessage()));
      client.destroy();
      const rows = (): Promise<{ subject: string; endsAt: Date }[]> =>
        database.query(sql`select subject, ends_at as "endsAt" from certificate order by 1`);
      await until('the sender is noted', async () => (await rows()).length === 1);
      assert.deepEqual(await rows(), [{ subject: 'sender hospa', endsAt: endsAt('client.pem') }]);
      await lookAtCertificates({ config, database, endpoints });
      assert.deepEqual((await rows())[0], { subject: 'listener of MLLP', endsAt: endsAt('server.pem') });
    } finally {
      await Promise.all([world.close(), dataDir.close()]);
    }
  });
});

describe('a hub that watches', () => {
  it('has the health of its sources, tells what is wrong, and takes it in hand', async () => {
    const hub = await givenHub();
    try {
      await addEndpoint(hub.database, oneHospital);
      const token = await hub.token('operator', { sub: 'lin' });
      await until('a round has been', async () => {
        const { json } = await hub.send('GET', '/ops/health', token);
        return json['evaluatedAt'] !== null;
      });
      const { json } = await hub.send('GET', '/ops/health?endpoint=hospa', token);
      assert.deepEqual([json['endpoints'][0].endpoint, json['endpoints'][0].status], ['hospa', 'new']);
      assert.equal((await hub.send('GET', '/ops/health?endpoint=nobody', token)).status, 404);
      assert.equal((await hub.send('GET', '/ops/health?what=1', token)).status, 400);
      assert.equal((await hub.send('GET', '/ops/health', undefined)).status, 401);
      await hub.database.query(sql`
        insert into alert (kind, subject, severity, summary, started_at) values ('backlog', 'x', 'warning', 's', now())`);
      const list = await hub.send('GET', '/ops/alerts', token);
      const { id } = list.json['alerts'].find((alert: { subject: string }) => alert.subject === 'x') as { id: number };
      const acked = await hub.send('POST', `/ops/alerts/${id}/ack`, token, { body: { note: 'on it' } });
      assert.deepEqual([acked.json['acknowledgedBy'], acked.json['note']], ['lin', 'on it']);
      assert.equal((await hub.send('POST', `/ops/alerts/${id}/ack`, token, { body: { notes: 'x' } })).status, 400);
      assert.equal((await hub.send('POST', '/ops/alerts/999999/ack', token, { body: {} })).status, 404);
      const { text } = await hub.send('GET', '/metrics', undefined);
      assert.match(text, /^hub_watch_evaluated_timestamp_seconds \d{10}/m);
      assert.match(text, /^hub_alerts_open\{kind="silence"\} 0$/m);
    } finally {
      await hub.close();
    }
  });
});
