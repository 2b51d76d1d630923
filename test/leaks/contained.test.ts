/**
 * LEAKS 15: what is inside of a resource is as closed as it would be by itself: a class that is denied is not read inside of
 * another, a class that is permitted opens no other, and payment gets nothing clinical inside of a claim.
 */
import assert from 'node:assert/strict';
import { canary, givenLeakWorld, loinc, ai, payer, type LeakWorld } from './world.ts';
import { reference, resource } from '../spec/world.ts';

const classes = (...types: readonly string[]): Record<string, unknown> => ({
  class: types.map((code) => ({ system: 'http://hl7.org/fhir/resource-types', code })),
});
const condition: Record<string, unknown> = {
  resourceType: 'Condition',
  id: 'c',
  subject: reference('#'),
  code: { text: canary },
};
const report = (patient: string): Record<string, unknown> => ({
  ...resource(`DiagnosticReport/report-${patient}`),
  subject: reference(`Patient/${patient}`),
  contained: [
    {
      ...resource('Observation/c'),
      subject: reference(`Patient/${patient}`),
      code: loinc(canary),
      valueString: canary,
    },
  ],
  result: [reference('#c')],
});
const coverage = (id: string, inside: object): Record<string, unknown> => ({
  ...resource(`Coverage/${id}`),
  status: 'active',
  beneficiary: reference('Patient/p'),
  payor: [reference('#in')],
  contained: [{ ...inside, id: 'in' }],
});

describe('LEAKS 15: contained resources', () => {
  let world: LeakWorld;
  before(async () => {
    world = await givenLeakWorld();
    const patients = ['p', 'denies', 'permits', 'both', 'all'];
    await world.write(patients.map((id) => resource(`Patient/${id}`)));
    await world.write(patients.map((id) => report(id)) as never);
    await world.consent('denies', ai, { provision: [{ type: 'deny', ...classes('Observation') }] });
    await world.consent('permits', ai, classes('DiagnosticReport'));
    await world.consent('both', ai, classes('DiagnosticReport', 'Observation'));
    await world.consent('all', ai);
  });
  after(() => world.close());

  for (const [who, what, isSeen] of [
    ['denies', 'a deny of the class inside', false],
    ['permits', 'a permit of the outer class alone', false],
    ['both', 'a permit of both', true],
    ['all', 'a permit of everything', true],
  ] as const) {
    it(`${what}: the resource is ${isSeen ? 'seen' : 'hidden'}`, async () => {
      const token = world.tokens['a consented service'];
      const answer = await world.hub.send('GET', `DiagnosticReport/report-${who}`, token);
      assert.equal(answer.status, isSeen ? 200 : 404);
      for (const path of [`DiagnosticReport?subject=Patient/${who}`, `Patient/${who}/$everything`]) {
        assert.equal((await world.hub.send('GET', path, token)).text.includes(canary), isSeen, path);
      }
    });
  }

  describe('LEAKS 8: what an older version contained, when the current one contains nothing', () => {
    const ways = (id: string): string[] => [
      `${id}/_history/1`,
      `${id}/_history`,
      `${id}/_history/1/$meta`,
      `${id}/_history?_since=2020-01-01`,
    ];
    const plain = ({ contained: _contained, ...rest }: Record<string, unknown>): Record<string, unknown> => rest;
    const told = async (id: string, token: string | undefined): Promise<boolean[]> =>
      Promise.all(
        ways(id).map(async (path) => {
          const { text, status } = await world.hub.send('GET', path, token);
          assert.ok(status === 200 || status === 404, text);
          return text.includes(canary) || (path.endsWith('$meta') && status === 200);
        }),
      );

    for (const [who, what, isSeen] of [
      ['denies', 'a deny of the class inside', false],
      ['permits', 'a permit of the outer class alone', false],
      ['both', 'a permit of both', true],
      ['all', 'a permit of everything', true],
    ] as const) {
      it(`${what}: the version is ${isSeen ? 'seen' : 'hidden'}`, async () => {
        const corrected = { ...report(who), id: `corrected-${who}` };
        await world.write([corrected] as never);
        await world.write([{ ...plain(corrected), result: [] }].map(({ result: _result, ...rest }) => rest) as never);
        const token = world.tokens['a consented service'];
        const id = `DiagnosticReport/corrected-${who}`;
        assert.equal((await world.hub.send('GET', id, token)).status, 200);
        assert.equal((await world.hub.send('GET', `${id}/_history/2`, token)).status, 200);
        const seen = await told(id, token);
        assert.deepEqual(
          seen,
          seen.map(() => isSeen),
        );
        const own = await told(id, world.tokens['hospital']);
        assert.ok(own.every(Boolean), 'its source reads it');
      });
    }

    it('payment gets nothing clinical of it', async () => {
      await world.consent('p', payer, {
        purpose: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActReason', code: 'HPAYMT' }],
      });
      const clinical = coverage('corrected', { ...condition, subject: reference('Patient/p') });
      const extension = [{ url: 'urn:x', valueReference: reference('#in') }];
      await world.write([{ ...clinical, payor: [{ display: 'payer' }], extension }] as never);
      await world.write([{ ...plain(clinical), payor: [{ display: 'payer' }] }] as never);
      const { payment } = world.tokens;
      assert.equal((await world.hub.send('GET', 'Coverage/corrected', payment)).status, 200);
      assert.deepEqual(await told('Coverage/corrected', payment), [false, false, false, false]);
      assert.ok((await told('Coverage/corrected', world.tokens['hospital'])).every(Boolean));
    });
  });

  it('what is nobody’s record does not count: a Medication inside of its request', async () => {
    const request = {
      ...resource('MedicationRequest/m', { subject: reference('Patient/permits') }),
      contained: [{ resourceType: 'Medication', id: 'm', code: { text: 'drug' } }],
      medicationReference: reference('#m'),
    };
    await world.write([request]);
    await world.consent('permits', ai, classes('MedicationRequest'));
    const answer = await world.hub.send('GET', 'MedicationRequest/m', world.tokens['a consented service']);
    assert.equal(answer.status, 200);
  });

  it('payment: an Organization inside is no matter, a Patient or a Condition hides the resource', async () => {
    const insides: Record<string, Record<string, unknown>> = {
      organization: { resourceType: 'Organization', name: 'Payer' },
      patient: { resourceType: 'Patient', address: [{ text: canary }] },
    };
    await world.write(Object.entries(insides).map(([id, inside]) => coverage(id, inside)) as never);
    const claim = {
      ...resource('Claim/clinical'),
      contained: [{ ...condition, subject: reference('Patient/p') }],
      status: 'active',
      type: { text: 'claim' },
      use: 'claim',
      patient: reference('Patient/p'),
      created: '2026-01-01',
      provider: { display: 'Hospital' },
      priority: { text: 'normal' },
      insurance: [{ sequence: 1, focal: true, coverage: reference('Coverage/organization') }],
      diagnosis: [{ sequence: 1, diagnosisReference: reference('#c') }],
    };
    await world.write([claim]);
    await world.consent('p', payer, {
      purpose: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActReason', code: 'HPAYMT' }],
    });
    const token = world.tokens['payment'];
    assert.equal((await world.hub.send('GET', 'Coverage/organization', token)).status, 200);
    for (const path of ['Coverage/patient', 'Claim/clinical']) {
      assert.equal((await world.hub.send('GET', path, token)).status, 404, path);
    }
    for (const path of ['Coverage?beneficiary=p', 'Claim?patient=p', 'Patient/p/$everything']) {
      assert.ok(!(await world.hub.send('GET', path, token)).text.includes(canary), path);
    }
  });
});
