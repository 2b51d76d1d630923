/** $everything. @see https://hl7.org/fhir/R4/patient-operation-everything.html */
import assert from 'node:assert/strict';
import { deriveId, ownBucket } from '../../../src/fhir/ids.ts';
import { commit } from '../../../src/store/commit.ts';
import { given } from '../../given.ts';
import { givenConsent } from '../../given-consent.ts';
import { givenHub, type GivenHub, type HubResponse } from '../../given-hub.ts';

interface Entry {
  fullUrl: string;
  resource: { resourceType: string; id: string };
  search: { mode: string };
}

describe('$everything (R4 patient-operation-everything.html)', () => {
  let hub: GivenHub;
  let hospital: string;
  let ai: string;
  let self: string;

  before(async () => {
    hub = await givenHub();
    hospital = await hub.token('hospital');
    ai = await hub.token('ai');
    self = await hub.token('patient', { fhirUser: 'Patient/p' });
    await putAll(hospital, [
      given.patient({ id: 'p' }),
      given.patient({ id: 'child' }),
      given.patient({ id: 'empty' }),
      given.organization({ id: 'org' }),
      given.organization({ id: 'unrelated' }),
      { resourceType: 'Practitioner', id: 'doc', name: [{ family: 'Li' }] },
      { resourceType: 'Medication', id: 'drug', code: { text: 'aspirin' } },
      {
        ...given.encounter({ id: 'visit', patient: 'p', start: '2026-02-01', end: '2026-02-02' }),
        serviceProvider: { reference: 'Organization/org' },
      },
      {
        ...given.observation({ id: 'early', patient: 'p', effective: '2025-01-05' }),
        performer: [{ reference: 'Practitioner/doc' }],
      },
      {
        ...given.observation({ id: 'late', patient: 'p', effective: '2026-02-01' }),
        encounter: { reference: 'Encounter/visit' },
      },
      {
        resourceType: 'AllergyIntolerance',
        id: 'allergy',
        patient: { reference: 'Patient/p' },
        code: { text: 'nuts' },
        clinicalStatus: {
          coding: [{ system: 'http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical', code: 'active' }],
        },
      },
      {
        resourceType: 'MedicationRequest',
        id: 'order',
        status: 'active',
        intent: 'order',
        subject: { reference: 'Patient/p' },
        encounter: { reference: 'Encounter/visit' },
        authoredOn: '2026-02-01',
        medicationReference: { reference: 'Medication/drug' },
      },
      // The child's policy is in the record of the child, and in the compartment of the parent who holds it.
      {
        resourceType: 'Coverage',
        id: 'policy',
        status: 'active',
        beneficiary: { reference: 'Patient/child' },
        policyHolder: { reference: 'Patient/p' },
        payor: [{ reference: 'Organization/org' }],
      },
      given.observation({ id: 'childs', patient: 'child' }),
    ]);
  });
  after(() => hub.close());

  async function putAll(token: string, resources: readonly object[]): Promise<void> {
    for (const resource of resources) {
      const { resourceType, id } = resource as { resourceType: string; id: string };
      const { status, text } = await hub.send('PUT', `${resourceType}/${id}`, token, { body: resource });
      assert.ok(status < 300, text);
    }
  }
  const get = (path: string, token = hospital): Promise<HubResponse> => hub.send('GET', path, token);
  const entriesOf = ({ json }: HubResponse): Entry[] => (json['entry'] as Entry[] | undefined) ?? [];
  const namesOf = (response: HubResponse, mode?: string): string[] =>
    entriesOf(response)
      .filter((entry) => mode === undefined || entry.search.mode === mode)
      .map(({ resource }) => `${resource.resourceType}/${resource.id}`)
      .toSorted();
  const linkOf = ({ json }: HubResponse, relation: string): string | undefined =>
    (json['link'] as { relation: string; url: string }[]).find((link) => link.relation === relation)?.url;

  const record = [
    'AllergyIntolerance/allergy',
    'Encounter/visit',
    'MedicationRequest/order',
    'Observation/early',
    'Observation/late',
    'Patient/p',
  ];

  describe('of a patient', () => {
    it('is the compartment, and any resource referenced from it, in one searchset', async () => {
      const response = await get('Patient/p/$everything');
      assert.deepEqual([response.status, response.json['type']], [200, 'searchset']);
      assert.deepEqual(namesOf(response, 'match'), [...record, 'Coverage/policy'].toSorted());
      assert.deepEqual(namesOf(response, 'include'), ['Medication/drug', 'Organization/org', 'Practitioner/doc']);
      assert.ok(
        entriesOf(response).every(
          ({ fullUrl, resource }) => fullUrl === `${hub.fhir}/${resource.resourceType}/${resource.id}`,
        ),
      );
      assert.equal(linkOf(response, 'self'), `${hub.fhir}/Patient/p/$everything`);
      assert.equal(linkOf(response, 'next'), undefined);
    });

    it('POST with Parameters is the same', async () => {
      const body = { resourceType: 'Parameters', parameter: [{ name: '_type', valueCode: 'Observation' }] };
      const response = await hub.send('POST', 'Patient/p/$everything', hospital, { body });
      assert.deepEqual(namesOf(response), ['Observation/early', 'Observation/late']);
    });

    const filters: [string, string, string[]][] = [
      [
        '_type, repeated or with commas',
        '_type=Observation,Encounter&_type=Medication',
        ['Encounter/visit', 'Observation/early', 'Observation/late'],
      ],
      [
        'start: care from then on, and what has no date',
        'start=2026-01-01&_type=Observation,AllergyIntolerance,Patient',
        ['AllergyIntolerance/allergy', 'Observation/late', 'Patient/p'],
      ],
      ['end: the day itself is in it', 'end=2025-01-05&_type=Observation', ['Observation/early']],
      ['end: the day before is not', 'end=2025-01-04&_type=Observation', []],
      ['start and end', 'start=2026-02-02&end=2026-02-28&_type=Encounter,Observation', ['Encounter/visit']],
      [
        '_since in the past',
        '_since=2020-01-01T00:00:00Z&_type=Observation',
        ['Observation/early', 'Observation/late'],
      ],
      ['_since in the future', '_since=2199-01-01T00:00:00Z', []],
    ];
    for (const [title, query, expected] of filters) {
      it(title, async () => {
        const response = await get(`Patient/p/$everything?${query}`);
        assert.deepEqual([response.status, namesOf(response, 'match')], [200, expected], response.text);
      });
    }

    it('_since is about the record: what is changed after it comes again', async () => {
      const since = new Date().toISOString();
      const body = given.observation({ id: 'early', patient: 'p', effective: '2025-01-05', value: 7 });
      await hub.send('PUT', 'Observation/early', hospital, {
        body: { ...body, performer: [{ reference: 'Practitioner/doc' }] },
      });
      assert.deepEqual(namesOf(await get(`Patient/p/$everything?_since=${since}`), 'match'), ['Observation/early']);
    });

    for (const query of ['_type=Nonsense', 'start=yesterday', '_count=0', '_count=x', '_since=', 'colour=red']) {
      it(`refuses ?${query}`, async () => {
        const { status, json } = await get(`Patient/p/$everything?${query}`);
        assert.deepEqual([status, json['resourceType']], [400, 'OperationOutcome']);
      });
    }

    it('a patient of whom nothing else is kept is their Patient alone; filtered away, an empty Bundle', async () => {
      assert.deepEqual(namesOf(await get('Patient/empty/$everything')), ['Patient/empty']);
      const none = await get('Patient/empty/$everything?_type=Observation');
      assert.deepEqual([none.status, none.json['entry']], [200, undefined]);
    });
  });

  describe('paging (R4 http.html#paging)', () => {
    async function pages(path: string, token = hospital): Promise<HubResponse[]> {
      const all: HubResponse[] = [];
      for (let url: string | undefined = path; url !== undefined;) {
        const response: HubResponse = await get(url, token);
        assert.equal(response.status, 200, response.text);
        all.push(response);
        url = linkOf(response, 'next')?.slice(hub.fhir.length + 1);
      }
      return all;
    }

    for (const count of [1, 2, 3, 100]) {
      it(`_count=${count}: every resource of the record once, over ${count === 100 ? 'one page' : 'pages'}`, async () => {
        const all = await pages(`Patient/p/$everything?_count=${count}`);
        assert.deepEqual(
          all.flatMap((page) => namesOf(page, 'match')).toSorted(),
          [...record, 'Coverage/policy'].toSorted(),
        );
        assert.equal(all.length, Math.ceil(7 / count));
      });
    }

    it('a next link is of use to who got it, for what they asked (LEAKS 5)', async () => {
      const next = linkOf(await get('Patient/p/$everything?_count=1'), 'next')?.slice(hub.fhir.length + 1) as string;
      assert.equal((await get(next, await hub.token('hospital', { client_id: 'another' }))).status, 400);
      assert.equal((await get(next.replace('_count=1', '_count=2'))).status, 400);
      assert.equal((await get(next.replace('Patient/p/', 'Patient/child/'))).status, 400);
      assert.equal((await get(next)).status, 200);
    });

    it('consent is asked again on each page (LEAKS 6)', async () => {
      const consent = await permit('p', {});
      const first = await get('Patient/p/$everything?_count=1', ai);
      assert.equal(entriesOf(first).length, 1);
      await revoke(consent);
      const next = linkOf(first, 'next')?.slice(hub.fhir.length + 1) as string;
      assert.deepEqual(entriesOf(await get(next, ai)), []);
    });
  });

  async function permit(patient: string, changes: Record<string, unknown>): Promise<string> {
    const body = givenConsent(patient, 'Organization/ai-health-manager', changes);
    const response = await hub.send('POST', 'Consent', await hub.token('patient', { fhirUser: `Patient/${patient}` }), {
      body,
    });
    assert.equal(response.status, 201, response.text);
    return response.json['id'] as string;
  }
  async function revoke(id: string): Promise<void> {
    const consent = (await get(`Consent/${id}`, self)).json;
    const { status } = await hub.send('PUT', `Consent/${id}`, self, { body: { ...consent, status: 'inactive' } });
    assert.equal(status, 200);
  }

  describe('who sees what (LEAKS 9)', () => {
    it('without consent the patient is as unknown as one that never was', async () => {
      const [hidden, unknown] = await Promise.all(
        ['Patient/p/$everything', 'Patient/none/$everything'].map((path) => get(path, ai)),
      );
      assert.deepEqual([hidden?.status, hidden?.text], [404, unknown?.text]);
    });

    it('consent opens what it names and nothing of others, nor what belongs to nobody', async () => {
      const consent = await permit('p', {
        class: [{ system: 'http://hl7.org/fhir/resource-types', code: 'Observation' }],
      });
      const response = await get('Patient/p/$everything', ai);
      assert.deepEqual(namesOf(response), ['Observation/early', 'Observation/late']);
      await revoke(consent);
      assert.equal((await get('Patient/p/$everything', ai)).status, 404);
    });

    it('the patient gets their own record; nobody else’s', async () => {
      const names = namesOf(await get('Patient/p/$everything', self));
      assert.ok(
        record.every((name) => names.includes(name)),
        names.join(),
      );
      assert.ok(!names.some((name) => /child/.test(name) || name === 'Coverage/policy'));
      assert.equal((await get('Patient/child/$everything', self)).status, 404);
    });

    it('another hospital finds nothing', async () => {
      const other = await hub.token('hospital', { organization: 'Organization/other' });
      assert.equal((await get('Patient/p/$everything', other)).status, 404);
    });

    it('a scope of some types leaves out the others; one without Patient is refused', async () => {
      const some = await hub.token('hospital', { scope: 'system/Patient.rs system/Observation.rs' });
      assert.deepEqual(namesOf(await get('Patient/p/$everything', some)), [
        'Observation/early',
        'Observation/late',
        'Patient/p',
      ]);
      const none = await hub.token('hospital', { scope: 'system/Observation.rs' });
      assert.equal((await get('Patient/p/$everything', none)).status, 403);
    });

    it('is in the log of the patient, once a request', async () => {
      const logged = async (): Promise<number> =>
        (await get('AuditEvent?patient=Patient/p&_count=1000', self)).text.split('Patient/$everything').length;
      const before = await logged();
      await get('Patient/p/$everything');
      assert.equal((await logged()) - before, 1);
    });
  });

  describe('of a type', () => {
    it('is the record of the one whom the token is for', async () => {
      const names = namesOf(await get('Patient/$everything', self));
      assert.ok(record.every((name) => names.includes(name)));
      const launched = await hub.token('hospital', { patient: 'child', scope: 'patient/*.rs' });
      assert.deepEqual(namesOf(await get('Patient/$everything?_type=Observation', launched)), ['Observation/childs']);
    });

    it('is refused to a token that is for no one patient, with what to do instead', async () => {
      const { status, text } = await get('Patient/$everything');
      assert.equal(status, 400);
      assert.match(text, /\$export/);
    });
  });

  describe('of an encounter (R4 encounter-operation-everything.html)', () => {
    it('is what refers to it, whom it is about, and what these refer to', async () => {
      const response = await get('Encounter/visit/$everything');
      assert.deepEqual(namesOf(response, 'match'), [
        'Encounter/visit',
        'MedicationRequest/order',
        'Observation/late',
        'Patient/p',
      ]);
      assert.deepEqual(namesOf(response, 'include'), ['Medication/drug', 'Organization/org']);
    });

    it('a resource tied to it by R4’s extension belongs to it', async () => {
      const url = 'http://hl7.org/fhir/StructureDefinition/encounter-associatedEncounter';
      const extension = [{ url, valueReference: { reference: 'Encounter/visit' } }];
      await putAll(hospital, [
        {
          resourceType: 'Flag',
          id: 'flag',
          status: 'active',
          code: { text: 'x' },
          subject: { reference: 'Patient/p' },
          extension,
        },
      ]);
      assert.ok(namesOf(await get('Encounter/visit/$everything')).includes('Flag/flag'));
    });

    it('has no start and end', async () => {
      assert.equal((await get('Encounter/visit/$everything?start=2026')).status, 400);
    });

    it('hidden and unknown are the same', async () => {
      const [hidden, unknown] = await Promise.all(
        ['Encounter/visit/$everything', 'Encounter/none/$everything'].map((path) => get(path, ai)),
      );
      assert.deepEqual([hidden?.status, hidden?.text], [404, unknown?.text]);
    });
  });

  describe('a record of any size', () => {
    it('is one Bundle, sent while it is read; each part is in the log before it leaves', async () => {
      const size = 2_300;
      const patient = (await hub.send('POST', 'Patient', hospital, { body: given.patient() })).json['id'] as string;
      const writes = Array.from({ length: size }, (_, n) => ({
        kind: 'create' as const,
        owner: 'Organization/hospital',
        resource: given.observation({ patient, effective: `20${10 + (n % 10)}-01-01` }),
      }));
      await hub.database.inTransaction((tx) => commit(tx, writes, { at: new Date() }));
      const response = await get(`Patient/${patient}/$everything`);
      assert.equal(new Set(namesOf(response)).size, size + 1);
      assert.deepEqual([response.headers.get('content-length'), linkOf(response, 'next')], [null, undefined]);
      const log = await get('AuditEvent?_count=10', await hub.token('patient', { fhirUser: `Patient/${patient}` }));
      const shown = [...log.text.matchAll(/"outcomeDesc":"(\d+) records \(\$everything\)/g)].map(([, count]) =>
        Number(count),
      );
      assert.equal(
        shown.reduce((sum, count) => sum + count, 0),
        size + 1,
      );
      assert.equal(shown.length, 3);
    });
  });

  describe('one person, two records', () => {
    it('each is in it as far as it may be seen: a permit for one opens one', async () => {
      const identifier = [{ system: 'urn:oid:2.16.156.10011.1.3', value: '11010519491231002X' }];
      const elsewhere = await hub.token('hospital', { organization: 'Organization/elsewhere' });
      await putAll(hospital, [
        { ...given.patient({ id: 'here' }), identifier },
        given.observation({ id: 'here1', patient: 'here' }),
      ]);
      await putAll(elsewhere, [
        { ...given.patient({ id: 'there' }), identifier },
        given.observation({ id: 'there1', patient: 'there' }),
      ]);
      const whole = await get('Patient/here/$everything', await hub.token('patient', { fhirUser: 'Patient/here' }));
      assert.deepEqual(namesOf(whole), ['Observation/here1', 'Observation/there1', 'Patient/here', 'Patient/there']);
      assert.deepEqual(namesOf(await get('Patient/there/$everything')), ['Observation/here1', 'Patient/here']);
    });
  });

  describe('attachments', () => {
    it('the content of a document comes with it, and is as visible as the document (LEAKS 16)', async () => {
      const patient = (await hub.send('POST', 'Patient', hospital, { body: given.patient() })).json['id'] as string;
      const binary = `Binary/${deriveId(ownBucket(patient), ['content'])}`;
      const document = {
        resourceType: 'DocumentReference',
        status: 'current',
        subject: { reference: `Patient/${patient}` },
        content: [{ attachment: { url: binary } }],
      };
      const { id } = (await hub.send('POST', 'DocumentReference', hospital, { body: document })).json;
      const resource = {
        resourceType: 'Binary',
        id: binary.slice('Binary/'.length),
        contentType: 'text/plain',
        data: 'aGk=',
        securityContext: { reference: `DocumentReference/${String(id)}` },
      };
      await hub.database.inTransaction((tx) =>
        commit(tx, [{ kind: 'create', owner: 'Organization/hospital', resource }], { at: new Date() }),
      );
      assert.deepEqual(namesOf(await get(`Patient/${patient}/$everything`), 'include'), [binary]);
      await permit(patient, { class: [{ system: 'http://hl7.org/fhir/resource-types', code: 'DocumentReference' }] });
      assert.deepEqual(namesOf(await get(`Patient/${patient}/$everything`, ai), 'include'), [binary]);
      await permit(patient, {
        type: 'deny',
        class: [{ system: 'http://hl7.org/fhir/resource-types', code: 'DocumentReference' }],
      });
      assert.equal((await get(`Patient/${patient}/$everything`, ai)).status, 404);
    });
  });
});
