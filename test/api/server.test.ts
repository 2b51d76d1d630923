/** How the listener stops, and what a slow or silent caller can hold. */
import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { listenHttp } from '../../src/api/server.ts';

describe('the HTTP listener', () => {
  it('before the hub behind it is ready, is alive and not ready', async () => {
    const listener = await listenHttp({ host: '127.0.0.1', port: 0 });
    const url = `http://127.0.0.1:${listener.port}`;
    assert.equal((await fetch(`${url}/healthz`)).status, 200);
    const early = await fetch(`${url}/fhir/R4/Patient/x`);
    assert.deepEqual([early.status, early.headers.get('retry-after')], [503, '1']);
    await listener.close(0);
  });

  it('given a stop, answers what is open, waits for nothing else, and refuses what comes after', async () => {
    const listener = await listenHttp({ host: '127.0.0.1', port: 0 });
    const url = `http://127.0.0.1:${listener.port}`;
    const { promise: arrived, resolve: arrive } = Promise.withResolvers<ServerResponse>();
    listener.mount((_request, response) => arrive(response));
    const open = fetch(url).then((response) => response.text());
    const response = await arrived;
    // Longer than this test may take: nothing waits for it.
    const closed = listener.close(600_000);
    await assert.rejects(fetch(url));
    response.end('late');
    assert.equal(await open, 'late');
    await closed;
  });

  it('given a stop, cuts what is never answered after the grace', async () => {
    const listener = await listenHttp({ host: '127.0.0.1', port: 0 });
    const { promise: arrived, resolve: arrive } = Promise.withResolvers<void>();
    listener.mount(() => arrive());
    const open = fetch(`http://127.0.0.1:${listener.port}`);
    open.catch(() => undefined);
    await arrived;
    await listener.close(200);
    await assert.rejects(open);
  });

  it('given headers without an end, answers 431', async () => {
    const listener = await listenHttp({ host: '127.0.0.1', port: 0 });
    const answer = await new Promise<string>((resolve) => {
      const socket = connect(listener.port, '127.0.0.1', () =>
        socket.write(`GET / HTTP/1.1\r\nx: ${'x'.repeat(20_000)}`),
      );
      socket.once('data', (chunk) => {
        resolve(chunk.toString());
        socket.destroy();
      });
    });
    assert.match(answer, /^HTTP\/1\.1 431 /);
    await listener.close(0);
  });

  const slow: [what: string, sent: string][] = [
    ['headers that do not end', 'GET / HTTP/1.1\r\nhost: x\r\n'],
    ['a body that does not come', 'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\na'],
  ];
  for (const [what, sent] of slow) {
    it(`given ${what}, answers 408 and closes, by itself`, async () => {
      const listener = await listenHttp({
        host: '127.0.0.1',
        port: 0,
        slowest: { headersMs: 200, requestMs: 400 },
        handler: (request, response) => {
          request.on('end', () => response.end()).resume();
        },
      });
      const answer = await new Promise<string>((resolve) => {
        let text = '';
        const socket = connect(listener.port, '127.0.0.1', () => socket.write(sent));
        socket.on('data', (chunk) => (text += chunk.toString()));
        socket.on('close', () => resolve(text));
      });
      assert.match(answer, /^HTTP\/1\.1 408 /);
      await listener.close(0);
    });
  }

  it('given a port that stays taken, names the address and the remedy', async function () {
    this.timeout(300_000);
    const first = await listenHttp({ host: '127.0.0.1', port: 0 });
    await assert.rejects(
      listenHttp({ host: '127.0.0.1', port: first.port }),
      /cannot listen on 127\.0\.0\.1:\d+ \(EADDRINUSE\)/,
    );
    await first.close(0);
  });
});
