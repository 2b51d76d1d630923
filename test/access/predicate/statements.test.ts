/**
 * What PostgreSQL gets of the predicate, to the byte: what a principal is asked about must not change because the code was moved. A change
 * that is meant is written by `node test/access/predicate/statements.test.ts`, and read in the diff of statements.sql.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { render, sql, type Sql } from '../../../src/db/sql.ts';
import { visibility, written, type VisibilityRequest } from '../../../src/access/predicate/predicate.ts';
import type { Visibility } from '../../../src/store/visibility.ts';
import { givenPrincipal, givenSelf } from '../world.ts';

const path = join(import.meta.dirname, 'statements.sql');

const emergency = { kind: 'hospital', purpose: ['ETREAT'] } as const;
const proxy = { relatedPerson: 'rp1', ages: { private: 14, full: 18 } };
const granular = 'system/Observation.rs?category=laboratory system/Encounter.rs';
const observations = { interaction: 's', types: ['Observation'] } as const;

const ofConsents: VisibilityRequest = { interaction: 'u', types: ['Consent'] };

const cases: readonly (readonly [title: string, seen: Visibility])[] = [
  ['a service', visibility(givenPrincipal(), { interaction: 'r' })],
  ['a service, of one type', visibility(givenPrincipal(), observations)],
  ['for two purposes', visibility(givenPrincipal({ purpose: ['TREAT', 'HRESCH'] }), observations)],
  ['for payment', visibility(givenPrincipal({ purpose: ['HPAYMT'] }), { interaction: 's' })],
  ['scopes with a query', visibility(givenPrincipal({ scope: granular }), { interaction: 's' })],
  ['a launch context', visibility(givenPrincipal({ scope: 'patient/*.rs', patient: 'p1' }), observations)],
  ['an emergency', visibility(givenPrincipal(emergency), observations)],
  ['no source', visibility(givenPrincipal({ organization: undefined }), observations)],
  ['rows of one patient', visibility(givenPrincipal(), { ...observations, patients: ['p1'] })],
  ['rows of two patients', visibility(givenPrincipal(), { ...observations, patients: ['p1', 'p2'] })],
  ['rows of one patient, of any type', visibility(givenPrincipal(), { interaction: 's', patients: ['p1'] })],
  ['Tasks', visibility(givenPrincipal(), { interaction: 's', types: ['Task'] })],
  ['what is published', visibility(givenPrincipal(), { interaction: 's', types: ['ValueSet'] })],
  ['a Subscription', visibility(givenPrincipal(), { interaction: 's', types: ['Subscription'] })],
  ['a row to be changed', visibility(givenPrincipal(), { interaction: 'u', types: ['Observation'] })],
  ['the patient', visibility(givenSelf('p1'), observations)],
  ['a proxy', visibility(givenSelf('p1', { proxy }), observations)],
  ['no purpose', visibility(givenPrincipal({ purpose: [] }), observations)],
  ['what a service wrote', written(givenPrincipal(), 'Organization/ai', ofConsents)],
  ['what a proxy wrote', written(givenSelf('p1', { proxy }), 'Patient/p1', ofConsents)],
];

const renderedText = (one: Sql): string => render(one).text;

function textOf([title, seen]: (typeof cases)[number]): string {
  const { join: joined, where, decidedBy } = seen.decided('r');
  const decided = renderedText(sql`${joined} where ${where} returning ${decidedBy}`);
  return `-- ${title}\n${decided}\n\n-- ${title}: an older version\n${renderedText(seen.past('r', 'h'))}\n`;
}

const whole = (): string => cases.map(textOf).join('\n');

if (import.meta.main) {
  writeFileSync(path, whole());
} else {
  describe('the statements of the predicate', () => {
    const known = readFileSync(path, 'utf8');
    for (const one of cases) it(`${one[0]}: as written`, () => assert.ok(known.includes(textOf(one)), textOf(one)));
    it('no other is written', () => assert.equal(known, whole()));
  });
}
