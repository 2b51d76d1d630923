/**
 * Query strings by the grammar of R4 search, from the same tables as the hub's own: every parameter of every type with values of
 * its type and of others, modifiers, prefixes, chains, `_has`, includes, `_filter`, shapes of the answer; and what is no grammar at all.
 *
 * @see https://hl7.org/fhir/R4/search.html
 */
import fc from 'fast-check';
import { searchParams } from '../../../src/fhir/params.ts';
import { operators } from '../../../src/fhir/search/operators.ts';
import { includesOf, revIncludesOf } from '../../../src/fhir/search.ts';
import { escapeText, idsOf, oddTexts, once } from './oddities.ts';
import { dates, join, modifiers, peopled, prefixes, types, values } from './values.ts';

/** Places of links that the hub itself gave; the world puts a cursor there, whole or damaged. */
export const cursorMark = 'CURSOR-';
export const cursorsMax = 24;

const missing = fc.constantFrom('true', 'false', 'true', 'maybe');

type Pair = readonly [string, string];

const param = once((type: string) => {
  const params = [...searchParams(type).values()];
  return fc.constantFrom(...(params.length > 0 ? params : searchParams('Patient').values()));
});

/** `code:mod=value`, `subject:Patient.name=value`, `_has:Observation:patient:code=value`, each inside the other to some depth. */
const criterion = once((type: string, depth: number): fc.Arbitrary<Pair> => {
  const plain = param(type).chain(({ code, type: kind }) =>
    modifiers(kind).chain((modifier) =>
      (modifier === ':missing' ? missing : values(kind)).map((value): Pair => [`${code}${modifier}`, value]),
    ),
  );
  if (depth === 0) return plain;
  const chained = fc
    .tuple(param(type), fc.boolean())
    .chain(([{ code, target = peopled }, isTyped]) =>
      fc
        .constantFrom(...target, 'Patient')
        .chain((to) =>
          criterion(to, depth - 1).map(([name, value]): Pair => [`${code}${isTyped ? `:${to}` : ''}.${name}`, value]),
        ),
    );
  const has = types.chain((from) =>
    fc
      .tuple(param(from), criterion(from, depth - 1))
      .map(([{ code }, [name, value]]): Pair => [`_has:${from}:${code}:${name}`, value]),
  );
  return fc.oneof({ weight: 6, arbitrary: plain }, { weight: 2, arbitrary: chained }, has);
});

/** `_filter`: tests, joined and nested. @see https://hl7.org/fhir/R4/search_filter.html */
const expression = once((type: string): fc.Arbitrary<string> => {
  const test = fc
    .tuple(param(type), fc.constantFrom(...operators, 'zz'), fc.boolean())
    .chain(([{ code, type: kind }, operator, isQuoted]) =>
      values(kind).map((value) => `${code} ${operator} ${isQuoted ? JSON.stringify(value) : value}`),
    );
  return fc.letrec<{ all: string }>((tie) => ({
    all: fc.oneof(
      { maxDepth: 4, depthSize: 'small' },
      test,
      fc.tuple(tie('all'), fc.constantFrom('and', 'or', 'xor', ''), tie('all')).map((parts) => parts.join(' ')),
      tie('all').map((inner) => `(${inner})`),
      tie('all').map((inner) => `not (${inner})`),
      fc.constantFrom('(', ')', '('.repeat(500), 'a[b eq c].d eq e'),
    ),
  })).all;
});

const shapes = once((type: string): fc.Arbitrary<Pair> => {
  const code = param(type).map((one) => one.code);
  const pair = (name: string, value: fc.Arbitrary<string>): fc.Arbitrary<Pair> =>
    fc.oneof({ weight: 15, arbitrary: value }, { weight: 1, arbitrary: oddTexts }).map((text): Pair => [name, text]);
  return fc.oneof(
    pair('_count', fc.constantFrom('0', '1', '2', '1000', '1001', '999999999', '9999999999')),
    pair(
      '_sort',
      fc.array(join([fc.constantFrom('', '-', '--'), code]), { maxLength: 5 }).map((all) => all.join(',')),
    ),
    pair('_total', fc.constantFrom('none', 'estimate', 'accurate')),
    pair('_summary', fc.constantFrom('true', 'text', 'data', 'count', 'false')),
    pair('_elements', fc.constantFrom('id', 'name', 'name,birthDate', 'Patient.name', 'subject', '__proto__')),
    pair('_format', fc.constantFrom('json', 'json', 'json', 'xml', 'application/fhir+json', 'text/html', 'ttl')),
    pair('_pretty', fc.constantFrom('true', 'false')),
    pair(
      '_type',
      fc.array(types, { maxLength: 5 }).map((all) => all.join(',')),
    ),
    pair('_since', dates),
    pair('_at', join([prefixes, dates])),
    pair('_filter', expression(type)),
    pair('_list', fc.constantFrom('l-1', '$current-problems', 'hidden-1')),
    pair(
      '_cursor',
      fc.nat({ max: cursorsMax - 1 }).map((index) => `${cursorMark}${index}`),
    ),
    fc
      .tuple(
        fc.constantFrom(
          '_include',
          '_revinclude',
          '_include:iterate',
          '_revinclude:iterate',
          '_include:recurse',
          '_revinclude:x',
        ),
        fc.oneof(
          fc.constantFrom(
            '*',
            'Observation:subject',
            'Observation:subject:Patient',
            'Observation:*',
            'Encounter:patient',
          ),
          types.chain((from) =>
            fc
              .tuple(fc.constant(from), param(from), fc.oneof(fc.constant(''), types))
              .map(([source, { code: by }, to]) => `${source}:${by}${to && ':'}${to}`),
          ),
          oddTexts,
        ),
      )
      .map(([name, value]): Pair => [name, value]),
  );
});

/** What finds something, and leads on from it: nothing else in the query that could end it. */
const fruitful = once((type: string): fc.Arbitrary<readonly Pair[]> => {
  const start = fc.oneof(
    fc.constant<Pair[]>([]),
    idsOf(type).map((id): Pair[] => [['_id', id]]),
    fc.constantFrom<Pair[]>(
      [['patient', 'p-1']],
      [
        ['patient', 'p-1'],
        ['_total', 'accurate'],
      ],
    ),
  );
  const lead = fc.oneof(
    fc.constantFrom('*', ...includesOf(type)).map((value): Pair => ['_include', value]),
    fc.constantFrom(`${type}:*`, ...includesOf(type)).map((value): Pair => ['_include:iterate', value]),
    fc.constantFrom('Provenance:target', ...revIncludesOf(type)).map((value): Pair => ['_revinclude', value]),
    criterion(type, 3),
  );
  return fc.tuple(start, lead).map(([first, more]) => [...first, more]);
});

/** Names and values of a search of one type. */
const pairs = once((type: string): fc.Arbitrary<readonly Pair[]> => {
  const one = fc.oneof(
    { weight: 50, arbitrary: criterion(type, 3) },
    { weight: 30, arbitrary: shapes(type) },
    { weight: 3, arbitrary: fc.tuple(oddTexts, oddTexts) as fc.Arbitrary<Pair> },
  );
  return fc.oneof(
    { weight: 20, arbitrary: fruitful(type) },
    { weight: 20, arbitrary: fc.array(one, { maxLength: 1 }) },
    { weight: 20, arbitrary: fc.array(one, { maxLength: 4 }) },
    { weight: 2, arbitrary: fc.array(one, { minLength: 5, maxLength: 70 }) },
    {
      weight: 1,
      arbitrary: fc
        .tuple(one, fc.constantFrom(65, 400))
        .map(([pair, times]) => Array.from({ length: times }, () => pair)),
    },
  );
});

/** After the `?`, or as a form: mostly well escaped. */
export const query = once((type: string): fc.Arbitrary<string> => {
  const written = pairs(type).map((all) =>
    all.map(([name, value]) => `${escapeText(name)}=${escapeText(value)}`).join('&'),
  );
  const raw = fc
    .array(
      fc.constantFrom(
        '%',
        '%0',
        '%zz',
        '%00',
        '%ed%a0%80',
        '%c0%af',
        '%ff',
        '+',
        '&',
        '&&',
        '=',
        ';',
        'a',
        '_id',
        '?',
        '|',
        '[',
        '%252e',
      ),
      { maxLength: 12 },
    )
    .map((pieces) => pieces.join(''));
  return fc.oneof(
    { weight: 20, arbitrary: written },
    { weight: 1, arbitrary: raw },
    { weight: 1, arbitrary: fc.tuple(written, raw).map(([text, more]) => `${text}&${more}`) },
  );
});
