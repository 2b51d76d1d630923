/**
 * LEAKS 1-9, 13, 16, 20, 21, 49: everything a stranger might ask, before and after rows are written that they may not see. The
 * answers are the same bytes, whatever the way in; neither an answer nor the trail says what the hidden rows do.
 */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from '../../src/db/sql.ts';
import type { HubResponse, SendOptions } from '../given-hub.ts';
import { openLog } from '../../src/hub/log.ts';
import { Problem } from '../../src/fhir/problem.ts';
import { asked, guessedVersions, posted } from './questions.ts';
import { canary, givenLeakWorld, hidden, open, ai, payer, saidBy, type LeakWorld } from './world.ts';

const asForm = (body: string): SendOptions => ({
  body,
  headers: { 'content-type': 'application/x-www-form-urlencoded' },
});

/** Questions under way: more would wait for each other, and on a busy machine for too long. */
const atOnce = 16;
const attemptsMax = 5;

describe('LEAKS: what a stranger may ask says the same with hidden rows as without', () => {
  let world: LeakWorld;
  const earlier: Record<string, Record<string, object>> = {};
  const strangers = (): string[] => Object.keys(world.tokens).filter((who) => who !== 'hospital');

  const ask = async (who: string): Promise<Record<string, object>> => {
    const answers: Record<string, object> = {};
    const left = questions(world.tokens[who]);
    const some = async (): Promise<void> => {
      for (let one = left.pop(); one !== undefined; one = left.pop())
        answers[one.name] = saidBy(await answered(one.send));
    };
    await Promise.all(Array.from({ length: atOnce }, some));
    return answers;
  };
  const questions = (token: string | undefined): { name: string; send: () => Promise<HubResponse> }[] => [
    ...asked.map((path) => ({ name: path, send: () => world.hub.send('GET', path, token) })),
    ...posted.map(({ path, form }) => ({
      name: `POST ${path} ${form}`,
      send: () => world.hub.send('POST', path, token, asForm(form)),
    })),
    ...guessedVersions.flatMap((tag) =>
      ids.map((path) => ({
        name: `${path} ${tag}`,
        send: () => world.hub.send('GET', path, token, { headers: { 'if-none-match': tag } }),
      })),
    ),
  ];
  /** A database that stands still for seconds is 503 with Retry-After, which says nothing of rows: asked again, as it asks for. */
  const answered = async (send: () => Promise<HubResponse>): Promise<HubResponse> => {
    for (let attempt = 1; ; attempt++) {
      const answer = await send();
      if (answer.status !== 503 || attempt === attemptsMax) {
        assert.ok(answer.status < 500, answer.text);
        return answer;
      }
      await sleep(Number(answer.headers.get('retry-after')) * 1_000);
    }
  };
  const ids = hidden.map(({ resourceType, id }) => `${resourceType}/${id}`);
  const lines: string[] = [];
  const log = openLog('debug', { write: (line) => void lines.push(line) });

  before(async () => {
    world = await givenLeakWorld(log);
    await world.write(open);
    await world.consent('p', ai);
    await world.consent('p', payer, {
      purpose: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActReason', code: 'HPAYMT' }],
    });
    for (const who of strangers()) earlier[who] = await ask(who);
    await world.write(hidden);
  });
  after(() => world.close());

  it('for each kind of stranger, each way to ask', async () => {
    for (const who of strangers()) {
      const now = await ask(who);
      for (const [question, answer] of Object.entries(now)) {
        assert.deepEqual(answer, earlier[who]?.[question], `${who}: ${question}`);
      }
    }
  });

  it('the rows are there: their source is answered otherwise by nearly all of these', async () => {
    let told = 0;
    for (const path of asked) {
      const { text } = await world.hub.send('GET', path, world.tokens['hospital']);
      if (text.includes(canary) || text.includes('hidden')) told++;
    }
    assert.ok(told > asked.length / 3, `${told} of ${asked.length}`);
  });

  it('LEAKS 11: there is no GraphQL', async () => {
    for (const path of ['$graphql?query={PatientList{id}}', 'Patient/p/$graphql?query={id}']) {
      assert.equal((await world.hub.send('GET', path, world.tokens['hospital'])).status, 404);
    }
  });

  it('LEAKS 43: without a token no body is read, whatever it is', async () => {
    for (const body of ['{"resourceType":', '\0', '[]', '{"__proto__":{}}', '<x/>']) {
      for (const path of ['Patient', '/fhir/R4', 'Patient/_search', 'Patient/p/$everything', 'Patient/$validate']) {
        const answer = await world.hub.send('POST', path, undefined, { body });
        assert.equal(answer.status, 401, `${path} ${body}: ${answer.text}`);
      }
    }
  });

  it('LEAKS 49: the trail keeps names of parameters and no values', async () => {
    const condition = {
      body: { resourceType: 'Basic', code: { text: 'x' } },
      headers: { 'if-none-exist': `code=${canary}` },
    };
    assert.equal((await world.hub.send('POST', 'Basic', world.tokens['hospital'], condition)).status, 201);
    const rows = await world.hub.database.query<{ text: string }>(
      sql`select row_to_json(a)::text as text from audit_entry a where a::text like ${`%${canary}%`}`,
    );
    assert.deepEqual(rows, []);
  });

  it('LEAKS 49: neither log (at debug) nor metrics say what was asked, found or refused', async () => {
    const { hub, tokens } = world;
    const hospital = tokens['hospital'] as string;
    const stranger = tokens['a consented service'];
    const basic = { resourceType: 'Basic', id: 'x', code: { text: canary } };
    const none = { headers: { 'if-none-exist': `code=${canary}` } };
    const answers = [
      await hub.send('GET', `Patient/${canary}`, hospital),
      await hub.send('GET', `${canary}/${canary}`, hospital),
      await hub.send('GET', `Observation?${canary}=${canary}`, hospital, { headers: { prefer: 'handling=strict' } }),
      await hub.send('GET', 'Observation', `${canary}.${canary}.${canary}`),
      await hub.send('POST', 'Basic', hospital, { body: `{"resourceType":"Basic","${canary}"` }),
      await hub.send('POST', 'Basic', hospital, { body: { ...basic, [canary]: canary } }),
      await hub.send('POST', 'Basic', hospital, { body: basic, ...none }),
      await hub.send('PUT', 'Basic/hidden', stranger, { body: basic }),
      await hub.send('GET', `/oauth/login?return_to=/portal/${canary}`, undefined),
      await hub.send('GET', `/oauth/authorize?client_id=${canary}&redirect_uri=https://${canary}.example`, undefined),
      await hub.send('POST', '/oauth/token', undefined, { body: `grant_type=${canary}&client_assertion=${canary}` }),
      await hub.send('POST', '/hl7v2', hospital, { body: `MSH|^~\\&|${canary}` }),
      await hub.send('GET', `/ops/messages?control-id=${canary}`, await world.token('operator')),
      await hub.send('GET', `/${canary}`, undefined),
    ];
    assert.ok(
      answers.every(({ status }) => status >= 200 && status < 500),
      JSON.stringify(answers.map(({ status }) => status)),
    );
    log.error({ error: new Error(`a row that is quoted: ${canary}`) }, 'failed');
    log.error({ error: new Problem('exception', 'ours', { cause: new Error(canary) }) }, 'failed');
    const { text: metrics } = await hub.send('GET', '/metrics', undefined);
    assert.match(metrics, /hub_http_requests_total/);
    assert.ok(lines.length >= 2, 'else this shows nothing');
    for (const secret of [canary, hospital, hospital.split('.')[2] as string]) {
      assert.deepEqual(
        lines.filter((line) => line.includes(secret)),
        [],
      );
      assert.ok(!metrics.includes(secret));
    }
  });
});
