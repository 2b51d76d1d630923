/** Observation/$lastn. @see https://hl7.org/fhir/R4/observation-operation-lastn.html */
import assert from 'node:assert/strict';
import { given } from '../../given.ts';
import { givenConsent } from '../../given-consent.ts';
import { givenHub, type GivenHub, type HubResponse } from '../../given-hub.ts';

const loinc = 'http://loinc.org';
const local = 'http://hospital.example/codes';
const laboratory = [
  { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/observation-category', code: 'laboratory' }] },
];

describe('Observation/$lastn (R4 observation-operation-lastn.html)', () => {
  let hub: GivenHub;
  let hospital: string;
  before(async () => {
    hub = await givenHub();
    hospital = await hub.token('hospital');
    const put = async (resource: object): Promise<void> => {
      const { resourceType, id } = resource as { resourceType: string; id: string };
      const { status, text } = await hub.send('PUT', `${resourceType}/${id}`, hospital, { body: resource });
      assert.equal(status, 201, text);
    };
    await put(given.patient({ id: 'p' }));
    await put(given.patient({ id: 'other' }));
    const observation = (id: string, effective: string, code: object, more: object = {}): object => ({
      ...given.observation({ id, patient: 'p', effective }),
      category: laboratory,
      code,
      ...more,
    });
    const glucose = { coding: [{ system: loinc, code: '2345-7' }] };
    const glucoseHere = { coding: [{ system: local, code: 'GLU' }] };
    await put(observation('g1', '2026-01-01', glucose));
    await put(observation('g2', '2026-01-02', glucose));
    await put(observation('g3', '2026-01-03', glucose, { status: 'entered-in-error' }));
    await put(observation('g4', '2026-01-04', glucoseHere));
    await put(observation('s1', '2026-02-01', { coding: [{ system: loinc, code: '2951-2' }] }));
    await put(
      observation('s2', '2026-02-02T08:00:00Z', { coding: [{ system: loinc, code: '2951-2', display: 'Na' }] }),
    );
    await put(observation('s3', '2026-02-02T08:00:00Z', { coding: [{ system: loinc, code: '2951-2' }] }));
    await put(observation('t1', '2025-01-01', { text: 'Colour' }));
    await put(observation('t2', '2025-01-02', { text: 'colour' }));
    await put({
      ...observation('v1', '2026-03-01', { coding: [{ system: loinc, code: '8867-4' }] }),
      category: undefined,
    });
    await put({ ...given.observation({ id: 'x1', patient: 'other', effective: '2026-05-01' }), category: laboratory });
  });
  after(() => hub.close());

  const get = async (query: string, token = hospital): Promise<HubResponse> =>
    hub.send('GET', `Observation/$lastn?${query}`, token);
  const idsOf = ({ json }: HubResponse): string[] =>
    ((json['entry'] ?? []) as { resource: { id: string } }[]).map(({ resource }) => resource.id);

  const rows: [string, string, string[]][] = [
    [
      'without max the most recent of each code, and both of a tie',
      'patient=p&category=laboratory',
      ['s2', 's3', 'g4', 'g3', 't2', 't1'],
    ],
    ['max of each code, newest first; a tie counts as they are', 'patient=p&code=2951-2&max=2', ['s2', 's3']],
    ['a tie at the end is returned whole', 'patient=p&code=2951-2&max=1', ['s2', 's3']],
    ['max beyond what there is', 'patient=p&code=2345-7&max=10', ['g3', 'g2', 'g1']],
    ['subject as well as patient', 'subject=Patient/p&code=2345-7', ['g3']],
    ['filtered by status: entered-in-error only if not filtered', 'patient=p&code=2345-7&status=final', ['g2']],
    ['filtered by date', 'patient=p&code=2345-7&date=lt2026-01-02', ['g1']],
    ['several codes', 'patient=p&code=2345-7,2951-2', ['s2', 's3', 'g3']],
    [
      'by a value set',
      'patient=p&code=2951-2&status:in=http://hl7.org/fhir/ValueSet/observation-status&max=1',
      ['s2', 's3'],
    ],
    ['another patient', 'patient=other&category=laboratory', ['x1']],
    ['no match: an empty searchset, no error', 'patient=p&code=none', []],
    ['an unknown patient: an empty searchset', 'patient=unknown&category=laboratory', []],
  ];
  for (const [title, query, expected] of rows) {
    it(title, async () => {
      const response = await get(query);
      assert.deepEqual(
        [response.status, response.json['type'], idsOf(response)],
        [200, 'searchset', expected],
        response.text,
      );
      assert.equal(response.json['total'], expected.length);
    });
  }

  it('translations make one group, transitively', async () => {
    const both = {
      coding: [
        { system: loinc, code: '2345-7' },
        { system: local, code: 'GLU' },
      ],
    };
    const body = {
      ...given.observation({ id: 'g0', patient: 'p', effective: '2024-01-01' }),
      category: laboratory,
      code: both,
    };
    await hub.send('PUT', 'Observation/g0', hospital, { body });
    assert.deepEqual(idsOf(await get('patient=p&category=laboratory&max=2')), ['s2', 's3', 'g4', 'g3', 't2', 't1']);
    await hub.send('PUT', 'Observation/g0', hospital, { body: { ...body, category: undefined } });
  });

  it('POST with Parameters is the same', async () => {
    const parameter = [
      { name: 'patient', valueString: 'p' },
      { name: 'code', valueString: '2345-7' },
      { name: 'max', valuePositiveInt: 2 },
    ];
    const body = { resourceType: 'Parameters', parameter };
    assert.deepEqual(idsOf(await hub.send('POST', 'Observation/$lastn', hospital, { body })), ['g3', 'g2']);
  });

  it('the patient need not name themselves', async () => {
    const self = await hub.token('patient', { fhirUser: 'Patient/p' });
    assert.deepEqual(idsOf(await get('code=2345-7', self)), ['g3']);
    assert.deepEqual(idsOf(await get('patient=other&code=2345-7', self)), []);
  });

  const refused: [string, string, string][] = [
    ['without a patient', 'category=laboratory', 'required'],
    ['of a group of patients', 'subject=Group/g&category=laboratory', 'required'],
    ['without a category or code', 'patient=p', 'required'],
    ['with an order of the caller', 'patient=p&code=2345-7&_sort=date', 'not-supported'],
    ['with a max of none', 'patient=p&code=2345-7&max=0', 'value'],
  ];
  for (const [title, query, code] of refused) {
    it(`refuses a request ${title}: 400 ${code}`, async () => {
      const { status, json } = await get(query);
      assert.deepEqual([status, json['issue']?.[0].code], [400, code]);
    });
  }

  it('what may not be seen ranks nowhere (LEAKS 9)', async () => {
    const ai = await hub.token('ai');
    assert.deepEqual(idsOf(await get('patient=p&code=2345-7', ai)), []);
    const recipient = 'Organization/ai-health-manager';
    const body = givenConsent('p', recipient, { dataPeriod: { start: '2025-12-01', end: '2026-01-02' } });
    const self = await hub.token('patient', { fhirUser: 'Patient/p' });
    assert.equal((await hub.send('POST', 'Consent', self, { body })).status, 201);
    assert.deepEqual(idsOf(await get('patient=p&code=2345-7', ai)), ['g2']);
  });
});
