/**
 * A search knows its patients and its types, so it learns once a statement whether the rules let ordinary rows through. What
 * rules say of other types, and of labels, must neither open nor close a row by that.
 */
import assert from 'node:assert/strict';
import type { Database } from '../../../src/db.ts';
import { sql } from '../../../src/db/sql.ts';
import { actCodeSystem, labelBit } from '../../../src/fhir/labels.ts';
import { givenDatabase } from '../../given.ts';
import { classes, consents, givenPrincipal, givenRow, idsSeenBy, permitTo, purposes, type GivenRow } from '../world.ts';

const psy = { system: actCodeSystem, code: 'PSY' };
const hiv = { system: actCodeSystem, code: 'HIV' };

const rows: readonly GivenRow[] = [
  { id: 'plain' },
  { id: 'with-condition', contains: ['Condition'] },
  { id: 'with-result', contains: ['Observation'] },
  { id: 'mood', labels: labelBit(psy) },
  { id: 'shared', otherPatients: ['p2'] },
  { id: 'stay', type: 'Encounter' },
  { id: 'stranger', patient: 'p2' },
];

const deny = (more: object): object => ({ type: 'deny', ...more });

const cases: readonly {
  title: string;
  given: readonly object[];
  asked: readonly string[];
  sees: readonly string[];
  /** Of types that the statement was not said to meet. */
  hides?: readonly string[];
}[] = [
  {
    title: 'a permit of the class asked for -> its rows, and those that contain nothing else',
    given: [permitTo({ class: classes('Observation') })],
    asked: ['Observation'],
    sees: ['plain', 'with-result'],
    hides: ['stay'],
  },
  {
    title: 'a permit of one class of two asked for -> the rows of that one',
    given: [permitTo({ class: classes('Observation') })],
    asked: ['Observation', 'Encounter'],
    sees: ['plain', 'with-result'],
  },
  {
    title: 'a permit of both classes asked for -> the rows of both',
    given: [permitTo({ class: classes('Observation', 'Encounter') })],
    asked: ['Observation', 'Encounter'],
    sees: ['plain', 'stay', 'with-result'],
  },
  {
    title: 'a permit of another class -> nothing',
    given: [permitTo({ class: classes('Encounter') })],
    asked: ['Observation'],
    sees: [],
  },
  {
    title: 'a deny of another class -> all but what contains it',
    given: [permitTo({ provision: [deny({ class: classes('Condition') })] })],
    asked: ['Observation'],
    sees: ['plain', 'with-result'],
  },
  {
    title: 'a deny of the class asked for -> nothing of it',
    given: [permitTo({ provision: [deny({ class: classes('Observation') })] })],
    asked: ['Observation'],
    sees: [],
  },
  {
    title: 'a deny of one class of two asked for -> the other',
    given: [permitTo({ provision: [deny({ class: classes('Encounter') })] })],
    asked: ['Observation', 'Encounter'],
    sees: ['plain', 'with-condition', 'with-result'],
  },
  {
    title: 'a deny of a label -> ordinary rows',
    given: [permitTo({ provision: [deny({ securityLabel: [psy] })] })],
    asked: ['Observation'],
    sees: ['plain', 'with-condition', 'with-result'],
  },
  {
    title: 'a deny of another label does not close what a permit names',
    given: [permitTo(), permitTo({ securityLabel: [psy] }), deny({ securityLabel: [hiv] })],
    asked: ['Observation'],
    sees: ['mood', 'plain', 'with-condition', 'with-result'],
  },
  {
    title: 'a deny of that label for everybody does',
    given: [permitTo(), permitTo({ securityLabel: [psy] }), deny({ securityLabel: [psy] })],
    asked: ['Observation'],
    sees: ['plain', 'with-condition', 'with-result'],
  },
  {
    title: 'a deny without any condition -> nothing',
    given: [permitTo(), deny({})],
    asked: ['Observation'],
    sees: [],
  },
  {
    title: 'a deny of a code may be about any row that bears it -> the others',
    given: [permitTo(), deny({ code: [{ coding: [{ system: 'urn:codes', code: 'x' }] }] })],
    asked: ['Observation'],
    sees: ['plain', 'with-condition', 'with-result'],
  },
  {
    title: 'a permit of the class for another purpose -> nothing',
    given: [permitTo({ class: classes('Observation'), purpose: purposes('HRESCH') })],
    asked: ['Observation'],
    sees: [],
  },
];

describe('visibility of a search of some types by patient', () => {
  let world: Awaited<ReturnType<typeof givenDatabase>>;
  let database: Database;
  before(async () => {
    world = await givenDatabase();
    database = world.database;
    for (const row of rows) await givenRow(database, row);
  });
  after(() => world.close());

  for (const { title, given, asked, sees, hides = [] } of cases) {
    it(title, async () => {
      await database.query(sql`truncate consent_rule`);
      await database.inTransaction(async (tx) => {
        for (const [index, provision] of given.entries()) await consents(tx, provision, { id: `c${index}` });
      });
      const request = { interaction: 's', types: asked } as const;
      for (const patients of [['p1'], ['p1', 'p2']]) {
        const seen = await idsSeenBy(database, givenPrincipal(), { ...request, patients });
        const types = new Map(rows.map(({ id, type = 'Observation' }) => [id, type]));
        assert.deepEqual(
          seen.filter((id) => asked.includes(types.get(id) ?? '')),
          sees,
        );
        assert.deepEqual(
          seen.filter((id) => hides.includes(id)),
          [],
        );
      }
    });
  }
});
