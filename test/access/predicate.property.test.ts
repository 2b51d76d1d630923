/**
 * The predicate against its definition: random Consents, rows and principals; the rows SQL returns are those a few lines of
 * plain code allow. The definition reads the Consents themselves, not the rules they were compiled to.
 */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Database } from '../../src/db.ts';
import { sql } from '../../src/db/sql.ts';
import { readDate } from '../../src/fhir/dates.ts';
import { labelBit } from '../../src/fhir/labels.ts';
import { neverByConsent } from '../../src/access/minimum.ts';
import { givenDatabase } from '../given.ts';
import {
  classes,
  consents,
  custodian,
  givenPrincipal,
  givenRow,
  idsSeenBy,
  purposes,
  recipient,
  type GivenRow,
} from './world.ts';

const act = 'http://terminology.hl7.org/CodeSystem/v3-ActCode';
const patients = ['p1', 'p2'];
const organizations = ['Organization/a', 'Organization/b'];
const hospitals = ['Organization/h1', 'Organization/h2'];
const types = ['Observation', 'Encounter', 'Provenance'];
const codes = ['x', 'y'];
const labels = ['PSY', 'HIV'];
const days = ['2024-01-01', '2024-02-01', '2024-03-01', '2024-04-01'];
const purposesKnown = ['TREAT', 'HRESCH'];

/** What one provision states; a missing dimension does not restrict. */
interface Provision {
  readonly recipients?: readonly string[];
  readonly purposes?: readonly string[];
  readonly types?: readonly string[];
  readonly codes?: readonly string[];
  readonly labels?: readonly string[];
  readonly source?: string;
  readonly instance?: string;
  readonly from?: string;
  readonly to?: string;
  readonly isOver: boolean;
}
interface RandomConsent {
  readonly patient: string;
  readonly permit: Provision;
  readonly denies: readonly Provision[];
}
interface RandomRow {
  readonly type: string;
  readonly patient: string;
  readonly other?: string;
  readonly owner: string;
  readonly labels: readonly string[];
  readonly code?: string;
  readonly from?: number;
  readonly to?: number;
}

const some = <T>(values: readonly T[]): fc.Arbitrary<T[]> => fc.subarray([...values], { minLength: 1 });
/** Absent more often than not, so that rules without any condition occur as well. */
const maybe = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: value });
const one = <T>(values: readonly T[]): fc.Arbitrary<T> => fc.constantFrom(...values);

const dimensions = {
  types: maybe(some(types)),
  codes: maybe(some(codes)),
  labels: maybe(some(labels)),
  source: maybe(one(hospitals)),
  instance: maybe(fc.integer({ min: 0, max: 11 }).map((index) => `r${index}`)),
  from: maybe(one(days.slice(0, 2))),
  to: maybe(one(days.slice(2))),
  isOver: fc.integer({ min: 0, max: 5 }).map((n) => n === 0),
};
const permitArbitrary = fc.record({ ...dimensions, recipients: some(organizations), purposes: some(purposesKnown) });
const denyArbitrary = fc.record({
  ...dimensions,
  recipients: maybe(some(organizations)),
  purposes: maybe(some(purposesKnown)),
});
const consentArbitrary: fc.Arbitrary<RandomConsent> = fc.record({
  patient: one(patients),
  permit: permitArbitrary,
  denies: fc.array(denyArbitrary, { maxLength: 1 }),
});
const rowArbitrary: fc.Arbitrary<RandomRow> = fc.record({
  type: one(types),
  patient: one(patients),
  other: maybe(one(patients)),
  owner: one(hospitals),
  labels: fc.oneof({ weight: 3, arbitrary: fc.constant<string[]>([]) }, { weight: 1, arbitrary: some(labels) }),
  code: maybe(one(codes)),
  from: maybe(fc.integer({ min: 0, max: 2 })),
  to: fc.integer({ min: 0, max: 1 }),
});

/** The definition. Everything a permit states must hold of the row; anything a deny states may. */
function allows(
  consentsOfAll: readonly RandomConsent[],
  row: RandomRow,
  id: string,
  who: string,
  why: readonly string[],
): boolean {
  if (neverByConsent.includes(row.type)) return false;
  const people = row.other === undefined ? [row.patient] : [row.patient, row.other];
  return people.every((person) => {
    const own = consentsOfAll.filter(({ patient }) => patient === person);
    const isPermitted = why.every((purpose) => own.some(({ permit }) => permits(permit, row, id, who, purpose)));
    const isDenied = own.some(({ permit, denies }) =>
      denies.some((deny) => forbids(inherited(permit, deny), row, id, who, why)),
    );
    return isPermitted && !isDenied;
  });
}

function inherited(permit: Provision, deny: Provision): Provision {
  const stated = Object.entries(deny).filter(([name, value]) => value !== undefined && name !== 'isOver');
  // A period is stated as a whole: a deny with an end alone does not take over the start of its parent.
  const hasData = deny.from !== undefined || deny.to !== undefined;
  const data = hasData ? { from: deny.from, to: deny.to } : { from: permit.from, to: permit.to };
  return { ...permit, ...Object.fromEntries(stated), ...data, isOver: deny.isOver || permit.isOver };
}

function isAbout(rule: Provision, row: RandomRow, id: string, who: string): boolean {
  return (
    !rule.isOver &&
    (rule.recipients?.includes(who) ?? true) &&
    (rule.types?.includes(row.type) ?? true) &&
    (rule.codes === undefined || (row.code !== undefined && rule.codes.includes(row.code))) &&
    (rule.source === undefined || rule.source === row.owner) &&
    (rule.instance === undefined || rule.instance === id)
  );
}

function permits(rule: Provision, row: RandomRow, id: string, who: string, purpose: string): boolean {
  if (!isAbout(rule, row, id, who) || !rule.purposes?.includes(purpose)) return false;
  if (row.labels.length !== (rule.labels?.length ?? 0) || !row.labels.every((label) => rule.labels?.includes(label)))
    return false;
  if (rule.from === undefined && rule.to === undefined) return true;
  if (row.from === undefined) return false;
  const [low, high] = [dayOf(row.from), endOf(row)];
  return (rule.from === undefined || at(rule.from).low <= low) && (rule.to === undefined || high <= at(rule.to).high);
}

function forbids(rule: Provision, row: RandomRow, id: string, who: string, why: readonly string[]): boolean {
  if (!isAbout(rule, row, id, who) || !why.some((purpose) => rule.purposes?.includes(purpose) ?? true)) return false;
  if (rule.labels !== undefined && !row.labels.some((label) => rule.labels?.includes(label))) return false;
  if (rule.from === undefined && rule.to === undefined) return true;
  if (row.from === undefined) return false;
  const [low, high] = [dayOf(row.from), endOf(row)];
  return (rule.to === undefined || low < at(rule.to).high) && (rule.from === undefined || high > at(rule.from).low);
}

const at = (day: string): { low: number; high: number } => readDate(day) ?? assert.fail(day);
const dayOf = (index: number): number => at(days[index] ?? '').low;
const endOf = (row: RandomRow): number => at(days[(row.from ?? 0) + (row.to ?? 0)] ?? '').high;

function provisionOf(type: 'permit' | 'deny', rule: Provision, nested: readonly Provision[]): object {
  const actors = (rule.recipients ?? []).map((reference) => recipient(reference));
  if (rule.source !== undefined) actors.push(custodian(rule.source));
  const provision = {
    type,
    actor: actors.length > 0 ? actors : undefined,
    purpose: rule.purposes && purposes(...rule.purposes),
    class: rule.types && classes(...rule.types),
    code: rule.codes?.map((code) => ({ coding: [{ system: 'urn:codes', code }] })),
    securityLabel: rule.labels?.map((code) => ({ system: act, code })),
    dataPeriod: (rule.from ?? rule.to) ? { start: rule.from, end: rule.to } : undefined,
    // The type of the instance is part of what is named; every type is, so that the id decides.
    data:
      rule.instance === undefined
        ? undefined
        : types.map((name) => ({ meaning: 'instance', reference: { reference: `${name}/${rule.instance}` } })),
    period: rule.isOver ? { end: '2020' } : undefined,
    provision: nested.length > 0 ? nested.map((deny) => provisionOf('deny', deny, [])) : undefined,
  };
  return JSON.parse(JSON.stringify(provision)) as object;
}

function givenRowOf(row: RandomRow, id: string): GivenRow {
  return {
    id,
    type: row.type,
    patient: row.patient,
    otherPatients: row.other === undefined ? undefined : [row.other],
    owner: row.owner,
    labels: row.labels.reduce((bits, code) => bits | labelBit({ system: act, code }), 0),
    tokens: row.code === undefined ? [] : [['code', 'urn:codes', row.code]],
    from: row.from === undefined ? undefined : new Date(dayOf(row.from)).toISOString(),
    to: row.from === undefined ? undefined : new Date(endOf(row)).toISOString(),
  };
}

describe('visibility equals its definition', function () {
  this.timeout(120_000);
  let given: Awaited<ReturnType<typeof givenDatabase>>;
  let database: Database;
  before(async () => {
    given = await givenDatabase();
    database = given.database;
  });
  after(() => given.close());

  it('for random Consents, rows, recipients and purposes', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(consentArbitrary, { maxLength: 5 }),
        fc.array(rowArbitrary, { minLength: 4, maxLength: 12 }),
        one(organizations),
        some(purposesKnown),
        async (all, rows, who, why) => {
          await database.query(sql`truncate consent_rule, resource`);
          await database.inTransaction(async (tx) => {
            for (const [index, row] of rows.entries()) await givenRow(tx, givenRowOf(row, `r${index}`));
            for (const [index, { patient, permit, denies }] of all.entries()) {
              const overrides = { id: `c${index}`, patient: { reference: `Patient/${patient}` } };
              await consents(tx, provisionOf('permit', permit, denies), overrides);
            }
          });
          const expected = rows.flatMap((row, index) => (allows(all, row, `r${index}`, who, why) ? [`r${index}`] : []));
          const principal = givenPrincipal({ organization: who, purpose: why });
          assert.deepEqual(await idsSeenBy(database, principal), expected.toSorted());
          assert.deepEqual(await idsSeenBy(database, principal, { interaction: 's', patients }), expected.toSorted());
        },
      ),
      { numRuns: Number(process.env['PROPERTY_RUNS'] ?? 100) },
    );
  });
});
