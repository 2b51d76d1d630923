/** LEAKS 10: what is written needs its letter of the scope, sent by itself, in a batch or in a transaction. */
import assert from 'node:assert/strict';
import { givenLeakWorld, type LeakWorld } from './world.ts';

const body = { resourceType: 'Basic', code: { text: 'x' } };
const identifier = 'identifier=urn:i|rights';
const patch = [{ op: 'add', path: '/language', value: 'de' }];
const rows: readonly [letter: string, method: string, path: string, sent?: object][] = [
  ['c', 'POST', 'Basic', body],
  ['u', 'PUT', 'Basic/rights', { ...body, id: 'rights' }],
  ['u', 'PUT', `Basic?${identifier}`, body],
  ['u', 'PATCH', 'Basic/rights', patch],
  ['u', 'PATCH', `Basic?${identifier}`, patch],
  ['d', 'DELETE', 'Basic/rights'],
  ['d', 'DELETE', `Basic?${identifier}`],
];

describe('LEAKS 10, 52: a write needs its letter of the scope', () => {
  let world: LeakWorld;
  before(async () => {
    world = await givenLeakWorld();
  });
  after(() => world.close());

  for (const [letter, method, path, sent] of rows) {
    const without = (): Promise<string> =>
      world.token('hospital', { scope: `system/Basic.${'cruds'.replace(letter, '')}` });

    it(`${method} ${path} without ${letter}: 403`, async () => {
      const headers: Record<string, string> =
        method === 'PATCH' ? { 'content-type': 'application/json-patch+json' } : {};
      const answer = await world.hub.send(method, path, await without(), { body: sent, headers });
      assert.equal(answer.status, 403, answer.text);
    });

    if (method === 'PATCH') continue;
    for (const type of ['batch', 'transaction']) {
      it(`as an entry of a ${type}`, async () => {
        const entry = [{ request: { method, url: path }, ...(sent === undefined ? {} : { resource: sent }) }];
        const bundle = { resourceType: 'Bundle', type, entry };
        const answer = await world.hub.send('POST', '/fhir/R4', await without(), { body: bundle });
        const { json } = answer;
        const status = type === 'batch' ? String(json['entry'][0].response.status) : String(answer.status);
        assert.match(status, /^403/, answer.text);
      });
    }
  }
});
