import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connectMllp } from '../../../adapters/hl7v2/client.ts';
import { openMllpListeners } from '../../../adapters/hl7v2/listeners.ts';
import { changeEndpoint } from '../../../src/ingest/registry/change.ts';
import { givenIngest, givenMessage, type IngestWorld } from '../../given-ingest.ts';
import { until } from '../../until.ts';

const pem = (name: string) => readFileSync(join(import.meta.dirname, 'tls', name), 'utf8');
const ca = pem('ca.pem');
const server = { key: pem('server.key'), cert: pem('server.pem') };

describe('MLLP over TLS', () => {
  let world: IngestWorld;
  before(async () => {
    world = await givenIngest();
    await world.endpoint({ certificate: new X509Certificate(pem('client.pem')).fingerprint256 });
    await world.endpoint({ name: 'open', facilities: ['OPEN'] });
  });
  after(() => world.close());

  const send = async (port: number, name: string | undefined, facility: string) => {
    const identity = name === undefined ? {} : { key: pem(`${name}.key`), cert: pem(`${name}.pem`) };
    const client = connectMllp({ host: '127.0.0.1', port, attemptsMax: 1, tls: { ca, ...identity } });
    try {
      return (await client.send(Buffer.from(givenMessage({ id: `${name}-${facility}`, facility })))).code;
    } catch {
      return 'no answer';
    } finally {
      client.destroy();
    }
  };

  const mutual: [string | undefined, string, string][] = [
    ['client', 'HOSPA', 'AA'],
    // A certificate that is bound to an endpoint speaks for nothing else.
    ['client', 'OPEN', 'AR'],
    ['stranger', 'OPEN', 'AA'],
    ['stranger', 'HOSPA', 'AR'],
    ['unknown', 'OPEN', 'no answer'],
    [undefined, 'OPEN', 'no answer'],
  ];
  for (const [name, facility, expected] of mutual) {
    it(`with client authentication, ${name ?? 'no certificate'} naming ${facility}: ${expected}`, async () => {
      const { port } = await world.listen({ tls: { ...server, ca } });
      assert.equal(await send(port, name, facility), expected);
    });
  }

  it('without client authentication, a certificate proves nothing', async () => {
    const { port } = await world.listen({ tls: server });
    assert.equal(await send(port, 'client', 'HOSPA'), 'AR');
    assert.equal(await send(port, undefined, 'OPEN'), 'AA');
  });

  it('a client without TLS gets nothing', async () => {
    const { port } = await world.listen({ tls: server });
    const client = connectMllp({ host: '127.0.0.1', port, attemptsMax: 1, ackTimeoutMs: 500 });
    await assert.rejects(client.send(Buffer.from(givenMessage({ id: 'PLAIN', facility: 'OPEN' }))), {
      code: 'transient',
    });
  });
});

describe('listeners of endpoints with a port of their own', () => {
  it('open when the endpoint is added, take its facility only, and close when it is switched off', async () => {
    const world = await givenIngest();
    const options = { host: '127.0.0.1', port: 0, door: world.door, now: () => new Date(), nextControlId: () => 'A' };
    const listeners = await openMllpListeners(options);
    try {
      assert.deepEqual(listeners.endpointPorts(), []);
      const port = await freePort();
      await world.endpoint({ port });
      await until('the port is open', async () => listeners.endpointPorts().includes(port));
      const send = async (to: number) => (await world.client(to).send(Buffer.from(givenMessage({ id: `${to}` })))).code;
      assert.equal(await send(port), 'AA');
      assert.equal(await send(listeners.port), 'AR');
      await changeEndpoint(world.database, 'hospa', { state: 'paused' }, { by: 'test', at: new Date() });
      await until('the port is closed', async () => listeners.endpointPorts().length === 0);
    } finally {
      await listeners.close();
      await world.close();
    }
  });
});

async function freePort(): Promise<number> {
  const { createServer } = await import('node:net');
  const one = createServer();
  await new Promise<void>((resolve) => one.listen(0, '127.0.0.1', resolve));
  const address = one.address();
  await new Promise((resolve) => one.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}
