/** Proxies against their definition: random relatives, ages, labels and words of the patient; SQL shows what plain code allows. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Database } from '../../../src/db.ts';
import { sql } from '../../../src/db/sql.ts';
import { actCodeSystem, labelBit } from '../../../src/fhir/labels.ts';
import { ownBucket } from '../../../src/fhir/ids.ts';
import { typeCode } from '../../../src/fhir/types.ts';
import { minorAges } from '../../../src/access/proxy/minor.ts';
import { givenDatabase } from '../../given.ts';
import { consents, givenRow, givenSelf, idsSeenBy, purposes, recipient } from '../world.ts';

const labels = ['STD', 'PSY', 'GDIS', 'DVD'];
const isPrivate = (label: string): boolean => label !== 'GDIS' && label !== 'DVD';
const yearMs = 365.25 * 86_400_000;

interface Relative {
  readonly relationship: 'parent' | 'guardian' | 'caregiver' | 'none';
  readonly mayConsent: boolean;
  /** Years from now; undefined: always, for ever. */
  readonly from: number | undefined;
  readonly to: number | undefined;
  readonly trusted: boolean;
  readonly refused: boolean;
  readonly isOfThem: boolean;
}
interface Word {
  readonly isDeny: boolean;
  readonly to: 'me' | 'another' | 'everybody';
  readonly label: string | undefined;
  readonly purpose: 'PATRQT' | 'FAMRQT' | 'TREAT';
  readonly isOver: boolean;
}
interface Case {
  readonly relative: Relative;
  /** Of the patient, in years; undefined: nobody knows. */
  readonly age: number | undefined;
  readonly words: readonly Word[];
}

// Never within days of an edge: those are in proxy-sight.test.ts.
const ages = fc.option(fc.constantFrom(1.5, 13.5, 14.5, 17.5, 18.5, 40.5), { nil: undefined });
const years = (...values: readonly number[]) => fc.option(fc.constantFrom(...values), { nil: undefined });
const cases: fc.Arbitrary<Case> = fc.record({
  age: ages,
  relative: fc.record({
    relationship: fc.constantFrom('parent', 'guardian', 'caregiver', 'none'),
    mayConsent: fc.boolean(),
    from: years(-30, -10, -1, 1),
    to: years(-0.5, 0.5, 10),
    trusted: fc.constantFrom(true, true, true, false),
    refused: fc.constantFrom(false, false, false, true),
    isOfThem: fc.constantFrom(true, true, true, false),
  }),
  words: fc.array(
    fc
      .record({
        isDeny: fc.boolean(),
        to: fc.constantFrom('me', 'me', 'another', 'everybody'),
        label: fc.option(fc.constantFrom(...labels), { nil: undefined }),
        purpose: fc.constantFrom('PATRQT', 'FAMRQT', 'TREAT'),
        isOver: fc.boolean(),
      })
      // A permit to a proxy for what proxies do not ask for is refused when it is written.
      .filter(({ isDeny, purpose }) => isDeny || purpose !== 'TREAT'),
    { maxLength: 3 },
  ),
});

/** The rows: one without a label, one for each, and one with two. */
const rows: readonly (readonly string[])[] = [[], ...labels.map((label) => [label]), ['STD', 'GDIS']];
const idOf = (row: readonly string[]): string => `row${row.map((label) => `-${label}`).join('')}`;

function standing({ relative, age }: Case): 'whole' | 'ordinary' | undefined {
  const { relationship, from = -Infinity, to = Infinity, trusted, refused, isOfThem } = relative;
  if (!trusted || refused || !isOfThem || from > 0 || to <= 0) return undefined;
  if (relationship === 'caregiver') return 'whole';
  if (relationship === 'none' || age === undefined) return undefined;
  if (age < 14) return 'whole';
  if (age < 18) return 'ordinary';
  return relationship === 'guardian' && from >= 18 - age ? 'whole' : undefined;
}

function sees(one: Case, row: readonly string[]): boolean {
  const stands = standing(one);
  if (stands === undefined) return false;
  const mine = one.words.filter(({ to, purpose, isOver }) => to === 'me' && purpose !== 'TREAT' && !isOver);
  if (mine.some(({ isDeny, label }) => isDeny && (label === undefined || row.includes(label)))) return false;
  if (stands === 'whole' || !row.some(isPrivate)) return true;
  return mine.some(({ isDeny, label }) => !isDeny && row.every((one) => one === label));
}

describe('proxies see what their definition says', function () {
  this.timeout(300_000);
  let database: Awaited<ReturnType<typeof givenDatabase>>;
  let db: Database;
  before(async () => {
    database = await givenDatabase();
    db = database.database;
    await givenRow(db, { id: 'p1', type: 'Patient' });
    for (const row of rows) {
      const bits = row.reduce((all, code) => all | labelBit({ system: actCodeSystem, code }), 0);
      await givenRow(db, { id: idOf(row), labels: bits });
    }
  });
  after(() => database.close());

  const at = (inYears: number | undefined, otherwise: string): string =>
    inYears === undefined ? otherwise : new Date(Date.now() + inYears * yearMs).toISOString();

  async function arrange({ relative, age, words }: Case): Promise<void> {
    const { relationship, mayConsent, from, to, trusted, refused, isOfThem } = relative;
    const patient = isOfThem ? 'p1' : 'p2';
    const born = age === undefined ? undefined : at(-age, '');
    await db.query(sql`delete from consent_rule`);
    await db.query(sql`delete from proxy`);
    await db.query(sql`
      insert into proxy values ('r', ${patient}, ${ownBucket(patient)}, ${relationship}, ${mayConsent},
        ${at(from, '-infinity')}::timestamptz, ${at(to, 'infinity')}::timestamptz, 1, ${trusted ? 'source' : null},
        ${refused ? 'operator:w' : null}, null)`);
    await db.query(sql`
      update resource set date_low = coalesce(${born ?? null}::timestamptz, '-infinity'), date_high = ${born ?? null}::timestamptz
      where bucket = ${ownBucket('p1')} and type = ${typeCode('Patient')} and id = 'p1'`);
    for (const [index, { isDeny, to: whom, label, purpose, isOver }] of words.entries()) {
      const actor =
        whom === 'everybody' ? undefined : [recipient(whom === 'me' ? 'RelatedPerson/r' : 'RelatedPerson/r2')];
      // A permit names whom it is for.
      if (!isDeny && actor === undefined) continue;
      await consents(
        db,
        {
          type: isDeny ? 'deny' : 'permit',
          ...(actor && { actor }),
          purpose: purposes(purpose),
          ...(label && { securityLabel: [{ system: actCodeSystem, code: label }] }),
          ...(isOver && { period: { end: '2020-01-01' } }),
        },
        { id: `c${index}` },
      );
    }
  }

  it('over 400 of them', async () => {
    const proxy = givenSelf('p1', { fhirUser: 'RelatedPerson/r', proxy: { relatedPerson: 'r', ages: minorAges } });
    let shown = 0;
    await fc.assert(
      fc.asyncProperty(cases, async (one) => {
        await arrange(one);
        const seen = await idsSeenBy(db, proxy, { interaction: 's', types: ['Observation', 'Condition'] });
        const expected = rows.filter((row) => sees(one, row)).map(idOf);
        shown += expected.length;
        assert.deepEqual(seen.filter((id) => id !== 'p1').toSorted(), expected.toSorted());
      }),
      { numRuns: 400 },
    );
    assert.ok(shown > 100, `${shown}: else this shows nothing`);
  });
});
