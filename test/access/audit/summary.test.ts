/** What the rows of a log are called, in the languages of patients. */
import assert from 'node:assert/strict';
import type { LogRow } from '../../../src/access/audit/log.ts';
import { addRow, dayOf, sayAccess, type Access } from '../../../src/access/audit/summary.ts';

const row: LogRow = {
  shard: 0,
  seq: 1,
  at: Date.parse('2026-05-03T18:00:00Z'),
  client: 'ai',
  subject: 'ai',
  organization: 'Organization/ai',
  purposes: 1,
  interaction: 'read',
  type: null,
  resourceId: null,
  patient: 'p',
  rows: 2,
  decidedBy: 'consent:c1/2',
  outcome: 0,
  query: null,
  jti: null,
  correlationId: null,
  address: null,
  version: null,
  reason: null,
  emergency: null,
  hash: '',
};
const names = { nameOf: (reference: string) => reference.split('/').at(-1) as string, conceptOf: () => '' };
const consentDays = new Map([['c1', Date.parse('2026-04-01T00:00:00Z')]]);

function said(...rows: readonly Partial<LogRow>[]): string[] {
  const accesses = new Map<string, Access>();
  for (const one of rows) addRow(accesses, { ...row, ...one }, dayOf(one.at ?? row.at, 'UTC'));
  return [...accesses.values()].map((access) => sayAccess(access, 'en', { names, consentDays, timeZone: 'UTC' }));
}

describe('the access log in plain words', () => {
  const person = { organization: null, client: 'portal', purposes: 0 };
  const examples: readonly [Partial<LogRow>, string][] = [
    [{}, 'On 3 May 2026 ai read 2 records for your care and health advice, allowed by your consent of 1 April 2026.'],
    [
      { decidedBy: 'consent:unknown/1' },
      'On 3 May 2026 ai read 2 records for your care and health advice, allowed by a consent of yours.',
    ],
    [
      { decidedBy: 'source' },
      'On 3 May 2026 ai read 2 records for your care and health advice, who wrote these records.',
    ],
    [
      { decidedBy: 'break-glass:x', emergency: 'unconscious: no papers' },
      'On 3 May 2026 ai read 2 records for your care and health advice, in an emergency without your consent (unconscious: no papers).',
    ],
    [
      { outcome: 4, rows: 0, decidedBy: null },
      'On 3 May 2026 ai asked for your records once and was shown nothing for your care and health advice.',
    ],
    [
      { ...person, subject: 'RelatedPerson/mother', decidedBy: 'proxy' },
      'On 3 May 2026 mother read 2 records, acting for you.',
    ],
    [{ ...person, subject: 'Patient/p', decidedBy: 'self' }, 'On 3 May 2026 you read 2 records.'],
    [
      { ...person, subject: 'Patient/p', interaction: 'login', decidedBy: null, rows: 0 },
      'On 3 May 2026 you signed in once.',
    ],
    [{ interaction: 'consent-request', decidedBy: null, purposes: 0 }, 'On 3 May 2026 ai asked for your consent.'],
    [
      { interaction: 'update', version: 1, decidedBy: 'source', purposes: 0 },
      'On 3 May 2026 ai added 2 records, who wrote these records.',
    ],
    [
      { interaction: 'update', version: 2, decidedBy: 'source', purposes: 0 },
      'On 3 May 2026 ai changed 2 records, who wrote these records.',
    ],
  ];
  for (const [changes, sentence] of examples) {
    it(sentence, () => assert.deepEqual(said(changes), [sentence]));
  }

  it('what is the same on a day is one sentence; another day, party, purpose or ground is another', () => {
    assert.match(said({}, {})[0] ?? '', / read 4 records /);
    for (const other of [
      { at: row.at + 86_400_000 },
      { organization: 'Organization/b' },
      { purposes: 2 },
      { decidedBy: 'source' },
    ]) {
      assert.equal(said({}, other).length, 2);
    }
  });

  it('a day is one of the zone of whoever reads', () => {
    assert.deepEqual([dayOf(row.at, 'UTC'), dayOf(row.at, 'Asia/Shanghai')], ['2026-05-03', '2026-05-04']);
  });
});
