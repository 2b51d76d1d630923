/** Patient/[id]/$who-can-see: permissions in force, those who act for the patient, and the sources. */
import assert from 'node:assert/strict';
import { sql } from '../../../src/db/sql.ts';
import { given } from '../../given.ts';
import { givenConsent } from '../../given-consent.ts';
import { givenHub, type GivenHub, type HubResponse } from '../../given-hub.ts';

interface Part {
  readonly name: string;
  readonly part?: readonly Part[];
  readonly valueString?: string;
  readonly valueCode?: string;
  readonly valueInteger?: number;
  readonly valueReference?: { readonly reference: string };
}

describe('Patient/$who-can-see', () => {
  let hub: GivenHub;
  let hospital: string;
  let patient: string;
  before(async () => {
    hub = await givenHub();
    hospital = await hub.token('hospital', { organization: 'Organization/h' });
    patient = await hub.token('patient', { patient: 'p', fhirUser: 'Patient/p' });
    await hub.send('PUT', 'Organization/h', hospital, { body: given.organization({ id: 'h', name: 'City Hospital' }) });
    for (const id of ['p', 'q']) {
      await hub.send('PUT', `Patient/${id}`, hospital, { body: { ...given.patient({ id }), birthDate: '2020-01-01' } });
    }
    await hub.send('PUT', 'Observation/o', hospital, { body: given.observation({ id: 'o', patient: 'p' }) });
    const mother = {
      resourceType: 'RelatedPerson',
      id: 'm',
      active: true,
      patient: { reference: 'Patient/p' },
      relationship: [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-RoleCode', code: 'MTH' }] }],
      name: [{ text: 'Zhang Min' }],
    };
    const related = await hub.send('PUT', 'RelatedPerson/m', hospital, { body: mother });
    assert.equal(related.status, 201, related.text);
  });
  after(() => hub.close());

  const ask = (token = patient, query = '?language=en'): Promise<HubResponse> =>
    hub.send('GET', `Patient/p/$who-can-see${query}`, token);
  const said = ({ json }: HubResponse, name: string): string[] =>
    ((json['parameter'] ?? []) as Part[])
      .filter((one) => one.name === 'text')
      .flatMap(({ part = [] }) => part.filter((one) => one.name === name).map(({ valueString = '' }) => valueString));
  const parts = ({ json }: HubResponse, name: string): Part[] =>
    ((json['parameter'] ?? []) as Part[]).filter((one) => one.name === name);
  const write = async (id: string, recipient: string, changes: Record<string, unknown> = {}): Promise<void> => {
    const body = { ...givenConsent('p', recipient, changes), id };
    const { status, text } = await hub.send('PUT', `Consent/${id}`, patient, { body });
    assert.ok(status < 300, text);
  };

  it('without a permission: nobody but the proxy and the source', async () => {
    const found = await ask();
    assert.equal(found.status, 200, found.text);
    assert.deepEqual(said(found, 'nobody'), ['Nobody has a permission from you.']);
    assert.deepEqual(said(found, 'sentence'), []);
    assert.deepEqual(said(found, 'source'), ['City Hospital (h) sees what it wrote itself: 3 records.']);
    assert.deepEqual(said(found, 'proxy'), ['Zhang Min (m) acts for you (parent) and sees your whole record.']);
  });

  it('by recipient and category, from the rules that are in force now, with the Consent that says so', async () => {
    const classes = [{ system: 'http://hl7.org/fhir/resource-types', code: 'Condition' }];
    const code = [{ coding: [{ system: 'http://loinc.org', code: '2345-7' }] }];
    await write('c1', 'Organization/ai', { class: classes });
    await write('c1', 'Organization/ai', { class: classes, code });
    await write('c2', 'Organization/over', { period: { end: '2020-01-01' } });
    await write('c3', 'Organization/later', { period: { start: '2100-01-01' } });
    const found = await ask();
    assert.equal(found.status, 200, found.text);
    assert.deepEqual(said(found, 'nobody'), []);
    assert.deepEqual(said(found, 'sentence'), [
      'ai may see for your care and health advice, until you stop it: Diagnoses; only what is about LOINC 2345-7; nothing that is specially protected.',
    ]);
    const [rule, ...others] = parts(found, 'rule');
    assert.equal(others.length, 0);
    const references = rule?.part?.flatMap(({ name, valueReference }) =>
      valueReference === undefined ? [] : [[name, valueReference.reference]],
    );
    assert.deepEqual(references, [
      ['recipient', 'Organization/ai'],
      ['consent', 'Consent/c1/_history/2'],
      ['patient', 'Patient/p'],
    ]);
  });

  it('revoked, it is gone with the next request', async () => {
    await hub.send('PUT', 'Consent/c1', patient, {
      body: { ...givenConsent('p', 'Organization/ai'), id: 'c1', status: 'inactive' },
    });
    assert.deepEqual(said(await ask(), 'sentence'), []);
  });

  it('all the records of the person, and which of them a permission is on', async () => {
    await write('c4', 'Organization/ai');
    await hub.database.query(sql`
      insert into person_member (patient, bucket, person, evidence, linked_at)
      select patient, 0, '00000000-0000-4000-8000-000000000001', '{}', now() from unnest(array['p', 'q']) as patient`);
    const before = await ask();
    assert.deepEqual(said(before, 'source'), ['City Hospital (h) sees what it wrote itself: 4 records.']);
    const patientsOf = (found: HubResponse): unknown[] =>
      parts(found, 'rule').map(({ part = [] }) =>
        part.filter(({ name }) => name === 'patient').map(({ valueReference }) => valueReference?.reference),
      );
    assert.deepEqual(patientsOf(before), [['Patient/p']]);
    await write('c4', 'Organization/ai');
    assert.deepEqual(patientsOf(await ask()), [['Patient/p', 'Patient/q']]);
    await hub.database.query(sql`delete from person_member`);
  });

  it('emergency access, while it is open', async () => {
    await hub.database.query(sql`
      insert into break_glass (id, issuer, client, subject, organization, patient, reason_code, reason, labels, opened_at, closes_at)
      values (gen_random_uuid(), 'i', 'c', 's', 'Organization/h', 'p', 'other', 'found without a name', 0, now(), now() + interval '1 hour'),
        (gen_random_uuid(), 'i', 'c', 's', 'Organization/x', 'p', 'other', 'long ago', 0, now() - interval '2 hours', now() - interval '1 hour'),
        (gen_random_uuid(), 'i', 'c', 's', 'Organization/y', 'q', 'other', 'of another', 0, now(), now() + interval '1 hour')`);
    const found = await ask();
    const [sentence, ...more] = said(found, 'emergency');
    assert.match(sentence ?? '', /^City Hospital \(h\) opened your record for an emergency, until /);
    assert.equal(more.length, 0);
    assert.match(found.text, /found without a name/);
    assert.doesNotMatch(found.text, /long ago|of another/);
  });

  it('a proxy asks as the patient does; of a minor who decides, without what the minor decided', async () => {
    const mother = await hub.token('patient', { patient: 'p', fhirUser: 'RelatedPerson/m' });
    assert.equal(said(await ask(mother), 'sentence').length, 1);
    const teen = { ...given.patient({ id: 'p' }), birthDate: String(new Date().getUTCFullYear() - 16) };
    await hub.send('PUT', 'Patient/p', hospital, { body: teen });
    const found = await ask(mother);
    assert.equal(found.status, 200);
    assert.deepEqual([said(found, 'sentence'), parts(found, 'rule'), said(found, 'emergency')], [[], [], []]);
    assert.deepEqual(said(await ask(), 'proxy'), ['Zhang Min (m) acts for you (parent) and sees what is not private.']);
  });

  it('LEAKS 20: nobody else: of another patient the same 404 as of nobody, of a third party 403 whatever the id', async () => {
    const other = await hub.token('patient', { patient: 'q', fhirUser: 'Patient/q' });
    const [hidden, unknown] = await Promise.all(
      ['p', 'none'].map((id) => hub.send('GET', `Patient/${id}/$who-can-see`, other)),
    );
    assert.equal(hidden?.status, 404);
    assert.equal(hidden?.text, unknown?.text);
    const ai = await hub.token('ai', { organization: 'Organization/ai' });
    for (const token of [ai, hospital]) {
      const [known, none] = await Promise.all(
        ['p', 'none'].map((id) => hub.send('GET', `Patient/${id}/$who-can-see`, token)),
      );
      assert.equal(known?.status, 403);
      assert.equal(known?.text, none?.text);
    }
  });

  it('it is in the patient’s log', async () => {
    await ask();
    const { text } = await hub.send('GET', 'AuditEvent?patient=Patient/p&_count=5', patient);
    assert.match(text, /Patient\/\$who-can-see/);
  });
});
