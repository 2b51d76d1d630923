/**
 * LEAKS 48: what goes wrong inside says nothing to who asked: one text, and an id under which the operator finds the cause. The
 * database is broken for real: a table is away, under statements that name tables, columns and values.
 */
import assert from 'node:assert/strict';
import { openLog } from '../../src/hub/log.ts';
import { raw, sql } from '../../src/db/sql.ts';
import { given } from '../given.ts';
import { givenHub, type GivenHub, type HubResponse } from '../given-hub.ts';

const secret = 'xyzzysecret';
const told =
  /^\{"resourceType":"OperationOutcome","issue":\[\{"severity":"error","code":"exception","diagnostics":"An error of the hub\. Its operator finds the cause under ([0-9a-f-]{36})\."\}\]\}$/;

describe('LEAKS 48: an error of the hub', () => {
  let hub: GivenHub;
  const lines: string[] = [];
  before(async () => {
    hub = await givenHub({}, openLog('error', { write: (line) => void lines.push(line) }));
    const body = given.patient({ id: 'p' });
    assert.equal((await hub.send('PUT', 'Patient/p', await hub.token('hospital'), { body })).status, 201);
  });
  after(() => hub.close());

  async function without<T>(tables: readonly string[], work: () => Promise<T>): Promise<T> {
    const rename = (from: string, to: string): Promise<object[]> =>
      hub.database.query(sql`${raw(`alter table ${from} rename to ${to}`)}`);
    for (const table of tables) await rename(table, `${table}_away`);
    try {
      return await work();
    } finally {
      for (const table of tables) await rename(`${table}_away`, table);
    }
  }

  const observation = {
    ...given.observation({ id: 'o', patient: 'p' }),
    identifier: [{ system: 'urn:i', value: secret }],
  };
  type Ask = readonly [method: string, path: string, body?: object, headers?: Record<string, string>];
  const asked: readonly Ask[] = [
    ['GET', `Patient/${secret}`],
    ['GET', `Patient?identifier=urn:i|${secret}`],
    ['GET', `Observation?patient=p&code:text=${secret}&_total=accurate`],
    ['GET', 'Patient/p/$everything'],
    ['GET', 'Patient/p/_history'],
    ['GET', 'Patient/p/_history/1'],
    ['PUT', 'Observation/o', observation],
    ['POST', 'Observation', { ...observation, id: undefined }],
    ['POST', 'Observation', { ...observation, id: undefined }, { 'if-none-exist': `identifier=urn:i|${secret}` }],
    ['DELETE', 'Patient/p'],
    [
      'POST',
      '/fhir/R4',
      {
        resourceType: 'Bundle',
        type: 'transaction',
        entry: [{ resource: observation, request: { method: 'PUT', url: 'Observation/o' } }],
      },
    ],
  ];

  it('is one text, and the cause is in the log under its id', async () => {
    const token = await hub.token('hospital');
    const answers = await without(['resource', 'resource_history', 'identifier_index'], async () => {
      const all: [Ask, HubResponse][] = [];
      for (const ask of asked) {
        const [method, path, body, headers] = ask;
        all.push([ask, await hub.send(method, path, token, { body, ...(headers && { headers }) })]);
      }
      return all;
    });
    for (const [[method, path], { status, text, headers }] of answers) {
      assert.equal(status, 500, `${method} ${path}: ${text}`);
      const [, id = ''] = told.exec(text) ?? [];
      assert.notEqual(id, '', `${method} ${path}: ${text}`);
      assert.ok(
        lines.some((line) => line.includes(id)),
        `${method} ${path}: no line of the log`,
      );
      assert.ok(!JSON.stringify([...headers]).includes('resource_'), path);
    }
    assert.deepEqual(
      lines.filter((line) => line.includes(secret)),
      [],
    );
  });

  it('at the console and at the token endpoint too', async () => {
    const operator = await hub.token('operator');
    const answers = await without(['message', 'client'], async () => [
      await hub.send('GET', `/ops/messages?control-id=${secret}`, operator),
      await hub.send('POST', '/oauth/token', undefined, {
        body: `grant_type=client_credentials&client_id=${secret}&client_secret=${secret}`,
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
      }),
    ]);
    for (const { status, text } of answers) {
      assert.ok(status >= 400, text);
      assert.doesNotMatch(text, /relation|column|does not exist|select |at [\w./]+:\d|xyzzysecret/);
    }
  });
});
