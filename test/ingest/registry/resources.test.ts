/** Endpoint and Organization behind the registry. */
import assert from 'node:assert/strict';
import type { Endpoint as EndpointResource, Organization } from '@medplum/fhirtypes';
import { parseJson } from '../../../src/fhir/json.ts';
import { assertValid } from '../../../src/fhir/validate.ts';
import type { Endpoint } from '../../../src/ingest/contract.ts';
import { addEndpoint, changeEndpoint } from '../../../src/ingest/registry/change.ts';
import { kinds } from '../../../src/ingest/registry/description.ts';
import { endpointResource, publishEndpoints, type Places } from '../../../src/ingest/registry/resources.ts';
import { commit } from '../../../src/store/commit.ts';
import { readRow } from '../../../src/store/read.ts';
import { everything } from '../../../src/store/visibility.ts';
import { givenDatabase } from '../../given.ts';
import { oneHospital } from '../../given-ingest.ts';

const places: Places = { publicUrl: 'https://hub.example.org', mllpPort: 2575, isMllpTls: true };
const at = new Date('2026-03-01T08:00:00Z');
const signed = {
  by: 'lin',
  at,
  publish: (tx: Parameters<typeof publishEndpoints>[0], endpoints: readonly Endpoint[]) =>
    publishEndpoints(tx, endpoints, places, at),
};

type Read = Pick<EndpointResource, 'id' | 'meta' | 'status'> & Pick<Organization, 'name' | 'identifier'>;

describe('the registry as FHIR', () => {
  let world: Awaited<ReturnType<typeof givenDatabase>>;
  before(async () => {
    world = await givenDatabase();
  });
  after(() => world.close());
  const read = async (type: string, id: string) => {
    const row = await readRow(world.database, everything('test'), type, id);
    return { ...row, resource: row && (parseJson(row.body) as Read) };
  };
  const idOf = (endpoint: Endpoint) => endpointResource(endpoint, places).id ?? '';

  it('an Endpoint of its organization follows the registry, change by change', async () => {
    const config = { title: 'Ward 3', contact: 'it@hospa.example', organizationName: 'Hospital A' };
    const endpoint = await addEndpoint(world.database, { ...oneHospital, config }, signed);
    const first = await read('Endpoint', idOf(endpoint));
    assert.equal(first.owner, 'Organization/a');
    const { id: _, meta: __, ...resource } = first.resource ?? ({} as Read);
    assert.deepEqual(resource, {
      resourceType: 'Endpoint',
      identifier: [{ system: 'https://hub.example.org/ops/endpoints', value: 'hospa' }],
      status: 'active',
      connectionType: {
        system: 'http://terminology.hl7.org/CodeSystem/endpoint-connection-type',
        code: 'hl7v2-mllp',
      },
      name: 'Ward 3',
      managingOrganization: { reference: 'Organization/a' },
      contact: [{ system: 'email', value: 'it@hospa.example' }],
      payloadType: [{ text: 'HL7 v2' }],
      address: 'mllps://hub.example.org:2575',
    });
    await changeEndpoint(world.database, 'hospa', { state: 'paused' }, signed);
    const second = await read('Endpoint', idOf(endpoint));
    assert.deepEqual([second.version, second.resource?.status], [2, 'suspended']);
    const organization = await read('Organization', 'a');
    assert.deepEqual(
      [organization.owner, organization.resource?.name, organization.resource?.identifier],
      ['Organization/a', 'Hospital A', [{ type: { text: 'MSH-4' }, value: 'HOSPA' }]],
    );
  });

  it('what the organization wrote of itself stays; what another has of that id is left alone', async () => {
    const write = (id: string, owner: string) =>
      world.database.inTransaction((tx) =>
        commit(tx, [{ kind: 'update', owner, resource: { resourceType: 'Organization', id, name: 'As written' } }], {
          at,
        }),
      );
    await write('own', 'Organization/own');
    await write('theirs', 'Organization/other');
    for (const id of ['own', 'theirs']) {
      const rest = { name: id, organization: `Organization/${id}`, facilities: [id] };
      await addEndpoint(world.database, { ...oneHospital, ...rest }, signed);
    }
    assert.equal((await read('Organization', 'own')).resource?.name, 'As written');
    const theirs = await read('Organization', 'theirs');
    assert.deepEqual([theirs.version, theirs.owner], [1, 'Organization/other']);
  });

  it('what cannot be registered leaves nothing behind', async () => {
    const added = addEndpoint(world.database, { ...oneHospital, organization: 'Organization/none' }, signed);
    await assert.rejects(added, { code: 'conflict' });
    assert.equal((await read('Organization', 'none')).resource, undefined);
  });

  for (const kind of kinds) {
    it(`is valid R4 for the kind ${kind}`, async () => {
      const rest = { ...oneHospital, name: `k-${kind}`, facilities: [kind], organization: 'Organization/k' };
      const folder = kind === 'hl7v2-folder' ? { folder: '/srv/in' } : {};
      const config = kind === 'fhir-rest' ? { base: 'https://fhir.example.org/r4' } : {};
      const endpoint = await addEndpoint(world.database, { ...rest, ...folder, kind, config }, signed);
      const resource = endpointResource(endpoint, places);
      assertValid(resource);
      if (kind === 'fhir-rest') assert.equal(resource.address, 'https://fhir.example.org/r4');
    });
  }
});
