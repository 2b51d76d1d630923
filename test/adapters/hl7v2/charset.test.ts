import assert from 'node:assert/strict';
import iconv from 'iconv-lite';
import { decodeMessage, detectCharset, findCharset } from '../../../adapters/hl7v2/charset.ts';
import { readMessage } from '../../../adapters/hl7v2/read.ts';
import { Problem } from '../../../src/fhir/problem.ts';

const message = (charset: string, name: string, application = 'LAB') =>
  `MSH|^~\\&|${application}|HOSPA|HUB|HUB|20240101||ADT^A01|1|P|2.5.1||||||${charset}\rPID|1||7||${name}\r`;

describe('MSH-18 (HL70211) -> charset', () => {
  const rows: [string, string, string][] = [
    ['UNICODE UTF-8', 'utf8', '李明^Ünal'],
    ['GB 18030-2000', 'gb18030', '李明^𠮷'],
    ['BIG-5', 'big5', '許功蓋'],
    ['8859/1', 'latin1', 'Müller'],
    ['8859/2', 'iso-8859-2', 'Łukasz'],
    ['8859/5', 'iso-8859-5', 'Иванов'],
    ['8859/7', 'iso-8859-7', 'Γεωργίου'],
    ['8859/9', 'iso-8859-9', 'Işık'],
    ['8859/15', 'iso-8859-15', 'Œuvre€'],
    ['KS X 1001', 'euc-kr', '김민수'],
    // Spellings that are seen.
    ['UTF-8', 'utf8', '李明'],
    ['unicode', 'utf8', '李明'],
    ['GB18030', 'gb18030', '李明'],
    ['GBK', 'gbk', '李明'],
    ['ISO-8859-1', 'latin1', 'Müller'],
    // A first repetition is the charset of the message.
    ['GB 18030-2000~UNICODE UTF-8', 'gb18030', '李明'],
  ];
  for (const [charset, encoding, name] of rows) {
    it(`given ${charset}, then ${name} is read`, () => {
      const decoded = decodeMessage(iconv.encode(message(charset, name), encoding));
      assert.equal(decoded.text, message(charset, name));
      assert.deepEqual([decoded.origin, decoded.warning], ['MSH-18', undefined]);
    });
  }

  // The second byte of each of these is a separator in ASCII.
  const trailing = ['|', '^', '~', '\\'];
  for (const separator of trailing) {
    it(`given GB 18030 names whose second byte is ${separator}, then decoding comes before splitting`, () => {
      // Every two-byte character with this trail byte, as PID-5 and as MSH-3 before MSH-18.
      const characters = Array.from({ length: 0xfe - 0x81 }, (_, index) =>
        iconv.decode(Buffer.from([0x81 + index, separator.charCodeAt(0)]), 'gb18030'),
      ).filter((character) => character.length === 1 && character !== '\ufffd');
      assert.ok(characters.length > 50);
      for (const character of characters) {
        const bytes = iconv.encode(message('GB 18030-2000', `${character}^明`, character), 'gb18030');
        const { message: parsed } = readMessage(bytes);
        assert.equal(parsed.first('PID')?.field(5)[0]?.get(1), character);
        assert.equal(parsed.first('PID')?.field(5)[0]?.get(2), '明');
        assert.equal(parsed.first('MSH')?.text(3), character);
        assert.equal(parsed.first('MSH')?.text(18), 'GB 18030-2000');
      }
    });
  }

  const undeclared: [string, Buffer, string | undefined, string, string][] = [
    ['only ASCII', Buffer.from(message('', 'SMITH')), undefined, 'ASCII', 'detected'],
    ['valid UTF-8', Buffer.from(message('', '李明')), undefined, 'UNICODE UTF-8', 'detected'],
    ['common Chinese', iconv.encode(message('', '李明'), 'gb18030'), undefined, 'GB 18030-2000', 'detected'],
    ['an accented letter', iconv.encode(message('', 'Müller'), 'latin1'), undefined, '8859/1', 'detected'],
    [
      'the endpoint says GB',
      iconv.encode(message('', '李明'), 'gb18030'),
      'GB 18030-2000',
      'GB 18030-2000',
      'endpoint',
    ],
    ['the endpoint says 8859/2', iconv.encode(message('', 'Łuk'), 'iso-8859-2'), '8859/2', '8859/2', 'endpoint'],
    ['UTF-16 with its mark', Buffer.from(`\ufeff${message('', '李明')}`, 'utf16le'), undefined, 'UTF-16LE', 'detected'],
  ];
  for (const [what, bytes, fallback, charset, origin] of undeclared) {
    it(`without MSH-18, given ${what}, then ${charset} (${origin})`, () => {
      const decoded = decodeMessage(bytes, fallback);
      assert.deepEqual([decoded.charset.name, decoded.origin, decoded.warning], [charset, origin, undefined]);
    });
  }

  const misleading: [string, string][] = [
    ['ASCII', 'MSH-18 says ASCII, but other bytes were sent'],
    ['KLINGON', 'MSH-18 names a charset that the hub does not know'],
  ];
  for (const [charset, warning] of misleading) {
    it(`given ${charset} and Chinese bytes, then they are detected and a warning says so`, () => {
      const decoded = decodeMessage(iconv.encode(message(charset, '李明'), 'gb18030'));
      assert.deepEqual([decoded.charset.name, decoded.warning], ['GB 18030-2000', warning]);
      assert.ok(decoded.text.includes('李明'));
    });
  }

  const undecodable: [string, string, string | undefined, Buffer][] = [
    ['UTF-8 declared, GB sent', 'UNICODE UTF-8', undefined, iconv.encode('李明', 'gb18030')],
    ['GB declared, a lone lead byte', 'GB 18030-2000', undefined, Buffer.from([0xc0])],
    ['the endpoint says UTF-8, Latin-1 sent', '', 'UNICODE UTF-8', Buffer.from([0xfc])],
  ];
  for (const [what, charset, fallback, name] of undecodable) {
    it(`given ${what}, then it is refused as structure and nothing is replaced`, () => {
      const [head = '', tail = ''] = message(charset, '@').split('@');
      assert.throws(
        () => decodeMessage(Buffer.concat([Buffer.from(head), name, Buffer.from(tail)]), fallback),
        (error) => error instanceof Problem && error.code === 'structure' && error.expression[0] === 'MSH-18',
      );
    });
  }

  it('an unknown name is no charset', () => assert.equal(findCharset('KLINGON'), undefined));

  it('Western text with many accents is not taken for Chinese', () => {
    for (const text of ['Müller', 'Café Crème', 'ÅÄÖ åäö', 'naïve façade', 'El Niño está aquí']) {
      assert.equal(detectCharset(Buffer.from(text, 'latin1')).name, '8859/1', text);
    }
  });

  it('hex escapes are read in the charset of the message', () => {
    const { message: parsed } = readMessage(iconv.encode(message('GB 18030-2000', '\\XC0EE\\'), 'gb18030'));
    assert.equal(parsed.first('PID')?.text(5), '李');
  });
});
