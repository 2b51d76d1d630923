import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { parseMessage } from '../../adapters/hl7v2/message.ts';
import { BundleText, keptAs, leavesOf, translationsOf, type Form } from '../../bench/corpus/kept.ts';
import { decimal } from '../../src/fhir/json.ts';
import { loadMaps } from '../../src/mapping/table.ts';

describe('what counts as kept of a message (npm run corpus)', () => {
  const translations = translationsOf(loadMaps(resolve(import.meta.dirname, '../../mappings')).base);
  const bundle = new BundleText({
    gender: 'female',
    name: [{ text: 'Maria Anna Müller' }],
    birthDate: '1980-02-01',
    issued: '2024-03-05T10:20:30+08:00',
    time: '07:15:00',
    value: decimal('5.40'),
    system: 'urn:oid:1.2.3',
    authority: 'https://hub/Organization/x/authority/HOSP%20A',
    table: 'http://terminology.hl7.org/CodeSystem/v2-0136',
    active: true,
    valueRatio: { numerator: { value: 64, comparator: '<' }, denominator: { value: 8192 } },
  });
  const rows: [string, string, Form | undefined][] = [
    ['PID-8.1', 'female', 'same'],
    ['PID-8.1', 'F', 'code'],
    ['PID-8.1', 'M', undefined],
    ['PV1-2.1', 'F', undefined],
    ['PID-5.2', 'Anna', 'part'],
    ['PID-5.2', 'Maria  Anna', undefined],
    ['PID-5.2', 'Ann', undefined],
    ['PID-5.1', 'üller', undefined],
    ['PID-1.1', '01', undefined],
    ['PID-3.4.2', '1.2', undefined],
    ['PID-7.1', '19800201', 'time'],
    ['PID-7.1', '198002', 'time'],
    ['PID-7.1', '1980020110', undefined],
    ['PID-7.1', '19800202', undefined],
    ['OBR-22.1', '20240305102030+0800', 'time'],
    ['OBR-22.1', '202403051020', 'time'],
    ['OBR-22.1', '20240305102030-0500', undefined],
    ['OBR-22.1', '20240305102031', undefined],
    ['OBX-5.1', '0715', 'time'],
    ['OBX-5.1', '5.40', 'same'],
    ['OBX-5.1', '5.4', 'number'],
    ['OBX-5.1', '5.5', undefined],
    ['PID-3.4.2', '1.2.3', 'uri'],
    ['PID-3.4.3', 'ISO', 'uri'],
    ['PID-3.4.3', 'GUID', undefined],
    ['PID-3.4', 'HOSP A', 'uri'],
    ['PID-3.4', 'HOSP B', undefined],
    ['OBX-5.3', 'HL70136', 'uri'],
    ['OBX-5.3', 'HL70137', undefined],
    ['PID-30.1', 'Y', 'code'],
    ['PID-30.1', 'N', undefined],
    ['OBX-5.1', '<64', 'number'],
    ['OBX-5.1', '>64', undefined],
    ['OBX-5.1', '<65', undefined],
    ['OBX-8.3.2', '0136', 'uri'],
    ['OBX-5.1', '=', 'element'],
    ['OBX-5.3', ':', 'element'],
    ['OBX-5.3', '-', undefined],
    ['OBX-6.3', ':', undefined],
  ];
  for (const [position, text, form] of rows) {
    it(`${position} '${text}': ${form ?? 'lost'}`, () =>
      assert.equal(keptAs({ position, text }, bundle, translations), form));
  }
  it('leaves are subcomponents, unescaped, of every repetition; nulls and delimiters are none', () => {
    const message = parseMessage('MSH|^~\\&|A|B\rPID|1||7^^^H&1.2&ISO~8||""|X\\T\\Y|\rZZZ|q\r');
    assert.deepEqual(
      [...leavesOf(message)].map(({ position, text }) => `${position} ${text}`),
      [
        'MSH-3.1 A',
        'MSH-4.1 B',
        'PID-1.1 1',
        'PID-3.1 7',
        'PID-3.4 H',
        'PID-3.4.2 1.2',
        'PID-3.4.3 ISO',
        'PID-3.1 8',
        'PID-6.1 X&Y',
        'ZZZ-1.1 q',
      ],
    );
  });
});
