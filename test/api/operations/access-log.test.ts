/** Patient/[id]/$access-log: who did what to a record, in plain words. */
import assert from 'node:assert/strict';
import { sql } from '../../../src/db/sql.ts';
import { validate } from '../../../src/fhir/validate.ts';
import { ai, givenLeakWorld, ofP, type LeakWorld } from '../../leaks/world.ts';
import { resource } from '../../spec/world.ts';

type Json = Record<string, any>; // eslint-disable-line typescript/no-explicit-any

const today = new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeZone: 'UTC' });

describe('Patient/$access-log', () => {
  let world: LeakWorld;
  let self: string;
  const ask = (query = '', token = self): ReturnType<LeakWorld['hub']['send']> =>
    world.hub.send('GET', `Patient/p/$access-log${query}`, token);
  const accessesOf = (json: Json): Json[] =>
    (json['parameter'] ?? []).filter(({ name }: Json) => name === 'access').map(({ part }: Json) => part);
  const part = (parts: Json, name: string): Json => parts['find'](({ name: one }: Json) => one === name) ?? {};
  const sentences = (json: Json, language: string): string[] =>
    accessesOf(json).flatMap((parts) =>
      parts['filter'](({ name, part: spoken }: Json) => name === 'text' && spoken[0].valueCode === language).map(
        ({ part: [, said] }: Json) => said.valueString as string,
      ),
    );

  before(async () => {
    world = await givenLeakWorld();
    const { hub, tokens } = world;
    self = await world.token('patient', { fhirUser: 'Patient/p', patient: 'p' });
    await world.write([
      resource('Patient/p'),
      resource('Patient/q'),
      resource('Observation/o', ofP),
      resource('Observation/o2', ofP),
    ]);
    await hub.send('PUT', 'Organization/ai-health-manager', tokens['a consented service'], {
      body: resource('Organization/ai-health-manager', { name: 'AI health manager' }),
    });
    await hub.send('GET', 'Observation/o', tokens['another hospital']);
    await world.consent('p', ai);
    for (let n = 0; n < 2; n++) await hub.send('GET', 'Observation?patient=p', tokens['a consented service']);
    await hub.send('GET', 'Observation/o', tokens['a consented service']);
    await hub.send('DELETE', 'Observation/o2', tokens['hospital']);
    await hub.send('GET', 'Observation?patient=p', self);
  });
  after(() => world.close());

  it('says who read how much of what, for what and by which consent; reads of a day are one sentence', async () => {
    const { status, json, text } = await ask('?language=en');
    assert.equal(status, 200, text);
    assert.deepEqual(validate(json as never), []);
    const day = today.format(Date.now());
    const said = sentences(json, 'en');
    const kind = /\(([^)]*)\)/.exec(said.find((one) => one.includes('ai-health-manager')) ?? '')?.[1];
    assert.ok(kind !== undefined, said.join('\n'));
    for (const expected of [
      new RegExp(
        `^On ${day} \\S*ai-health-manager.* read 5 records \\(.+\\) for your care and health advice, allowed by your consent of .+\\.$`,
      ),
      new RegExp(`^On ${day} elsewhere asked for your records \\(.+\\) once and was shown nothing for your care`),
      new RegExp(`^On ${day} hospital deleted 1 record`),
      new RegExp(`^On ${day} you read 1 record`),
      new RegExp(`^On ${day} you added 1 record \\(Consents\\)\\.$`),
      new RegExp(`^On ${day} hospital added 2 records`),
    ]) {
      assert.ok(
        said.some((one) => expected.test(one)),
        `${expected}\n${said.join('\n')}`,
      );
    }
    const [read] = accessesOf(json).filter(
      (parts) => part(parts, 'act')['valueCode'] === 'read' && part(parts, 'who')['valueReference']?.reference === ai,
    );
    assert.ok(read !== undefined);
    assert.deepEqual([part(read, 'records')['valueInteger'], part(read, 'requests')['valueInteger']], [5, 3]);
    assert.match(part(read, 'consent')['valueReference'].reference, /^Consent\/.+\/_history\/1$/);
  });

  it('in zh, en and de', async () => {
    const { json } = await ask('?language=zh&language=de&language=en');
    const counts = ['zh', 'de', 'en'].map((language) => sentences(json, language).length);
    assert.deepEqual(new Set(counts), new Set([accessesOf(json).length]));
    assert.ok(
      sentences(json, 'zh').some((one) =>
        /^20\d\d年.+ai-health-manager.*查看了5条记录（.+），依据您20.+的同意。$/.test(one),
      ),
      sentences(json, 'zh').join('\n'),
    );
    assert.ok(
      sentences(json, 'de').some((one) =>
        /^Am .+ las .*ai-health-manager.* 5 Einträge \(.+\) \(Zweck: .+\), erlaubt durch Ihre Einwilligung vom .+\.$/.test(
          one,
        ),
      ),
      sentences(json, 'de').join('\n'),
    );
    assert.ok(sentences(json, 'de').some((one) => / lasen Sie 1 Eintrag/.test(one)));
    assert.equal((await ask('?language=xx')).json['issue'][0].code, 'code-invalid');
  });

  it('is of the patient and whoever acts for them; nobody else learns anything (LEAKS 20)', async () => {
    for (const name of ['a consented service', 'hospital', 'another hospital', 'payment', 'an app of the patient']) {
      assert.equal((await ask('', world.tokens[name])).status, 403, name);
    }
    const other = await world.token('patient', { fhirUser: 'Patient/q', patient: 'q' });
    const hidden = await ask('', other);
    const unknown = await world.hub.send('GET', 'Patient/nobody/$access-log', other);
    assert.deepEqual([hidden.status, hidden.text], [unknown.status, unknown.text]);
    assert.equal(hidden.status, 404);
  });

  it('pages by whole days, and a day belongs to the zone that is asked for', async () => {
    const audited = await world.hub.database.query<{ n: number }>(sql`
      with moved as (
        insert into audit_event (shard, seq, at, client, purposes, interaction, patient, rows, outcome, hash)
        select 500, n, now() - n * interval '1 day', 'old-' || n, 1, 'read', 'p', 1, 0, '\\x00' from generate_series(1, 5) n returning 1)
      select count(*) as n from moved`);
    assert.equal(audited[0]?.n, 5);
    const days: string[] = [];
    let next: string | undefined = '?language=en&_count=2';
    for (let pages = 0; next !== undefined; pages++) {
      assert.ok(pages < 10);
      const { json }: { json: Json } = await ask(next);
      days.push(...new Set(accessesOf(json).map((parts) => part(parts, 'day')['valueDate'] as string)));
      next = json['parameter'].find(({ name }: Json) => name === 'next')?.valueUri?.replace(/^[^?]*/, '');
    }
    assert.deepEqual(days, days.toSorted().toReversed());
    assert.equal(new Set(days).size, days.length, 'no day on two pages');
    assert.equal(days.length, 6);
    const since = await ask(`?language=en&start=${days[1]}&end=${days[1]}`);
    assert.deepEqual(
      accessesOf(since.json).map((parts) => part(parts, 'day')['valueDate']),
      [days[1]],
    );
    assert.equal((await ask('?timezone=Nowhere')).status, 400);
    assert.equal((await ask('?timezone=Asia/Shanghai')).status, 200);
  });
});
