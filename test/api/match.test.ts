/** The route table as requests and the entries of a Bundle reach it. */
import assert from 'node:assert/strict';
import { matchOf } from '../../src/api/match.ts';
import { routes, routesOfOperations } from '../../src/api/routes.ts';

describe('from method and path to the route table (http.html#general)', () => {
  const match = matchOf({ operations: routesOfOperations, routes });
  const reached = (method: string, path: string): unknown => {
    const found = match(method, path);
    return [found.route.interaction.code, found.params];
  };

  const served: [string, string, string, object][] = [
    ['GET', '/Patient/1', 'read', { type: 'Patient', id: '1' }],
    ['get', '/Patient', 'search-type', { type: 'Patient' }],
    ['GET', '/Patient/1/_history/2', 'vread', { type: 'Patient', id: '1', version: '2' }],
    ['PUT', '/Patient/a%2Eb', 'update', { type: 'Patient', id: 'a.b' }],
    ['GET', '/AuditEvent/1', 'read', { type: 'AuditEvent', id: '1' }],
  ];
  for (const [method, path, code, params] of served) {
    it(`${method} ${path} is ${code}`, () => assert.deepEqual(reached(method, path), [code, params]));
  }

  const unserved: [string, string, string, number][] = [
    ['a method of no route', 'TRACE', '/Patient/1', 405],
    ['a type with routes of its own, by the routes of every type', 'PUT', '/AuditEvent/1', 405],
    ['an empty segment', 'GET', '/Patient/', 405],
    ['a longer path', 'GET', '/Patient/1/x/y/z', 404],
    ['an absolute URL', 'GET', 'https://elsewhere.example/Patient/1', 404],
    ['an operation that there is not, as an id', 'GET', '/Patient/$none', 404],
    ['an operation where it is not invoked', 'POST', '/Patient/1/x/$meta', 405],
  ];
  for (const [title, method, path, status] of unserved) {
    it(`${status} for ${title}`, () => assert.throws(() => match(method, path), { status }));
  }

  it('a path that cannot be decoded is refused: 400', () => {
    assert.throws(() => match('GET', '/Patient/%ff'), { status: 400 });
  });
});
