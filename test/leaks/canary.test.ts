/**
 * LEAKS 1-9, 13, 16, 20, 21, 49: everything a stranger might ask, before and after rows are written that they may not see. The
 * answers are the same bytes, whatever the way in; neither an answer nor the trail says what the hidden rows do.
 */
import assert from 'node:assert/strict';
import { sql } from '../../src/db/sql.ts';
import { canary, givenLeakWorld, hidden, open, ai, payer, saidBy, type LeakWorld } from './world.ts';

const ids = hidden.map(({ resourceType, id }) => `${resourceType}/${id}`);

/** Path of a GET. */
const asked: readonly string[] = [
  ...ids,
  ...['Observation/hidden', 'Patient/q', 'List/hidden', 'ValueSet/hidden'].flatMap((path) =>
    ['_history', '_history/1', '$meta', '$validate'].map((more) => `${path}/${more}`),
  ),
  ...['Observation', 'Patient', 'List', 'ValueSet'].flatMap((type) => [
    `${type}?_total=accurate`,
    `${type}?_count=0`,
    `${type}?_tag=urn:t|${canary}`,
    `${type}?_sort=-_lastUpdated&_count=1`,
    `${type}?_content=${canary}&_id=hidden,seen`,
    `${type}?_filter=_id eq hidden`,
    `${type}?_id=hidden,q,of-q`,
    `${type}/_history`,
    `${type}/$meta`,
  ]),
  `Observation?code=http://loinc.org|${canary}`,
  `Observation?identifier=urn:i|${canary}`,
  `Observation?patient=p&_sort=-date&_count=2`,
  `Observation?patient=p&_sort=date&_total=accurate`,
  `Observation?patient=p&_content=${canary}`,
  `Observation?patient=p&_text=${canary}`,
  `Observation?patient=p&value-string=${canary}`,
  `Observation?patient=p&code:text=${canary}`,
  `Observation?patient=p&_filter=code eq ${canary}`,
  `Observation?patient=p&code:not=718-7`,
  `Observation?patient=p&encounter:missing=false`,
  `Observation?patient.family=${canary}`,
  `Observation?subject:Patient.identifier=urn:i|${canary}`,
  `Observation?encounter.reason-code:text=${canary}`,
  `Observation?encounter._tag=${canary}`,
  `Observation?_has:Provenance:target:_id=hidden`,
  `Observation?_list=hidden`,
  `Patient?family=${canary}`,
  `Patient?family:contains=${canary.slice(2, 8)}`,
  `Patient?identifier=urn:i|${canary}`,
  `Patient?_has:Observation:patient:code=${canary}`,
  `Patient?_has:Observation:subject:value-string=${canary}`,
  `Patient?_has:Group:member:_id=hidden`,
  `Patient?_id=p&_revinclude=*`,
  `Patient?_id=p&_revinclude=Observation:subject&_include:iterate=*&_revinclude:iterate=*`,
  `Observation?_id=linking&_include=*`,
  `Observation?_id=linking&_include=Observation:encounter`,
  `Encounter?_id=e&_revinclude=Observation:encounter&_revinclude:iterate=Provenance:target`,
  `Patient/p/*`,
  `Patient/p/Observation?_total=accurate`,
  `Patient/q/*`,
  `Patient/q/Observation`,
  `Encounter/hidden/*`,
  `Encounter/e/*`,
  `Encounter/hidden/Observation`,
  `?_id=hidden,q`,
  `?_type=Patient,Observation,Encounter&_tag=urn:t|${canary}&_total=accurate`,
  '_history',
  '_history?_since=2020-01-01',
  '$meta',
  'Patient/p/$everything',
  'Patient/q/$everything',
  'Patient/$everything',
  'Encounter/e/$everything',
  'Encounter/hidden/$everything',
  'Observation/$lastn?patient=p&category:missing=true',
  'Observation/$lastn?patient=p&code:missing=false&max=3',
  'Observation/$lastn?patient=q&code:missing=false',
  'DocumentReference/$docref?patient=p',
  'DocumentReference/$docref?patient=q',
  'metadata',
];

describe('LEAKS: what a stranger may ask says the same with hidden rows as without', () => {
  let world: LeakWorld;
  const earlier: Record<string, Record<string, object>> = {};
  const strangers = (): string[] => Object.keys(world.tokens).filter((who) => who !== 'hospital');

  const ask = async (who: string): Promise<Record<string, object>> => {
    const answers: Record<string, object> = {};
    await Promise.all(
      asked.map(async (path) => {
        answers[path] = saidBy(await world.hub.send('GET', path, world.tokens[who]));
      }),
    );
    return answers;
  };

  before(async () => {
    world = await givenLeakWorld();
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
    const rows = await world.hub.database.query<{ text: string }>(
      sql`select row_to_json(a)::text as text from audit_event a where a::text like ${`%${canary}%`}`,
    );
    assert.deepEqual(rows, []);
  });
});
