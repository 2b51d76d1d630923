/** What operators see of messages: found by whom they are about, grouped by what is wrong, and read by an analyst who says what for. */
import assert from 'node:assert/strict';
import { connectMllp, type MllpClient } from '../../../adapters/hl7v2/client.ts';
import { inviteAccount } from '../../../src/access/login/account.ts';
import { setClientRole } from '../../../src/access/principal/operator.ts';
import { sql } from '../../../src/db/sql.ts';
import { addEndpoint } from '../../../src/ingest/endpoint.ts';
import { whereMessage } from '../../../src/ingest/status.ts';
import { givenHub, type GivenHub, type HubResponse } from '../../given-hub.ts';
import { until } from '../../until.ts';
import { enrolOn, openBrowser } from '../login/given-browser.ts';

const admission = (id: string, patient: string, event = 'ADT^A01'): Buffer =>
  Buffer.from(
    [
      `MSH|^~\\&|HIS|WARD|HUB|HUB|20260301080000+0800||${event}|${id}|P|2.5.1`,
      `PID|1||${patient}^^^WARD^MR~330106198001011234^^^NAT^NI||Canary^Jane||19800101|F`,
      'PV1|1|I',
      'ZXX|strange',
    ].join('\r'),
  );
const reason = 'Ticket 4711: the ward misses an admission.';
const operatorRoles = ['operator', 'analyst', 'auditor'] as const;
type Role = (typeof operatorRoles)[number];

describe('operations: messages', function () {
  this.timeout(300_000);
  let hub: GivenHub;
  let mllp: MllpClient;
  let tokens: Readonly<Record<Role, string>>;
  const ids = new Map<string, number>();

  before(async () => {
    hub = await givenHub();
    await addEndpoint(hub.database, {
      name: 'ward',
      kind: 'hl7v2-mllp',
      organization: 'Organization/ward',
      facilities: ['WARD'],
    });
    await addEndpoint(hub.database, {
      name: 'quiet',
      kind: 'fhir-push',
      organization: 'Organization/quiet',
      config: { source: 'urn:quiet' },
    });
    mllp = connectMllp({ host: '127.0.0.1', port: hub.mllpPort });
    const [operator, analyst, auditor] = await Promise.all(
      operatorRoles.map((role) => hub.token('operator', { client_id: role, ops_role: role })),
    );
    tokens = { operator, analyst, auditor } as typeof tokens;
    for (const [id, patient, event] of [
      ['A-1', 'MR-77', 'ADT^A01'],
      ['A-2', 'MR-88', 'ADT^A01'],
      // An event that no rule takes, of the same patient as A-1: quarantined.
      ['Q-1', 'MR-77', 'ADT^Z99'],
      ['Q-2', 'MR-99', 'ADT^Z99'],
    ] as const) {
      assert.equal((await mllp.send(admission(id, patient, event))).code, 'AA');
    }
    await until('their fate is known', async () => {
      const rows = await hub.database.query<{ id: number; control_id: string }>(
        sql`select id, control_id from message where status in (1, 2)`,
      );
      for (const row of rows) ids.set(row.control_id, row.id);
      return rows.length === 4;
    });
  });
  after(async () => {
    mllp.destroy();
    await hub.close();
  });

  const ask = (role: Role, method: string, path: string, body?: object): Promise<HubResponse> =>
    hub.send(method, `/ops${path}`, tokens[role], { body, headers: { 'content-type': 'application/json' } });
  const found = async (body: object): Promise<string[]> => {
    const answer = await ask('auditor', 'POST', '/messages/search', body);
    assert.equal(answer.status, 200, answer.text);
    return (answer.json['messages'] as { controlId: string }[]).map(({ controlId }) => controlId);
  };

  it('a message is found by an identifier of its patient, quarantined or not, however it is typed', async () => {
    assert.deepEqual(await found({ identifier: 'mr 77' }), ['A-1', 'Q-1']);
    assert.deepEqual(await found({ identifier: 'MR-77', status: 'quarantined' }), ['Q-1']);
    assert.deepEqual(await found({ identifier: '330106198001011234' }), ['A-1', 'A-2', 'Q-1', 'Q-2']);
    assert.deepEqual(await found({ identifier: 'MR-7' }), []);
    assert.deepEqual(await found({ source: 'ward', 'control-id': 'A-2' }), ['A-2']);
  });

  it('the search goes by the index of marks, however many messages there are', async () => {
    await hub.database.query(sql`
      insert into message (lane_key, endpoint_id, slot, status, received_at, control_id, type, facility, digest, raw, marks)
      select n % 100, 99, 0, 1, now(), 'filler-' || n, 'ADT^A01', 'W', sha256(n::text::bytea), 'x', array[n % 40]
      from generate_series(1, 20000) n`);
    await hub.database.query(sql`analyze message`);
    const filter = whereMessage({ marks: [7] });
    const plan = await hub.database.query<Record<string, string>>(sql`
      explain select m.id from message m join endpoint e on e.id = m.endpoint_id
      where m.id > 0 and ${filter} order by m.id limit 10`);
    const text = plan.map((row) => Object.values(row).join()).join('\n');
    assert.match(text, /Bitmap Index Scan on message_marks/);
    assert.doesNotMatch(text, /Seq Scan on message/);
    await hub.database.query(sql`delete from message where control_id like 'filler-%'`);
  });

  it('no identifier stands beside a message, nor a hash that can be tried without the key', async () => {
    const rows = await hub.database.query<Record<string, unknown>>(
      sql`select to_jsonb(m) - 'raw' as row from message m`,
    );
    const text = JSON.stringify(rows);
    assert.doesNotMatch(text, /MR-?77|330106198001011234|Canary/i);
    const { createHash } = await import('node:crypto');
    const unkeyed = Number.parseInt(createHash('sha256').update('MR77').digest('hex').slice(0, 13), 16);
    assert.equal(text.includes(String(unkeyed)), false);
  });

  it('a body that is not understood is no filter: it is refused', async () => {
    for (const body of [{ identifer: 'MR-77' }, { identifier: 'x' }, { identifier: ['MR-77'] }, { status: 'lost' }]) {
      const { status } = await ask('operator', 'POST', '/messages/search', body);
      assert.equal(status, 400 + (JSON.stringify(body).includes('identifer') ? 0 : 22), JSON.stringify(body));
    }
  });

  it('one message: what is known of it, what no rule took, and what happened when; nothing of its content', async () => {
    const { status, text, json } = await ask('auditor', 'GET', `/messages/${ids.get('A-1')}`);
    assert.equal(status, 200);
    assert.equal(json['endpointKind'], 'hl7v2-mllp');
    assert.equal(json['bytes'], admission('A-1', 'MR-77').length);
    assert.deepEqual(
      (json['timeline'] as { event: string }[]).map(({ event }) => event),
      ['received', 'processed'],
    );
    assert.doesNotMatch(text, /Canary|MR-77|3301/);
    const quarantined = (await ask('auditor', 'GET', `/messages/${ids.get('Q-1')}`)).json;
    assert.deepEqual(
      (quarantined['timeline'] as { event: string; step?: string }[]).map(({ event, step }) => [event, step]),
      [
        ['received', undefined],
        ['quarantined', 'convert'],
      ],
    );
    assert.equal((await ask('auditor', 'GET', '/messages/999999999')).status, 404);
    assert.equal((await ask('auditor', 'GET', '/messages/x')).status, 404);
  });

  for (const [method, path, body] of [
    ['GET', '/messages?source=typo'],
    ['POST', '/messages/search', { source: 'typo' }],
    ['GET', '/errors?source=typo'],
    ['POST', '/errors/dismiss', { source: 'typo', why: 'test' }],
    ['GET', '/unmapped?source=typo'],
    ['GET', '/maps?endpoint=typo'],
    ['POST', '/replay?source=typo'],
    ['POST', '/replay?source=typo&preview=true'],
    ['GET', '/outbound?destination=typo'],
  ] as const) {
    it(`given a name that there is not, ${method} ${path} says so: it is not one of which there is nothing`, async () => {
      assert.equal((await ask('analyst', method, path, body)).status, 404);
    });
  }

  it('the error inbox: one line for a cause, with how many, since when, and examples', async () => {
    const { json } = await ask('auditor', 'GET', '/errors?source=ward');
    const [group, ...others] = json['errors'] as Record<string, unknown>[];
    assert.deepEqual(others, []);
    const { source, step, code, count, lanes, types, examples } = group ?? {};
    assert.deepEqual(
      { source, step, code, count, lanes, types, examples },
      {
        source: 'ward',
        step: 'convert',
        code: 'not-supported',
        count: 2,
        lanes: 2,
        types: ['ADT^Z99'],
        examples: [ids.get('Q-1'), ids.get('Q-2')],
      },
    );
    assert.deepEqual([json['quarantined'], json['held'], json['isCut']], [2, 0, false]);
    const cause = new URLSearchParams({ source: 'ward', step: 'convert', code: 'not-supported' });
    const listed = await ask('auditor', 'GET', `/messages?${cause}`);
    assert.deepEqual(
      (listed.json['messages'] as { controlId: string }[]).map(({ controlId }) => controlId),
      ['Q-1', 'Q-2'],
    );
    assert.deepEqual((await ask('auditor', 'GET', '/errors?source=quiet')).json['errors'], []);
    assert.equal((await ask('auditor', 'GET', '/errors?sorce=ward')).status, 400);
  });

  it('content is for an analyst who says what for', async () => {
    const path = `/messages/${ids.get('A-1')}/content`;
    assert.equal((await ask('operator', 'POST', path, { reason })).status, 403);
    assert.equal((await ask('auditor', 'POST', path, { reason })).status, 403);
    for (const body of [{}, { reason: 'because' }, { reason: ' '.repeat(40) }, { reason: 5 }]) {
      const refused = await ask('analyst', 'POST', path, body);
      assert.equal(refused.status, 422, refused.text);
      assert.doesNotMatch(refused.text, /Canary/);
    }
    const { status, json } = await ask('analyst', 'POST', path, { reason });
    assert.equal(status, 200);
    assert.match(json['text'] as string, /^MSH.*Canary\^Jane/s);
    const pid = (json['segments'] as { name: string; fields: Record<string, string> }[])[1];
    assert.equal(pid?.fields['PID-3'], 'MR-77^^^WARD^MR~330106198001011234^^^NAT^NI');
    assert.equal(pid?.fields['PID-5'], 'Canary^Jane');
    assert.ok(
      (json['bundle'] as { entry: { resource: { resourceType: string } }[] }).entry.some(
        ({ resource }) => resource.resourceType === 'Patient',
      ),
    );
    assert.equal(json['mapVersion'], json['processedBy']);
  });

  it('one that could not be read says why, and is shown as it came', async () => {
    const { json } = await ask('analyst', 'POST', `/messages/${ids.get('Q-1')}/content`, { reason });
    assert.equal((json['problem'] as { code: string }).code, 'not-supported');
    assert.equal(json['bundle'], undefined);
    assert.match(json['text'] as string, /ADT\^Z99/);
  });

  it('who looked into a message stands in the log of its patient, with the reason, also when it was never understood', async () => {
    const [row] = await hub.database.query<{ patients: string[] }>(
      sql`select patients from message where id = ${ids.get('A-1')}`,
    );
    const patient = row?.patients[0] ?? '';
    const self = await hub.token('patient', { patient, fhirUser: `Patient/${patient}` });
    const log = await hub.send('GET', `Patient/${patient}/$access-log?language=en`, self);
    const said = [...log.text.matchAll(/"valueString":"([^"]*analyst[^"]*)"/g)].map(([, text]) => text);
    assert.ok(
      said.some((text = '') => /analyst looked 2 times into a message of a hospital about you.*Ticket 4711/.test(text)),
      log.text,
    );
    const rows = await hub.database.query<{ query: string; outcome: number; patient: string | null }>(sql`
      select query, outcome, patient from audit_entry where interaction = 'ops-content' order by seq`);
    const shown = rows.filter(({ outcome }) => outcome === 0);
    assert.deepEqual(
      shown.map((one) => [one.query, one.patient]),
      ['A-1', 'Q-1'].map((id) => [`POST /ops/messages/${ids.get(id)}/content`, patient]),
    );
    assert.equal(rows.length - shown.length, 2, 'the refused ones are on record too');
  });

  it('a replay is counted first, then runs in the background at its rate, and is on record', async () => {
    const query = 'source=ward&status=quarantined&code=not-supported';
    const before = await ask('analyst', 'POST', `/replay?${query}&preview=true`);
    assert.equal(before.status, 200, before.text);
    assert.deepEqual(
      [before.json['matched'], before.json['queued'], before.json['endpoints']],
      [2, 2, [{ source: 'ward', matched: 2, queued: 2, lanes: 2 }]],
    );
    assert.equal((await ask('analyst', 'POST', '/replay?preview=true')).status, 422, 'everything is a thing to say');
    const asked = await ask('analyst', 'POST', `/replay?${query}&rate=50`);
    assert.equal(asked.status, 202, asked.text);
    const path = `/replays/${asked.json['id'] as number}`;
    assert.deepEqual(
      [asked.json['askedBy'], asked.json['rate'], asked.json['filter']],
      ['analyst', 50, { source: 'ward', status: 'quarantined', code: 'not-supported' }],
    );
    await until('it is done', async () => (await ask('auditor', 'GET', path)).json['state'] === 'done');
    const { queued, matched } = (await ask('auditor', 'GET', path)).json;
    assert.deepEqual([matched, queued], [2, 2]);
    await until('they are quarantined again', async () => {
      const { json } = await ask('auditor', 'GET', '/errors?source=ward');
      return json['quarantined'] === 2;
    });
    assert.equal((await ask('auditor', 'POST', `${path}/stop`)).status, 403);
    assert.equal((await ask('operator', 'POST', `${path}/stop`)).status, 409);
    assert.equal((await ask('operator', 'GET', '/replays/99999')).status, 404);
    assert.equal((await ask('operator', 'POST', `/replay?${query}&rate=0`)).status, 422);
    const { replays } = (await ask('auditor', 'GET', '/replays')).json;
    assert.equal((replays as object[]).length, 1);
  });

  it('what nobody needs is dismissed, found as that, and brought back by a replay', async () => {
    const dismiss = (role: Role, path: string, body: object) => ask(role, 'POST', path, body);
    const cause = { source: 'ward', code: 'not-supported', why: 'test' };
    assert.equal((await dismiss('auditor', '/errors/dismiss', cause)).status, 403);
    assert.equal((await dismiss('analyst', '/errors/dismiss', { ...cause, why: 'bored' })).status, 422);
    assert.equal((await dismiss('analyst', '/errors/dismiss', { why: 'test' })).status, 422, 'of which endpoint');
    assert.equal((await dismiss('analyst', '/errors/dismiss', { ...cause, source: 'quiet' })).json['dismissed'], 0);
    assert.deepEqual((await dismiss('analyst', '/errors/dismiss', cause)).json, {
      dismissed: 2,
      released: 0,
      isMore: false,
    });
    assert.equal((await ask('auditor', 'GET', '/errors?source=ward')).json['quarantined'], 0);
    const listed = (await ask('auditor', 'GET', '/messages?code=dismissed')).json['messages'] as { reason: string }[];
    assert.equal(listed.length, 2);
    assert.match(listed[0]?.reason ?? '', /^dismissed: test; not-supported: event Z99/);
    assert.equal((await dismiss('analyst', `/messages/${ids.get('Q-1')}/dismiss`, { why: 'test' })).status, 409);
    assert.equal((await dismiss('analyst', '/messages/999999/dismiss', { why: 'test' })).status, 404);
    assert.equal((await ask('analyst', 'POST', '/replay?code=dismissed')).json['matched'], 2);
    await until('they are quarantined again', async () => {
      return (await ask('auditor', 'GET', '/errors?source=ward')).json['quarantined'] === 2;
    });
  });

  it('erased content is gone for everybody', async () => {
    await hub.database.query(sql`update message set raw = '' where id = ${ids.get('Q-2')}`);
    const { status } = await ask('analyst', 'POST', `/messages/${ids.get('Q-2')}/content`, { reason });
    assert.equal(status, 410);
  });

  it('an auditor looks and changes nothing; an analyst mends and changes nothing else', async () => {
    const change = '/outbound/00000000-0000-4000-8000-000000000000/retry';
    assert.equal((await ask('auditor', 'POST', '/replay?source=quiet')).status, 403);
    assert.equal((await ask('auditor', 'POST', change)).status, 403);
    assert.equal((await ask('analyst', 'POST', '/replay?source=quiet')).status, 200);
    assert.equal((await ask('analyst', 'POST', change)).status, 403);
    assert.notEqual((await ask('operator', 'POST', change)).status, 403);
  });

  it('a registered client has the role of its registration, whatever its token claims', async () => {
    await hub.database.query(sql`
      insert into client (issuer, id, kind, purposes) values (${hub.url}, 'monitor', 'hospital', 0)`);
    await setClientRole(hub.database, { issuer: hub.url, id: 'monitor', role: 'auditor' });
    const [plain, claiming, invented] = await Promise.all([
      hub.token('operator', { client_id: 'monitor' }),
      hub.token('operator', { client_id: 'monitor', ops_role: 'analyst' }),
      hub.token('operator', { client_id: 'monitor', ops_role: 'king' as 'analyst' }),
    ]);
    const statusOf = async (token: string, method: string, path: string): Promise<number> =>
      (await hub.send(method, path, token)).status;
    await until(
      'the registration is known',
      async () => (await statusOf(plain, 'POST', '/ops/replay?source=x')) === 403,
    );
    assert.equal(await statusOf(plain, 'GET', '/ops/errors'), 200);
    assert.equal(await statusOf(claiming, 'GET', '/ops/errors'), 403);
    assert.equal(await statusOf(invented, 'GET', '/ops/errors'), 401);
    await assert.rejects(setClientRole(hub.database, { issuer: hub.url, id: 'nobody', role: 'auditor' }), {
      code: 'not-found',
    });
  });

  it('whoever signs in has the role they were invited for', async () => {
    const { code } = await inviteAccount(hub.database, 'analyst', new Date(Date.now() + 3_600_000));
    const browser = openBrowser(hub.url);
    await enrolOn(browser, code, 'ana.lyst');
    const shown = await browser.post('/portal/token', '', { 'x-hub-page': '1', 'content-type': 'application/json' });
    const { access_token: token } = JSON.parse(shown.text) as { access_token: string };
    const path = `/ops/messages/${ids.get('A-1')}/content`;
    assert.equal((await hub.send('POST', path, token, { body: { reason } })).status, 200);
    assert.equal((await hub.send('POST', '/ops/outbound', token)).status, 403);
  });
});
