/** DocumentReference/$docref. @see https://hl7.org/fhir/uv/ipa/STU1/OperationDefinition-docref.html */
import assert from 'node:assert/strict';
import { given } from '../../given.ts';
import { givenHub, type GivenHub, type HubResponse } from '../../given-hub.ts';

const loinc = 'http://loinc.org';

describe('DocumentReference/$docref (International Patient Access)', () => {
  let hub: GivenHub;
  let hospital: string;
  before(async () => {
    hub = await givenHub();
    hospital = await hub.token('hospital');
    await hub.send('PUT', 'Patient/p', hospital, { body: given.patient({ id: 'p' }) });
    const document = async (id: string, code: string, date: string, more: object = {}): Promise<void> => {
      const body = {
        resourceType: 'DocumentReference',
        id,
        status: 'current',
        type: { coding: [{ system: loinc, code }] },
        subject: { reference: 'Patient/p' },
        date: `${date}T08:00:00Z`,
        content: [{ attachment: { title: id } }],
        ...more,
      };
      const { status, text } = await hub.send('PUT', `DocumentReference/${id}`, hospital, { body });
      assert.equal(status, 201, text);
    };
    await document('summary1', '34133-9', '2025-01-01');
    await document('summary2', '34133-9', '2026-01-01');
    await document('gone', '34133-9', '2026-02-01', { status: 'superseded' });
    await document('letter', '18842-5', '2026-01-05', {
      context: { period: { start: '2025-12-20', end: '2025-12-24' } },
    });
    await document('untyped', '', '2024-06-01', { type: undefined });
  });
  after(() => hub.close());

  const get = async (query: string, token = hospital): Promise<HubResponse> =>
    hub.send('GET', `DocumentReference/$docref?${query}`, token);
  const idsOf = ({ json }: HubResponse): string[] =>
    ((json['entry'] ?? []) as { resource: { id: string }; search: { mode: string } }[])
      .filter(({ search }) => search.mode === 'match')
      .map(({ resource }) => resource.id);

  const rows: [string, string, string[]][] = [
    ['without a time the most recent current one of each type', 'patient=p', ['letter', 'summary2', 'untyped']],
    ['of a type', `patient=p&type=${loinc}%7C34133-9`, ['summary2']],
    [
      'of a time all of it; a document without a time of care by its date',
      'patient=p&start=2025-01-01&end=2025-12-31',
      ['letter', 'summary1'],
    ],
    ['care counts, not the date of the document', 'patient=p&start=2026-01-02&end=2026-01-31', []],
    ['from a day on', 'patient=p&start=2025-06-01', ['letter', 'summary2']],
    ['up to a day', 'patient=p&end=2024-12-31', ['untyped']],
    ['of a profile', 'patient=p&profile=http://example.org/none', []],
    ['of an unknown patient none', 'patient=unknown', []],
  ];
  for (const [title, query, expected] of rows) {
    it(title, async () => {
      const response = await get(query);
      assert.deepEqual([response.status, idsOf(response)], [200, expected], response.text);
    });
  }

  it('POST with Parameters is the same', async () => {
    const body = { resourceType: 'Parameters', parameter: [{ name: 'patient', valueId: 'p' }] };
    assert.equal(idsOf(await hub.send('POST', 'DocumentReference/$docref', hospital, { body })).length, 3);
  });

  it('on-demand documents are not made, and the answer says so', async () => {
    const response = await get('patient=p&on-demand=true');
    assert.equal(idsOf(response).length, 3);
    assert.equal(response.json['entry'].at(-1).search.mode, 'outcome');
  });

  it('the patient need not name themselves; others see none of theirs', async () => {
    const self = await hub.token('patient', { fhirUser: 'Patient/p' });
    assert.equal(idsOf(await get('', self)).length, 3);
    assert.deepEqual(idsOf(await get('patient=p', await hub.token('ai'))), []);
  });

  for (const query of [
    '',
    'patient=p&start=yesterday',
    'patient=p&on-demand=perhaps',
    'patient=a/b',
    'patient=p&start=2026 or status eq x',
  ]) {
    it(`refuses ?${query}`, async () => assert.equal((await get(query)).status, 400));
  }
});
