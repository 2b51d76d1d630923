/** Who sees which kinds of records, from the rules of $who-can-see: never more than they say. */
import assert from 'node:assert/strict';
import { byKind, kindKeys, readSight } from '../../portal/sight.js';
import type { Resource } from '../../portal/fhir.js';

interface GivenRule {
  effect?: 'permit' | 'deny';
  recipient?: string | undefined;
  purposes?: string[];
  types?: string[];
  until?: string;
  /** Parts that limit it, by name. */
  limits?: string[];
  labels?: string[];
  unlabelled?: boolean;
  patients?: number;
}

const rule = (given: GivenRule): object => {
  const { effect = 'permit', recipient = 'Organization/ai', purposes = ['TREAT'], types = [], until } = given;
  const { limits = [], labels = [], unlabelled = true, patients = 1 } = given;
  const isEverybody = 'recipient' in given && given.recipient === undefined;
  return {
    name: 'rule',
    part: [
      { name: 'effect', valueCode: effect },
      ...(isEverybody ? [] : [{ name: 'recipient', valueReference: { reference: recipient, display: recipient } }]),
      ...purposes.map((code) => ({ name: 'purpose', valueCoding: { code } })),
      ...types.map((code) => ({ name: 'class', valueCoding: { code } })),
      ...labels.map((code) => ({ name: 'securityLabel', valueCoding: { code } })),
      ...(effect === 'deny' ? [] : [{ name: 'unlabelled', valueBoolean: unlabelled }]),
      ...limits.map((name) => ({ name })),
      ...(until === undefined ? [] : [{ name: 'period', valuePeriod: { end: until } }]),
      ...Array.from({ length: patients }, (_, index) => ({
        name: 'patient',
        valueReference: { reference: `Patient/${index}` },
      })),
    ],
  };
};
const sight = (rules: readonly GivenRule[], records = 1): ReturnType<typeof readSight> => {
  const parameters: Resource = { resourceType: 'Parameters', parameter: rules.map(rule) };
  return readSight(parameters, records);
};
/** `results diagnoses~`: with ~ in part. */
const said = (rules: readonly GivenRule[], records = 1): string[] =>
  sight(rules, records).seers.map(
    ({ reference, kinds }) =>
      `${reference.slice(13)}: ${[...kinds].map(([kind, share]) => (share === 'all' ? kind : `${kind}~`)).join(' ')}`,
  );
const results = ['Observation', 'DiagnosticReport', 'ServiceRequest', 'Specimen'];
const all = kindKeys.join(' ');
const inPart = kindKeys.map((kind) => `${kind}~`).join(' ');

describe('portal: who sees what', () => {
  const rows: [what: string, rules: GivenRule[], expected: string[], records?: number][] = [
    ['no rule: nobody', [], []],
    ['whole records', [{}], [`ai: ${all}`]],
    ['whole kinds', [{ types: [...results, 'Condition'] }], ['ai: results diagnoses']],
    ['one type of a kind is a part of it', [{ types: ['Observation'] }], ['ai: results~']],
    ['a type of no kind', [{ types: ['ImagingStudy'] }], ['ai: rest~']],
    ['only some codes', [{ types: ['Condition'], limits: ['code'] }], ['ai: diagnoses~']],
    ['only some days', [{ types: ['Condition'], limits: ['dataPeriod'] }], ['ai: diagnoses~']],
    ['only what some wrote', [{ types: ['Condition'], limits: ['source'] }], ['ai: diagnoses~']],
    ['only single records', [{ types: ['Condition'], limits: ['data'] }], ['ai: diagnoses~']],
    ['only what is protected', [{ types: ['Condition'], labels: ['HIV'], unlabelled: false }], ['ai: diagnoses~']],
    ['given before another record was linked', [{ types: ['Condition'] }], ['ai: diagnoses~'], 2],
    ['given on both records', [{ types: ['Condition'], patients: 2 }], ['ai: diagnoses'], 2],
    ['two Consents add up', [{ types: ['Condition'] }, { types: results }], ['ai: diagnoses results']],
    [
      'the larger share counts',
      [{ types: ['Condition'], limits: ['code'] }, {}],
      [`ai: ${['diagnoses', ...kindKeys.filter((key) => key !== 'diagnoses')].join(' ')}`],
    ],
    ['payment gets insurance, and of the person the least', [{ purposes: ['HPAYMT'] }], ['ai: insurance person~']],
    ['payment is given nothing else', [{ purposes: ['HPAYMT'], types: results }], []],
    ['payment and care is care', [{ purposes: ['HPAYMT', 'TREAT'], types: results }], ['ai: results']],
    [
      'a deny takes a kind away',
      [{}, { effect: 'deny', types: ['Condition'] }],
      [`ai: ${all.replace('diagnoses ', '')}`],
    ],
    ['a deny of everything leaves nobody', [{}, { effect: 'deny' }], []],
    ['a deny for everybody', [{}, { effect: 'deny', recipient: undefined, purposes: [] }], []],
    ['a deny for somebody else', [{}, { effect: 'deny', recipient: 'Organization/x' }], [`ai: ${all}`]],
    ['a deny for another purpose', [{}, { effect: 'deny', purposes: ['HRESCH'] }], [`ai: ${all}`]],
    [
      'a deny of one purpose of two leaves a part',
      [
        { purposes: ['TREAT', 'HRESCH'], types: results },
        { effect: 'deny', purposes: ['TREAT'] },
      ],
      ['ai: results~'],
    ],
    [
      'a deny of one purpose, where any is allowed, leaves a part',
      [
        { purposes: [], types: results },
        { effect: 'deny', purposes: ['TREAT'] },
      ],
      ['ai: results~'],
    ],
    [
      'a deny of codes leaves a part',
      [{ types: ['Condition'] }, { effect: 'deny', limits: ['code'] }],
      ['ai: diagnoses~'],
    ],
    [
      'a deny of one type leaves a part',
      [{ types: results }, { effect: 'deny', types: ['Specimen'] }],
      ['ai: results~'],
    ],
    [
      'a deny of a label, of whom nothing protected is shown',
      [{ types: results }, { effect: 'deny', labels: ['HIV'] }],
      ['ai: results'],
    ],
    [
      'a deny of a label, of whom some is',
      [
        { types: results, labels: ['HIV', 'PSY'] },
        { effect: 'deny', labels: ['HIV'] },
      ],
      ['ai: results~'],
    ],
    [
      'a deny on one of two records leaves a part',
      [{ patients: 2, types: results }, { effect: 'deny' }],
      ['ai: results~'],
      2,
    ],
    ['all of it in part', [{ limits: ['dataPeriod'] }], [`ai: ${inPart}`]],
  ];
  for (const [what, rules, expected, records] of rows) {
    it(what, () => assert.deepEqual(said(rules, records), expected));
  }

  it('one line for each recipient, purpose and end', () => {
    const { seers } = sight([
      { types: results },
      { types: ['Condition'], until: '2030-01-01T00:00:00Z' },
      { types: ['Encounter'], purposes: ['HRESCH'] },
      { types: ['Encounter'], recipient: 'Organization/x', labels: ['HIV'] },
    ]);
    assert.deepEqual(
      seers.map(({ reference, purposes, until, isProtected, kinds }) => [
        reference,
        purposes,
        until,
        isProtected,
        ...kinds.keys(),
      ]),
      [
        ['Organization/ai', ['TREAT'], undefined, false, 'results'],
        ['Organization/ai', ['TREAT'], '2030-01-01T00:00:00Z', false, 'diagnoses'],
        ['Organization/ai', ['HRESCH'], undefined, false, 'visits'],
        ['Organization/x', ['TREAT'], undefined, true, 'visits'],
      ],
    );
  });

  it('the other way round: every kind, also one that nobody sees', () => {
    const { seers } = sight([{ types: results }, { types: ['Observation'], recipient: 'Organization/x' }]);
    const found = byKind(seers);
    assert.deepEqual(
      found.map(({ kind }) => kind),
      kindKeys,
    );
    assert.deepEqual(
      found.map(({ seers: who }) => who.map(({ seer, share }) => `${seer.name} ${share}`)),
      [['Organization/ai all', 'Organization/x part'], ...kindKeys.slice(1).map(() => [])],
    );
  });

  it('keeps what the hub says in sentences, those with a permission apart from those without', () => {
    const part = ['sentence', 'source', 'proxy', 'exception', 'emergency', 'limit', 'deletion', 'language'].map(
      (name) => ({
        name,
        valueString: name,
      }),
    );
    const { said: others, sentences } = readSight(
      { resourceType: 'Parameters', parameter: [{ name: 'text', part }] },
      1,
    );
    assert.deepEqual(
      [others, sentences],
      [
        ['proxy', 'emergency', 'source', 'deletion'],
        ['sentence', 'exception', 'limit'],
      ],
    );
  });
});
