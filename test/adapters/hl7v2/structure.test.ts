import assert from 'node:assert/strict';
import { parseMessage } from '../../../adapters/hl7v2/message.ts';
import { checkStructure } from '../../../adapters/hl7v2/structure.ts';

const header = 'MSH|^~\\&|A|H|B|C|20240101||ADT^A01^ADT_A01|1|P|2.5.1';
const whole = [header, 'EVN||20240101', 'PID|||1^^^H^MR||Lin^Mei', 'PV1||I'];

describe('an inbound message against the standard (a report)', () => {
  const rows: [string, string[], string[]][] = [
    ['a message as printed', whole, []],
    ['a segment is missing', whole.filter((line) => !line.startsWith('PV1')), ['PV1']],
    ['a field is missing', whole.map((line) => (line.startsWith('PV1') ? 'PV1|1' : line)), ['PV1-2']],
    ['an unknown segment, and one of a site', [...whole, 'QQQ|1', 'ZPI|1'], ['QQQ']],
    [
      'a field too long',
      whole.map((line) => (line.startsWith('PV1') ? `PV1||I|||${'x'.repeat(251)}` : line)),
      ['PV1-5'],
    ],
    ['no such structure', [header.replace('ADT^A01^ADT_A01', 'XXX^Y01'), ...whole.slice(1)], ['MSH-9']],
  ];
  for (const [what, lines, positions] of rows) {
    it(what, async () => {
      const found = await checkStructure(parseMessage(lines.join('\r')));
      assert.deepEqual(
        found.map(({ position }) => position),
        positions,
        JSON.stringify(found),
      );
    });
  }
});
