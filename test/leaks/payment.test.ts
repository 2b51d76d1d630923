/**
 * LEAKS 2, 9, 19: a payment service gets the minimal Patient and financial resources. What it does not get it cannot ask for
 * either: no filter, order, chain, include, operation or condition reads an element that is trimmed.
 */
import assert from 'node:assert/strict';
import { manifestOf } from '../given-export.ts';
import { canary, givenLeakWorld, ofP, payer, type LeakWorld } from './world.ts';
import { reference, resource } from '../spec/world.ts';

const payment = { purpose: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActReason', code: 'HPAYMT' }] };

/** Answers, which hold the minimum and no more. */
const answered: readonly string[] = [
  'Patient/p',
  'Patient/p?_elements=address,telecom,meta',
  'Patient/p?_summary=text',
  'Patient/p/_history',
  'Patient/p/_history/1',
  'Patient/p/$meta',
  'Patient/p/_history/1/$meta',
  'Patient/$meta',
  'Patient/p/$everything',
  'Patient?_id=p&_elements=address',
  'Patient?_id=p&_summary=data',
  'Patient?_has:Coverage:beneficiary:status=active',
  'Coverage?_include=Coverage:beneficiary',
  'Coverage?_include=*&_include:iterate=*',
  'Patient?_id=p&_revinclude=Coverage:*&_revinclude=Observation:*',
  'Patient?_id=p&_revinclude=Claim:*&_include:iterate=*',
  'Coverage?beneficiary.name=peters',
  'Patient/p/*',
  'Patient/p/Coverage',
  '?_type=Patient,Coverage',
];

/** Asks for what is trimmed, at whatever distance. */
const forbidden: readonly string[] = [
  `Patient?address=${canary}`,
  `Patient?telecom=${canary}`,
  `Patient?_tag=urn:t|${canary}`,
  'Patient?_profile=urn:profile:x',
  'Patient?_security=http://terminology.hl7.org/CodeSystem/v3-Confidentiality|N',
  `Patient?_text=${canary}`,
  `Patient?_content=${canary}`,
  `Patient?_filter=address co "${canary}"`,
  `Patient?_filter=name co "peters" and address co "${canary}"`,
  `Patient?_filter=link.address co "${canary}"`,
  'Patient?_sort=address',
  'Patient?_sort=-death-date',
  'Patient?deceased=true',
  'Patient?general-practitioner:missing=false',
  'Patient?general-practitioner.name=x',
  'Patient?_include=Patient:general-practitioner',
  `Coverage?beneficiary.address=${canary}`,
  `Coverage?beneficiary:Patient.address=${canary}`,
  `Coverage?beneficiary._tag=urn:t|${canary}`,
  `Coverage?_filter=beneficiary.address co "${canary}"`,
  `Coverage?_has:Claim:insurer:patient.address=${canary}`,
  `Patient?_has:Coverage:beneficiary:beneficiary.address=${canary}`,
  `?_type=Patient,Coverage&_tag=urn:t|${canary}`,
  `?_type=Patient&_content=${canary}`,
  `?_type=Patient,Coverage&_profile=urn:profile:x`,
];

/** Of clinical rows there are none, whatever is asked of them. */
const empty: readonly string[] = [
  'Patient?_has:Observation:patient:code=718-7',
  'Patient?_has:Encounter:subject:class=IMP',
  'Claim?encounter.class=IMP',
  'Claim?encounter:Encounter._has:Observation:encounter:code=718-7',
];

describe('LEAKS: a payment service asks for no more than it gets', () => {
  let world: LeakWorld;
  let token: string;
  before(async () => {
    world = await givenLeakWorld();
    await world.write([
      resource('Patient/p', {
        meta: { tag: [{ system: 'urn:t', code: canary }], profile: [`urn:profile:${canary}`] },
        text: { status: 'generated', div: `<div xmlns="http://www.w3.org/1999/xhtml">${canary}</div>` },
        name: [{ family: 'Peters', extension: [{ url: 'urn:x', valueString: canary }] }],
        address: [{ text: canary }],
        telecom: [{ system: 'email', value: canary }],
        deceasedBoolean: true,
        maritalStatus: { text: canary },
        contact: [{ name: { family: canary } }],
        generalPractitioner: [{ display: canary }],
      }),
      resource('Encounter/e', { ...ofP, reasonCode: [{ text: canary }] }),
      resource('Observation/o', { ...ofP, encounter: reference('Encounter/e'), valueString: canary }),
      resource('Coverage/c', {
        status: 'active',
        beneficiary: reference('Patient/p'),
        payor: [{ display: 'Payer' }],
      }),
      resource('Claim/c', {
        status: 'active',
        type: { text: 'claim' },
        use: 'claim',
        patient: reference('Patient/p'),
        created: '2026-01-01',
        provider: { display: 'Hospital' },
        priority: { text: 'normal' },
        insurance: [{ sequence: 1, focal: true, coverage: reference('Coverage/c') }],
        item: [{ sequence: 1, productOrService: { text: 'visit' }, encounter: [reference('Encounter/e')] }],
      }),
    ]);
    await world.consent('p', payer, payment);
    // With every read scope: what narrows is the purpose.
    token = await world.token('payment', { scope: 'system/*.cruds' });
  });
  after(() => world.close());

  for (const path of answered) {
    it(`${path}: the minimum`, async () => {
      const answer = await world.hub.send('GET', path, token);
      assert.equal(answer.status, 200, answer.text);
      assert.ok(!answer.text.includes(canary), answer.text);
    });
  }

  for (const path of forbidden) {
    it(`${path}: refused`, async () => {
      const answer = await world.hub.send('GET', path, token);
      assert.ok([400, 403].includes(answer.status), `${answer.status} ${answer.text}`);
      assert.notEqual(answer.json['resourceType'], 'Bundle');
    });
  }

  for (const path of empty) {
    it(`${path}: nothing`, async () => {
      const answer = await world.hub.send('GET', path, token);
      assert.equal(answer.status, 200, answer.text);
      assert.equal(answer.json['total'], 0);
    });
  }

  it('a condition of a write is a search too', async () => {
    const body = resource('Coverage/x', { status: 'active', beneficiary: { display: 'x' }, payor: [{ display: 'y' }] });
    const { id: _, ...coverage } = body;
    const conditional = `Coverage?beneficiary.address=${canary}`;
    const put = await world.hub.send('PUT', conditional, token, { body: coverage });
    assert.equal(put.status, 403, put.text);
    const post = await world.hub.send('POST', 'Coverage', token, {
      body: coverage,
      headers: { 'if-none-exist': conditional.slice('Coverage?'.length) },
    });
    assert.equal(post.status, 403, post.text);
  });

  it('bulk export: the minimum, and no filter by more', async () => {
    const headers = { prefer: 'respond-async' };
    const refused = await world.hub.send(
      'GET',
      `Patient/$export?_type=Patient&_typeFilter=${encodeURIComponent(`Patient?address=${canary}`)}`,
      token,
      { headers },
    );
    assert.equal(refused.status, 403, refused.text);
    const kicked = await world.hub.send('GET', 'Patient/$export', token, { headers });
    assert.equal(kicked.status, 202, kicked.text);
    const status = (kicked.headers.get('content-location') as string).slice(world.hub.fhir.length + 1);
    const manifest = await manifestOf(() => world.hub.send('GET', status, token));
    const files = manifest.json['output'] as { type: string; url: string }[];
    assert.deepEqual(files.map(({ type }) => type).toSorted(), ['Claim', 'Coverage', 'Patient']);
    for (const { url } of files) {
      const file = await world.hub.send('GET', url.slice(world.hub.fhir.length + 1), token);
      assert.equal(file.status, 200);
      assert.ok(!file.text.includes(canary), file.text);
    }
  });
});
