/**
 * LEAKS 20: what was shown of whom is on record, whatever the way it was asked: for each patient that a resource of the answer is
 * about as many rows as they are about, and no more; the log of one patient says nothing of another.
 */
import assert from 'node:assert/strict';
import { sql } from '../../src/db/sql.ts';
import { patientsOf } from '../../src/store/place.ts';
import type { AnyResource } from '../../src/fhir/types.ts';
import { ai, givenLeakWorld, ofP, type LeakWorld } from './world.ts';
import { reference, resource } from '../spec/world.ts';

const both = { participant: ['p', 'q'].map((id) => ({ actor: reference(`Patient/${id}`), status: 'accepted' })) };

const asked: readonly string[] = [
  'Observation/o',
  'Observation/o/_history/1',
  'Observation/o/_history',
  'Appointment/a',
  'Appointment/a/_history',
  'Appointment?_id=a',
  'Appointment?actor=Patient/q',
  'Observation?patient=p',
  'Observation?patient=p&_include=Observation:encounter&_include=Observation:focus',
  'Encounter?_id=e&_revinclude=Observation:encounter',
  'Patient?_id=p,q&_revinclude=Observation:patient',
  'Patient?_id=p&_revinclude=Appointment:patient',
  'Observation?encounter.class=IMP',
  'Patient/p/*',
  'Patient/q/Appointment',
  '?_type=Patient,Observation,Appointment',
  'Patient/p/$everything',
  'Patient/q/$everything',
  'Encounter/e/$everything',
  'Observation/$lastn?patient=p&code:missing=false',
];

describe('LEAKS 20: the trail of what was shown', () => {
  let world: LeakWorld;
  before(async () => {
    world = await givenLeakWorld();
    await world.write([
      resource('Patient/p'),
      resource('Patient/q'),
      resource('Encounter/e', ofP),
      resource('Observation/o', { ...ofP, encounter: reference('Encounter/e') }),
      resource('Observation/of-both', { ...ofP, encounter: reference('Encounter/e'), focus: [reference('Patient/q')] }),
      resource('Appointment/a', {
        status: 'booked',
        start: '2026-01-01T08:00:00Z',
        end: '2026-01-01T09:00:00Z',
        ...both,
      }),
    ]);
    await world.consent('p', ai);
    await world.consent('q', ai);
  });
  after(() => world.close());

  interface Kept {
    patient: string;
    rows: number;
    decided_by: string;
  }
  const keptOf = async (): Promise<Kept[]> =>
    world.hub.database.query(sql`
      select patient, sum(rows)::int as rows, min(decided_by) as decided_by from audit_entry
      where correlation_id = (select correlation_id from audit_entry order by at desc, shard, seq desc limit 1)
        and rows > 0 and patient is not null
      group by patient order by patient`);

  const shownIn = (body: AnyResource & { entry?: { resource: AnyResource }[] }): Map<string, number> => {
    const resources = body.resourceType === 'Bundle' ? (body.entry ?? []).map((entry) => entry.resource) : [body];
    const counts = new Map<string, number>();
    for (const one of resources) {
      const { patient, others } = patientsOf(one);
      for (const id of [patient, ...others]) if (id !== undefined) counts.set(id, (counts.get(id) ?? 0) + 1);
    }
    return counts;
  };

  for (const path of asked) {
    it(path, async () => {
      const { json, status, text } = await world.hub.send('GET', path, world.tokens['a consented service']);
      assert.equal(status, 200, text);
      const counts = shownIn(json as AnyResource);
      assert.ok(counts.size > 0, text);
      const kept = await keptOf();
      assert.deepEqual(
        Object.fromEntries(kept.map(({ patient, rows }) => [patient, rows])),
        Object.fromEntries(counts),
      );
    });
  }

  it('of a row about two the log of each says who saw it; whose Consent it was is in the log of its patient alone', async () => {
    await world.hub.send('GET', 'Appointment/a', world.tokens['a consented service']);
    const kept = await keptOf();
    assert.deepEqual(
      kept.map(({ patient }) => patient),
      ['p', 'q'],
    );
    const self = await world.token('patient', { fhirUser: 'Patient/q', patient: 'q' });
    const log = await world.hub.send('GET', 'AuditEvent?patient=Patient/q&_count=1', self);
    const names = [...log.text.matchAll(/Patient\/(\w+)/g)].map(([, id]) => id);
    assert.deepEqual([...new Set(names)], ['q']);
    const { 0: own } = await world.hub.database.query<{ id: string }>(
      sql`select consent_id as id from consent_rule where patient = 'p' limit 1`,
    );
    assert.ok(own !== undefined && !log.text.includes(own.id), log.text);
  });

  it('whoever is refused what they asked for by its id is in the log of the patient it is about; of what is not there, in nobody’s', async () => {
    const asked = async (path: string): Promise<unknown[]> => {
      const { status } = await world.hub.send('GET', path, world.tokens['another hospital']);
      assert.equal(status, 404);
      return world.hub.database.query(sql`
        select patient, rows, outcome, decided_by from audit_entry
        where correlation_id = (select correlation_id from audit_entry order by at desc, shard, seq desc limit 1)
        order by patient`);
    };
    const tried = { rows: 0, outcome: 4, decided_by: null };
    assert.deepEqual(await asked('Observation/o'), [{ patient: 'p', ...tried }]);
    assert.deepEqual(await asked('Appointment/a'), [
      { patient: 'p', ...tried },
      { patient: 'q', ...tried },
    ]);
    assert.deepEqual(await asked('Observation/never-was'), [{ patient: null, ...tried }]);
  });
});
