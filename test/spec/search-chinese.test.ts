/** FHIR R4 search.html#string leaves to the server what "case, accents and other" folding is: names in Chinese. */
import assert from 'node:assert/strict';
import { given } from '../given.ts';
import type { AnyResource } from '../../src/fhir/types.ts';
import { describeSearch, givenWorld, type Row } from './given-search.ts';

const patient = (id: string, name: object): AnyResource => ({ ...given.patient({ id }), name: [name] });
const resources: AnyResource[] = [
  patient('whole', { text: '王小明' }),
  patient('parts', { family: '王', given: ['小明'] }),
  patient('traditional', { text: '張偉', family: '張', given: ['偉'] }),
  patient('surname', { family: '解', given: ['晓东'] }),
  patient('latin', { family: 'Wang', given: ['Xiaoming'] }),
  patient('lv', { text: '吕布' }),
  given.organization({ id: 'hospital', name: '人民医院' }),
];
const rows: Row[] = [
  ['hanzi', 'Patient', 'name=王', ['parts', 'whole']],
  ['hanzi, whole name', 'Patient', 'name=王小明', ['parts', 'whole']],
  ['hanzi, exact', 'Patient', 'name:exact=王小明', ['whole']],
  ['hanzi, given', 'Patient', 'given=小明', ['parts']],
  ['traditional for simplified', 'Patient', 'family=張', ['traditional']],
  ['simplified for traditional', 'Patient', 'name=张伟', ['traditional']],
  ['exact is as written', 'Patient', 'family:exact=张', []],
  ['pinyin', 'Patient', 'name=wang', ['latin', 'parts', 'whole']],
  ['pinyin, whole name', 'Patient', 'name=wangxiaoming', ['parts', 'whole']],
  ['pinyin, case and spaces', 'Patient', 'name=Wang Xiaoming', ['parts', 'whole']],
  ['pinyin, the beginning', 'Patient', 'name=wangxi', ['parts', 'whole']],
  ['pinyin, family', 'Patient', 'family=zhang', ['traditional']],
  ['pinyin, given', 'Patient', 'given=xiaoming', ['latin', 'parts']],
  ['initials', 'Patient', 'name=wxm', ['parts', 'whole']],
  ['initials, negative', 'Patient', 'name=wmx', []],
  ['a surname with a reading of its own', 'Patient', 'name=xiexiaodong', ['surname']],
  ['a surname, negative', 'Patient', 'name=jiexiaodong', []],
  ['ü as v', 'Patient', 'name=lvbu', ['lv']],
  ['ü as u', 'Patient', 'name=lübu', ['lv']],
  ['a spelling is not exact', 'Patient', 'name:exact=wangxiaoming', []],
  ['a hospital', 'Organization', 'name=rmyy', ['hospital']],
  ['a hospital', 'Organization', 'name=renminyiyuan', ['hospital']],
];
describeSearch('names in Chinese', resources, rows);

it('names in Chinese are ordered by their pinyin, among the others', async () => {
  const world = await givenWorld(resources);
  try {
    const ids = await world.find('Patient', '_sort=family');
    assert.deepEqual(ids, ['parts', 'latin', 'surname', 'traditional', 'lv', 'whole']);
  } finally {
    await world.close();
  }
});
