/**
 * LEAKS 31, 51: who acts for a patient sees that record and no other, by every way to ask, as long as they may, and from the
 * next request on nothing more: the same answers as to somebody who never was a proxy.
 */
import assert from 'node:assert/strict';
import { sql } from '../../src/db/sql.ts';
import type { AnyResource } from '../../src/fhir/types.ts';
import { givenConsent } from '../given-consent.ts';
import { reference, resource } from '../spec/world.ts';
import { canary, givenLeakWorld, loinc, saidBy, type LeakWorld } from './world.ts';

const roleCode = 'http://terminology.hl7.org/CodeSystem/v3-RoleCode';
const std = {
  meta: { security: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'STD' }] },
};

function related(id: string, patient: string, code: string, rest: object = {}): AnyResource {
  return resource(`RelatedPerson/${id}`, {
    patient: reference(`Patient/${patient}`),
    relationship: [{ coding: [{ system: roleCode, code }] }],
    ...rest,
  });
}

/** Years ago, as a birth date. */
function born(years: number): string {
  const date = new Date();
  date.setUTCFullYear(date.getUTCFullYear() - years);
  date.setUTCDate(date.getUTCDate() - 1);
  return date.toISOString().slice(0, 10);
}

/** Of a record and what is in it: `{id}` of its Patient, `{note}` of an Observation that is private. */
const asked: readonly string[] = [
  'Patient/{id}',
  'Patient/{id}/_history',
  'Patient?_id={id}',
  'Patient/{id}/$everything',
  'Patient/{id}/*',
  'Observation?patient={id}',
  'Observation?patient={id}&_total=accurate',
  'Observation?patient={id}&_summary=count',
  'Observation?_id={note}',
  'Observation/{note}',
  'Observation/{note}/_history',
  'Observation/{note}/_history/1',
  'Observation/{note}/$meta',
  'Patient?_id={id}&_revinclude=Observation:patient',
  `Patient?_has:Observation:patient:code=${canary}`,
  `Observation?code=${canary}`,
  'Observation/$lastn?patient={id}&code:missing=false',
  'Consent?patient={id}',
  'AuditEvent?patient={id}',
  'AuditEvent',
  '?_type=Observation,Patient',
  '_history',
];

describe('LEAKS 31, 51: proxies', () => {
  let world: LeakWorld;
  const proxyToken = (who: string, patient: string): Promise<string> =>
    world.token('patient', { fhirUser: `RelatedPerson/${who}`, patient, scope: 'patient/*.cruds' });

  before(async () => {
    world = await givenLeakWorld();
    await world.write([
      resource('Patient/child', { birthDate: born(5) }),
      resource('Patient/teen', { birthDate: born(15) }),
      resource('Patient/old', { birthDate: born(80) }),
      resource('Patient/other', { birthDate: born(5), name: [{ family: canary }] }),
      ...['child', 'teen', 'old', 'other'].map((id) =>
        resource(`Observation/note-${id}`, {
          ...std,
          subject: reference(`Patient/${id}`),
          code: loinc(canary, canary),
          effectiveDateTime: '2026-01-01',
        }),
      ),
      related('mother', 'child', 'MTH'),
      related('father', 'teen', 'FTH'),
      related('carer', 'old', 'POWATT', { period: { start: '2020-01-01', end: '2999-01-01' } }),
      related('attorney', 'old', 'HPOWATT'),
      related('aunt', 'child', 'AUNT'),
      related('late', 'old', 'POWATT', { period: { end: '2020-01-01' } }),
    ]);
  });
  after(() => world.close());

  const pathOf = (path: string, id: string): string => path.replaceAll('{id}', id).replaceAll('{note}', `note-${id}`);
  const get = (path: string, id: string, token: string) => world.hub.send('GET', pathOf(path, id), token);

  it('a mother reads all of her child, private or not', async () => {
    const token = await proxyToken('mother', 'child');
    for (const path of ['Patient/{id}', 'Observation/{note}', 'Patient/{id}/$everything']) {
      const { status, text } = await get(path, 'child', token);
      assert.equal(status, 200, path);
      if (!path.startsWith('Patient/{id}') || path.endsWith('everything')) assert.match(text, new RegExp(canary));
    }
    const { json } = await get('Observation?patient={id}&_total=accurate', 'child', token);
    assert.equal(json.total, 1);
  });

  for (const path of asked) {
    it(`a father of a minor is not told what is private: ${path}`, async () => {
      const token = await proxyToken('father', 'teen');
      const { text } = await get(path, 'teen', token);
      assert.doesNotMatch(
        text.replaceAll(encodeURIComponent(canary), ''),
        new RegExp(`"(code|text|display)":"${canary}`),
      );
      assert.doesNotMatch(text, /"id":"note-teen"/);
    });

    it(`one who may not act gets the answers of a record that never was: ${path}`, async () => {
      for (const [who, patient] of [
        ['late', 'old'],
        ['mother', 'other'],
      ] as const) {
        const hidden = await get(path, patient, await proxyToken(who, patient));
        // As long, so that lengths can be compared too.
        const nobody = 'n'.repeat(patient.length);
        const unknown = await get(path, nobody, await proxyToken(who, nobody));
        assert.deepEqual(saidBy(hidden, [patient]), saidBy(unknown, [nobody]), `${who} ${path}`);
      }
    });
  }

  it('an aunt, and a RelatedPerson that is not there, act for nobody', async () => {
    for (const who of ['aunt', 'nobody']) {
      assert.equal((await get('Patient/{id}', 'child', await proxyToken(who, 'child'))).status, 404);
    }
  });

  it('a father of a minor still reads the rest', async () => {
    const { status } = await get('Patient/{id}', 'teen', await proxyToken('father', 'teen'));
    assert.equal(status, 200);
  });

  it('LEAKS 20: the log tells of all there is, so a father of a minor has none', async () => {
    const entries = async (who: string, patient: string): Promise<unknown[]> => {
      const { json } = await get('AuditEvent?patient={id}', patient, await proxyToken(who, patient));
      return (json['entry'] ?? []) as unknown[];
    };
    assert.notEqual((await entries('mother', 'child')).length, 0);
    assert.deepEqual(await entries('father', 'teen'), []);
  });

  it('a period that ends, and a RelatedPerson that is not active, hold from the next request', async () => {
    const token = await proxyToken('carer', 'old');
    for (const change of [{ period: { end: '2020-01-01' } }, { active: false }, { relationship: undefined }]) {
      await world.write([related('carer', 'old', 'POWATT')]);
      assert.equal((await get('Patient/{id}', 'old', token)).status, 200);
      await world.write([related('carer', 'old', 'POWATT', change)]);
      assert.equal((await get('Patient/{id}', 'old', token)).status, 404, JSON.stringify(change));
    }
    await world.write([related('carer', 'old', 'POWATT')]);
    const { hospital = '' } = world.tokens;
    assert.equal((await world.hub.send('DELETE', 'RelatedPerson/carer', hospital)).status, 204);
    assert.equal((await get('Patient/{id}', 'old', token)).status, 404);
  });

  it('a birthday holds: a corrected birth date opens or ends it with the next request', async () => {
    const token = await proxyToken('mother', 'child');
    await world.write([resource('Patient/child', { birthDate: born(18) })]);
    assert.equal((await get('Patient/{id}', 'child', token)).status, 404);
    await world.write([resource('Patient/child', { birthDate: born(5) })]);
    assert.equal((await get('Patient/{id}', 'child', token)).status, 200);
  });

  it('nobody makes themselves a proxy: neither proxies nor patients write RelatedPersons', async () => {
    const self = await world.token('patient', { patient: 'old', fhirUser: 'Patient/old', scope: 'patient/*.cruds' });
    for (const token of [self, await proxyToken('mother', 'child')]) {
      for (const patient of ['old', 'child', 'other']) {
        const { status } = await world.hub.send('PUT', 'RelatedPerson/mine', token, {
          body: related('mine', patient, 'GUARD'),
        });
        assert.equal(status, 403);
      }
    }
  });

  it('a service that is registered as none of the hospitals makes no proxies until an operator confirms', async () => {
    await world.hub.database.query(sql`
      insert into client (issuer, id, kind, organization, purposes) values (${world.hub.url}, 'helper', 'ai', 'Organization/helper', 1)`);
    const helper = await world.token('hospital', { client_id: 'helper', organization: 'Organization/helper' });
    // The registration is known within a second.
    await new Promise((resolve) => setTimeout(resolve, 1100));
    await world.write(
      [resource('Patient/theirs', { birthDate: born(5) }), related('made-up', 'theirs', 'MTH')],
      helper,
    );
    const token = await proxyToken('made-up', 'theirs');
    assert.equal((await get('Patient/{id}', 'theirs', token)).status, 404);
    await world.hub.database.query(sql`update proxy set trusted_by = 'operator:w' where related_person = 'made-up'`);
    assert.equal((await get('Patient/{id}', 'theirs', token)).status, 200);
  });

  it('a hospital writes no RelatedPerson about the patient of another', async () => {
    const { 'another hospital': elsewhere = '' } = world.tokens;
    const { status } = await world.hub.send('PUT', 'RelatedPerson/foreign', elsewhere, {
      body: related('foreign', 'child', 'MTH'),
    });
    assert.equal(status, 422);
  });

  it('a proxy with another purpose, or with an organization, is none', async () => {
    for (const claims of [
      { purpose_of_use: 'TREAT' },
      { organization: 'Organization/x' },
      { purpose_of_use: ['PATRQT', 'TREAT'] },
    ]) {
      const token = await world.token('patient', { fhirUser: 'RelatedPerson/mother', patient: 'child', ...claims });
      assert.equal((await get('Patient/{id}', 'child', token)).status, 404, JSON.stringify(claims));
    }
  });

  it('a proxy without a launch context sees nothing', async () => {
    const token = await world.token('patient', { fhirUser: 'RelatedPerson/mother', scope: 'user/*.rs system/*.rs' });
    assert.equal((await get('Patient/{id}', 'child', token)).status, 404);
  });

  it('Consents: a power of attorney writes and ends them, a caregiver and a mere relative do not', async () => {
    const ai = 'Organization/ai-health-manager';
    const service = await world.token('ai');
    const write = (who: string, changes: object = {}) =>
      proxyToken(who, 'old').then((token) =>
        world.hub.send('PUT', 'Consent/decided', token, {
          body: {
            ...givenConsent('old', ai),
            id: 'decided',
            performer: [reference(`RelatedPerson/${who}`)],
            ...changes,
          },
        }),
      );
    await world.write([related('carer', 'old', 'POWATT')]);
    assert.equal((await write('carer')).status, 403);
    assert.equal((await write('late')).status, 403);
    assert.equal((await get('Patient/{id}', 'old', service)).status, 404);
    assert.equal((await write('attorney')).status, 201);
    assert.equal((await get('Patient/{id}', 'old', service)).status, 200);
    assert.equal((await write('carer', { status: 'inactive' })).status, 403);
    const deleted = await world.hub.send('DELETE', 'Consent/decided', await proxyToken('carer', 'old'));
    assert.equal(deleted.status, 403);
    assert.equal((await get('Patient/{id}', 'old', service)).status, 200);
    assert.equal((await write('attorney', { status: 'inactive' })).status, 200);
    assert.equal((await get('Patient/{id}', 'old', service)).status, 404);
  });

  it('the log names the proxy as an agent on behalf of the patient', async () => {
    await get('Patient/{id}', 'old', await proxyToken('attorney', 'old'));
    const self = await world.token('patient', { patient: 'old', fhirUser: 'Patient/old', scope: 'patient/*.rs' });
    const { json } = await world.hub.send('GET', 'AuditEvent?patient=Patient/old', self);
    const events = (json.entry as { resource: AnyResource }[]).map((entry) => entry.resource);
    const event = events.find(({ outcomeDesc }) => String(outcomeDesc).endsWith('allowed by proxy'));
    const agents = event?.['agent'] as { requestor: boolean; who: object; role?: { coding: { code: string }[] }[] }[];
    const asking = agents.find(({ requestor }) => requestor);
    assert.deepEqual(asking?.who, { reference: 'RelatedPerson/attorney' });
    assert.equal(asking?.role?.[0]?.coding[0]?.code, 'AGNT');
  });
});
