/** The vendor profile of hospital systems in China, on messages as they send them (all persons invented). */
import assert from 'node:assert/strict';
import { parseMessage } from '../../adapters/hl7v2/message.ts';
import type { AnyResource } from '../../src/fhir/types.ts';
import { validate } from '../../src/fhir/validate.ts';
import type { MappedMessage } from '../../src/mapping/message/draft.ts';
import { mapMessage } from '../../src/mapping/run.ts';
import type { HubResponse } from '../given-hub.ts';
import { context, json, maps } from './given.ts';

/** Read as what the test expects. */
type Json = HubResponse['json'];

const profile = maps.library.partners.get('cn-his');
assert.ok(profile !== undefined);
const map = maps.compile(profile);

function mapped(segments: readonly string[], type = 'ADT^A01'): MappedMessage {
  const header = `MSH|^~\\&|HIS|HOSPA|HUB|HUB|20260301080000||${type}|M1|P|2.4|||||CHN|UNICODE UTF-8`;
  return mapMessage(map, parseMessage([header, ...segments].join('\r')), context);
}

function resources(result: MappedMessage, type: string): (AnyResource & { id: string })[] {
  const all = result.drafts.map(({ resource }) => resource);
  for (const one of all)
    assert.deepEqual(
      validate(one).map(({ message }) => message),
      [],
      json(one),
    );
  return all.filter(({ resourceType }) => resourceType === type);
}

/** A Patient with these fields of PID, from PID-3 on. */
function patient(fields: string): AnyResource & { id: string } {
  const [found] = resources(mapped([`PID|1||${fields}`]), 'Patient');
  assert.ok(found !== undefined);
  return found;
}

const representation = (code: string) => ({
  url: 'http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation',
  valueCode: code,
});

describe('cn-his: PID-5, a whole name in one component', () => {
  const ide = { extension: [representation('IDE')], text: '林梅' };
  const abc = (text: string) => ({ extension: [representation('ABC')], text });
  const rows: [what: string, sent: string, names: object[]][] = [
    ['hanzi alone', '林梅', [ide]],
    ['pinyin in the second component', '林梅^Lin Mei', [ide, abc('Lin Mei')]],
    ['pinyin behind it', '林梅 LIN MEI', [ide, abc('LIN MEI')]],
    ['pinyin in brackets', '林梅(Lin Mei)', [ide, abc('Lin Mei')]],
    ['pinyin in full-width brackets', '林梅（Lin Mei）', [ide, abc('Lin Mei')]],
    ['a name with a dot', '阿依努尔·买买提', [{ extension: [representation('IDE')], text: '阿依努尔·买买提' }]],
    ['family and given name apart', '林^梅', [{ family: '林', given: ['梅'] }]],
    ['a name in Latin letters', 'Smith^John', [{ family: 'Smith', given: ['John'] }]],
    [
      'a repetition for the pinyin',
      '林梅^^^^^^^I~Lin^Mei^^^^^^A',
      [ide, { family: 'Lin', given: ['Mei'], extension: [representation('ABC')] }],
    ],
  ];
  for (const [what, sent, names] of rows) {
    it(what, () => assert.equal(json(sorted(patient(`1||${sent}`)['name'])), json(sorted(names))));
  }
});

/** Property order is no content. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, item]) => [name, sorted(item)]),
  );
}

describe('cn-his: PID-3, kinds of numbers without authority', () => {
  const found = patient('H001^^^^就诊卡号~B002^^^^病案号~11010519491231002X^^^^身份证号~C03123456^^^^社保卡号||林梅');
  const identifiers = found['identifier'] as Json[];

  it('each kind is a system of its own within the hospital', () => {
    const systems = identifiers.map(({ system }) => decodeURIComponent(String(system)));
    assert.match(systems[0] ?? '', /Organization\/x\/authority\/就诊卡号$/);
    assert.match(systems[1] ?? '', /Organization\/x\/authority\/病案号$/);
    assert.equal(systems[2], 'urn:oid:2.16.156.10011.1.3');
    assert.match(systems[3] ?? '', /社保卡号$/);
  });

  it('each kind has its type of HL70203, the word as sent beside', () => {
    const types = identifiers.map(({ type }) => type.coding[0].code);
    assert.deepEqual(types, ['PT', 'MR', 'NI', 'HC']);
  });

  it('the record’s number names the Patient, whatever else is sent and in which order', () => {
    const alone = patient('B002^^^^病案号||林梅');
    const turned = patient('11010519491231002X^^^^身份证号~B002^^^^病案号~H001^^^^就诊卡号||林梅');
    assert.deepEqual([alone.id, turned.id], [found.id, found.id]);
  });

  const rows: [what: string, sent: string, expected: string | undefined][] = [
    ['a resident identity number of 18 characters', '11010519491231002X^^^^居民身份证', '11010519491231002X'],
    ['one of 15 digits, named as such', '110105491231002^^^^身份证', '11010519491231002X'],
    ['15 digits not named as such', '110105491231002^^^^就诊卡号', undefined],
    ['a wrong check character', '110105194912310021^^^^身份证', undefined],
  ];
  for (const [what, sent, expected] of rows) {
    it(`${what}: ${expected === undefined ? 'no' : 'a'} national identifier`, () => {
      const all = patient(`B1^^^^病案号~${sent}||林梅`)['identifier'] as { system?: string; value: string }[];
      const national = all.find(({ system }) => system === 'urn:oid:2.16.156.10011.1.3');
      assert.equal(national?.value, expected);
    });
  }
});

describe('cn-his: what PID says by national code tables', () => {
  const genders: [sent: string, gender: string][] = [
    ['1', 'male'],
    ['2', 'female'],
    ['男', 'male'],
    ['女', 'female'],
    ['0', 'unknown'],
    ['9', 'unknown'],
    ['M', 'male'],
  ];
  for (const [sent, gender] of genders) {
    it(`PID-8 ${sent} is ${gender}`, () => assert.equal(patient(`1||林梅||19800101|${sent}`)['gender'], gender));
  }

  const marital: [sent: string, code: string][] = [
    ['10', 'S'],
    ['20', 'M'],
    ['30', 'W'],
    ['40', 'D'],
    ['已婚', 'M'],
    ['M', 'M'],
  ];
  for (const [sent, code] of marital) {
    it(`PID-16 ${sent} is ${code}`, () => {
      const status = patient(`1||林梅|||||||||||${sent}`)['maritalStatus'] as { coding: { code: string }[] };
      assert.equal(status.coding[0]?.code, code);
    });
  }

  for (const sent of ['05', '维吾尔族', '05^维吾尔族']) {
    it(`PID-22 ${sent} is the nationality of GB/T 3304`, () => {
      const extensions = patient(`1||林梅|||||||||||||||||${sent}`)['extension'] as Json[];
      const group: Json | undefined = extensions.find(({ url }) => String(url).endsWith('/ethnic-group'));
      assert.equal(group?.['valueCodeableConcept'].coding[0].code, '05');
      assert.equal(group?.['valueCodeableConcept'].coding[0].system, 'urn:oid:2.16.156.10011.2.3.3.3');
    });
  }
});

describe('cn-his: PID-11, a whole address in one component', () => {
  const rows: [sent: string, parts: Record<string, string | undefined>][] = [
    ['浙江省杭州市西湖区文三路1号', { state: '浙江省', city: '杭州市', district: '西湖区', line: '文三路1号' }],
    ['北京市朝阳区建国路8号', { state: '北京市', city: '北京市', district: '朝阳区', line: '建国路8号' }],
    ['山东省济南市市中区经七路2号', { state: '山东省', city: '济南市', district: '市中区', line: '经七路2号' }],
    ['新疆维吾尔自治区伊犁哈萨克自治州', { state: '新疆维吾尔自治区', city: '伊犁哈萨克自治州', district: undefined }],
    ['西湖区文三路1号', { state: undefined, city: undefined, line: '西湖区文三路1号' }],
  ];
  for (const [sent, parts] of rows) {
    it(sent, () => {
      const [address] = patient(`1||林梅||||||${sent}`)['address'] as Record<string, unknown>[];
      assert.equal(address?.['text'], sent);
      for (const [name, value] of Object.entries(parts)) {
        const found: unknown = name === 'line' ? (address?.['line'] as string[] | undefined)?.[0] : address?.[name];
        assert.equal(found, value, name);
      }
    });
  }

  it('given components, then they are read as sent', () => {
    const [address] = patient('1||林梅||||||文三路1号^^杭州市^浙江省')['address'] as Record<string, unknown>[];
    assert.deepEqual([address?.['text'], address?.['city'], address?.['state']], [undefined, '杭州市', '浙江省']);
  });
});

describe('cn-his: results', () => {
  const observation = (fields: string): Json => {
    const result = mapped(['PID|1||1^^^^病案号||林梅', 'OBR|1||F1|1^血常规', `OBX|1|${fields}`], 'ORU^R01');
    const [found] = resources(result, 'Observation');
    assert.ok(found !== undefined);
    return found;
  };

  const units: [sent: string, unit: string, code: string][] = [
    ['^10\\S\\9/L', '10^9/L', '10*9/L'],
    ['10\\S\\12/L', '10^12/L', '10*12/L'],
    ['×10\\S\\9/L', '×10^9/L', '10*9/L'],
    ['μmol/L', 'μmol/L', 'umol/L'],
    ['mmol/l', 'mmol/l', 'mmol/L'],
    ['℃', '℃', 'Cel'],
  ];
  for (const [sent, unit, code] of units) {
    it(`OBX-6 ${sent} is UCUM ${code}, and ${unit} as sent`, () => {
      const { valueQuantity } = observation(`NM|WBC^白细胞||5.60|${sent}|||||1`);
      assert.equal(
        json(valueQuantity),
        json({ value: JSON.parse('5.6'), unit, system: 'http://unitsofmeasure.org', code }).replace('5.6', '5.60'),
      );
    });
  }

  const flags: [sent: string, code: string][] = [
    ['↑', 'H'],
    ['↓', 'L'],
    ['↑↑', 'HH'],
    ['偏高', 'H'],
    ['正常', 'N'],
    ['阳性', 'POS'],
  ];
  for (const [sent, code] of flags) {
    it(`OBX-8 ${sent} is ${code}, the flag as sent beside`, () => {
      const [interpretation] = observation(`NM|WBC^白细胞||5.60|g/L||${sent}|||1`)['interpretation'];
      assert.deepEqual(
        interpretation.coding.map((coding: { code: string }) => coding.code),
        code === sent ? [code] : [code, sent],
      );
    });
  }

  for (const [sent, status] of [
    ['0', 'preliminary'],
    ['1', 'final'],
    ['F', 'final'],
  ] as const) {
    it(`OBX-11 ${sent} is ${status}`, () => {
      assert.equal(observation(`NM|WBC^白细胞||5.60|g/L|||||${sent}`)['status'], status);
    });
  }
});
