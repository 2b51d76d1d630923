/** The table of R4's $lastn. @see https://hl7.org/fhir/R4/observation-operation-lastn.html */
import assert from 'node:assert/strict';
import { groupCodes } from '../../src/fhir/terminology/code-groups.ts';

describe('codes that are one (R4 observation-operation-lastn.html)', () => {
  const coded = (...codes: string[]): object => ({ coding: codes.map((code) => ({ system: 's', code })) });
  const rows: [string, object[], number[]][] = [
    ['a | b | c: three groups', [coded('a'), coded('b'), coded('c')], [0, 1, 2]],
    ['a | b | a,c: two groups', [coded('a'), coded('b'), coded('a', 'c')], [0, 1, 0]],
    ['a | b | a,b: one group', [coded('a'), coded('b'), coded('a', 'b')], [0, 0, 0]],
    ['text is compared as it is', [{ text: 'text' }, { text: 'Text' }, { text: 't e x t' }], [0, 1, 2]],
    ['the same text is one', [{ text: 'text' }, { text: 'text' }], [0, 0]],
    [
      'text beside a coding says nothing',
      [
        { ...coded('a'), text: 'x' },
        { ...coded('b'), text: 'x' },
      ],
      [0, 1],
    ],
    ['another system is another code', [coded('a'), { coding: [{ system: 't', code: 'a' }] }], [0, 1]],
    ['a chain of translations', [coded('a', 'b'), coded('c', 'd'), coded('b', 'c')], [0, 0, 0]],
    ['none', [], []],
  ];
  for (const [title, concepts, expected] of rows) it(title, () => assert.deepEqual(groupCodes(concepts), expected));
});
