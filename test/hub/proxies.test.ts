/** NK1 -> who may act for the patient: by what the hospital sent, as long as it says so. */
import assert from 'node:assert/strict';
import { actsFor } from '../../src/access/proxy/acts-for.ts';
import { listProxies } from '../../src/access/proxy/record.ts';
import { minorAges } from '../../src/access/proxy/minor.ts';
import { givenSelf, idsSeenBy } from '../access/world.ts';
import { givenWorld, idOf, message, type World } from './given.ts';

const pid = 'PID|1||C1^^^HOSP^MR||Lin^Mei||20240601';
const nk1 = (relationship: string): string => `NK1|1|Lin^Hua|${relationship}^^HL70063`;
const sent = (relationship: string): string => message('A08', [pid, nk1(relationship)]);
const child = idOf(message('A28', [pid]), 'Patient');

describe('NK1 -> proxies', () => {
  let world: World;
  before(async () => {
    world = await givenWorld();
  });
  after(() => world.close());

  const rows: readonly [relationship: string, expected: string | undefined][] = [
    ['MTH', 'parent'],
    ['FTH', 'parent'],
    ['PAR', 'parent'],
    ['GRD', 'guardian'],
    ['CGV', undefined],
    ['SIB', undefined],
    ['EMC', undefined],
  ];
  for (const [relationship, expected] of rows) {
    it(`NK1-3 ${relationship}: ${expected ?? 'nobody'}, from the next statement`, async () => {
      // Who it is said to be is another RelatedPerson; the one before goes with the list that no longer names it.
      const relative = idOf(sent(relationship), 'RelatedPerson');
      await world.apply([sent(relationship)]);
      const [acting] = await actsFor(world.database, `RelatedPerson/${relative}`, world.at);
      assert.equal(acting?.relationship, expected);
      assert.equal(acting?.patient, expected && child);
      const proxy = givenSelf(child, {
        proxy: { relatedPerson: relative, ages: minorAges },
        fhirUser: `RelatedPerson/${relative}`,
      });
      const seen = await idsSeenBy(world.database, proxy);
      assert.equal(seen.includes(child), expected !== undefined);
    });
  }

  it('an endpoint’s word is enough', async () => {
    await world.apply([sent('MTH')]);
    const rows = await listProxies(world.database, { patient: child });
    assert.deepEqual(
      rows.map(({ relationship, trustedBy }) => [relationship, trustedBy]),
      [['parent', 'source']],
    );
  });
});
