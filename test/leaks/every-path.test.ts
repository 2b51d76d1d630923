/**
 * LEAKS 40, 43, 46, 53 on every path that the hub answers: the list is taken down while its routers are built, so a path that is
 * added tomorrow is held to the same rules. What may be kept, or read by pages of every origin, stands in a table here.
 */
import assert from 'node:assert/strict';
import { request as openRequest, type IncomingMessage } from 'node:http';
import { once } from 'node:events';
import { givenHub, type GivenHub } from '../given-hub.ts';
import { takeRoutes, type Route } from './given-routes.ts';

/** Public, the same for everybody: an app in a browser reads them before it knows anybody. */
const published = new Set([
  '/oauth/jwks',
  '/.well-known/oauth-authorization-server',
  '/.well-known/openid-configuration',
]);
/** What pages of other origins may ask without a cookie (RFC 6749, 7009, 7591). */
const openToPages = new Set([...published, '/oauth/token', '/oauth/revoke', '/oauth/register']);
/** Asked for again each time, so that nobody runs half an old page. */
const pages = /^\/(portal\/.*|console)$/;
const isPage = ({ method, path }: Route): boolean => method === 'GET' && pages.test(path);
/** Beside what routers serve: files, what is not there, and the facade, whose own table is walked by test/fuzz/facade. */
const others: Route[] = [
  { method: 'GET', path: '/portal/' },
  { method: 'GET', path: '/portal/portal.js' },
  { method: 'GET', path: '/nothing' },
  { method: 'POST', path: '/nothing' },
  { method: 'GET', path: '/%' },
];
const evil = 'https://evil.example';
/** Their answer is what is wrong with the body. */
const tells = new Set(['/ops/maps/check']);
/** What a caller says it will send; the hub must not wait for it. */
const endless = 10_000_000_000;
const answerMs = 100_000;
/** Deeper than any document, short enough for every limit of length. */
const deep = '['.repeat(15_000);

describe('every path that the hub answers', function () {
  this.timeout(300_000);
  let hub: GivenHub;
  let routes: readonly Route[];
  let tokens: Record<'operator' | 'hospital', string>;

  before(async () => {
    const taking = takeRoutes();
    try {
      hub = await givenHub();
    } finally {
      routes = [...taking.taken(), ...others];
    }
    tokens = { operator: await hub.token('operator'), hospital: await hub.token('hospital') };
  });
  after(() => hub.close());

  /** As somebody who gets as far as they can. */
  const authorization = (path: string): Record<string, string> => {
    if (path.startsWith('/ops')) return { authorization: `Bearer ${tokens.operator}` };
    return path.startsWith('/hl7v2') ? { authorization: `Bearer ${tokens.hospital}` } : {};
  };
  const url = (path: string): string => hub.url + path.replaceAll(/:\w+/g, '1');

  /** @returns what was wrong, one line each */
  async function onEach(check: (route: Route) => Promise<string | undefined>): Promise<string[]> {
    const wrong: string[] = [];
    for (const route of routes) {
      const fault = await check(route);
      if (fault !== undefined) wrong.push(`${route.method} ${route.path}: ${fault}`);
    }
    return wrong;
  }

  it('the list is whole: what routers serve is in it', () => {
    const paths = new Set(routes.map(({ path }) => path));
    for (const path of [
      '/healthz',
      '/oauth/login',
      '/oauth/token',
      '/portal/token',
      '/ops/outbound/:id/retry',
      '/hl7v2',
    ])
      assert.ok(paths.has(path), path);
    assert.ok(routes.length > 60, `${routes.length}`);
  });

  for (const signedIn of [false, true]) {
    it(`${signedIn ? 'to who may ask' : 'to a stranger'}: policies, no kept answer, no reflected origin`, async () => {
      const wrong = await onEach(async (route) => {
        const { method, path } = route;
        const headers = { origin: evil, ...(signedIn ? authorization(path) : {}) };
        const response = await fetch(url(path), { method, headers, redirect: 'manual' });
        await response.arrayBuffer();
        const get = (name: string): string => response.headers.get(name) ?? '';
        const policy = get('content-security-policy');
        const faults = [
          response.status >= 500 && `status ${response.status}`,
          get('x-content-type-options') !== 'nosniff' && 'sniffed',
          !/default-src 'none'/.test(policy) && 'default-src',
          !/frame-ancestors 'none'/.test(policy) && 'framed',
          !/base-uri 'none'/.test(policy) && 'base-uri',
          /unsafe|\*|data:|https?:/.test(policy) && `policy ${policy}`,
          get('x-frame-options') !== 'DENY' && 'x-frame-options',
          get('referrer-policy') !== 'no-referrer' && 'referrer',
          !/camera=\(\)/.test(get('permissions-policy')) && 'permissions',
          !keeping(route).includes(get('cache-control')) && `cache-control ${get('cache-control')}`,
          get('access-control-allow-origin') !== '' &&
            !(openToPages.has(path) && get('access-control-allow-origin') === '*') &&
            `origin ${get('access-control-allow-origin')}`,
          get('access-control-allow-credentials') !== '' && 'credentials',
          get('x-powered-by') !== '' && 'x-powered-by',
        ].filter((fault) => fault !== false);
        return faults.length === 0 ? undefined : faults.join(', ');
      });
      assert.deepEqual(wrong, []);
    });
  }

  it('of the facade, whatever the answer is: no kept answer, and none that a browser sniffs', async () => {
    const { hospital } = tokens;
    const basic = { resourceType: 'Basic', id: 'kept', code: { text: 'x' } };
    const binary = { resourceType: 'Binary', id: 'page', contentType: 'text/html', data: btoa('<b>x</b>') };
    const json = { accept: 'application/fhir+json' };
    const asks: readonly [
      status: number,
      method: string,
      path: string,
      body?: unknown,
      headers?: Record<string, string>,
    ][] = [
      [201, 'PUT', 'Basic/kept', basic],
      [201, 'PUT', 'Binary/page', binary],
      [200, 'GET', 'Basic/kept'],
      [304, 'GET', 'Basic/kept', undefined, { 'if-none-match': 'W/"1"' }],
      [200, 'GET', 'Binary/page', undefined, { accept: '*/*' }],
      [200, 'GET', 'Binary/page', undefined, json],
      [200, 'GET', 'Basic'],
      [200, 'GET', '_history'],
      [200, 'GET', 'metadata'],
      [200, 'GET', '.well-known/smart-configuration'],
      [400, 'GET', 'Basic?no-such=1', undefined, { prefer: 'handling=strict' }],
      [404, 'GET', 'Basic/none'],
      [404, 'GET', 'Nothing/none'],
      [406, 'GET', 'Basic', undefined, { accept: 'application/fhir+xml' }],
      [412, 'PUT', 'Basic/kept', basic, { 'if-match': 'W/"7"' }],
      [415, 'POST', 'Basic', '<Basic/>', { 'content-type': 'application/fhir+xml' }],
      [422, 'POST', 'Basic', { resourceType: 'Basic' }],
      [204, 'DELETE', 'Basic/kept'],
      [410, 'GET', 'Basic/kept'],
    ];
    const wrong: string[] = [];
    for (const [status, method, path, body, headers] of asks) {
      const answer = await hub.send(method, path, hospital, { body, ...(headers && { headers }) });
      const get = (name: string): string => answer.headers.get(name) ?? '';
      assert.equal(answer.status, status, `${method} ${path}: ${answer.text}`);
      const isPublic = path === 'metadata' || path.startsWith('.well-known');
      if (get('x-content-type-options') !== 'nosniff') wrong.push(`${status} ${method} ${path}: sniffed`);
      if (!isPublic && get('cache-control') !== 'no-store') wrong.push(`${status} ${method} ${path}: kept`);
    }
    const stranger = await hub.send('GET', 'Basic', undefined);
    assert.deepEqual([stranger.status, stranger.headers.get('x-content-type-options')], [401, 'nosniff']);
    assert.deepEqual(wrong, []);
  });

  for (const contentType of [
    'application/x-www-form-urlencoded',
    'application/json',
    'application/fhir+json',
    'application/hl7-v2',
    'text/plain',
  ]) {
    it(`a body without end of ${contentType} is refused before it came`, async () => {
      const wrong = await onEach(async ({ method, path }) => {
        if (method === 'GET') return undefined;
        const asked = openRequest(url(path), {
          method,
          headers: { ...authorization(path), 'content-type': contentType, 'content-length': endless },
          signal: AbortSignal.timeout(answerMs),
        });
        asked.on('error', () => undefined);
        asked.flushHeaders();
        try {
          const [response] = (await once(asked, 'response')) as [IncomingMessage];
          const { statusCode = 0 } = response;
          return statusCode >= 400 && statusCode < 500 ? undefined : `status ${statusCode}`;
        } catch {
          return 'it waits';
        } finally {
          asked.destroy();
        }
      });
      assert.deepEqual(wrong, []);
    });
  }

  it('what is nested without end is refused, and is nobody’s fault', async () => {
    const wrong = await onEach(async ({ method, path }) => {
      if (method === 'GET') return undefined;
      const headers = { ...authorization(path), 'content-type': 'application/json' };
      const signal = AbortSignal.timeout(answerMs);
      const status = await fetch(url(path), { method, headers, body: deep, redirect: 'manual', signal }).then(
        (response) => response.status,
        () => 'it waits',
      );
      if (typeof status === 'string') return status;
      return (status >= 400 && status < 500) || tells.has(path) ? undefined : `status ${status}`;
    });
    assert.deepEqual(wrong, []);
  });
});

function keeping(route: Route): string[] {
  if (published.has(route.path)) return ['public, max-age=60'];
  return isPage(route) ? ['no-cache', 'no-store'] : ['no-store'];
}
