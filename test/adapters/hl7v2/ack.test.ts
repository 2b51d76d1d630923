import assert from 'node:assert/strict';
import { buildAck } from '../../../adapters/hl7v2/ack.ts';
import { checkBatch, splitMessages } from '../../../adapters/hl7v2/batch.ts';
import { findCharset } from '../../../adapters/hl7v2/charset.ts';
import { parseMessage } from '../../../adapters/hl7v2/message.ts';
import { readEnvelope } from '../../../adapters/hl7v2/read.ts';
import { guessSender, senderOf } from '../../../adapters/hl7v2/sender.ts';
import { Problem, type ProblemCode } from '../../../src/fhir/problem.ts';

const usual = 'MSH|^~\\&|LAB|HOSPA|HUB|REGION|20240101||ADT^A01^ADT_A01|M1|P|2.5.1';

function ack(header: string, verdict?: Problem, kind: 'application' | 'accept' = 'application', charset = 'ASCII') {
  const sender = senderOf(parseMessage(header).first('MSH')!, findCharset(charset)!);
  const facts = { sender, kind, verdict, at: new Date('2024-01-02T03:04:05.678Z'), controlId: 'A1' };
  return buildAck(facts).toString('latin1').split('\r');
}

describe('acknowledgments (HL7 v2.5.1 section 2.9)', () => {
  it('answer in the names, event, version and separators of the sender', () => {
    assert.deepEqual(ack(usual), [
      'MSH|^~\\&|HUB|REGION|LAB|HOSPA|20240102030405+0000||ACK^A01^ACK|A1|P|2.5.1',
      'MSA|AA|M1',
      '',
    ]);
    assert.deepEqual(ack('MSH$*%#@$LAB$HOSPA$HUB$REGION$2024$$ADT*A01$M*1$T$2.3'), [
      'MSH$*%#@$HUB$REGION$LAB$HOSPA$20240102030405+0000$$ACK*A01*ACK$A1$T$2.3',
      'MSA$AA$M*1',
      '',
    ]);
  });

  it('repeat MSH-18 and never ask for an acknowledgment', () => {
    const [msh = ''] = ack(`${usual}|||AL|AL||UNICODE UTF-8`, undefined, 'accept');
    assert.deepEqual(msh.split('|').slice(12), ['', '', 'NE', 'NE', '', 'UNICODE UTF-8']);
    const [plain = ''] = ack(`${usual}||||||8859/1`);
    assert.deepEqual(plain.split('|').slice(12), ['', '', '', '', '', '8859/1']);
  });

  it('repeat MSH-10 as it was sent, escapes and all', () => {
    assert.equal(ack(usual.replace('M1', 'a\\T\\b c'))[1], 'MSA|AA|a\\T\\b c');
  });

  const rows: [ProblemCode, string | undefined, string, string][] = [
    ['structure', 'PID-3', 'AE', '100^Segment sequence error^HL70357'],
    ['required', 'MSH-10', 'AE', '101^Required field missing^HL70357'],
    ['value', 'OBX-5', 'AE', '102^Data type error^HL70357'],
    ['code-invalid', 'PID-8', 'AE', '103^Table value not found^HL70357'],
    ['not-supported', 'MSH-9.1', 'AR', '200^Unsupported message type^HL70357'],
    ['not-supported', 'MSH-9.2', 'AR', '201^Unsupported event code^HL70357'],
    ['not-supported', 'MSH-11', 'AR', '202^Unsupported processing id^HL70357'],
    ['not-supported', 'MSH-12', 'AR', '203^Unsupported version id^HL70357'],
    ['not-found', undefined, 'AE', '204^Unknown key identifier^HL70357'],
    ['conflict', undefined, 'AR', '206^Application record locked^HL70357'],
    ['lock-error', undefined, 'AR', '206^Application record locked^HL70357'],
    ['login', undefined, 'AR', ''],
    ['forbidden', 'MSH-4', 'AR', ''],
    ['transient', undefined, 'AR', '207^Application internal error^HL70357'],
    ['exception', undefined, 'AR', '207^Application internal error^HL70357'],
  ];
  for (const [code, expression, msa1, err3] of rows) {
    it(`${code}${expression === undefined ? '' : ` at ${expression}`}: ${msa1}, ERR-3 ${err3 || 'empty'}`, () => {
      const problem = new Problem(code, 'what is wrong', { expression, hint: 'what to do' });
      const [, msa, err = ''] = ack(usual, problem);
      assert.equal(msa, `MSA|${msa1}|M1`);
      const fields = err.split('|');
      assert.deepEqual([fields[3], fields[4], fields[7], fields[8]], [err3, 'E', 'what is wrong', 'what to do']);
      const [, acceptMsa] = ack(usual, problem, 'accept');
      assert.equal(acceptMsa, `MSA|C${msa1[1]}|M1`);
    });
  }

  const locations: [string, string][] = [
    ['PID-3.1', 'PID^1^3^1^1'],
    ['PID-3', 'PID^1^3'],
    ['PID', 'PID^1'],
    ['OBX[3]-5.2', 'OBX^3^5^1^2'],
    ['Patient.name', ''],
  ];
  for (const [expression, err2] of locations) {
    it(`${expression} is told in ERR-2 as ${err2 || 'nothing'}`, () => {
      const [, , err = ''] = ack(usual, new Problem('value', 'x', { expression }));
      assert.equal(err.split('|')[2], err2);
    });
  }

  it('before version 2.5, the code is in ERR-1 and the text in MSA-3 too', () => {
    const [, msa, err = ''] = ack(usual.replace('2.5.1', '2.3.1'), new Problem('required', 'it is missing'));
    assert.equal(msa, 'MSA|AE|M1|it is missing');
    assert.equal(err.split('|')[1], '^^^101&Required field missing&HL70357');
  });

  it('our own words cannot break the segment', () => {
    const [, , err = '', end] = ack(usual, new Problem('value', 'a|b^c~d\\e&f\rg'));
    assert.equal(err.split('|')[7], 'a\\F\\b\\S\\c\\R\\d\\E\\e\\T\\f g');
    assert.equal(end, '');
  });

  it('bytes that are no message are answered with what they give away, or with nothing', () => {
    assert.equal(guessSender(Buffer.from(`${usual}\rPID|\xff`, 'latin1')).controlId, 'M1');
    assert.equal(guessSender(Buffer.from('hello')).controlId, '');
  });
});

describe('the envelope of a message', () => {
  const read = (pid: string, header = usual) => readEnvelope(parseMessage(`${header}\r${pid}`));
  const keys: [string, string, string][] = [
    ['the only identifier', 'PID|1||7^^^HOSPA', 'HOSPA|7'],
    ['the same identifier without its authority', 'PID|1||7', 'HOSPA|7'],
    ['the record number, wherever it stands', 'PID|1||440^^^CARD^NI~7^^^HOSPA^MR', 'HOSPA|7'],
    ['its own record number before that of another', 'PID|1||1^^^AAA^MR~7^^^HOSPA^MR', 'HOSPA|7'],
    ['the record number before the person number', 'PID|1||11010519491231002X^^^CN^MR~7^^^HOSPA^XX', 'HOSPA|7'],
    ['the person number alone', 'PID|1||11010519491231002x^^^CN', 'national 11010519491231002X'],
    ['the universal id of the authority', 'PID|1||7^^^HOSPA&1.2.3&ISO^MR', '1.2.3|7'],
    ['PID-2 without PID-3', 'PID|1|8', 'HOSPA|8'],
    ['PID-18 without both', `PID|1${'|'.repeat(17)}9`, 'account 9'],
    ['all that name nobody, without any', 'PID|1||""', 'unnamed'],
    ['all that name nobody, without PID', 'ZZZ|1', 'unnamed'],
  ];
  for (const [what, pid, key] of keys) {
    it(`keeps the order by ${what}`, () => assert.equal(read(pid).patientKey, key));
  }

  it('names the facility by MSH-4.1, else by MSH-4.2', () => {
    assert.equal(read('PID|1', usual.replace('HOSPA', 'A^1.2^ISO')).facility, 'A');
    assert.equal(read('PID|1', usual.replace('HOSPA', '^1.2^ISO')).facility, '1.2');
  });

  const refused: [string, string, string][] = [
    ['an empty MSH-10', usual.replace('M1', ''), 'required'],
    ['an empty MSH-9', usual.replace('ADT^A01^ADT_A01', ''), 'required'],
    ['an endless MSH-10', usual.replace('M1', 'x'.repeat(300)), 'too-long'],
    ['a control character in MSH-10', usual.replace('M1', 'a\\X00\\'), 'value'],
  ];
  for (const [what, header, code] of refused) {
    it(`refuses ${what} as ${code}`, () => assert.throws(() => read('PID|1', header), { code }));
  }
});

describe('files of several messages', () => {
  const a = `${usual}\rPID|1`;
  const b = `${usual.replace('M1', 'M2')}\rPID|2`;

  const batches: [what: string, file: string, expression: string | undefined][] = [
    ['a whole file', `FHS|^~\\&\rBHS|^~\\&\r${a}\rBTS|1\rBHS|^~\\&\r${b}\rBTS|1\rFTS|2\r`, undefined],
    ['trailers without counts', `FHS|^~\\&\rBHS|^~\\&\r${a}\rBTS\rFTS\r`, undefined],
    ['messages without an envelope', `${a}\r${b}`, undefined],
    ['a batch without its end', `BHS|^~\\&\r${a}\r${b}`, 'BTS'],
    ['a batch that begins in another', `BHS|^~\\&\r${a}\rBHS|^~\\&\r${b}\rBTS|1\r`, 'BTS'],
    ['a file that ends in a batch', `FHS|^~\\&\rBHS|^~\\&\r${a}\rFTS|1\r`, 'BTS'],
    ['a file without its end', `FHS|^~\\&\rBHS|^~\\&\r${a}\rBTS|1\r`, 'FTS'],
    ['a batch that counts more', `BHS|^~\\&\r${a}\rBTS|2\r`, 'BTS-1'],
    ['a file that counts more', `FHS|^~\\&\rBHS|^~\\&\r${a}\rBTS|1\rFTS|2\r`, 'FTS-1'],
  ];
  for (const [what, file, expression] of batches) {
    it(`${what} is ${expression === undefined ? 'taken' : `refused at ${expression}`}`, () =>
      assert.equal(checkBatch(Buffer.from(file))?.expression?.[0], expression));
  }
  const rows: [string, string, string[]][] = [
    ['one message', a, [a]],
    ['two, CR', `${a}\r${b}`, [a, b]],
    ['a batch', `FHS|^~\\&|x\rBHS|^~\\&|x\r${a}\r${b}\rBTS|2\rFTS|1\r`, [a, b]],
    ['blank lines between', `\n\n${a}\n\n\n${b}\n`, [`${a}\n\n\n`, `${b}\n`]],
    ['framing bytes', `\x0b${a}\r\x1c\r\x0b${b}\r\x1c\r`, [a, b]],
    ['no message', 'hello', ['hello']],
  ];
  for (const [what, file, messages] of rows) {
    it(`given ${what}, then ${messages.length}`, () => {
      assert.deepEqual(
        splitMessages(Buffer.from(file)).map((bytes) => Buffer.from(bytes).toString()),
        messages,
      );
    });
  }
});
