/** @see https://hl7.org/fhir/R4/search.html#date and #prefix */
import { given } from '../given.ts';
import type { AnyResource } from '../../src/fhir/types.ts';
import { describeRefused, describeSearch, type Row } from './given-search.ts';

const observation = (id: string, effective: object): AnyResource => {
  const { effectiveDateTime: _, ...rest } = given.observation({ id, patient: 'p1' });
  return { ...rest, ...effective };
};
const at = (effectiveDateTime: string) => ({ effectiveDateTime });

/** As the type's main date (Observation.date), which has columns of its own. */
const observations: AnyResource[] = [
  given.patient({ id: 'p1' }),
  observation('year', at('2013')),
  observation('month', at('2013-01')),
  observation('day', at('2013-01-14')),
  observation('morning', at('2013-01-14T10:00:00Z')),
  observation('milli', at('2013-01-14T10:00:00.500Z')),
  // 20:00 on the 13th in UTC.
  observation('shanghai', at('2013-01-14T04:00:00+08:00')),
  // 02:00 on the 15th in UTC.
  observation('newyork', at('2013-01-14T21:00:00-05:00')),
  observation('next', at('2013-01-15')),
  observation('stay', { effectivePeriod: { start: '2013-01-12', end: '2013-01-16' } }),
  observation('since', { effectivePeriod: { start: '2013-01-14T12:00:00Z' } }),
  observation('until', { effectivePeriod: { end: '2013-01-13' } }),
  observation('timing', { effectiveTiming: { event: ['2013-01-10', '2013-01-20T08:00:00Z'] } }),
  observation('bounds', { effectiveTiming: { repeat: { boundsPeriod: { start: '2013-02-01', end: '2013-02-03' } } } }),
  observation('undated', {}),
];

const main: Row[] = [
  ['eq, a day', 'Observation', 'date=2013-01-14', ['day', 'milli', 'morning']],
  ['eq, explicit', 'Observation', 'date=eq2013-01-14', ['day', 'milli', 'morning']],
  [
    'eq, a month contains',
    'Observation',
    'date=2013-01',
    ['day', 'milli', 'month', 'morning', 'newyork', 'next', 'shanghai', 'stay', 'timing'],
  ],
  ['eq, a second contains its milliseconds', 'Observation', 'date=2013-01-14T10:00:00Z', ['milli', 'morning']],
  ['eq, a minute', 'Observation', 'date=2013-01-14T10:00Z', ['milli', 'morning']],
  ['eq, another zone, the same time', 'Observation', 'date=2013-01-14T18:00:00%2B08:00', ['milli', 'morning']],
  ['eq, plus sign not encoded', 'Observation', 'date=2013-01-14T18:00:00+08:00', ['milli', 'morning']],
  ['eq, no zone is UTC', 'Observation', 'date=2013-01-14T10:00:00', ['milli', 'morning']],
  ['eq, the day in UTC', 'Observation', 'date=2013-01-13', ['shanghai']],
  ['ne', 'Observation', 'date=ne2013-01', ['bounds', 'since', 'until', 'year']],
  [
    'gt, above the day',
    'Observation',
    'date=gt2013-01-14',
    ['bounds', 'month', 'newyork', 'next', 'since', 'stay', 'timing', 'year'],
  ],
  ['lt, below the day', 'Observation', 'date=lt2013-01-14', ['month', 'shanghai', 'stay', 'timing', 'until', 'year']],
  ['ge', 'Observation', 'date=ge2013-01-15', ['bounds', 'month', 'newyork', 'next', 'since', 'stay', 'timing', 'year']],
  ['le', 'Observation', 'date=le2013-01-13', ['month', 'shanghai', 'stay', 'timing', 'until', 'year']],
  ['sa', 'Observation', 'date=sa2013-01-14', ['bounds', 'newyork', 'next']],
  ['eb', 'Observation', 'date=eb2013-01-14', ['shanghai', 'until']],
  [
    'a range of two',
    'Observation',
    'date=ge2013-01-14&date=lt2013-01-15&date=eb2013-01-15',
    ['day', 'milli', 'morning'],
  ],
  ['OR', 'Observation', 'date=2013-01-13,2013-01-15', ['newyork', 'next', 'shanghai']],
  ['an open end is for ever', 'Observation', 'date=gt2999', ['since']],
  ['an open start is since ever', 'Observation', 'date=lt1900', ['until']],
  ['Timing by its outer limits', 'Observation', 'date=sa2013-01-31', ['bounds']],
  [
    'Period, the end includes its day',
    'Observation',
    'date=gt2013-01-15&date=lt2013-01-13',
    ['month', 'stay', 'timing', 'year'],
  ],
  [':missing', 'Observation', 'date:missing=true', ['undated']],
  ['in a compartment', 'Observation', 'patient=p1&date=2013-01-14', ['day', 'milli', 'morning']],
];

describeSearch("date, the type's main one (R4 search.html#date)", observations, main);

/** The same of a date without columns, and `ap`, whose width is a tenth of the time until now (2026-03-01). */
const goals: AnyResource[] = [
  given.patient({ id: 'p1' }),
  ...(
    [
      ['day', '2013-01-14'],
      ['month', '2013-01'],
      ['next', '2013-01-15'],
      ['near', '2014-01-01'],
      ['far', '2016-01-01'],
      ['recent', '2026-02-20'],
    ] as const
  ).map(([id, dueDate]): AnyResource => ({
    resourceType: 'Goal',
    id,
    lifecycleStatus: 'active',
    description: { text: 'x' },
    subject: { reference: 'Patient/p1' },
    target: [{ dueDate }],
  })),
];
const other: Row[] = [
  ['eq', 'Goal', 'target-date=2013-01-14', ['day']],
  ['eq, a month', 'Goal', 'target-date=2013-01', ['day', 'month', 'next']],
  ['ne', 'Goal', 'target-date=ne2013', ['far', 'near', 'recent']],
  ['gt', 'Goal', 'target-date=gt2013-01-14', ['far', 'month', 'near', 'next', 'recent']],
  ['lt', 'Goal', 'target-date=lt2013-01-14', ['month']],
  ['ge', 'Goal', 'target-date=ge2013-01-15', ['far', 'month', 'near', 'next', 'recent']],
  ['le', 'Goal', 'target-date=le2013-01-14', ['day', 'month']],
  ['sa', 'Goal', 'target-date=sa2013-01-14', ['far', 'near', 'next', 'recent']],
  ['eb', 'Goal', 'target-date=eb2013-01-15', ['day']],
  // 13 years ago: 1.3 years on either side.
  ['ap, long ago is wide', 'Goal', 'target-date=ap2013-01-14', ['day', 'month', 'near', 'next']],
  // 9 days ago: less than one on either side.
  ['ap, recent is narrow', 'Goal', 'target-date=ap2026-02-20', ['recent']],
  ['ap, recent is narrow', 'Goal', 'target-date=ap2026-02-17', []],
];

describeSearch('date, another one (R4 search.html#date)', goals, other);

describeRefused('date: what cannot be read', [
  ['a word', 'Observation', 'date=today', 'value'],
  ['a day that is none', 'Observation', 'date=2013-02-30', 'value'],
  ['an hour without minutes', 'Observation', 'date=2013-01-14T10', 'value'],
  ['a prefix that is none', 'Observation', 'date=be2013', 'value'],
  ['a modifier', 'Observation', 'date:exact=2013', 'not-supported'],
]);
