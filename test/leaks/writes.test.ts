/**
 * LEAKS 21, 23, 24, 35, 51: a write on what the caller may not change says no more than a write on what never was: one answer,
 * byte for byte, whatever the body, the precondition or the patch say.
 */
import assert from 'node:assert/strict';
import { givenLeakWorld, hidden, open, ofP, ai, saidBy, type LeakWorld } from './world.ts';
import { reference, resource } from '../spec/world.ts';
import { canary } from './world.ts';

interface Attempt {
  readonly method: string;
  /** `ID` stands for the id. */
  readonly path: string;
  readonly body?: object;
  readonly headers?: Record<string, string>;
}

const jsonPatch = { 'content-type': 'application/json-patch+json' };
const observation = (subject?: string): object => ({
  ...resource('Observation/ID', subject === undefined ? {} : { subject: reference(`Patient/${subject}`) }),
});
const batch = (type: string, method: string, url: string, more: object = {}): Attempt => ({
  method: 'POST',
  path: '',
  body: { resourceType: 'Bundle', type, entry: [{ request: { method, url, ...more } }] },
});

const attempts: Record<string, Attempt> = {
  delete: { method: 'DELETE', path: 'Observation/ID' },
  'delete If-Match': { method: 'DELETE', path: 'Observation/ID', headers: { 'if-match': 'W/"1"' } },
  'delete If-Match of another version': { method: 'DELETE', path: 'Observation/ID', headers: { 'if-match': 'W/"7"' } },
  'update If-Match': { method: 'PUT', path: 'Observation/ID', body: observation(), headers: { 'if-match': 'W/"1"' } },
  'update If-Match of another version': {
    method: 'PUT',
    path: 'Observation/ID',
    body: observation(),
    headers: { 'if-match': 'W/"7"' },
  },
  // Of whom the row is, and of whom it is not.
  'update of its patient': { method: 'PUT', path: 'Observation/ID', body: observation('p') },
  'update of another patient': { method: 'PUT', path: 'Observation/ID', body: observation('q') },
  'patch, test true': {
    method: 'PATCH',
    path: 'Observation/ID',
    headers: jsonPatch,
    body: [{ op: 'test', path: '/valueString', value: canary }],
  },
  'patch, test false': {
    method: 'PATCH',
    path: 'Observation/ID',
    headers: jsonPatch,
    body: [{ op: 'test', path: '/valueString', value: 'other' }],
  },
  'patch, path that is not there': {
    method: 'PATCH',
    path: 'Observation/ID',
    headers: jsonPatch,
    body: [{ op: 'remove', path: '/nothing/7' }],
  },
  'patch If-Match': {
    method: 'PATCH',
    path: 'Observation/ID',
    headers: { ...jsonPatch, 'if-match': 'W/"7"' },
    body: [{ op: 'remove', path: '/valueString' }],
  },
  'meta-add': {
    method: 'POST',
    path: 'Observation/ID/$meta-add',
    body: { resourceType: 'Parameters', parameter: [{ name: 'meta', valueMeta: { tag: [{ code: 'x' }] } }] },
  },
  'meta-delete': {
    method: 'POST',
    path: 'Observation/ID/$meta-delete',
    body: { resourceType: 'Parameters', parameter: [{ name: 'meta', valueMeta: { tag: [{ code: 'x' }] } }] },
  },
  'validate delete': { method: 'GET', path: 'Observation/ID/$validate?mode=delete' },
  'conditional delete': { method: 'DELETE', path: 'Observation?_id=ID' },
  'conditional patch': {
    method: 'PATCH',
    path: 'Observation?_id=ID',
    headers: jsonPatch,
    body: [{ op: 'test', path: '/valueString', value: canary }],
  },
  'batch delete': batch('batch', 'DELETE', 'Observation/ID'),
  'transaction delete': batch('transaction', 'DELETE', 'Observation/ID'),
  'transaction read': batch('transaction', 'GET', 'Observation/ID'),
  'batch read': batch('batch', 'GET', 'Observation/ID', { ifNoneMatch: 'W/"1"' }),
  'a new resource that refers to it by condition': {
    method: 'POST',
    path: '',
    body: {
      resourceType: 'Bundle',
      type: 'transaction',
      entry: [
        {
          request: { method: 'POST', url: 'Observation' },
          resource: { ...resource('Observation/x'), hasMember: [reference('Observation?_id=ID')] },
        },
      ],
    },
  },
};

describe('LEAKS 21, 24, 35: a write on what is hidden is a write on what never was', () => {
  let world: LeakWorld;
  before(async () => {
    world = await givenLeakWorld();
    await world.write([...open, ...hidden]);
    await world.consent('p', ai);
  });
  after(() => world.close());

  const attempt = async (name: string, id: string, token: string | undefined): Promise<object> => {
    const { method, path, body, headers } = attempts[name] as Attempt;
    const named = (text: string): string => text.replaceAll('ID', id);
    const answer = await world.hub.send(method, named(path) || '/fhir/R4', token, {
      ...(body === undefined ? {} : { body: named(JSON.stringify(body)) }),
      headers: { 'content-type': 'application/fhir+json', ...headers },
    });
    assert.ok(!answer.text.includes(canary));
    return saidBy(answer, [id]);
  };

  for (const name of Object.keys(attempts)) {
    it(name, async () => {
      const another = world.tokens['another hospital'];
      assert.deepEqual(await attempt(name, 'hidden', another), await attempt(name, 'hiddes', another));
      const service = await world.token('ai', { scope: 'system/*.cruds' });
      assert.deepEqual(await attempt(name, 'hidden', service), await attempt(name, 'hiddes', service));
    });
  }

  describe('LEAKS 51: with a token for one record its own source’s rows of others are unknown too', () => {
    let ids = 0;
    for (const name of Object.keys(attempts)) {
      // What is of the record is made, under an id that nobody has.
      if (name === 'update of its patient') continue;
      it(name, async () => {
        const token = await world.token('hospital', { patient: 'p' });
        assert.deepEqual(await attempt(name, 'of-q', token), await attempt(name, `x-${++ids + 9}`, token));
      });
    }

    it('an id that is taken there cannot be taken here', async () => {
      const token = await world.token('hospital', { patient: 'p' });
      for (const headers of [{ prefer: 'return=minimal' }, { 'if-match': 'W/"7"' }] as Record<string, string>[]) {
        const body = resource('Observation/of-q', ofP);
        assert.equal((await world.hub.send('PUT', 'Observation/of-q', token, { body, headers })).status, 404);
      }
    });

    it('nothing was changed', async () => {
      for (const [path, version] of [
        ['Observation/of-q', '1'],
        ['Observation/hidden', '1'],
      ] as const) {
        const { json } = await world.hub.send('GET', path, world.tokens['hospital']);
        assert.equal(json['meta'].versionId, version, path);
      }
    });
  });
});
