/** @see https://hl7.org/fhir/R4/search.html#content */
import assert from 'node:assert/strict';
import { given } from '../given.ts';
import { Problem } from '../../src/fhir/problem.ts';
import type { AnyResource } from '../../src/fhir/types.ts';
import { describeRefused, describeSearch, givenWorld, type Row, type World } from './given-search.ts';

const observation = (id: string, narrative: string, more: object = {}): AnyResource => ({
  ...given.observation({ id, patient: 'p1' }),
  text: { status: 'generated', div: `<div xmlns="http://www.w3.org/1999/xhtml">${narrative}</div>` },
  ...more,
});

const resources: AnyResource[] = [
  given.patient({ id: 'p1' }),
  observation('liver', '<p>Metastases of the <b>liver</b></p>'),
  observation('bone', 'Bone <i>marrow</i> normal', { note: [{ text: 'Métastases of the spine' }] }),
  observation('chinese', '肝脏转移瘤'),
  observation('plain', 'nothing found', { code: { text: 'Tumor marker (CA-19.9)' } }),
  { resourceType: 'Questionnaire', id: 'q1', status: 'active', title: 'Pain diary' },
];

const rows: Row[] = [
  ['_text', 'Observation', 'patient=p1&_text=liver', ['liver']],
  ['_text is the narrative alone', 'Observation', 'patient=p1&_text=spine', []],
  ['_text, case', 'Observation', 'patient=p1&_text=METASTASES', ['liver']],
  ['_text, a word begins with it', 'Observation', 'patient=p1&_text=metasta', ['liver']],
  ['_text, not inside a word', 'Observation', 'patient=p1&_text=iver', []],
  ['_text, all words', 'Observation', 'patient=p1&_text=liver metastases', ['liver']],
  ['_text, all words', 'Observation', 'patient=p1&_text=bone metastases', []],
  ['_text, a phrase over tags', 'Observation', 'patient=p1&_text="bone marrow"', ['bone']],
  ['_text, a phrase', 'Observation', 'patient=p1&_text="marrow bone"', []],
  ['_text, tags are no words', 'Observation', 'patient=p1&_text=div', []],
  ['_text, Chinese anywhere', 'Observation', 'patient=p1&_text=转移', ['chinese']],
  ['_text, traditional', 'Observation', 'patient=p1&_text=轉移', ['chinese']],
  ['_text, logic', 'Observation', 'patient=p1&_text=(bone OR liver) and metastases', ['liver']],
  ['_text, not', 'Observation', 'patient=p1&_text=not liver', ['bone', 'chinese', 'plain']],
  ['_text, commas are or', 'Observation', 'patient=p1&_text=liver,bone', ['bone', 'liver']],
  ['_content', 'Observation', 'patient=p1&_content=metastases', ['bone', 'liver']],
  ['_content, any element', 'Observation', 'patient=p1&_content=tumor', ['plain']],
  ['_content, characters of patterns', 'Observation', 'patient=p1&_content=ca-19.9', ['plain']],
  ['_content, characters of patterns', 'Observation', 'patient=p1&_content=ca.19', []],
  ['_content, names of elements are no content', 'Observation', 'patient=p1&_content=valueQuantity', []],
  ['_content outside compartments', 'Questionnaire', '_content=pain', ['q1']],
];

describeSearch('_text and _content (R4 search.html#content)', resources, rows);

describeRefused('_text and _content: what cannot be read', [
  ['an open bracket', 'Observation', '_text=(liver', 'value'],
  ['or of nothing', 'Observation', '_text=liver or', 'value'],
  ['no words', 'Observation', '_content=""', 'value'],
  ['a modifier', 'Observation', '_text:contains=liver', 'not-supported'],
  ['more words than anyone writes', 'Observation', `_content=${'a '.repeat(40)}`, 'too-costly'],
]);

describe('_text and _content across patients', () => {
  let world: World;
  before(async () => {
    world = await givenWorld([]);
  });
  after(() => world.close());
  for (const query of ['_text=liver', '_content=liver', '_source:below=http://x']) {
    it(`${query} is too costly`, async () => {
      await assert.rejects(
        world.find('Observation', query),
        (error) => error instanceof Problem && error.code === 'too-costly' && error.hint !== undefined,
      );
    });
  }
});
