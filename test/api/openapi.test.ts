/** The OpenAPI document: valid, complete, and true of the server that sends it. */
import assert from 'node:assert/strict';
import { Validator } from '@seriousme/openapi-schema-validator';
import { givenHub, type GivenHub } from '../given-hub.ts';

interface Operation {
  operationId: string;
  parameters?: { $ref: string }[];
  security?: object[];
}
interface Document {
  openapi: string;
  servers: { url: string }[];
  paths: Record<string, Record<string, Operation>>;
  components: { parameters: Record<string, { name: string; in: string }> };
}

describe('openapi.json (https://spec.openapis.org/oas/v3.1.0)', () => {
  let hub: GivenHub;
  let document: Document;
  before(async () => {
    hub = await givenHub();
    const response = await hub.send('GET', 'openapi.json', undefined);
    assert.equal(response.headers.get('content-type'), 'application/json; charset=utf-8');
    document = response.json as unknown as Document;
  });
  after(() => hub.close());

  const operations = (): { path: string; method: string; operation: Operation }[] =>
    Object.entries(document.paths).flatMap(([path, item]) =>
      Object.entries(item).map(([method, operation]) => ({ path, method, operation })),
    );

  it('is valid OpenAPI 3.1, of this server', async () => {
    const { valid, errors } = await new Validator().validate(
      structuredClone(document) as object as Record<string, unknown>,
    );
    assert.deepEqual([valid, errors], [true, undefined]);
    assert.equal(document.servers[0]?.url, hub.fhir);
  });

  it('refers to nothing that is not there, and names each operation once', () => {
    const text = JSON.stringify(document);
    for (const [, pointer] of text.matchAll(/"\$ref":"#\/([^"]+)"/g)) {
      const found = (pointer as string)
        .split('/')
        .reduce<unknown>((at, key) => (at as Record<string, unknown>)?.[key], document);
      assert.ok(found !== undefined, pointer);
    }
    const ids = operations().map(({ operation }) => operation.operationId);
    assert.equal(new Set(ids).size, ids.length);
  });

  it('declares each parameter of each path', () => {
    for (const { path, operation } of operations()) {
      const declared = (operation.parameters ?? [])
        .map(({ $ref }) => document.components.parameters[$ref.split('/').pop() as string])
        .filter((parameter) => parameter?.in === 'path')
        .map((parameter) => parameter?.name);
      assert.deepEqual(
        declared,
        [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name),
        path,
      );
    }
  });

  it('every method of every path is served', async () => {
    const allowed = new Map<string, Promise<string[]>>();
    const values: Record<string, string> = { type: 'Observation', compartment: 'Patient', version: '1' };
    for (const { path, method } of operations()) {
      const url = path.slice(1).replaceAll(/\{(\w+)\}/g, (_, name: string) => values[name] ?? 'x');
      if (!allowed.has(url)) {
        const asked = hub.send('OPTIONS', url, undefined);
        allowed.set(
          url,
          asked.then(({ headers }) => (headers.get('allow') ?? '').split(', ')),
        );
      }
      assert.ok((await allowed.get(url))?.includes(method.toUpperCase()), `${method} ${path}`);
    }
  });

  it('has the search parameters of each type that the CapabilityStatement has', async () => {
    const { json } = await hub.send('GET', 'metadata', undefined);
    const resources = json['rest'][0].resource as { type: string; searchParam?: { name: string }[] }[];
    for (const { type, searchParam = [] } of resources.filter((one) => one.type !== 'AuditEvent')) {
      const named = new Set(
        document.paths[`/${type}`]?.['get']?.parameters?.map(
          ({ $ref }) => document.components.parameters[$ref.split('/').pop() as string]?.name,
        ),
      );
      for (const { name } of searchParam) assert.ok(named.has(name), `${type} ${name}`);
    }
  });

  it('wants a token for all but what says what the server does', () => {
    const open = operations().filter(({ operation }) => operation.security?.length === 0);
    assert.deepEqual(
      open.map(({ path }) => path),
      ['/metadata', '/.well-known/smart-configuration', '/openapi.json'],
    );
  });
});
