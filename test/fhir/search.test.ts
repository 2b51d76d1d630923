import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Problem } from '../../src/fhir/problem.ts';
import {
  countDefault,
  countMax,
  parseSearch,
  type Filter,
  type SearchOptions,
  type SearchRequest,
} from '../../src/fhir/search.ts';
import { escapeValue, splitEscaped, unescapeValue } from '../../src/fhir/search/values.ts';

const options: SearchOptions = { handling: 'lenient', base: 'http://hub/fhir/R4', now: Date.parse('2024-06-01') };
const search = (query: string, more: Partial<SearchOptions> & { type?: string } = {}): SearchRequest =>
  parseSearch(more.type ?? 'Observation', query, { ...options, ...more });

/** A filter without its parameter, which the index name already tells. */
function shape(filter: Filter | undefined): object | undefined {
  if (filter === undefined) return undefined;
  const { param: _, ...rest } = filter;
  return rest;
}

const day = (text: string): number => Date.parse(text);

describe('search values (R4 search.html, section in each row)', () => {
  const rows: [string, string, string, object][] = [
    [
      '#token',
      'Observation',
      'code=http://loinc.org|718-7',
      { kind: 'token', index: 'code', isNegated: false, values: [{ system: 'http://loinc.org', code: '718-7' }] },
    ],
    [
      '#token',
      'Observation',
      'code=718-7',
      { kind: 'token', index: 'code', isNegated: false, values: [{ code: '718-7' }] },
    ],
    [
      '#token',
      'Observation',
      'code=|718-7',
      { kind: 'token', index: 'code', isNegated: false, values: [{ system: '', code: '718-7' }] },
    ],
    [
      '#token',
      'Observation',
      'code=http://loinc.org|',
      { kind: 'token', index: 'code', isNegated: false, values: [{ system: 'http://loinc.org' }] },
    ],
    [
      '#token :not',
      'Patient',
      'gender:not=male,female',
      { kind: 'token', index: 'gender', isNegated: true, values: [{ code: 'male' }, { code: 'female' }] },
    ],
    [
      '#token :text',
      'Condition',
      'code:text=Héadache',
      { kind: 'string', index: 'code:text', match: 'contains', values: ['headache'] },
    ],
    [
      '#token :of-type',
      'Patient',
      'identifier:of-type=http://t|MR|446053',
      {
        kind: 'token',
        index: 'identifier:of-type',
        isNegated: false,
        values: [{ system: 'http://t', code: 'MR|446053' }],
      },
    ],
    [
      '#escaping',
      'Observation',
      'code=a%5C,b,c%5C%7Cd',
      { kind: 'token', index: 'code', isNegated: false, values: [{ code: 'a,b' }, { code: 'c|d' }] },
    ],
    [
      '#reference',
      'Observation',
      'subject=Patient/23',
      { kind: 'reference', index: 'subject', values: [{ type: 'Patient', id: '23' }] },
    ],
    ['#reference', 'Observation', 'subject=23', { kind: 'reference', index: 'subject', values: [{ id: '23' }] }],
    [
      '#reference',
      'Observation',
      'patient=23',
      { kind: 'reference', index: 'patient', values: [{ type: 'Patient', id: '23' }] },
    ],
    [
      '#reference',
      'Observation',
      'subject:Patient=23',
      { kind: 'reference', index: 'subject', values: [{ type: 'Patient', id: '23' }] },
    ],
    [
      '#reference',
      'Observation',
      'subject=http://hub/fhir/R4/Patient/23',
      { kind: 'reference', index: 'subject', values: [{ type: 'Patient', id: '23' }] },
    ],
    [
      '#reference',
      'Observation',
      'subject=http://other/Patient/23',
      { kind: 'reference', index: 'subject', values: [{ type: 'Patient', id: '23', url: 'http://other/Patient/23' }] },
    ],
    [
      '#reference canonical',
      'PlanDefinition',
      'depends-on=http://x/lib%7C1.0',
      { kind: 'reference', index: 'depends-on', values: [{ url: 'http://x/lib', version: '1.0' }] },
    ],
    [
      '#reference :identifier',
      'Observation',
      'subject:identifier=urn:mrn|7',
      { kind: 'token', index: 'subject:identifier', isNegated: false, values: [{ system: 'urn:mrn', code: '7' }] },
    ],
    ['#string', 'Patient', 'family=MÜL', { kind: 'string', index: 'family', match: 'starts', values: ['mul'] }],
    [
      '#string :exact',
      'Patient',
      'family:exact=Mül',
      { kind: 'string', index: 'family', match: 'exact', values: ['Mül'] },
    ],
    [
      '#string :contains',
      'Patient',
      'name:contains=son',
      { kind: 'string', index: 'name', match: 'contains', values: ['son'] },
    ],
    ['#string', 'Patient', 'family=王', { kind: 'string', index: 'family', match: 'starts', values: ['王'] }],
    [
      '#date',
      'Observation',
      'date=ge2024-03',
      { kind: 'date', index: 'date', values: [{ prefix: 'ge', low: day('2024-03-01'), high: day('2024-04-01') }] },
    ],
    [
      '#date',
      'Observation',
      'date=2024-03-05T10:00',
      {
        kind: 'date',
        index: 'date',
        values: [{ prefix: 'eq', low: day('2024-03-05T10:00Z'), high: day('2024-03-05T10:01Z') }],
      },
    ],
    [
      '#date, plus sign not encoded',
      'Observation',
      'date=2024-03-05T10:00:00+08:00',
      {
        kind: 'date',
        index: 'date',
        values: [{ prefix: 'eq', low: day('2024-03-05T02:00:00Z'), high: day('2024-03-05T02:00:01Z') }],
      },
    ],
    [
      '#number',
      'RiskAssessment',
      'probability=gt0.8',
      { kind: 'number', index: 'probability', values: [{ prefix: 'gt', low: 0.8, high: 0.8 }] },
    ],
    [
      '#number',
      'RiskAssessment',
      'probability=0.80',
      { kind: 'number', index: 'probability', values: [{ prefix: 'eq', low: 0.795, high: 0.805 }] },
    ],
    [
      '#quantity',
      'Observation',
      'value-quantity=5.4|http://unitsofmeasure.org|mg',
      {
        kind: 'quantity',
        index: 'value-quantity',
        values: [{ prefix: 'eq', low: 5.35, high: 5.45, system: 'http://unitsofmeasure.org', code: 'mg' }],
      },
    ],
    [
      '#quantity',
      'Observation',
      'value-quantity=le5.4||mg',
      { kind: 'quantity', index: 'value-quantity', values: [{ prefix: 'le', low: 5.4, high: 5.4, code: 'mg' }] },
    ],
    ['#uri', 'ValueSet', 'url=http://x/vs', { kind: 'uri', index: 'url', relation: 'equal', values: ['http://x/vs'] }],
    ['#missing', 'Patient', 'gender:missing=true', { kind: 'missing', index: 'gender', isMissing: true }],
    [
      '#id',
      'Patient',
      '_id=a,b',
      { kind: 'token', index: '_id', isNegated: false, values: [{ code: 'a' }, { code: 'b' }] },
    ],
    [
      '#lastUpdated',
      'Patient',
      '_lastUpdated=sa2024',
      {
        kind: 'date',
        index: '_lastUpdated',
        values: [{ prefix: 'sa', low: day('2024-01-01'), high: day('2025-01-01') }],
      },
    ],
  ];
  for (const [section, type, query, expected] of rows) {
    it(`${section}: ${type}?${query}`, () => {
      const request = search(query, { type, handling: 'strict' });
      assert.deepEqual(request.filters.map(shape), [expected]);
      assert.deepEqual(request.issues, []);
    });
  }

  it('the same parameter twice is AND, commas are OR (#combining)', () => {
    const { filters } = search('code=a,b&code=c');
    assert.deepEqual(
      filters.map((filter) => (filter.kind === 'token' ? filter.values.length : 0)),
      [2, 1],
    );
  });
  it('escapes give back any value', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ minLength: 1 }), { minLength: 1 }), (values) => {
        const parts = splitEscaped(values.map(escapeValue).join(','), ',');
        assert.deepEqual(parts.map(unescapeValue), values);
      }),
    );
  });
});

describe('what a search refuses, whatever the handling', () => {
  const rows: [string, string, string, string][] = [
    ['near beyond the pole', 'Location', 'near=91|2|3', 'value'],
    ['a modifier that is not served', 'Observation', 'code:exact=x', 'not-supported'],
    ['a modifier of another type', 'Patient', 'family:not=x', 'not-supported'],
    ['a modifier on a date', 'Observation', 'date:exact=2024', 'not-supported'],
    ['a type the reference never has', 'Observation', 'subject:Medication=1', 'invalid'],
    ['a value of another type than its modifier', 'Observation', 'subject:Patient=Group/1', 'value'],
    ['two modifiers', 'Observation', 'code:not:text=x', 'invalid'],
    ['a date that is none', 'Observation', 'date=yesterday', 'value'],
    ['a day that is none', 'Observation', 'date=2023-02-29', 'value'],
    ['a number that is none', 'RiskAssessment', 'probability=high', 'value'],
    ['an infinite number', 'RiskAssessment', 'probability=1e999', 'value'],
    ['a prefix that is none', 'RiskAssessment', 'probability=xx5', 'value'],
    ['a token of nothing', 'Observation', 'code=|', 'value'],
    ['a reference that is none', 'Observation', 'subject=Patient%2Fa%20b', 'value'],
    [':missing with another value', 'Patient', 'gender:missing=maybe', 'value'],
    ['a negative count', 'Patient', '_count=-1', 'value'],
    ['two counts', 'Patient', '_count=1&_count=2', 'invalid'],
    ['an unknown _total', 'Patient', '_total=some', 'value'],
    ['an unknown _summary', 'Patient', '_summary=short', 'value'],
    ['an unknown type', 'Nonsense', 'a=1', 'not-found'],
    [
      'more parameters than any query has',
      'Patient',
      Array.from({ length: 65 }, () => 'gender=male').join('&'),
      'too-costly',
    ],
    ['more values than any list has', 'Patient', `_id=${Array.from({ length: 501 }, (_, i) => i).join(',')}`, 'value'],
    ['more sort keys than a cursor holds', 'Patient', '_sort=name,family,given,gender,birthdate', 'too-costly'],
  ];
  for (const [what, type, query, code] of rows) {
    it(`${what} is ${code}`, () => {
      for (const handling of ['strict', 'lenient'] as const) {
        assert.throws(
          () => search(query, { type, handling }),
          (error) => error instanceof Problem && error.code === code,
        );
      }
    });
  }
  it('a message never repeats a value', () => {
    assert.throws(
      () => search('date=SECRET'),
      (error) =>
        error instanceof Problem && !`${error.message}${error.hint}${error.expression.join()}`.includes('SECRET'),
    );
  });
  it('never throws anything but a Problem', () => {
    const piece = fc.constantFrom(
      'code',
      'date',
      'subject',
      ':',
      '=',
      '&',
      ',',
      '|',
      '\\',
      '_sort',
      '-',
      'a',
      '2024',
      '%',
      '.',
      '$',
      '_filter',
      '_text',
      '_has:Observation:patient:code',
      'near',
      'code-value-quantity',
      ':in',
      ':below',
      '(',
      ')',
      '"',
      ' and ',
      ' or not ',
      ' eq ',
      'name',
      '王',
    );
    fc.assert(
      fc.property(
        fc.constantFrom('Observation', 'Patient', 'Location', 'ValueSet'),
        fc.array(piece, { maxLength: 24 }).map((pieces) => pieces.join('')),
        (type, query) => {
          try {
            search(query, { type });
          } catch (error) {
            assert.ok(error instanceof Problem, `${type}?${query}: ${String(error)}`);
          }
        },
      ),
      { numRuns: 3_000 },
    );
  });
});

describe('what lenient handling ignores and strict refuses (R4 search.html#errors)', () => {
  for (const query of ['foo=1', 'birthdate=2020', 'code=', '_sort=foo', 'constructor=1', '__proto__=1']) {
    it(query, () => {
      const request = search(query);
      assert.deepEqual([request.filters.length, request.sort.length, request.issues.length], [0, 0, 1]);
      assert.throws(() => search(query, { handling: 'strict' }), Problem);
    });
  }
  it('the self link names what was searched, and not what was ignored', () => {
    assert.deepEqual(search('code=a&foo=1&_count=5&_cursor=x').parameters, [
      ['code', 'a'],
      ['_count', '5'],
    ]);
  });
});

describe('how results come (R4 search.html#return)', () => {
  it('defaults', () => {
    const { count, total, sort, cursor } = search('');
    assert.deepEqual(
      { count, total, sort, cursor },
      { count: countDefault, total: 'none', sort: [], cursor: undefined },
    );
  });
  it('_sort takes several, descending by minus', () => {
    assert.deepEqual(
      search('_sort=-date,_lastUpdated').sort.map(({ param, isDescending }) => [param.code, isDescending]),
      [
        ['date', true],
        ['_lastUpdated', false],
      ],
    );
  });
  it('_count is bounded, and 0 asks for the total as _summary=count does', () => {
    assert.equal(search('_count=100000').count, countMax);
    assert.equal(search('_count=0').count, 0);
    assert.equal(search('_summary=count').count, 0);
  });
  it('_total, _elements, _cursor', () => {
    const { total, elements, cursor } = search('_total=accurate&_elements=id,code&_cursor=abc');
    assert.deepEqual({ total, elements, cursor }, { total: 'accurate', elements: ['id', 'code'], cursor: 'abc' });
  });
  it('_format and _pretty are for whoever writes the answer', () =>
    assert.deepEqual(search('_format=json&_pretty=true').issues, []));
});
