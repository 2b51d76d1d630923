/**
 * Query strings by the grammar of R4 search, from the same tables as the hub's own: every parameter of every type with values of
 * its type and of others, modifiers, prefixes, chains, `_has`, includes, `_filter`, shapes of the answer; and what is no grammar at all.
 *
 * @see https://hl7.org/fhir/R4/search.html
 */
import fc from 'fast-check';
import { searchParams } from '../../../src/fhir/params.ts';
import { operators } from '../../../src/fhir/search-operators.ts';
import type { SearchParamType } from '../../../src/fhir/search.ts';
import { resourceTypes } from '../../../src/fhir/types.ts';
import { escapeText, ids, oddTexts, once } from './oddities.ts';

/** Places of links that the hub itself gave; the world puts a cursor there, whole or damaged. */
export const cursorMark = 'CURSOR-';
export const cursorsMax = 24;

const peopled = [
  'Patient',
  'Observation',
  'Encounter',
  'Condition',
  'DocumentReference',
  'Group',
  'Consent',
  'AuditEvent',
  'Binary',
];
export const types: fc.Arbitrary<string> = fc.oneof(
  { weight: 25, arbitrary: fc.constantFrom(...peopled) },
  { weight: 20, arbitrary: fc.constantFrom(...resourceTypes) },
  { weight: 1, arbitrary: fc.constantFrom('Nonsense', 'patient', 'DomainResource', '__proto__') },
);

/** @see https://hl7.org/fhir/R4/search.html#modifiers */
const modifiersOf: Readonly<Record<SearchParamType, readonly string[]>> = {
  number: ['missing'],
  date: ['missing'],
  string: ['missing', 'exact', 'contains'],
  token: ['missing', 'not', 'text', 'in', 'not-in', 'above', 'below', 'of-type'],
  reference: ['missing', 'identifier', 'above', 'below', 'Patient', 'Location', 'Practitioner'],
  composite: ['missing'],
  quantity: ['missing'],
  uri: ['missing', 'above', 'below'],
  special: [],
};
const oddModifiers = ['iterate', 'ofType', 'type', 'recurse', 'Missing', '', 'a b', '__proto__', 'Nonsense'];
const modifiers = once((type: SearchParamType) =>
  fc.oneof(
    { weight: 12, arbitrary: fc.constant('') },
    { weight: 6, arbitrary: fc.constantFrom('', ...modifiersOf[type].map((one) => `:${one}`)) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(...Object.values(modifiersOf).flat(), ...oddModifiers).map((one) => `:${one}`),
    },
  ),
);

const prefixes = fc.oneof(
  { weight: 2, arbitrary: fc.constant('') },
  fc.constantFrom('eq', 'ne', 'gt', 'lt', 'ge', 'le', 'sa', 'eb', 'ap', 'xx', 'GE'),
);
const numbers = fc.oneof(
  fc.constantFrom('5', '5.40', '0', '-3', '1e3', '100', '0.000000001'),
  fc.double({ noDefaultInfinity: true, noNaN: true }).map(String),
);
const dates = fc.oneof(
  fc.constantFrom(
    '2026',
    '2026-01',
    '2026-01-01',
    '2026-01-01T10:00',
    '2026-01-01T10:00:00.123Z',
    '2026-01-01T10:00:00+08:00',
  ),
  fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
);
const systems = fc.constantFrom(
  '',
  'http://loinc.org',
  'http://snomed.info/sct',
  'urn:f',
  'http://unitsofmeasure.org',
  'x y',
);
const codes = fc.constantFrom('', '718-7', 'final', 'female', 'true', 'IMP', '1', 'cana', 'a\\,b');
const references = fc.oneof(
  fc.tuple(types, ids).map(([type, id]) => `${type}/${id}`),
  ids,
  fc.constantFrom(
    'http://example.org/fhir/Patient/1',
    'urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a',
    'Patient/p-1/_history/1',
    'http://x|1',
  ),
);
const join = (parts: readonly fc.Arbitrary<string>[], sign = ''): fc.Arbitrary<string> =>
  fc.tuple(...parts).map((texts) => texts.join(sign));

const valuesOf: Readonly<Record<SearchParamType, fc.Arbitrary<string>>> = {
  number: join([prefixes, numbers]),
  date: join([prefixes, dates]),
  string: fc.oneof(fc.constantFrom('zhang', 'cana', 'Ca', '王', 'wang xiao', 'z'), oddTexts),
  token: fc.oneof(
    codes,
    join([systems, codes], '|'),
    join([systems, codes, codes], '|'),
    fc.constantFrom('http://hl7.org/fhir/ValueSet/observation-status'),
  ),
  reference: references,
  composite: fc
    .array(fc.oneof(join([systems, codes], '|'), join([prefixes, numbers]), join([prefixes, dates]), references), {
      maxLength: 3,
    })
    .map((parts) => parts.join('$')),
  quantity: join(
    [join([prefixes, numbers]), systems, fc.constantFrom('mg', 'g', 'g/dL', '[lb_av]', '10*3/uL', 'm'.repeat(200), '')],
    '|',
  ),
  uri: fc.oneof(fc.constantFrom('http://example.org/a', 'urn:oid:1.2', 'http://example.org/a/b|2'), references),
  special: fc.oneof(
    join([numbers, numbers, numbers, fc.constantFrom('km', 'm', '')], '|'),
    fc.constantFrom('zhang and not wei', '"zhang wei"', 'or or', '(('),
  ),
};
const values = once((type: SearchParamType) =>
  fc.oneof(
    { weight: 24, arbitrary: valuesOf[type] },
    { weight: 1, arbitrary: fc.array(valuesOf[type], { maxLength: 40 }).map((all) => all.join(',')) },
    { weight: 1, arbitrary: fc.constantFrom(...Object.values(valuesOf)).chain((other) => other) },
    { weight: 2, arbitrary: oddTexts },
  ),
);

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

/** Names and values of a search of one type. */
const pairs = once((type: string): fc.Arbitrary<readonly Pair[]> => {
  const one = fc.oneof(
    { weight: 50, arbitrary: criterion(type, 3) },
    { weight: 30, arbitrary: shapes(type) },
    { weight: 3, arbitrary: fc.tuple(oddTexts, oddTexts) as fc.Arbitrary<Pair> },
  );
  return fc.oneof(
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
