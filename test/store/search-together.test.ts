import assert from 'node:assert/strict';
import { consents, givenPrincipal, permitTo } from '../access/world.ts';
import { given, givenDatabase } from '../given.ts';
import { visibility } from '../../src/access/predicate/predicate.ts';
import type { Principal } from '../../src/access/principal/principal.ts';
import type { Database, Tx } from '../../src/db.ts';
import { render, sql, type Sql } from '../../src/db/sql.ts';
import { parseSearch } from '../../src/fhir/search.ts';
import type { AnyResource } from '../../src/fhir/types.ts';
import { commit } from '../../src/store/commit.ts';
import { selectPage, type Page } from '../../src/store/select.ts';

const at = new Date('2026-03-01T08:00:00.000Z');
const seal = { key: new Uint8Array(32).fill(7), boundTo: 'client-1' };
const loinc = 'http://loinc.org';
/** Those of `denied` deny the AI what they permit to everybody else who asks; `secret` consents to nothing. */
const people = ['p1', 'p2', 'p3', 'secret', 'denied'];
const tokenOf = (jti: string, more: object = {}): Principal => givenPrincipal({ scope: 'system/*.rs', jti, ...more });

/** Twelve results each, every third of another code; two of them at one moment, and one without a date. */
function recordOf(patient: string): AnyResource[] {
  const results = Array.from({ length: 12 }, (_, n) => ({
    ...given.observation({ id: `${patient}-o${n}`, patient }),
    status: n % 4 ? 'final' : 'preliminary',
    code: { coding: [{ system: loinc, code: n % 3 ? '718-7' : '2339-0' }] },
    ...(n === 5 ? { effectiveDateTime: undefined } : { effectiveDateTime: `2026-01-${10 + (n === 7 ? 6 : n)}` }),
  }));
  return [
    given.patient({ id: patient }),
    ...results,
    given.encounter({ id: `${patient}-e`, patient, start: '2026-01-01' }),
  ];
}

describe('searches of one turn of the event loop', () => {
  let world: Awaited<ReturnType<typeof givenDatabase>>;
  /** The same database, with the statements it was asked. */
  let observed: Database;
  let asked: string[];
  const ai = tokenOf('jti-1');

  before(async () => {
    world = await givenDatabase();
    await world.database.inTransaction(async (tx) => {
      const resources = people.flatMap(recordOf);
      await commit(
        tx,
        resources.map((resource) => ({ kind: 'update' as const, resource, owner: 'Organization/a' })),
        { at },
      );
      for (const patient of people.filter((one) => one !== 'secret')) {
        await consents(tx, permitTo(), { id: `of-${patient}`, patient: { reference: `Patient/${patient}` } });
      }
      const deny = permitTo({ type: 'deny' });
      await consents(tx, deny, { id: 'not-of-denied', patient: { reference: 'Patient/denied' } });
    });
    observed = {
      ...world.database,
      query: <Row extends object>(statement: Sql) => {
        asked.push(render(statement).text);
        return world.database.query<Row>(statement);
      },
    };
  });
  beforeEach(() => {
    asked = [];
  });
  after(() => world.close());

  interface Question {
    readonly type?: string;
    readonly patient: string;
    readonly query?: string;
    readonly principal?: Principal;
  }
  const ask = (question: Question, db: Tx = observed): Promise<Page> => {
    const { type = 'Observation', patient, query = '', principal = ai } = question;
    const options = { handling: 'strict', base: 'http://hub.example/fhir/R4', now: at.getTime() } as const;
    const request = parseSearch(type, `patient=${patient}${query === '' ? '' : `&${query}`}`, options);
    const visible = visibility(principal, { interaction: 's', types: [type], patients: patient.split(',') });
    return selectPage(db, visible, request, { seal });
  };
  const together = (...questions: readonly Question[]): Promise<Page[]> =>
    Promise.all(questions.map((question) => ask(question)));
  const idsOf = ({ rows }: Page): string[] => rows.map(({ id }) => id);

  const plain = [
    '',
    '_count=3',
    '_count=100',
    `code=${loinc}|718-7&_sort=-date&_count=5`,
    'code=718-7,2339-0&status=final',
    'status:not=final',
    `code=${loinc}|718-7&date=ge2026-01-12&date=lt2026-01-20`,
    'date=2026-01-16',
    'encounter=Encounter/none',
    '_lastUpdated=ge2026-03-01T08:00:00Z&_count=2',
  ];
  for (const query of plain) {
    it(`are one statement: ${query || 'no filter'}`, async () => {
      const questions = people.map((patient) => ({ patient, query }));
      const bare: Tx = { query: (statement) => world.database.query(statement) };
      const alone: Page[] = [];
      for (const question of questions) alone.push(await ask(question, bare));
      assert.equal(asked.length, 0);
      const found = await together(...questions);
      assert.equal(asked.length, 1);
      // A cursor is sealed anew each time; that there is one, and where it leads, is asked below.
      const known = (pages: readonly Page[]): unknown[] =>
        pages.map((page) => ({ ...page, next: page.next !== undefined }));
      assert.deepEqual(known(found), known(alone));
    });
  }

  it('are of what they say: some of these rows, in this order', async () => {
    const query = `code=${loinc}|718-7&_sort=-date&_count=3`;
    const found = await together({ patient: 'p1', query }, { patient: 'secret', query }, { patient: 'p2', query });
    assert.deepEqual(found.map(idsOf), [['p1-o11', 'p1-o10', 'p1-o8'], [], ['p2-o11', 'p2-o10', 'p2-o8']]);
    assert.deepEqual(
      found.map(({ rows: [row] }) => row?.decidedBy),
      ['consent:of-p1/1', undefined, 'consent:of-p2/1'],
    );
  });

  it('of several patients are paged each by itself, page by page in one statement', async () => {
    const paged = new Map<string, string[]>(['p1', 'p2', 'p3'].map((patient) => [patient, []]));
    let questions: Question[] = Array.from(paged.keys(), (patient) => ({ patient, query: '_count=5' }));
    let statements = 0;
    while (questions.length > 0) {
      const pages = await together(...questions);
      statements++;
      pages.forEach((page, index) => paged.get(questions[index]?.patient ?? '')?.push(...idsOf(page)));
      questions = questions.flatMap(({ patient }, index) => {
        const { next } = pages[index] as Page;
        return next === undefined ? [] : [{ patient, query: `_count=5&_cursor=${next}` }];
      });
    }
    assert.deepEqual([statements, asked.length], [3, 3]);
    for (const [patient, ids] of paged) assert.deepEqual(ids, idsOf(await ask({ patient })));
  });

  it('LEAKS 28: nobody is answered by the statement of somebody else', async () => {
    const others = [
      tokenOf('jti-2'),
      tokenOf('jti-1', { organization: 'Organization/stranger', clientId: 'stranger' }),
      tokenOf('jti-1', { scope: 'system/Observation.rs' }),
      tokenOf('jti-1', { purpose: ['HPAYMT'] }),
      givenPrincipal({ jti: 'jti-1', scope: 'patient/*.rs', self: 'p1', patient: 'p1', fhirUser: 'Patient/p1' }),
    ];
    const found = await together({ patient: 'p1' }, ...others.map((principal) => ({ patient: 'p1', principal })), {
      patient: 'p2',
    });
    assert.deepEqual(
      found.map(({ rows: { length } }) => length),
      [12, 12, 0, 12, 0, 12, 12],
    );
    assert.equal(asked.length, 6);
  });

  it('LEAKS 54: a record that is there, one that is hidden and one that never was are one statement', async () => {
    const found = await together(...['p1', 'secret', 'denied', 'unknown'].map((patient) => ({ patient })));
    assert.deepEqual(
      found.map(({ rows: { length } }) => length),
      [12, 0, 0, 0],
    );
    assert.equal(asked.length, 1);
  });

  it('LEAKS 6: of the next turn are the next statement, so a token that was revoked in between sees nothing', async () => {
    const revoked = tokenOf('jti-revoked');
    const questions = ['p1', 'p2'].map((patient) => ({ patient, principal: revoked }));
    assert.deepEqual(
      (await together(...questions)).map(({ rows: { length } }) => length),
      [12, 12],
    );
    await world.database.query(sql`
      insert into revoked_token (jti, issuer, expires_at) values ('jti-revoked', 'https://hub.test', now() + interval '1 hour')`);
    const found = await together(...questions, { patient: 'p1' });
    assert.deepEqual(
      found.map(({ rows: { length } }) => length),
      [0, 0, 12],
    );
    assert.equal(asked.length, 3);
  });

  const alone: readonly (readonly [why: string, question: Omit<Question, 'patient'>])[] = [
    ['larger pages', { query: '_count=101' }],
    ['counted', { query: '_total=accurate' }],
    ['counted alone', { query: '_count=0' }],
    ['another order', { query: '_sort=date' }],
    ['a code to order by', { query: '_sort=code' }],
    ['texts', { query: 'code:text=haemoglobin' }],
    ['quantities', { query: 'value-quantity=gt1' }],
    ['a chain', { query: 'subject:Patient.gender=male' }],
    ['what refers to it', { query: '_has:DiagnosticReport:result:status=final' }],
  ];
  for (const [why, question] of alone) {
    it(`that may take long go alone: ${why}`, async () => {
      const questions = ['p1', 'p2'].map((patient) => ({ ...question, patient }));
      await together(...questions);
      assert.deepEqual([asked.length, asked.filter((text) => text.includes('with ordinality k'))], [2, []]);
    });
  }

  it('of other types, page sizes and filters are a statement each', async () => {
    const found = await together(
      { patient: 'p1', query: '_count=2' },
      { patient: 'p1', query: '_count=3' },
      { patient: 'p1', type: 'Encounter', query: '_count=2' },
      { patient: 'p1', query: 'status=final&_count=2' },
    );
    assert.deepEqual(
      found.map(({ rows: { length } }) => length),
      [2, 3, 1, 2],
    );
    assert.equal(asked.length, 4);
  });

  it('of the records of one person are theirs: of several records at once each goes alone', async () => {
    const found = await together({ patient: 'p1,p2', query: '_count=2' }, { patient: 'p2,p3', query: '_count=2' });
    assert.deepEqual(found.map(idsOf), [
      ['p2-o11', 'p1-o11'],
      ['p3-o11', 'p2-o11'],
    ]);
    assert.equal(asked.length, 2);
  });

  it('in a transaction are its own, one by one: nothing of it is asked after it has ended', async () => {
    await world.database.inTransaction(async (tx) => {
      const pages = await Promise.all(['p1', 'p2'].map((patient) => ask({ patient, query: '_count=1' }, tx)));
      assert.deepEqual(pages.map(idsOf), [['p1-o11'], ['p2-o11']]);
    });
  });
});
