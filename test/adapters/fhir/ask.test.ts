import assert from 'node:assert/strict';
import { gzipSync } from 'node:zlib';
import { RetryLater } from '../../../adapters/fhir/retry-after.ts';
import { readRetryAfter } from '../../../adapters/fhir/retry-after.ts';
import { Problem } from '../../../src/fhir/problem.ts';
import { answer, givenServer, givenSource, type GivenServer, type Serve } from '../../given-source.ts';

const patient = { resourceType: 'Patient', id: 'p' };
/** Canary: never in what is thrown. */
const secretText = 'Zhang Wei 4711';

describe('questions to a FHIR source: what an answer means', () => {
  let server: GivenServer | undefined;
  let source: ReturnType<typeof givenSource> | undefined;

  async function ask(serve: Serve, config: Record<string, unknown> = {}, url = 'Patient/p'): Promise<unknown> {
    server = await givenServer(serve);
    source = givenSource({ base: server.base, ...config });
    return source.read(url).then(
      ({ text }) => text,
      (error: unknown) => error,
    );
  }
  afterEach(async () => {
    await Promise.all([source?.close(), server?.close()]);
    [source, server] = [undefined, undefined];
  });

  it('a resource is given as the text that it is', async () => {
    const text = '{"resourceType":"Observation", "valueQuantity":{"value":1.50}}';
    assert.equal(await ask((_, response) => answer(response, text)), text);
  });

  it('JSON is asked for, and gzip is taken', async () => {
    const got = await ask((_, response) => {
      response.writeHead(200, { 'content-type': 'application/fhir+json', 'content-encoding': 'gzip' });
      response.end(gzipSync(JSON.stringify(patient)));
    });
    assert.equal(got, JSON.stringify(patient));
    const headers = server?.asked[0]?.headers;
    assert.equal(headers?.accept, 'application/fhir+json');
    assert.equal(headers?.['accept-encoding'], 'gzip');
  });

  const html = `<html><title>${secretText}</title></html>`;
  const outcome = {
    resourceType: 'OperationOutcome',
    issue: [{ severity: 'error', code: 'login', diagnostics: secretText }],
  };
  const rows: [string, Serve, string, RegExp][] = [
    ['HTML under 200', (_, r) => answer(r, html, { 'content-type': 'text/html' }), 'transient', /with text\/html/],
    ['HTML that says it is FHIR', (_, r) => answer(r, html), 'transient', /something else/],
    ['XML', (_, r) => answer(r, '<Patient/>', { 'content-type': 'application/fhir+xml' }), 'transient', /fhir\+xml/],
    [
      'bytes that are no UTF-8',
      (_, r) => r.writeHead(200, { 'content-type': 'application/json' }).end(Buffer.from([0x7b, 0xff])),
      'transient',
      /UTF-8/,
    ],
    [
      'another coding than asked for',
      (_, r) => answer(r, patient, { 'content-encoding': 'br' }),
      'transient',
      /coding/,
    ],
    ['401', (_, r) => answer(r, outcome, {}, 401), 'login', /401/],
    ['403', (_, r) => answer(r, outcome, {}, 403), 'forbidden', /403/],
    ['404', (_, r) => answer(r, outcome, {}, 404), 'not-found', /404/],
    ['410', (_, r) => answer(r, outcome, {}, 410), 'deleted', /410/],
    ['413', (_, r) => answer(r, outcome, {}, 413), 'too-long', /413/],
    ['500', (_, r) => answer(r, outcome, {}, 500), 'transient', /500/],
    ['503 without Retry-After', (_, r) => answer(r, outcome, {}, 503), 'transient', /503/],
    ['504', (_, r) => answer(r, outcome, {}, 504), 'timeout', /504/],
    [
      'a redirect',
      (_, r) => answer(r, '', { location: 'https://elsewhere.example/' }, 302),
      'not-supported',
      /not followed/,
    ],
  ];
  for (const [what, serve, code, text] of rows) {
    it(`${what}: ${code}`, async () => {
      const error = await ask(serve);
      assert.ok(error instanceof Problem);
      assert.equal(error.code, code);
      assert.match(error.message, text);
      assert.doesNotMatch(`${error.message} ${error.hint}`, new RegExp(secretText));
      assert.equal(server?.asked.length, 1);
    });
  }

  it('a body that is cut in the middle: transient', async () => {
    const error = await ask((_, response) => {
      response.writeHead(200, { 'content-type': 'application/fhir+json', 'content-length': '1000' });
      response.write('{"resourceType":"Bundle"');
      setImmediate(() => response.destroy());
    });
    assert.ok(error instanceof Problem && error.code === 'transient');
  });

  const large: [string, Serve][] = [
    ['that says so', (_, r) => answer(r, '{'.padEnd(5_000), { 'content-length': '5000' })],
    ['in pieces', (_, r) => answer(r, '{'.padEnd(5_000), { 'transfer-encoding': 'chunked' })],
    [
      'compressed to a few bytes',
      (_, r) => {
        r.writeHead(200, { 'content-type': 'application/fhir+json', 'content-encoding': 'gzip' });
        r.end(gzipSync('{'.padEnd(5_000_000)));
      },
    ],
  ];
  for (const [how, serve] of large) {
    it(`a larger body than allowed, ${how}: too-long`, async () => {
      const error = await ask(serve, { pageBytesMax: 4_000 });
      assert.ok(error instanceof Problem && error.code === 'too-long', String(error));
    });
  }

  it('nobody there: transient, with the name of the error alone', async () => {
    server = await givenServer(() => undefined);
    await server.close();
    source = givenSource({ base: server.base });
    await assert.rejects(source.read('metadata'), (error: Problem) => {
      return error.code === 'transient' && /ECONNREFUSED/.test(error.message);
    });
  });

  it('a server that says nothing: timeout, after as long as the endpoint allows', async () => {
    const error = await ask(() => undefined, { answerSeconds: 1 });
    assert.ok(error instanceof Problem && error.code === 'timeout');
  });

  it('a run that ends takes its request along, with its own reason', async () => {
    const ending = new AbortController();
    const reason = new Problem('lock-error', 'taken over');
    server = await givenServer(() => ending.abort(reason));
    source = givenSource({ base: server.base }, { signal: ending.signal });
    await assert.rejects(source.read('metadata'), (error: unknown) => error === reason);
  });

  const elsewhere: [string, string][] = [
    ['another host', 'http://127.0.0.2:1/fhir/Patient'],
    ['another port', 'http://127.0.0.1:1/fhir/Patient'],
    ['credentials in the address', 'http://a:b@127.0.0.1:1/fhir'],
    ['another scheme', 'https://127.0.0.1/fhir'],
  ];
  for (const [what, url] of elsewhere) {
    it(`an address that the endpoint does not name is not asked: ${what}`, async () => {
      const error = await ask((_, response) => answer(response, patient), {}, url);
      assert.ok(error instanceof Problem && error.code === 'forbidden');
      assert.equal(server?.asked.length, 0);
    });
  }

  it('http is for this machine alone, unless the operator says otherwise', async () => {
    for (const [plainHttp, code] of [
      [false, 'forbidden'],
      [true, 'transient'],
    ] as const) {
      // TEST-NET-1 (RFC 5737): nobody is there.
      source = givenSource({ base: 'http://192.0.2.1/fhir', plainHttp, connectSeconds: 1 });
      const error = await source.read('metadata').catch((thrown: unknown) => thrown);
      assert.ok(error instanceof Problem);
      assert.equal(error.code === 'timeout' ? 'transient' : error.code, code);
      await source.close();
    }
  });
});

describe('the clock of a FHIR source', () => {
  const at = new Date('2026-03-01T12:00:00Z');
  const dated = async (answers: readonly Record<string, string>[]): Promise<number | undefined> => {
    const left = [...answers];
    const server = await givenServer((_asked, response) => {
      response.sendDate = false;
      answer(response, { resourceType: 'Patient' }, left.shift());
    });
    const source = givenSource({ base: server.base }, { now: () => at });
    try {
      for (let n = 0; n < answers.length; n++) await source.read('Patient/1');
      return source.aheadSeconds();
    } finally {
      await Promise.all([source.close(), server.close()]);
    }
  };

  it('is told by the answer that took least time, and not by one that a cache held', async () => {
    const date = (text: string): Record<string, string> => ({ date: `Sun, 01 Mar 2026 ${text} GMT` });
    assert.equal(await dated([date('12:05:00'), date('12:05:40'), date('12:05:10')]), 340);
    assert.equal(await dated([{ ...date('11:00:00'), age: '3600' }]), 0);
    assert.equal(await dated([{}]), undefined);
  });
});

describe('Retry-After (RFC 9110 section 10.2.3)', () => {
  const serverNow = new Date('2024-01-01T00:00:00Z');
  const rows: [string | undefined, number | undefined][] = [
    ['120', 120_000],
    [' 0 ', 0],
    ['Mon, 01 Jan 2024 00:02:00 GMT', 120_000],
    ['Sun, 31 Dec 2023 23:00:00 GMT', 0],
    ['999999999', 86_400_000],
    ['soon', undefined],
    [undefined, undefined],
  ];
  for (const [text, ms] of rows) it(`${text}: ${ms} ms`, () => assert.equal(readRetryAfter(text, serverNow), ms));

  let server: GivenServer | undefined;
  let source: ReturnType<typeof givenSource> | undefined;
  afterEach(async () => {
    await Promise.all([source?.close(), server?.close()]);
  });

  for (const [status, header] of [
    [429, () => '0'],
    [503, (date: Date) => date.toUTCString()],
  ] as const) {
    it(`a short wait (${status}) is waited, where the run stands`, async () => {
      let left = 2;
      // The server's clock is an hour ahead: its date is read by its own clock.
      const date = new Date(Date.now() + 3_600_000);
      server = await givenServer((_, response) => {
        if (left-- > 0) answer(response, '', { 'retry-after': header(date), date: date.toUTCString() }, status);
        else answer(response, patient);
      });
      source = givenSource({ base: server.base });
      assert.match((await source.read('Patient/p')).text, /Patient/);
      assert.equal(server.asked.length, 3);
    });
  }

  it('a long wait ends the run, and says until when', async () => {
    server = await givenServer((_, response) => answer(response, '', { 'retry-after': '600' }, 429));
    const now = new Date('2024-01-01T00:00:00Z');
    source = givenSource({ base: server.base }, { now: () => now });
    await assert.rejects(source.read('Patient/p'), (error: unknown) => {
      return error instanceof RetryLater && error.notBefore.getTime() === now.getTime() + 600_000;
    });
  });

  it('a server that asks for a short time for ever is left for the next run', async () => {
    server = await givenServer((_, response) => answer(response, '', { 'retry-after': '0' }, 429));
    source = givenSource({ base: server.base });
    await assert.rejects(source.read('Patient/p'), RetryLater);
    assert.equal(server.asked.length, 5);
  });
});
