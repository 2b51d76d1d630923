/** How the listener stops, and what a slow or silent caller can hold. */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
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

  it('given a stop, answers what is open and refuses what comes after', async () => {
    const listener = await listenHttp({ host: '127.0.0.1', port: 0 });
    const url = `http://127.0.0.1:${listener.port}`;
    listener.mount((_request, response) => {
      setTimeout(() => response.end('late'), 300);
    });
    const open = fetch(url).then((response) => response.text());
    await sleep(100);
    const closed = listener.close(5_000);
    await assert.rejects(fetch(url));
    assert.equal(await open, 'late');
    await closed;
  });

  it('given a stop, cuts what is never answered after the grace', async () => {
    const listener = await listenHttp({ host: '127.0.0.1', port: 0 });
    listener.mount(() => undefined);
    const open = fetch(`http://127.0.0.1:${listener.port}`);
    open.catch(() => undefined);
    await sleep(100);
    const startedAt = Date.now();
    await listener.close(200);
    assert.ok(Date.now() - startedAt < 2_000);
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

  it('given a port that stays taken, names the address and the remedy', async function () {
    this.timeout(10_000);
    const first = await listenHttp({ host: '127.0.0.1', port: 0 });
    await assert.rejects(
      listenHttp({ host: '127.0.0.1', port: first.port }),
      /cannot listen on 127\.0\.0\.1:\d+ \(EADDRINUSE\)/,
    );
    await first.close(0);
  });
});
