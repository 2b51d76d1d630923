/**
 * LEAKS 1, 2, 4, 52 over HTTP: chains, reverse chains and includes answer as if hidden rows were not there. Each query is asked
 * before and after rows are written that the caller may not see; the answers are the same bytes.
 */
import assert from 'node:assert/strict';
import { sql } from '../../src/db/sql.ts';
import { givenConsent } from '../given-consent.ts';
import { givenHub, type GivenHub, type HubResponse } from '../given-hub.ts';
import { reference, resource } from './world.ts';

const hiv = {
  meta: { security: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'HIV' }] },
};
const secret = { code: { coding: [{ system: 'http://loinc.org', code: 'secret' }] } };

const visible = [
  resource('Organization/o', { name: 'Open' }),
  resource('Patient/p', { name: [{ family: 'Peters' }] }),
  resource('Encounter/seen', { subject: reference('Patient/p') }),
  resource('Observation/seen', { subject: reference('Patient/p'), encounter: reference('Encounter/seen') }),
  // Refers to what the caller will not see.
  resource('Observation/linking', { subject: reference('Patient/p'), encounter: reference('Encounter/hidden') }),
  resource('Location/unit', { partOf: reference('Location/hidden') }),
];

const hidden = [
  resource('Encounter/hidden', { subject: reference('Patient/p'), ...hiv }),
  resource('Observation/hidden', {
    subject: reference('Patient/p'),
    encounter: reference('Encounter/seen'),
    ...hiv,
    ...secret,
  }),
  resource('Observation/hidden-linking', {
    subject: reference('Patient/p'),
    encounter: reference('Encounter/hidden'),
    hasMember: [reference('Observation/seen')],
    ...hiv,
    ...secret,
  }),
  resource('Provenance/hidden', {
    target: [reference('Observation/seen')],
    recorded: '2026-01-01T00:00:00Z',
    agent: [{ who: reference('Practitioner/x') }],
  }),
  resource('List/hidden', { entry: [{ item: reference('Observation/seen') }] }),
  resource('Location/hidden', { name: 'Hidden' }),
  resource('Patient/q', { name: [{ family: 'Quentin' }] }),
  resource('Observation/of-q', { subject: reference('Patient/q'), ...secret }),
];

const queries = [
  'Patient?_has:Observation:patient:code=secret',
  'Patient?_id=p&_has:Observation:patient:code=secret&_total=accurate',
  'Patient?_has:Observation:patient:code=secret&_count=0',
  'Encounter?_has:Observation:encounter:code=secret',
  'Encounter?patient=p&_has:Observation:encounter:code=secret',
  'Observation?_has:Provenance:target:agent=Practitioner/x',
  'Observation?patient=p&_has:Observation:has-member:code=secret',
  'Observation?_list=hidden',
  'Observation?patient=p&encounter.class=IMP',
  'Observation?encounter.class=IMP&_total=accurate',
  'Observation?code=718-7&encounter.class=IMP',
  'Observation?patient.name=quentin',
  'Observation?_id=linking&_include=Observation:encounter',
  'Observation?patient=p&_include=*&_total=accurate',
  'Encounter?_id=seen&_revinclude=Observation:encounter',
  'Encounter?_id=seen&_revinclude=Observation:encounter&_revinclude:iterate=Provenance:target',
  'Patient?_id=p&_revinclude=Observation:patient&_revinclude=List:item&_include:iterate=Observation:encounter',
  '?_type=Patient,Observation&_lastUpdated=gt2020&_total=accurate',
  '?_id=hidden,seen,q',
  'Patient/p/Observation?_total=accurate',
  'Patient/p/*',
  'Encounter/seen/*',
];

describe('search across resources shows and tells nothing of hidden rows', () => {
  let hub: GivenHub;
  const tokens: Record<string, string> = {};
  const earlier: Record<string, Record<string, string>> = {};

  const write = async (resources: typeof visible): Promise<void> => {
    for (const one of resources) {
      const address = `${one.resourceType}/${one.id}`;
      const response = await hub.send('PUT', address, tokens['hospital'], { body: one });
      assert.ok(response.status < 300, `${address}: ${response.text}`);
    }
  };
  const ask = async (token: string): Promise<Record<string, string>> => {
    const answers: Record<string, string> = {};
    for (const query of queries) {
      const response: HubResponse = await hub.send('GET', query, token);
      assert.equal(response.status, 200, `${query}: ${response.text}`);
      answers[query] = response.text;
    }
    return answers;
  };

  before(async () => {
    hub = await givenHub();
    tokens['hospital'] = await hub.token('hospital');
    await write(visible);
    const self = await hub.token('patient', { fhirUser: 'Patient/p', patient: 'p' });
    const granted = await hub.send('POST', 'Consent', self, {
      body: givenConsent('p', 'Organization/ai-health-manager'),
    });
    assert.equal(granted.status, 201, granted.text);
    tokens['a consented service'] = await hub.token('ai');
    tokens['one whose scope covers Patient and Observation'] = await hub.token('ai', {
      scope: 'system/Patient.rs system/Observation.rs system/Encounter.s?status=planned',
    });
    tokens['another hospital'] = await hub.token('hospital', {
      organization: 'Organization/elsewhere',
      client_id: 'elsewhere',
    });
    for (const [who, token] of Object.entries(tokens)) {
      if (who === 'hospital') continue;
      earlier[who] = await ask(token);
    }
    await write(hidden);
  });
  after(() => hub.close());

  for (const who of ['a consented service', 'one whose scope covers Patient and Observation', 'another hospital']) {
    it(`${who}: the same bytes with hidden rows as without`, async () => {
      assert.deepEqual(await ask(tokens[who] as string), earlier[who]);
    });
  }

  it('the rows are there: their source finds them by every one of these queries', async () => {
    const own = await ask(tokens['hospital'] as string);
    for (const query of queries) {
      const seen = earlier['a consented service']?.[query];
      assert.notEqual(own[query], seen, query);
      assert.match(own[query] as string, /"fullUrl"|"total":[1-9]/, query);
    }
  });

  it('what the caller may see is found across references and included', async () => {
    const answer = await hub.send(
      'GET',
      'Observation?encounter.class=IMP&_include=Observation:encounter',
      tokens['a consented service'],
    );
    assert.deepEqual(
      answer.json['entry'].map((entry: any) => [entry.search.mode, entry.fullUrl.split('/R4/')[1]]), // eslint-disable-line typescript/no-explicit-any
      [
        ['match', 'Observation/seen'],
        ['include', 'Encounter/seen'],
      ],
    );
    assert.equal(answer.json['total'], 1);
  });

  it('_elements and _summary shape included resources as well', async () => {
    const query = 'Encounter?_id=seen&_revinclude=Observation:encounter';
    const answer = await hub.send('GET', `${query}&_elements=status`, tokens['a consented service']);
    for (const { resource: one } of answer.json['entry']) {
      assert.equal(one.status !== undefined && one.subject === undefined, true);
      assert.equal(one.meta.tag.at(-1).code, 'SUBSETTED');
    }
    const counted = await hub.send('GET', `${query}&_summary=count`, tokens['a consented service']);
    assert.deepEqual([counted.json['total'], counted.json['entry']], [1, undefined]);
  });

  it('a type that no scope covers is not included and not chained through, and it is no error', async () => {
    const token = tokens['one whose scope covers Patient and Observation'];
    const answer = await hub.send(
      'GET',
      'Observation?_id=seen&_include=Observation:encounter&_include=Observation:patient',
      token,
    );
    assert.deepEqual(
      answer.json['entry'].map((entry: any) => entry.fullUrl.split('/R4/')[1]), // eslint-disable-line typescript/no-explicit-any
      ['Observation/seen', 'Patient/p'],
    );
    assert.equal((await hub.send('GET', 'Observation?encounter.class=IMP', token)).json['total'], 0);
  });

  it('what nobody covers of several types is not there; none of them covered is forbidden', async () => {
    const token = tokens['one whose scope covers Patient and Observation'];
    const some = await hub.send('GET', '?_type=Location,Patient', token);
    assert.deepEqual(
      some.json['entry'].map((entry: any) => entry.fullUrl.split('/R4/')[1]), // eslint-disable-line typescript/no-explicit-any
      ['Patient/p'],
    );
    assert.equal((await hub.send('GET', '?_type=Location,Organization', token)).status, 403);
  });

  it('search of the server and of compartments, by GET and by POST; links are where the search was', async () => {
    const token = tokens['hospital'];
    const paths: [get: string, post: string, body: string][] = [
      ['?_type=Patient,Observation&_count=1', '_search', '_type=Patient,Observation&_count=1'],
      ['Patient/p/*?_count=1', 'Patient/p/_search', '_count=1'],
      ['Patient/p/Observation?_count=1', 'Patient/p/Observation/_search', '_count=1'],
    ];
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    for (const [get, post, body] of paths) {
      const [got, posted] = [await hub.send('GET', get, token), await hub.send('POST', post, token, { headers, body })];
      assert.equal(got.status, 200, got.text);
      const withoutCursor = (text: string): string => text.replace(/_cursor=[\w-]+/, '');
      assert.equal(withoutCursor(posted.text), withoutCursor(got.text), post);
      const links = new Map<string, string>(got.json['link'].map((link: any) => [link.relation, link.url])); // eslint-disable-line typescript/no-explicit-any
      assert.equal(links.get('self'), `${hub.fhir}${get.startsWith('?') ? '' : '/'}${get.replace(',', '%2C')}`);
      const next = await hub.send(
        'GET',
        (links.get('next') as string).slice(hub.fhir.length).replace(/^\//, ''),
        token,
      );
      assert.equal(next.status, 200, next.text);
      assert.notEqual(next.json['entry'][0].fullUrl, got.json['entry'][0].fullUrl);
    }
  });

  it('the trail counts what was shown, included rows as well', async () => {
    await hub.send('GET', 'Encounter?_id=seen&_revinclude=Observation:encounter', tokens['a consented service']);
    const rows = await hub.database.query<{ patient: string; rows: number; query: string }>(
      sql`select patient, rows, query from audit_entry order by at desc, seq desc limit 1`,
    );
    assert.deepEqual(rows, [{ patient: 'p', rows: 2, query: '_id&_revinclude' }]);
  });

  it('payment asks for no element of a Patient that it does not get, by chain or include', async () => {
    const token = await hub.token('payment');
    for (const query of [
      'Coverage?beneficiary.general-practitioner.name=x',
      'Coverage?beneficiary:Patient.address=x',
      'Patient?_include=Patient:general-practitioner',
      'Coverage?_include=Coverage:beneficiary&_include:iterate=Patient:link',
    ]) {
      assert.equal((await hub.send('GET', query, token)).status, 403, query);
    }
    assert.equal((await hub.send('GET', 'Coverage?beneficiary.name=peters&_include=*', token)).status, 200);
  });
});
