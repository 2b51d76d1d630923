import assert from 'node:assert/strict';
import { Problem } from '../../src/fhir/problem.ts';
import type { Connection, Endpoint } from '../../src/ingest/contract.ts';
import { addEndpoint, findEndpoint, listEndpoints, reachOf } from '../../src/ingest/endpoint.ts';
import { changeEndpoint } from '../../src/ingest/registry/change.ts';
import { fromAnywhere, givenIngest, oneHospital, type IngestWorld } from '../given-ingest.ts';
import { until } from '../until.ts';

const certificate = 'ab'.repeat(32);

describe('which endpoint a connection may speak for', () => {
  const endpoint = (name: string, rest: Partial<Endpoint>): Endpoint => ({
    id: 1,
    name,
    kind: 'hl7v2-mllp',
    organization: `Organization/${name}`,
    facilities: [name.toUpperCase()],
    ackMode: 'auto',
    batchAck: 'messages',
    poisonPolicy: 'continue',
    addresses: [],
    state: 'live',
    isEnabled: true,
    config: {},
    ...rest,
  });
  const all = [
    endpoint('open', {}),
    endpoint('second', { facilities: ['SECOND', 'SECOND2'] }),
    endpoint('own', { port: 3000 }),
    endpoint('any', { port: 4000, facilities: ['*'] }),
    endpoint('named', { port: 4000 }),
    endpoint('sealed', { certificate }),
    endpoint('placed', { addresses: ['10.0.0.1'] }),
    endpoint('off', { isEnabled: false }),
    endpoint('web', { kind: 'hl7v2-http' }),
  ];
  const rows: [string, Partial<Connection>, string, string | undefined][] = [
    ['the shared listener, its facility', {}, 'OPEN', 'open'],
    ['a second facility', {}, 'SECOND2', 'second'],
    ['a facility of another listener', {}, 'OWN', undefined],
    ['the listener of the endpoint', { port: 3000 }, 'OWN', 'own'],
    ['a shared facility on that listener', { port: 3000 }, 'OPEN', undefined],
    ['any facility where * is registered', { port: 4000 }, 'WHATEVER', 'any'],
    ['a named facility before *', { port: 4000 }, 'NAMED', 'named'],
    ['* in the message where * is registered', { port: 4000 }, '*', 'any'],
    ['* in the message where it is not', {}, '*', undefined],
    ['no facility', {}, '', undefined],
    ['another case of letters', {}, 'open', undefined],
    ['its certificate', { certificate }, 'SEALED', 'sealed'],
    ['no certificate', {}, 'SEALED', undefined],
    ['another certificate', { certificate: 'cd'.repeat(32) }, 'SEALED', undefined],
    ['a bound certificate naming another facility', { certificate }, 'OPEN', undefined],
    ['its address', { address: '10.0.0.1' }, 'PLACED', 'placed'],
    ['its address as IPv6', { address: '::ffff:10.0.0.1' }, 'PLACED', 'placed'],
    ['another address', { address: '10.0.0.2' }, 'PLACED', undefined],
    ['a bound address naming another facility', { address: '10.0.0.1' }, 'OPEN', undefined],
    ['a disabled endpoint', {}, 'OFF', undefined],
    ['another kind of transport', {}, 'WEB', undefined],
    ['HTTP without an organization', { kind: 'hl7v2-http' }, 'WEB', undefined],
    ['HTTP of its organization', { kind: 'hl7v2-http', organization: 'Organization/web' }, 'WEB', 'web'],
    ['HTTP of another organization', { kind: 'hl7v2-http', organization: 'Organization/open' }, 'WEB', undefined],
  ];
  for (const [what, connection, facility, name] of rows) {
    it(`${what}: ${name ?? 'refused'}`, () => {
      assert.equal(reachOf(all, { ...fromAnywhere, ...connection }).find(facility)?.name, name);
    });
  }
});

describe('the registry of endpoints', () => {
  let world: IngestWorld;
  before(async () => {
    world = await givenIngest();
    await addEndpoint(world.database, oneHospital);
  });
  after(() => world.close());

  it('keeps what was registered', async () => {
    const added = await addEndpoint(world.database, {
      name: 'full',
      kind: 'hl7v2-mllp',
      organization: 'Organization/f',
      facilities: ['F1', 'F2'],
      port: 3001,
      charset: 'GB 18030-2000',
      zone: 'Asia/Shanghai',
      ackMode: 'enhanced',
      poisonPolicy: 'hold',
      certificate: 'AB:'.repeat(31) + 'AB',
      addresses: ['10.0.0.1'],
    });
    assert.equal(added.certificate, certificate);
    assert.deepEqual(await findEndpoint(world.database, 'full'), added);
    assert.deepEqual(
      (await listEndpoints(world.database)).map(({ name }) => name),
      ['full', 'hospa'],
    );
  });

  const refused: [string, object, string, string?][] = [
    ['the name is taken', { facilities: ['X'] }, 'conflict'],
    ['another endpoint takes the facility', { name: 'rival' }, 'conflict'],
    ['the name has other signs', { name: 'a b' }, 'value', 'name'],
    ['the organization is no reference', { name: 'x', organization: 'a' }, 'value', 'organization'],
    ['no facility', { name: 'x', facilities: [] }, 'value', 'facility'],
    ['the port is none', { name: 'x', facilities: ['X'], port: 70_000 }, 'value', 'port'],
    ['the zone is none', { name: 'x', facilities: ['X'], zone: 'Mars/North' }, 'value', 'zone'],
    ['the certificate is none', { name: 'x', facilities: ['X'], certificate: 'abc' }, 'value', 'certificate'],
  ];
  for (const [what, rest, code, expression] of refused) {
    it(`refuses when ${what}`, async () => {
      await assert.rejects(
        addEndpoint(world.database, { ...oneHospital, ...rest }),
        (error) => error instanceof Problem && error.code === code && error.expression[0] === expression,
      );
    });
  }

  it('takes the same facility on another listener', async () => {
    await addEndpoint(world.database, { ...oneHospital, name: 'elsewhere', port: 3002 });
  });

  it('a running hub sees what another process added, and what it switched off', async () => {
    await until('it is added', async () => world.registry.byName('full') !== undefined);
    assert.deepEqual(
      world.registry.ports().toSorted((a, b) => a - b),
      [3001, 3002],
    );
    const find = () => world.registry.reach(fromAnywhere).find('HOSPA')?.name;
    assert.equal(find(), 'hospa');
    await changeEndpoint(world.database, 'hospa', { state: 'paused' }, { by: 'test', at: new Date() });
    await until('it is off', async () => find() === undefined);
    await changeEndpoint(world.database, 'hospa', { state: 'live' }, { by: 'test', at: new Date() });
    await until('it is on', async () => find() === 'hospa');
  });
});
