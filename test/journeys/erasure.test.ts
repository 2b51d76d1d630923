/** Journey: a person of two hospitals wants to be forgotten. What they were is a canary word, looked for in every table at the end. */
import assert from 'node:assert/strict';
import { connectMllp } from '../../adapters/hl7v2/client.ts';
import { openAudit, type Audit } from '../../src/access/audit/audit.ts';
import { askForDeletion } from '../../src/access/erasure/ask.ts';
import { openDatabase, type Database } from '../../src/db.ts';
import { raw, sql } from '../../src/db/sql.ts';
import { nationalIdSystem } from '../../src/fhir/identifiers.ts';
import type { AnyResource } from '../../src/fhir/types.ts';
import { eraseStep } from '../../src/hub/erase.ts';
import { addEndpoint } from '../../src/ingest/endpoint.ts';
import { replayMessages } from '../../src/ingest/replay.ts';
import { given } from '../given.ts';
import { givenConsent } from '../given-consent.ts';
import { givenHub, type GivenHub, type HubResponse } from '../given-hub.ts';
import { until } from '../until.ts';
import { idOf, message } from '../hub/given.ts';

const canary = 'Xyzzycanary';
const content = Buffer.from(`${canary}.....`).toString('base64');
const nationalId = '11010519491231002X';
const ai = 'Organization/ai';

/** Where any of these words still stands, whatever the type of its column. */
async function findIn(database: Database, words: readonly string[]): Promise<string[]> {
  const tables = await database.query<{ name: string }>(sql`
    select c.relname::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'public' and c.relkind in ('r', 'p') order by 1`);
  const forms = words.flatMap((word) => [word.toLowerCase(), Buffer.from(word).toString('hex')]);
  const found: string[] = [];
  for (const { name } of tables) {
    const table = raw(`"${name}"`);
    const [row] = await database.query<{ count: number }>(sql`
      select count(*)::int as count from ${table} t, unnest(${forms}::text[]) as form
      where position(form in lower(t::text)) > 0`);
    if ((row?.count ?? 0) > 0) found.push(name);
  }
  return found;
}

describe('journey: a person is forgotten', () => {
  const endpoint = {
    name: 'city',
    kind: 'hl7v2-mllp',
    organization: 'Organization/hosp',
    facilities: ['HOSP'],
  } as const;
  let hub: GivenHub;
  let trail: Database;
  let audit: Audit;
  let city: string;
  let village: string;
  let service: string;
  let self: string;
  const pid = `PID|1||4711^^^HOSP^MR~${nationalId}^^^&2.16.156.10011.1.3&ISO^NI||${canary}^Mei||19800101|F|||${canary} Road`;
  const admission = message('A01', [pid, 'PV1|1|I|W1||||||||||||||||V1^^^HOSP^VN', `NTE|1||${canary}`]);
  const patient = idOf(admission, 'Patient');

  const send = async (...texts: readonly string[]): Promise<void> => {
    const client = connectMllp({ host: '127.0.0.1', port: hub.mllpPort, backoffMs: 20 });
    for (const text of texts) assert.equal((await client.send(Buffer.from(text))).code, 'AA');
    client.destroy();
    await processed();
  };
  const processed = (): Promise<void> =>
    until('all is processed', async () => {
      const [row] = await hub.database.query<{ count: number }>(sql`
        select count(*)::int as count from message where status = 0`);
      return row?.count === 0;
    });
  const put = async (token: string, body: AnyResource): Promise<void> => {
    const { status, text } = await hub.send('PUT', `${body.resourceType}/${body.id}`, token, { body });
    assert.ok(status < 300, `${body.resourceType}: ${text}`);
  };
  const operate = (name: string, token = self, query = ''): Promise<HubResponse> =>
    hub.send('POST', `Patient/${patient}/$${name}${query}`, token);
  const valueOf = ({ json }: HubResponse, name: string): unknown =>
    Object.entries((json['parameter'] as Record<string, unknown>[]).find((one) => one['name'] === name) ?? {}).find(
      ([key]) => key.startsWith('value'),
    )?.[1];
  const run = async (): Promise<void> => {
    await until('the erasure is done', async () => {
      await askForDeletion(hub.database, audit, { settle: 0 });
      while ((await eraseStep(hub.database, audit)) === 'busy');
      const open = await hub.database.query(sql`select from erasure where state not in ('done', 'cancelled', 'asked')`);
      return open.length === 0;
    });
  };

  before(async () => {
    hub = await givenHub();
    trail = openDatabase({ url: hub.databaseUrl, poolMax: 1, pipelines: 1 });
    audit = openAudit(trail);
    await addEndpoint(hub.database, endpoint);
    city = await hub.token('hospital', { organization: endpoint.organization });
    village = await hub.token('hospital', { organization: 'Organization/village', client_id: 'village' });
    service = await hub.token('ai', { organization: ai, client_id: 'ai' });
    self = await hub.token('patient', { fhirUser: `Patient/${patient}`, patient });
    await send(admission);
    const identifier = [{ system: nationalIdSystem, value: nationalId }];
    await put(village, { ...given.patient({ id: 'v', family: canary }), identifier });
    await put(village, { ...given.patient({ id: 'neighbour', family: 'Neighbour' }) });
    await put(village, { ...given.observation({ id: 'of-neighbour', patient: 'neighbour' }) });
    for (const note of ['first', 'second']) {
      await put(village, { ...given.observation({ id: 'o', patient: 'v' }), note: [{ text: `${canary} ${note}` }] });
    }
    await put(village, {
      resourceType: 'DocumentReference',
      id: 'd',
      status: 'current',
      subject: { reference: 'Patient/v' },
      content: [{ attachment: { url: 'Binary/b' } }],
    });
    await put(village, {
      resourceType: 'Binary',
      id: 'b',
      contentType: 'text/plain',
      securityContext: { reference: 'DocumentReference/d' },
      data: content,
    });
    await put(village, {
      resourceType: 'Provenance',
      id: 'pr',
      target: [{ reference: 'Observation/o' }],
      recorded: '2026-01-01T00:00:00Z',
      agent: [{ who: { display: canary } }],
    });
    await put(self, {
      ...givenConsent(patient, ai),
      id: 'c',
      text: { status: 'additional', div: `<div xmlns="http://www.w3.org/1999/xhtml">${canary}</div>` },
    });
    // Several thousand rows: more than one batch takes.
    await hub.database.query(sql`
      insert into resource (bucket, type, id, version, last_updated, owner, patient, body)
      select bucket, type, id || n, 1, now(), owner, patient, ${`{"resourceType":"Observation","valueString":"${canary}"}`}
      from resource, generate_series(1, 3000) n where id = 'o'`);
  });
  after(async () => {
    await audit.close();
    await trail.close();
    await hub.close();
  });

  it('only the person asks, in two steps, and can take it back', async () => {
    assert.equal((await hub.send('GET', `Patient/${patient}`, service)).status, 200);
    const strangers = await Promise.all([operate('erase', city), operate('erase', service)]);
    assert.deepEqual(
      strangers.map(({ status }) => status),
      [403, 403],
    );
    const other = await hub.token('patient', { fhirUser: 'Patient/neighbour', patient: 'neighbour' });
    const [hidden, unknown] = [await operate('erase', other), await hub.send('POST', 'Patient/unknown/$erase', other)];
    assert.deepEqual([hidden.status, hidden.text], [unknown.status, unknown.text]);
    const narrow = await hub.token('patient', { fhirUser: `Patient/${patient}`, patient, scope: 'patient/*.rs' });
    assert.equal((await operate('erase', narrow)).status, 403);

    const asked = await operate('erase');
    assert.equal(asked.status, 200, asked.text);
    assert.ok((valueOf(asked, 'records') as number) > 3000);
    const wrong = await operate('erase', self, '?confirm=wrong');
    assert.deepEqual(
      [wrong.status, wrong.json['issue'][0].details.text],
      [409, 'Ask again: a confirmation is good for 60 minutes.'],
    );
    const confirm = String(valueOf(asked, 'confirm'));
    const confirmed = await operate('erase', self, `?confirm=${confirm}`);
    assert.equal(valueOf(confirmed, 'state'), 'waiting');
    const days = (Date.parse(String(valueOf(confirmed, 'due'))) - Date.now()) / 86_400_000;
    assert.ok(days > 6.9 && days < 7.1);
    assert.equal((await operate('erase')).status, 409);
    assert.equal(await eraseStep(hub.database, audit), 'idle');
    assert.equal((await hub.send('GET', `Patient/${patient}`, service)).status, 200);
    assert.equal((await operate('erase-cancel')).status, 200);
    assert.equal((await operate('erase-cancel')).status, 409);
  });

  it('when it is due: no table has a word of them, killed and gone on with in the middle; receivers are asked; others have everything', async () => {
    const confirm = String(valueOf(await operate('erase'), 'confirm'));
    await operate('erase', self, `?confirm=${confirm}`);
    assert.ok((await findIn(hub.database, [canary, content, nationalId])).includes('message'));
    await hub.database.query(sql`update erasure set due_at = now() where state = 'waiting'`);
    // A step that is not committed is one that was not taken.
    const killed = hub.database.inTransaction(async (tx) => {
      await eraseStep(
        { ...hub.database, inTransaction: (work) => work(tx) },
        {
          ...audit,
          inTransaction: async (_db, work) => (await work(tx)).value,
        },
      );
      throw new Error('killed');
    });
    await assert.rejects(killed, /killed/);
    await run();

    assert.deepEqual(await findIn(hub.database, [canary, content, nationalId]), []);
    for (const path of [
      `Patient/${patient}`,
      'Patient/v',
      'Observation/o',
      'Observation/o/_history/1',
      'Binary/b',
      'Provenance/pr',
    ]) {
      for (const token of [city, village, service, self]) {
        const unknown = await hub.send('GET', path.replace(/\/[^/]+/, '/unknown'), token);
        const gone = await hub.send('GET', path, token);
        assert.deepEqual([gone.status, gone.text], [unknown.status, unknown.text], path);
      }
    }
    assert.equal((await hub.send('GET', 'Observation/of-neighbour', village)).status, 200);
    const tasks = await hub.send('GET', 'Task', service);
    assert.equal(tasks.json['total'] ?? tasks.json['entry']?.length, 1, tasks.text);
    const log = await hub.send('GET', `AuditEvent?patient=Patient/${patient}`, self);
    assert.match(log.text, /"erase"/);
  });

  it('what its sources send again of them does not come back; to anybody else nothing has changed', async () => {
    await send(
      admission,
      message('A08', [pid, `NTE|1||${canary} again`]),
      message('A04', [pid.replace('4711', '4712')]),
    );
    await replayMessages(hub.database, {});
    await processed();
    const identifier = [{ system: nationalIdSystem, value: nationalId }];
    const again = { ...given.patient({ id: 'v', family: canary }), identifier };
    assert.equal((await hub.send('PUT', 'Patient/v', village, { body: again })).status, 422);
    assert.equal((await hub.send('POST', 'Patient', village, { body: again })).status, 422);
    const taken = await hub.send('PUT', 'Patient/v', city, { body: again });
    const others = await hub.send('PUT', 'Patient/neighbour', city, { body: { ...again, id: 'neighbour' } });
    assert.deepEqual([taken.status, taken.text], [others.status, others.text]);
    assert.deepEqual(await findIn(hub.database, [canary, content, nationalId]), []);

    const third = await hub.token('hospital', { organization: 'Organization/third', client_id: 'third' });
    assert.equal((await hub.send('PUT', 'Patient/t', third, { body: { ...again, id: 't' } })).status, 201);
    assert.equal((await hub.send('DELETE', 'Patient/t', third)).status, 204);
  });

  it('until the person lifts it', async () => {
    const lifted = await operate('erase-lift');
    assert.equal(valueOf(lifted, 'lifted'), 2, lifted.text);
    await send(message('A08', [pid, `NTE|1||${canary} later`]));
    assert.equal((await hub.send('GET', `Patient/${patient}`, city)).status, 200);
  });
});
