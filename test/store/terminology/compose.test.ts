/** What a value set holds: compose, filters, imports, exclusion, paging. */
import assert from 'node:assert/strict';
import type { Database } from '../../../src/db.ts';
import type { AnyResource } from '../../../src/fhir/types.ts';
import { codesIn } from '../../../src/store/terminology/compose.ts';
import { expand, type ExpandOptions } from '../../../src/store/terminology/expand.ts';
import { codesAbove, codesBelow } from '../../../src/store/terminology/hierarchy.ts';
import { openLibrary, type Library } from '../../../src/store/terminology/library.ts';
import { givenDatabase } from '../../given.ts';
import { animalMap, animals, animalSystem, givenTerminology, letters, letterSystem, valueSet } from './given.ts';

const all = ['animal', 'mammal', 'cat', 'bat', 'mammoth', 'bird', 'owl', 'night'];

describe('ValueSet.compose', function () {
  this.timeout(300_000);
  let database: Awaited<ReturnType<typeof givenDatabase>>;
  let db: Database;
  let library: Library;
  before(async () => {
    database = await givenDatabase();
    db = database.database;
    await givenTerminology(db, [animalSystem, letterSystem, animalMap]);
    library = await openLibrary(db, 'Organization/a');
  });
  after(() => database.close());

  const codes = async (set: AnyResource, options: Partial<ExpandOptions> = {}): Promise<string[]> => {
    const { members } = await expand(library, set, { offset: 0, ...options });
    return members.map(({ code }) => code);
  };
  const include = (...filter: [string, string, string][]): AnyResource =>
    valueSet({
      include: [{ system: animals, filter: filter.map(([property, op, value]) => ({ property, op, value })) }],
    });

  // https://hl7.org/fhir/R4/valueset-filter-operator.html
  const filters: [string, [string, string, string][], string[]][] = [
    ['is-a: the concept and what is below, by every way', [['concept', 'is-a', 'night']], ['bat', 'owl', 'night']],
    ['descendent-of: without the concept itself', [['concept', 'descendent-of', 'mammal']], ['cat', 'bat', 'mammoth']],
    ['descendent-of reaches grandchildren', [['concept', 'descendent-of', 'animal']], all.slice(1)],
    ['is-not-a', [['concept', 'is-not-a', 'mammal']], ['animal', 'bird', 'owl', 'night']],
    [
      'generalizes: the concept and all above',
      [['concept', 'generalizes', 'bat']],
      ['animal', 'mammal', 'bat', 'night'],
    ],
    ['= of a property', [['legs', '=', '2']], ['bat', 'owl']],
    ['= of parent: children alone', [['parent', '=', 'animal']], ['mammal', 'bird', 'night']],
    ['= of child', [['child', '=', 'owl']], ['bird', 'night']],
    ['= of a property nobody has', [['wings', '=', '2']], []],
    ['in', [['code', 'in', 'cat,owl,dog']], ['cat', 'owl']],
    ['not-in', [['parent', 'not-in', 'mammal, night']], ['animal', 'mammal', 'bird', 'night']],
    ['regex matches the whole code', [['code', 'regex', '.at']], ['cat', 'bat']],
    ['regex of a part matches nothing', [['code', 'regex', 'a']], []],
    ['regex of a property', [['sound', 'regex', 'm.*']], ['cat']],
    ['exists true', [['legs', 'exists', 'true']], ['cat', 'bat', 'owl']],
    ['exists false', [['legs', 'exists', 'false']], ['animal', 'mammal', 'mammoth', 'bird', 'night']],
    [
      'two filters: both',
      [
        ['concept', 'is-a', 'mammal'],
        ['legs', '=', '2'],
      ],
      ['bat'],
    ],
  ];
  for (const [title, given, expected] of filters) {
    it(`filter ${title}`, async () => assert.deepEqual(await codes(include(...given)), expected));
  }

  for (const value of ['(a)\\1', '(?=a)', '(?i)a', '***=a', 'a{1000}', 'x'.repeat(201)]) {
    it(`filter regex ${value.slice(0, 10)} is refused (LEAKS 46)`, async () =>
      assert.rejects(codes(include(['code', 'regex', value])), { code: 'not-supported' }));
  }
  it('a regex that takes for ever elsewhere ends', async () => {
    const url = 'http://example.org/long';
    await givenTerminology(db, [{ ...letterSystem, id: 'long', url, concept: [{ code: 'a'.repeat(500) }] }]);
    const filter = [{ property: 'code', op: 'regex', value: '(a+)+b' }];
    assert.deepEqual(await codes(valueSet({ include: [{ system: url, filter }] })), []);
  });
  it('an unknown operator is refused', async () =>
    assert.rejects(codes(include(['code', 'like', 'x'])), { code: 'not-supported' }));

  // https://hl7.org/fhir/R4/valueset.html#compositions
  it('includes are united, each code once, where it stands first', async () => {
    const set = valueSet({
      include: [
        { system: animals, concept: [{ code: 'owl' }, { code: 'cat' }] },
        { system: letters },
        { system: animals },
      ],
    });
    assert.deepEqual((await codes(set)).slice(0, 6), ['owl', 'cat', 'A', 'B', 'C', 'animal']);
    assert.equal((await codes(set)).length, all.length + 3);
  });

  it('excludes are taken away', async () => {
    const set = valueSet({
      include: [{ system: animals }, { system: letters }],
      exclude: [
        { system: animals, filter: [{ property: 'concept', op: 'is-a', value: 'animal' }] },
        { system: letters, concept: [{ code: 'B' }] },
      ],
    });
    assert.deepEqual(await codes(set), ['A', 'C']);
  });

  it('what the value set lists is its own: with its display, whether the system is loaded or not', async () => {
    const set = valueSet({
      include: [
        { system: animals, concept: [{ code: 'cat', display: 'Kitty' }] },
        { system: 'http://example.org/unknown', version: '7', concept: [{ code: 'u1', display: 'U one' }] },
      ],
    });
    const { members } = await expand(library, set, { offset: 0 });
    assert.deepEqual(
      members.map(({ system, version, code, display }) => [system, version, code, display]),
      [
        [animals, '1', 'cat', 'Kitty'],
        ['http://example.org/unknown', '7', 'u1', 'U one'],
      ],
    );
  });

  it('a whole system that is not loaded is refused, not left out', async () =>
    assert.rejects(codes(valueSet({ include: [{ system: 'http://example.org/unknown' }] })), {
      code: 'not-supported',
    }));
  it('another version of a system is another system', async () => {
    assert.equal((await codes(valueSet({ include: [{ system: animals, version: '1' }] }))).length, all.length);
    await assert.rejects(codes(valueSet({ include: [{ system: animals, version: '2' }] })), { code: 'not-supported' });
  });

  describe('imports', () => {
    before(async () => {
      const set = (id: string, compose: object): AnyResource => ({
        ...valueSet(compose),
        id,
        url: `http://example.org/vs/${id}`,
      });
      await givenTerminology(db, [
        set('mammals', {
          include: [{ system: animals, filter: [{ property: 'concept', op: 'is-a', value: 'mammal' }] }],
        }),
        set('of-night', {
          include: [{ system: animals, filter: [{ property: 'concept', op: 'is-a', value: 'night' }] }],
        }),
        set('circle', { include: [{ valueSet: ['http://example.org/vs/circle'] }] }),
      ]);
    });
    const url = (id: string): string => `http://example.org/vs/${id}`;
    const rows: [string, object[], string[]][] = [
      ['of one value set', [{ valueSet: [url('mammals')] }], ['mammal', 'cat', 'bat', 'mammoth']],
      ['of two in one include: what both have', [{ valueSet: [url('mammals'), url('of-night')] }], ['bat']],
      [
        'of two in two includes: what either has',
        [{ valueSet: [url('of-night')] }, { valueSet: [url('mammals')] }],
        ['bat', 'owl', 'night', 'mammal', 'cat', 'mammoth'],
      ],
      [
        'with a system: what both have',
        [{ system: animals, concept: [{ code: 'cat' }, { code: 'owl' }], valueSet: [url('mammals')] }],
        ['cat'],
      ],
    ];
    for (const [title, given, expected] of rows) {
      it(title, async () => assert.deepEqual(await codes(valueSet({ include: given })), expected));
    }
    it('of what is not known is refused', async () =>
      assert.rejects(codes(valueSet({ include: [{ valueSet: [url('none')] }] })), { code: 'not-supported' }));
    it('in a circle end', async () =>
      assert.rejects(codes(valueSet({ include: [{ valueSet: [url('circle')] }] })), { code: 'invariant' }));
  });

  it('a value set that is only an expansion holds what was expanded', async () => {
    const set: AnyResource = {
      resourceType: 'ValueSet',
      status: 'active',
      expansion: {
        contains: [
          {
            system: animals,
            code: 'animal',
            abstract: true,
            contains: [{ system: animals, code: 'cat', display: 'Cat' }],
          },
          { system: letters, code: 'B' },
        ],
      },
    };
    assert.deepEqual(await codes(set), ['cat', 'B']);
  });

  describe('$expand options', () => {
    const everything = valueSet({ include: [{ system: animals }] });
    const rows: [string, Partial<ExpandOptions>, string[], number][] = [
      ['count and offset are a page of the same order', { offset: 2, count: 2 }, ['cat', 'bat'], 8],
      ['count=0 is the total alone', { count: 0 }, [], 8],
      ['an offset beyond the end is an empty page', { offset: 90, count: 5 }, [], 8],
      ['filter: a word of the display, in any case', { filter: 'NIGHT' }, ['night'], 1],
      ['filter: all words, in any order', { filter: 'night animal' }, ['night'], 1],
      ['filter: a designation', { filter: '猫' }, ['cat'], 1],
      ['filter that nothing has', { filter: 'unicorn' }, [], 0],
      ['activeOnly leaves out what is retired', { activeOnly: true }, all.filter((code) => code !== 'mammoth'), 7],
    ];
    for (const [title, options, expected, total] of rows) {
      it(title, async () => {
        const found = await expand(library, everything, { offset: 0, ...options });
        assert.deepEqual([found.members.map(({ code }) => code), found.total], [expected, total]);
      });
    }
    it('compose.inactive=false leaves out what is retired', async () =>
      assert.equal(
        (await codes(valueSet({ inactive: false, include: [{ system: animals }] }))).includes('mammoth'),
        false,
      ));
  });

  describe('for searches', () => {
    const vs = (id: string): { url: string } => ({ url: `http://example.org/vs/${id}` });
    it(':in has the codes, within a bound', async () => {
      const found = await codesIn(library, vs('all-animals'), 100);
      assert.deepEqual(found.map(({ code }) => code).toSorted(), all.toSorted());
      await assert.rejects(codesIn(library, vs('all-animals'), 7), { code: 'too-costly' });
      await assert.rejects(codesIn(library, vs('none'), 7), { code: 'not-found' });
    });
    it('[system]?fhir_vs=isa/[code] is an implicit value set', async () =>
      assert.deepEqual(
        (await codesIn(library, { url: `${animals}?fhir_vs=isa/bird` }, 10)).map(({ code }) => code).toSorted(),
        ['bird', 'owl'],
      ));
    it(':below and :above go by the hierarchy', async () => {
      const list = async (way: typeof codesBelow, code: string): Promise<string[]> =>
        (await way(library, { system: animals, code }, 10)).map((one) => one.code).toSorted();
      assert.deepEqual(await list(codesBelow, 'night'), ['bat', 'night', 'owl']);
      assert.deepEqual(await list(codesAbove, 'bat'), ['animal', 'bat', 'mammal', 'night']);
      assert.deepEqual(await list(codesBelow, 'cat'), ['cat']);
      await assert.rejects(codesBelow(library, { system: animals, code: 'animal' }, 7), { code: 'too-costly' });
      await assert.rejects(codesBelow(library, { system: 'http://none', code: 'x' }, 7), { code: 'not-supported' });
    });
  });

  describe("whose content counts: one's own, then the operator's, then R4's", () => {
    it("R4's own value sets are there", async () => {
      const found = await codesIn(library, { url: 'http://hl7.org/fhir/ValueSet/administrative-gender' }, 10);
      assert.deepEqual(found.map(({ code }) => code).toSorted(), ['female', 'male', 'other', 'unknown']);
    });
    it('an organization has its own, which nobody else is served from', async () => {
      const url = 'http://hl7.org/fhir/ValueSet/administrative-gender';
      const own = valueSet({ include: [{ system: letters, concept: [{ code: 'A' }] }] });
      await givenTerminology(db, [{ ...own, id: 'gender', url }], 'Organization/a');
      assert.equal((await codesIn(library, { url }, 10)).length, 1);
      for (const other of ['Organization/b', undefined]) {
        assert.equal((await codesIn(await openLibrary(db, other), { url }, 10)).length, 4);
      }
    });
  });

  it('a code that stands under itself is refused', async () => {
    const concept = [
      { code: 'a', property: [{ code: 'parent', valueCode: 'b' }] },
      { code: 'b', property: [{ code: 'parent', valueCode: 'a' }] },
    ];
    await assert.rejects(
      db.inTransaction((tx) =>
        givenTerminology(tx, [{ ...animalSystem, id: 'circle', url: 'http://circle', concept }]),
      ),
      { code: 'invariant' },
    );
  });
});
