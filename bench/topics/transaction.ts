/**
 * Transactions of twenty resources, as a hospital sends a visit: a Patient (conditional on its identifier), an Encounter and
 * eighteen results that refer to both by urn:uuid. With JWT, validation and audit on. The figure is resources a second.
 */
import type { BenchOptions } from '../run.ts';
import { databaseLimit } from '../lib/database-limit.ts';
import { connections, headers, load, resultOf, token, type Requests } from '../lib/facade.ts';
import { startHub } from '../lib/hub-process.ts';
import type { Result } from '../lib/result.ts';

const resources = 20;
/** Fewer than for single writes: each holds a connection of the hub to the database. */
const clients = 16;
/** Every patient is new; a load that outruns them repeats the first and then finds them. */
const bundles = 6_000;

export async function measure({ seconds }: BenchOptions): Promise<Result[]> {
  const hub = await startHub();
  try {
    const bearer = await token(hub, { preset: 'hospital', organization: 'Organization/hospital-a' });
    const requests = Array.from({ length: bundles }, (_, n): Requests[number] => ({
      method: 'POST',
      path: '/fhir/R4',
      headers: { ...headers(bearer), 'content-type': 'application/fhir+json', prefer: 'return=minimal' },
      body: JSON.stringify(visit(n)),
    }));
    // The optimizer of V8 has settled after this.
    await load(hub, requests.slice(0, 1_000), { seconds: 4, connections: clients });
    const outcome = await load(hub, requests.slice(1_000), { seconds, connections: clients });
    const limit = await databaseLimit({
      kind: 'insert',
      url: hub.databaseUrl,
      seconds: Math.min(seconds, 3),
      connections,
      body: JSON.stringify(result(1, 'urn:uuid:p', 'urn:uuid:e')),
    });
    const { hub: ofHub, database, load: ofLoad } = outcome.micros;
    const micros = { hub: ofHub / resources, database: database / resources, load: ofLoad / resources };
    return [
      {
        ...resultOf(`transaction of ${resources}, resources`, outcome, {
          expected: '200',
          each: resources,
          target: 3_000,
          limit,
        }),
        micros,
      },
    ];
  } finally {
    await hub.stop();
  }
}

function visit(n: number): object {
  const [patient, encounter] = [urn(2 * n), urn(2 * n + 1)];
  const identifier = { system: 'urn:oid:2.999.1', value: `V${n}` };
  const condition = `identifier=${identifier.system}|${identifier.value}`;
  const entry = (resource: { resourceType: string }, fullUrl?: string, more: object = {}): object => ({
    ...(fullUrl === undefined ? {} : { fullUrl }),
    resource,
    request: { method: 'POST', url: resource.resourceType, ...more },
  });
  return {
    resourceType: 'Bundle',
    type: 'transaction',
    entry: [
      entry(
        {
          resourceType: 'Patient',
          identifier: [identifier],
          name: [{ family: `Visit${n}`, given: ['Test'] }],
          gender: 'female',
          birthDate: '1970-01-01',
        } as { resourceType: string },
        patient,
        { ifNoneExist: condition },
      ),
      entry(
        {
          resourceType: 'Encounter',
          status: 'finished',
          class: { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'AMB' },
          subject: { reference: patient },
          period: { start: '2026-02-01T08:00:00Z', end: '2026-02-01T09:00:00Z' },
        } as { resourceType: string },
        encounter,
      ),
      ...Array.from({ length: resources - 2 }, (_, at) => entry(result(at, patient, encounter))),
    ],
  };
}

function result(at: number, patient: string, encounter: string): { resourceType: string } {
  return {
    resourceType: 'Observation',
    status: 'final',
    category: [
      { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/observation-category', code: 'laboratory' }] },
    ],
    code: { coding: [{ system: 'http://loinc.org', code: `${700 + at}-7` }], text: 'Result' },
    subject: { reference: patient },
    encounter: { reference: encounter },
    effectiveDateTime: `2026-02-01T08:${String(at).padStart(2, '0')}:00Z`,
    valueQuantity: { value: 100 + at, unit: 'g/L', system: 'http://unitsofmeasure.org', code: 'g/L' },
  } as { resourceType: string };
}

function urn(n: number): string {
  return `urn:uuid:00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
}
