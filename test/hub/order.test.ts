/**
 * Lanes keep the order of each patient's messages and nothing more (docs/architecture.md), so whatever the order in which the
 * messages of different patients come, the store must hold the same in the end: content, and what is deleted.
 */
import assert from 'node:assert/strict';
import { sql } from '../../src/db/sql.ts';
import { parseJson } from '../../src/fhir/json.ts';
import type { AnyResource } from '../../src/fhir/types.ts';
import { givenWorld, message } from './given.ts';

const patients = ['P1', 'P2', 'P3'];

/** What a hospital says of one patient, first to last; the doctor, the ward and the insurer are the same for all. */
function storyOf(patient: string): string[] {
  const who = [
    `PID|1||${patient}^^^HOSP^MR||Lin^${patient}`,
    `PV1|1|I|W1^R1^B${patient}||||7001^Song^Lan^^^^^^HOSP||||||||||||V${patient}^^^HOSP^VN`,
  ];
  const say = (event: string, ...more: string[]): string => message(event, [...who, ...more], `${patient}-${event}`);
  const result = (status: string, value: string): string =>
    say('A01', `OBR|1||F${patient}|24323-8^Panel^LN`, `OBX|1|NM|2093-3^Chol^LN||${value}|mmol/L|||||${status}`)
      .replace('ADT^A01', 'ORU^R01')
      .replace(`${patient}-A01`, `${patient}-${status}`);
  return [
    say('A01', 'AL1|1|DA|PEN^Penicillin^L', 'AL1|2|FA|NUT^Nut^L', 'IN1|1|PLAN|C7|Mutual Care'),
    result('P', '4.10'),
    say('A08', 'AL1|1|DA|PEN^Penicillin^L', 'DG1|1||I10^Hypertension^I10||20260301|A'),
    result('F', '4.20'),
    say('A03'),
  ];
}

const stories = patients.map(storyOf);
const one = (story: number, step: number): string => stories[story]?.[step] ?? '';
const steps = [0, 1, 2, 3, 4];

/** Each keeps the order within a patient. */
const orders: readonly [name: string, messages: readonly string[]][] = [
  ['one patient after the other', stories.flat()],
  ['the last patient first', stories.toReversed().flat()],
  ['in turn', steps.flatMap((step) => [0, 1, 2].map((story) => one(story, step)))],
  ['in turn, the other way round', steps.flatMap((step) => [2, 0, 1].map((story) => one(story, step)))],
];

/** All that is stored, as text, without what says when and how often it was written. */
async function storedAfter(messages: readonly string[]): Promise<string[]> {
  const world = await givenWorld();
  try {
    for (const text of messages) await world.apply([text]);
    const rows = await world.database.query<{ is_deleted: boolean; body: string }>(
      sql`select is_deleted, body from resource order by type, id`,
    );
    return rows.map(({ is_deleted: isDeleted, body }) => {
      const { meta, ...resource } = parseJson(body) as AnyResource;
      const { lastUpdated: _, versionId: __, ...kept } = (meta ?? {}) as Record<string, unknown>;
      return JSON.stringify({ isDeleted, meta: kept, resource });
    });
  } finally {
    await world.close();
  }
}

describe('messages of independent patients in another order', function () {
  this.timeout(300_000);
  let expected: string[];
  before(async () => {
    expected = await storedAfter(orders[0]?.[1] ?? []);
  });

  it('(the stories say something: corrected results, an allergy that is no more)', () => {
    assert.equal(expected.filter((text) => text.includes('"value":4.20')).length, patients.length);
    assert.equal(expected.filter((text) => text.includes('"isDeleted":true')).length >= patients.length, true);
    assert.equal(expected.filter((text) => text.includes('"resourceType":"Practitioner"')).length, 1);
  });

  for (const [name, messages] of orders.slice(1)) {
    it(`${name}: the same resources are stored`, async () => {
      assert.deepEqual([...messages].sort(), stories.flat().sort());
      assert.deepEqual(await storedAfter(messages), expected);
    });
  }
});
