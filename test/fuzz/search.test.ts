/**
 * Any query gives a page or a Problem: no combination of types, parameters, modifiers, prefixes, chains and includes that the
 * grammar lets through makes a statement that PostgreSQL refuses. `SEARCH_RUNS=100000` asks more of them.
 */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { searchParams } from '../../src/fhir/params.ts';
import { Problem } from '../../src/fhir/problem.ts';
import { parseSearch, parseSearchOfTypes, type SearchRequest } from '../../src/fhir/search.ts';
import { selectIncluded } from '../../src/store/search/include.ts';
import { selectPage } from '../../src/store/select.ts';
import { everything } from '../../src/store/visibility.ts';
import { base, givenSearchWorld, reference, resource, type SearchWorld } from '../spec/world.ts';

const types = ['Patient', 'Observation', 'Encounter', 'Practitioner', 'Group', 'List', 'Location', 'Questionnaire'];
const codes = [...new Set(types.flatMap((type) => [...searchParams(type).keys()])), 'nonsense'];

const type = fc.constantFrom(...types);
const code = fc.constantFrom(...codes);
const modifier = fc.oneof(
  { weight: 4, arbitrary: fc.constant('') },
  fc.constantFrom(
    ':not',
    ':missing',
    ':exact',
    ':contains',
    ':text',
    ':identifier',
    ':of-type',
    ':above',
    ':below',
    ':in',
  ),
  type.map((name) => `:${name}`),
);
const plain = fc.tuple(code, modifier).map((parts) => parts.join(''));
const reaching = fc.letrec<{ name: string }>((tie) => ({
  name: fc.oneof(
    { maxDepth: 3, depthSize: 'small' },
    plain,
    fc
      .tuple(
        code,
        fc.oneof(
          fc.constant(''),
          type.map((name) => `:${name}`),
        ),
        tie('name'),
      )
      .map(([c, m, n]) => `${c}${m}.${n}`),
    fc.tuple(type, code, tie('name')).map(([t, c, n]) => `_has:${t}:${c}:${n}`),
  ),
})).name;
const value = fc.oneof(
  fc.constantFrom(
    'a',
    'Patient/a',
    'a,b',
    'urn:s|a',
    '|a',
    'urn:s|',
    '2026',
    'ge2026-01-01',
    'gt5',
    'ap5.40||mg',
    '5|http://unitsofmeasure.org|g',
  ),
  fc.constantFrom(
    'true',
    'false',
    'http://x/y|1',
    'a$b',
    'a\\,b\\$c',
    '%',
    "'; --",
    '\u0000',
    '张',
    '1|2|3',
    '$current',
    '',
  ),
  fc.string({ maxLength: 8 }),
);
const shaping = fc.oneof(
  fc
    .tuple(
      fc.constantFrom('_include', '_revinclude', '_include:iterate', '_revinclude:iterate'),
      type,
      fc.oneof(code, fc.constant('*')),
    )
    .map(([name, source, param]) => [name, `${source}:${param}`] as const),
  fc.tuple(
    fc.constant('_sort'),
    fc.tuple(fc.constantFrom('', '-'), code).map((parts) => parts.join('')),
  ),
  fc.constantFrom(
    ['_total', 'accurate'] as const,
    ['_count', '0'] as const,
    ['_count', '2'] as const,
    ['_include', '*'] as const,
  ),
);
const query = fc
  .array(fc.oneof({ weight: 3, arbitrary: fc.tuple(reaching, value) }, { weight: 1, arbitrary: shaping }), {
    maxLength: 4,
  })
  .map((pairs) => new URLSearchParams(pairs.map(([name, text]) => [name, text])).toString());
const asked = fc.record({
  query,
  handling: fc.constantFrom('strict', 'lenient'),
  path: fc.oneof(
    { weight: 4, arbitrary: type.map((name) => ({ type: name })) },
    fc.uniqueArray(type, { minLength: 1, maxLength: 3 }).map((names) => ({ types: names.join() })),
    fc
      .tuple(fc.constantFrom('Patient', 'Encounter', 'Practitioner'), type)
      .map(([focus, name]) => ({ focus, type: name })),
    fc.constantFrom('Patient', 'Encounter', 'Practitioner').map((focus) => ({ focus, types: '' })),
  ),
});

function read({ query: text, handling, path }: typeof asked extends fc.Arbitrary<infer T> ? T : never): SearchRequest {
  const options = { handling, base, now: 0, unserved: new Set(['AuditEvent']) };
  const compartment = 'focus' in path ? { type: path.focus, id: 'a' } : undefined;
  if ('type' in path) return parseSearch(path.type, text, options, compartment);
  return parseSearchOfTypes(path.types === '' ? text : `_type=${path.types}&${text}`, options, compartment);
}

describe('fuzz: search', () => {
  let world: SearchWorld;
  before(async () => {
    world = await givenSearchWorld([
      resource('Practitioner/a', { name: [{ family: 'A' }] }),
      resource('Patient/a', { name: [{ family: 'A' }], generalPractitioner: [reference('Practitioner/a')] }),
      resource('Encounter/a', { subject: reference('Patient/a') }),
      resource('Observation/a', { subject: reference('Patient/a'), encounter: reference('Encounter/a') }),
      resource('Observation/b', { hasMember: [reference('Observation/a')], performer: [reference('Patient/a')] }),
    ]);
  });
  after(() => world.close());

  it('a query is answered or refused, whatever it says', async function () {
    const numRuns = Number(process.env['SEARCH_RUNS'] ?? 400);
    this.timeout(20_000 + numRuns * 50);
    let answered = 0;
    await fc.assert(
      fc.asyncProperty(asked, async (search) => {
        try {
          const request = read(search);
          const seal = { key: new Uint8Array(32), boundTo: '' };
          const all = everything('fuzz');
          const { rows, total } = await selectPage(world.database, all, request, { seal });
          await selectIncluded(world.database, () => all, rows, request.includes);
          assert.ok(total === undefined || total >= rows.length);
          answered++;
        } catch (error) {
          if (!(error instanceof Problem) || error.code === 'exception') throw error;
        }
      }),
      { numRuns },
    );
    assert.ok(answered > numRuns / 20, `only ${answered} of ${numRuns} were answered`);
  });
});
