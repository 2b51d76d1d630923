/** Why the hub writes messages itself (docs/decisions/0009): when one of these fails, the package has been mended. */
import assert from 'node:assert/strict';
import { HL7Message } from 'hl7v2';
import { HL7Version } from 'hl7v2-dictionary';

describe('the package hl7v2, as a writer', () => {
  const write = (set: (message: HL7Message) => void): string => {
    const message = new HL7Message(HL7Version.v2_5_1);
    set(message);
    return message.toHL7String();
  };

  it('loses the subcomponents of CX.4', () => {
    const text = write((message) => message.addSegment('PID').field(3).setValue('1', 1).setValue('1.2.3', 4, 2));
    assert.ok(!text.includes('1.2.3'), text);
  });

  it('loses the seconds 00 of a time', () => {
    const text = write((message) => message.addSegment('AIS').field(4).setValue('20260305090000'));
    assert.match(text, /AIS\|\|\|\|202603050900\r/);
  });

  it('loses leading zeros', () => {
    assert.match(
      write((message) => message.addSegment('NTE').field(1).setValue('001')),
      /NTE\|1\r/,
    );
  });
});
