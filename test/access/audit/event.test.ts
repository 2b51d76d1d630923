/**
 * Every interaction of the trail as an AuditEvent that R4 takes, and that meets the profile of IHE's Basic Audit Log Patterns it names. The
 * constraints are transcribed from the profiles' definitions (BALP 1.1.3).
 *
 * @see https://profiles.ihe.net/ITI/BALP/artifacts.html
 */
import assert from 'node:assert/strict';
import type { AuditRow } from '../../../src/access/audit/chain.ts';
import { renderAuditEvent } from '../../../src/access/audit/event.ts';
import { kindOf, knownInteractions } from '../../../src/access/audit/kinds.ts';
import { purposeBit } from '../../../src/access/principal/purpose.ts';
import { assertValid } from '../../../src/fhir/validate.ts';
import { typeCode, type AnyResource } from '../../../src/fhir/types.ts';

type Json = Record<string, any>; // eslint-disable-line typescript/no-explicit-any

const base = 'https://hub.example/fhir/R4';
const row: AuditRow = {
  shard: 2,
  seq: 7,
  at: Date.parse('2026-05-03T08:00:00.123Z'),
  client: 'ai',
  subject: 'Practitioner/dr',
  organization: 'Organization/ai',
  purposes: purposeBit('TREAT') as number,
  interaction: 'read',
  type: typeCode('Observation') as number,
  resourceId: 'o1',
  patient: 'p1',
  rows: 1,
  decidedBy: 'consent:c1/2',
  outcome: 0,
  query: null,
  jti: 'token-1',
  correlationId: 'r1',
  address: '2001:db8::1',
  version: null,
  reason: null,
};
const profileBase = 'https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.';
const dcm = (code: string): object => ({ system: 'http://dicom.nema.org/resources/ontology/DCM', code });
const entityType = 'http://terminology.hl7.org/CodeSystem/audit-entity-type';

/** What each profile fixes. */
const profiles: Record<
  string,
  { action: string; client: object; server: object; user: string[]; slice: 'data' | 'query' }
> = {
  Read: { action: 'R', client: dcm('110152'), server: dcm('110153'), user: ['IRCP'], slice: 'data' },
  Query: { action: 'E', client: dcm('110153'), server: dcm('110152'), user: ['IRCP'], slice: 'query' },
  Create: { action: 'C', client: dcm('110153'), server: dcm('110152'), user: ['AUT', 'INF', 'CST'], slice: 'data' },
  Update: { action: 'U', client: dcm('110153'), server: dcm('110152'), user: ['AUT', 'INF', 'CST'], slice: 'data' },
  Delete: {
    action: 'D',
    client: dcm('110150'),
    server: { system: 'http://terminology.hl7.org/CodeSystem/provenance-participant-type', code: 'custodian' },
    user: ['AUT', 'INF', 'CST'],
    slice: 'data',
  },
};
const subtypes: Record<string, readonly string[]> = {
  Create: ['create'],
  Delete: ['delete'],
};

const of = (event: Json, role: object): Json[] =>
  (event['agent'] as Json[]).filter(({ type }) => isSubset(role, type?.coding?.[0] ?? {}));
const isSubset = (part: object, whole: object): boolean =>
  Object.entries(part).every(([name, value]) => (whole as Json)[name] === value);

function assertMeets(event: Json, name: string): void {
  const profile = profiles[name.replace(/^Patient/, '')];
  assert.ok(profile !== undefined, name);
  assert.equal(event['type'].code, 'rest');
  assert.equal(event['action'], profile.action);
  assert.equal(event['outcome'], '0');
  const required = subtypes[name.replace(/^Patient/, '')];
  if (required !== undefined)
    assert.deepEqual(
      event['subtype'].map(({ code }: Json) => code),
      required,
    );
  assert.ok(event['subtype'].length >= 1);
  const [client, ...clients] = of(event, profile.client);
  const [server, ...servers] = of(event, profile.server);
  assert.deepEqual([clients, servers], [[], []]);
  assert.ok(client?.['who'] !== undefined && client['network'].address !== undefined && client['media'] === undefined);
  assert.ok(server?.['who'] !== undefined && server['network'].address !== undefined);
  if (profile.action === 'D') {
    for (const absent of ['role', 'altId', 'name', 'location', 'media', 'purposeOfUse']) {
      assert.deepEqual([client[absent], server[absent]], [undefined, undefined], absent);
    }
  }
  const users = event['agent'].filter(({ type }: Json) => type.coding[0].system.endsWith('v3-ParticipationType'));
  for (const user of users) {
    assert.ok(profile.user.includes(user.type.coding[0].code));
    assert.deepEqual([user.requestor, user.network, user.media], [true, undefined, undefined]);
    assert.ok(user.who !== undefined);
  }
  const entities = event['entity'] as Json[];
  const sliced = entities.filter(({ type }) => isSubset({ system: entityType, code: '2' }, type));
  assert.equal(sliced.length, 1, 'one entity of the slice');
  const [slice] = sliced as [Json];
  if (profile.slice === 'query') {
    assert.equal(slice['role'].code, '24');
    assert.ok(slice['query'] !== undefined && slice['what'] === undefined && slice['detail'] === undefined);
  } else {
    assert.ok(['3', '4', '20'].includes(slice['role'].code) && slice['what'] !== undefined);
  }
  const patients = entities.filter(({ type }) => isSubset({ system: entityType, code: '1' }, type));
  assert.equal(patients.length, name.startsWith('Patient') ? 1 : 0);
  for (const patient of patients) {
    assert.deepEqual([patient['role'].code, patient['what'].reference], ['1', 'Patient/p1']);
  }
  const transactions = entities.filter(({ type }) => type.code === 'XrequestId');
  assert.ok(transactions.length <= 1 && transactions.every(({ what }) => what.identifier.value !== undefined));
}

describe('AuditEvent', () => {
  const variants: readonly [string, Partial<AuditRow>][] = [
    ['of a user of a service', {}],
    ['of a service for itself', { subject: 'ai', organization: 'Organization/ai' }],
    ['of the patient', { client: 'portal', subject: 'Patient/p1', organization: null, decidedBy: 'self' }],
    ['of a proxy', { client: 'portal', subject: 'RelatedPerson/r1', organization: null, decidedBy: 'proxy' }],
    ['about no patient', { patient: null, decidedBy: 'source' }],
    ['refused', { outcome: 4, rows: 0, decidedBy: null }],
    ['failed', { outcome: 8, rows: 0, decidedBy: null }],
    [
      'with nothing known of who asked',
      { client: null, subject: null, organization: null, purposes: 0, jti: null, outcome: 4, decidedBy: null },
    ],
    ['before addresses were kept', { address: null }],
    ['with a reason', { reason: 'unconscious patient' }],
  ];
  for (const interaction of [...knownInteractions, 'something-new']) {
    const isQuery = kindOf(interaction).profile === 'Query';
    for (const [title, changes] of variants) {
      it(`${interaction} ${title}`, () => {
        const query = isQuery
          ? { query: interaction === 'operation' ? '$everything?start' : 'code&date', resourceId: null }
          : {};
        const event: AnyResource = renderAuditEvent({ ...row, interaction, ...query, ...changes }, base);
        assertValid(event);
        const profile = event.meta?.profile?.[0];
        const isSuccess = event['outcome'] === '0';
        if (profile === undefined) {
          assert.ok(!isSuccess || changes.address === null || kindOf(interaction).profile === undefined);
        } else assertMeets(event, profile.replace(profileBase, ''));
        assert.equal((event['agent'] as Json[]).filter(({ requestor }) => requestor).length, 1, 'one asked');
        assert.ok(!JSON.stringify(event).includes('[]'));
      });
    }
  }

  it('keeps of a query the names of its parameters, in base64 and in plain words', () => {
    const event: Json = renderAuditEvent(
      { ...row, interaction: 'search-type', query: 'patient&code', resourceId: null },
      base,
    );
    const query = event['entity'].find(({ role }: Json) => role?.code === '24');
    assert.equal(query.description, 'Observation?patient&code');
    assert.equal(Buffer.from(query.query, 'base64').toString(), 'Observation?patient&code');
  });

  it('names a token by its jti, with the user or, where there is none, with the client', () => {
    const policyOf = (changes: Partial<AuditRow>): unknown =>
      (renderAuditEvent({ ...row, ...changes }, base) as Json)['agent'].find(({ requestor }: Json) => requestor).policy;
    assert.deepEqual(policyOf({}), ['urn:ietf:params:oauth:jti:token-1']);
    assert.deepEqual(policyOf({ subject: 'ai' }), ['urn:ietf:params:oauth:jti:token-1']);
  });

  it('of a write names the version that was made; of a Consent that is all that changed', () => {
    const event: Json = renderAuditEvent(
      {
        ...row,
        interaction: 'update',
        type: typeCode('Consent') as number,
        resourceId: 'c9',
        version: 3,
        decidedBy: 'self',
      },
      base,
    );
    assert.deepEqual(
      event['entity'].map(({ what }: Json) => what.reference ?? what.identifier.value),
      ['Patient/p1', 'Consent/c9/_history/3', 'r1'],
    );
  });
});
