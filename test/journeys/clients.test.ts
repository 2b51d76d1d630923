/**
 * Journey: programs that others wrote, as their documentation says to use them, against a fresh hub. Nothing here knows how
 * the hub answers; whatever a client makes of an answer is what its users would get.
 */
import assert from 'node:assert/strict';
import { MedplumClient, OperationOutcomeError } from '@medplum/core';
import type { Bundle, Observation, Organization, Patient } from '@medplum/fhirtypes';
import { Client as KitClient, type FhirResource } from 'fhir-kit-client';
import smart from 'fhirclient';
import { givenConsent } from '../given-consent.ts';
import { givenHub, type GivenHub } from '../given-hub.ts';
import { given } from '../given.ts';

const observationsMax = 7;
const system = 'https://hospital.example/mrn';

/** The patient as the hospital keeps them, before anybody else asks. */
function record(): Bundle {
  const observations = Array.from({ length: observationsMax }, (_, at) => ({
    fullUrl: `urn:uuid:00000000-0000-4000-8000-00000000010${at}`,
    resource: {
      resourceType: 'Observation' as const,
      status: 'final' as const,
      code: { coding: [{ system: 'http://loinc.org', code: '718-7' }] },
      subject: { reference: patientUrl },
      performer: [{ reference: organizationUrl }],
      effectiveDateTime: `2026-03-0${at + 1}`,
      valueQuantity: { value: 13 + at / 2, unit: 'g/dL', system: 'http://unitsofmeasure.org', code: 'g/dL' },
    },
    request: { method: 'POST' as const, url: 'Observation' },
  }));
  return {
    resourceType: 'Bundle',
    type: 'transaction',
    entry: [
      {
        fullUrl: patientUrl,
        resource: {
          resourceType: 'Patient',
          identifier: [{ system, value: '4711' }],
          name: [{ family: '陈', given: ['伟'] }],
          gender: 'male',
          birthDate: '1980-01-01',
        },
        request: { method: 'POST', url: 'Patient', ifNoneExist: `identifier=${system}|4711` },
      },
      {
        fullUrl: organizationUrl,
        resource: { resourceType: 'Organization', name: 'Central Laboratory', active: true },
        request: { method: 'POST', url: 'Organization' },
      },
      ...observations,
    ],
  };
}
const patientUrl = 'urn:uuid:00000000-0000-4000-8000-000000000001';
const organizationUrl = 'urn:uuid:00000000-0000-4000-8000-000000000002';

const codesOf = (bundle: FhirResource): (string | undefined)[] =>
  ((bundle['entry'] ?? []) as { resource: FhirResource }[]).map(({ resource }) => resource.resourceType);

describe('journey: clients of others work unchanged', function () {
  this.timeout(300_000);
  let hub: GivenHub;
  let patient: string;
  let organization: string;

  before(async () => {
    hub = await givenHub();
    const hospital = kit(await hub.token('hospital'));
    const answer = (await hospital.transaction({ body: record() as unknown as FhirResource })) as unknown as Bundle;
    assert.equal(answer.type, 'transaction-response');
    const [first, second] = answer.entry ?? [];
    patient = idFromLocation(first?.response?.location);
    organization = idFromLocation(second?.response?.location);
    const self = kit(await selfToken());
    await self.create({
      resourceType: 'Consent',
      body: givenConsent(patient, 'Organization/ai-health-manager'),
    });
  });
  after(() => hub.close());

  const kit = (bearerToken: string): KitClient => new KitClient({ baseUrl: hub.fhir, bearerToken });
  const selfToken = (): Promise<string> => hub.token('patient', { fhirUser: `Patient/${patient}`, patient });

  describe('fhir-kit-client', () => {
    it('reads what the server says of itself', async () => {
      const client = kit(await hub.token('ai'));
      const capability = await client.capabilityStatement();
      assert.equal(capability['fhirVersion'], '4.0.1');
      const { tokenUrl, authorizeUrl } = await client.smartAuthMetadata();
      assert.deepEqual(
        [String(tokenUrl), String(authorizeUrl)],
        [`${hub.url}/oauth/token`, `${hub.url}/oauth/authorize`],
      );
    });

    it('searches page by page, forth and on to the end', async () => {
      const client = kit(await hub.token('ai'));
      let page: FhirResource | undefined = await client.search({
        resourceType: 'Observation',
        searchParams: { patient: `Patient/${patient}`, code: 'http://loinc.org|718-7', _count: 3, _sort: '-date' },
      });
      const dates: unknown[] = [];
      for (let pages = 0; page !== undefined; pages++) {
        assert.ok(pages < observationsMax, 'pages end');
        const entries = (page['entry'] ?? []) as { resource: FhirResource }[];
        dates.push(...entries.map(({ resource }) => resource['effectiveDateTime']));
        page = await client.nextPage({ bundle: page as Parameters<KitClient['nextPage']>[0]['bundle'] });
      }
      assert.deepEqual(
        dates,
        Array.from({ length: observationsMax }, (_, at) => `2026-03-0${observationsMax - at}`),
      );
    });

    it('searches by POST, in a compartment, in the whole server, and with what is referred to', async () => {
      const client = kit(await hub.token('ai'));
      const searchParams = { patient, _count: 1, _include: 'Observation:subject' };
      const posted = await client.resourceSearch({
        resourceType: 'Observation',
        searchParams,
        options: { postSearch: true },
      });
      assert.deepEqual(codesOf(posted), ['Observation', 'Patient']);
      const compartment = await client.compartmentSearch({
        resourceType: 'Observation',
        compartment: { resourceType: 'Patient', id: patient },
        searchParams: { _count: 2 },
      });
      assert.deepEqual(codesOf(compartment), ['Observation', 'Observation']);
      const both = await client.systemSearch({ searchParams: { _type: 'Patient,Observation', _id: patient } });
      assert.deepEqual(codesOf(both), ['Patient']);
    });

    it('reads a version, the history and everything', async () => {
      const client = kit(await hub.token('ai'));
      const read = await client.read({ resourceType: 'Patient', id: patient });
      assert.deepEqual(await client.vread({ resourceType: 'Patient', id: patient, version: '1' }), read);
      const history = await client.resourceHistory({ resourceType: 'Patient', id: patient });
      assert.deepEqual([history['type'], codesOf(history)], ['history', ['Patient']]);
      const everything = await client.operation({
        name: 'everything',
        resourceType: 'Patient',
        id: patient,
        method: 'GET',
      });
      assert.equal(codesOf(everything).filter((type) => type === 'Observation').length, observationsMax);
    });

    it('creates, updates, patches and deletes; what is refused says why', async () => {
      const client = kit(await hub.token('hospital'));
      const body = given.observation({ patient, code: '2345-7' }) as unknown as FhirResource;
      const created = await client.create({ resourceType: 'Observation', body });
      const key = { resourceType: 'Observation', id: created['id'] as string };
      const updated = await client.update({ ...key, body: { ...created, status: 'amended' } });
      assert.equal((updated['meta'] as { versionId: string }).versionId, '2');
      const jsonPatch = [{ op: 'replace' as const, path: '/status', value: 'corrected' }];
      assert.equal((await client.patch({ ...key, jsonPatch }))['status'], 'corrected');
      await client.delete(key);
      await assert.rejects(client.read(key), ({ response }: { response: { status: number; data: FhirResource } }) => {
        assert.deepEqual([response.status, response.data.resourceType], [410, 'OperationOutcome']);
        return true;
      });
      const batch = await client.batch({
        body: {
          resourceType: 'Bundle',
          type: 'batch',
          entry: [
            { request: { method: 'GET', url: `Patient/${patient}` } },
            { request: { method: 'GET', url: 'Patient/nobody' } },
          ],
        },
      });
      const statuses = (batch['entry'] as { response: { status: string } }[]).map(({ response }) => response.status);
      assert.deepEqual(
        statuses.map((status) => status.slice(0, 3)),
        ['200', '404'],
      );
    });
  });

  describe('fhirclient, in the context of a patient', () => {
    const app = async (token: string): Promise<ReturnType<ReturnType<typeof smart>['client']>> =>
      // The Node adapter keeps its state in a session; a client that is given its token needs none.
      smart({ headers: {} } as never, {} as never, {} as never).client({
        serverUrl: hub.fhir,
        tokenResponse: { access_token: token, patient },
      });

    it("reads the patient, all pages of the patient's results, and what they refer to", async () => {
      const client = await app(await selfToken());
      assert.equal(client.patient.id, patient);
      assert.equal((await client.patient.read()).name?.[0]?.family, '陈');
      const observations = await client.patient.request<{ subject: { id: string } }[]>('Observation?_count=2', {
        pageLimit: 0,
        flat: true,
        resolveReferences: ['subject'],
      });
      assert.deepEqual(
        observations.map(({ subject }) => subject.id),
        Array.from({ length: observationsMax }, () => patient),
      );
      assert.equal(await client.getFhirRelease(), 4);
    });

    it('narrows a consent and takes it back, and the log says who read what', async () => {
      const client = await app(await selfToken());
      const mine = givenConsent(patient, 'Organization/another-service');
      const { id } = await client.create<{ id: string }>(mine as never);
      const narrowed = { ...mine, id, provision: { ...(mine['provision'] as object), period: { end: '2027-01-01' } } };
      await client.update(narrowed as never);
      await client.patch(`Consent/${id}`, [{ op: 'replace', path: '/status', value: 'inactive' }]);
      await client.delete(`Consent/${id}`);
      await assert.rejects(client.request(`Consent/${id}`), /410/);
      const log = await client.patient.request<{ resourceType: string }[]>('AuditEvent', { flat: true });
      assert.ok(log.length > 0 && log.every(({ resourceType }) => resourceType === 'AuditEvent'));
    });
  });

  describe('MedplumClient', () => {
    const medplum = async (preset: 'ai' | 'hospital'): Promise<MedplumClient> => {
      const client = new MedplumClient({ baseUrl: `${hub.url}/`, fhirUrlPath: 'fhir/R4', fetch, cacheTime: 0 });
      client.setAccessToken(await hub.token(preset));
      return client;
    };

    it('searches, counts, reads, follows references', async () => {
      const client = await medplum('ai');
      const found = await client.searchResources('Observation', { patient, _sort: '-date', _count: '5' });
      assert.equal(found.length, 5);
      assert.equal(found[0]?.valueQuantity?.value, 16);
      const counted = await client.search('Observation', `patient=${patient}&_summary=count`);
      assert.equal(counted.total, observationsMax);
      const subject = await client.readReference(found[0]?.subject as NonNullable<Observation['subject']>);
      assert.equal((subject as Patient).birthDate, '1980-01-01');
      const byName = await client.searchOne('Patient', { name: 'chenwei' });
      assert.equal(byName?.id, patient);
      const paged: number[] = [];
      for await (const page of client.searchResourcePages('Observation', { patient, _count: '3' }))
        paged.push(page.length);
      assert.deepEqual(paged, [3, 3, 1]);
      const everything = await client.readPatientEverything(patient);
      assert.ok(everything.entry?.some(({ resource }) => resource?.id === patient));
    });

    it('writes, if none is there, by condition, in part, and not over another version', async () => {
      const client = await medplum('hospital');
      const laboratory: Organization = {
        resourceType: 'Organization',
        identifier: [{ system, value: 'lab' }],
        name: 'Lab',
      };
      const first = await client.createResourceIfNoneExist(laboratory, `identifier=${system}|lab`);
      const second = await client.createResourceIfNoneExist(laboratory, `identifier=${system}|lab`);
      assert.equal(second.id, first.id);
      const renamed = await client.upsertResource(
        { ...laboratory, name: 'Laboratory' },
        { identifier: `${system}|lab` },
      );
      assert.deepEqual([renamed.id, renamed.name], [first.id, 'Laboratory']);
      const { id } = first;
      const patched = await client.patchResource('Organization', id, [{ op: 'add', path: '/active', value: true }]);
      assert.equal(patched.active, true);
      const stale = client.updateResource({ ...patched, name: 'Old' }, { headers: { 'If-Match': 'W/"1"' } });
      await assert.rejects(stale, (error: OperationOutcomeError) => error.outcome.issue[0]?.code === 'conflict');
      const history = await client.readHistory('Organization', id);
      assert.equal(history.entry?.length, 3);
      assert.equal((await client.readVersion('Organization', id, '1')).name, 'Lab');
      const outcome = await client.validateResource({ resourceType: 'Organization' });
      assert.ok(
        outcome.issue.some(({ severity }) => severity === 'error'),
        'org-1: a name or an identifier',
      );
      const answer = await client.executeBatch({
        resourceType: 'Bundle',
        type: 'batch',
        entry: [{ request: { method: 'GET', url: `Organization/${id}` } }],
      });
      assert.equal(answer.entry?.[0]?.resource?.id, id);
      await client.deleteResource('Organization', id);
      await assert.rejects(client.readResource('Organization', id), OperationOutcomeError);
    });

    it('exports in bulk what consent allows, polling as the Bulk Data guide says', async () => {
      const client = await medplum('ai');
      const manifest = await client.bulkExport('Patient', 'Patient,Observation', undefined, {
        pollStatusOnAccepted: true,
        pollStatusPeriod: 1_100,
      });
      const lines = await Promise.all(
        (manifest.output ?? []).map(async ({ type, url }) => {
          const text = await (await client.download(url, { headers: { Accept: 'application/fhir+ndjson' } })).text();
          return text
            .trimEnd()
            .split('\n')
            .map((line) => [type, (JSON.parse(line) as { resourceType: string }).resourceType]);
        }),
      );
      const types = lines.flat();
      assert.ok(types.every(([declared, held]) => declared === held));
      assert.equal(types.filter(([type]) => type === 'Observation').length, observationsMax);
      assert.equal(types.filter(([type]) => type === 'Patient').length, 1);
    });

    it('is told nothing of what no consent covers', async () => {
      const client = await medplum('ai');
      // The hospital's laboratory belongs to no patient's record.
      const hidden = client.readResource('Organization', organization);
      await assert.rejects(hidden, (error: OperationOutcomeError) => error.outcome.issue[0]?.code === 'not-found');
    });
  });
});

/** `[base]/Patient/1/_history/1` or the same without the base. */
function idFromLocation(location = ''): string {
  return /([^/]+)\/_history\//.exec(location)?.[1] ?? '';
}
