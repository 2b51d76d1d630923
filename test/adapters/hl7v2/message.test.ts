import assert from 'node:assert/strict';
import fc from 'fast-check';
import { parseMessage, partsMax, segmentsMax } from '../../../adapters/hl7v2/message.ts';
import { Problem } from '../../../src/fhir/problem.ts';
import { checkBatch, isBatch, splitMessages } from '../../../adapters/hl7v2/batch.ts';
import { readMessage } from '../../../adapters/hl7v2/read.ts';
import { processorMs } from '../../processor-time.ts';

const header = 'MSH|^~\\&|LAB|HOSPA|HUB|HUB|20240101||ORU^R01|1|P|2.5.1';
const read = (segment: string) => parseMessage(`${header}\r${segment}`).segments[1]!;

describe('HL7v2 message -> segments (v2.5.1 section 2.5)', () => {
  const forms: [string, string, string[]][] = [
    ['CR', `${header}\rPID|1\rPV1|1\r`, ['MSH', 'PID', 'PV1']],
    ['LF', `${header}\nPID|1\nPV1|1\n`, ['MSH', 'PID', 'PV1']],
    ['CRLF', `${header}\r\nPID|1\r\nPV1|1\r\n`, ['MSH', 'PID', 'PV1']],
    ['a mix of them', `${header}\rPID|1\nPV1|1\r\nZZ1|x`, ['MSH', 'PID', 'PV1', 'ZZ1']],
    ['no last terminator', `${header}\rPID|1`, ['MSH', 'PID']],
    ['a byte order mark', `\ufeff${header}\rPID|1`, ['MSH', 'PID']],
    ['blank lines', `\r\n\n${header}\r\r\n \rPID|1\n\n`, ['MSH', 'PID']],
    ['blanks before names', `  ${header}\r\t PID|1`, ['MSH', 'PID']],
    ['a segment without fields', `${header}\rPID\rPV1|`, ['MSH', 'PID', 'PV1']],
  ];
  for (const [what, text, names] of forms) {
    it(`given ${what}, then the segments are ${names.join(', ')}`, () => {
      const message = parseMessage(text);
      assert.deepEqual(
        message.segments.map(({ name }) => name),
        names,
      );
      assert.deepEqual(
        message.segments.map(({ position }) => position),
        names.map((_, index) => index + 1),
      );
    });
  }

  const refused: [string, string, string][] = [
    ['nothing', '', 'structure'],
    ['only line ends', '\r\n\r\n', 'structure'],
    ['another segment first', 'PID|1', 'structure'],
    ['an HTTP request', 'GET / HTTP/1.1\r\n', 'structure'],
    ['MSH alone', 'MSH', 'structure'],
    ['a letter as field separator', 'MSHA^~\\&ALAB', 'structure'],
    ['no encoding characters', 'MSH||LAB', 'structure'],
    ['a value in place of the encoding characters', 'MSH|LAB|HOSPA', 'structure'],
    ['the same encoding character twice', 'MSH|^^\\&|LAB', 'structure'],
    ['too many segments', `${header}\r${'Z\r'.repeat(segmentsMax)}`, 'too-long'],
  ];
  for (const [what, text, code] of refused) {
    it(`given ${what}, then it is refused as ${code}`, () => {
      assert.throws(
        () => parseMessage(text),
        (error) => error instanceof Problem && error.code === code,
      );
    });
  }

  it('splits many lines with one kind of line end in linear time', () => {
    assert.ok(processorMs(() => parseMessage(`${header}\n${'NTE|1||text\n'.repeat(19_000)}`)) < 2_000);
  });
});

describe('bounds of a message', () => {
  const refused = (text: string): Problem => {
    try {
      parseMessage(text);
    } catch (error) {
      if (error instanceof Problem) return error;
    }
    throw new Error('it was not refused');
  };
  const rows: [string, string, string][] = [
    ['segments', 'NTE\r'.repeat(segmentsMax + 1), 'MSH'],
    ['repetitions', `PID|1||${'a~'.repeat(partsMax)}\rZZZ|1`, 'PID'],
    ['components', `PID|1\rOBX|1|NA|||${'1^'.repeat(partsMax)}`, 'OBX'],
    ['subcomponents', `ZPI|${'&'.repeat(partsMax)}`, 'ZPI'],
    ['fields', 'A|'.repeat(partsMax), 'MSH'],
  ];
  for (const [what, text, expression] of rows) {
    it(`too many ${what} are refused, and the segment with the most is named`, () => {
      const { code, expression: found } = refused(`${header}\r${text}`);
      assert.deepEqual([code, found], ['too-long', [expression]]);
    });
  }

  it('every subcomponent of a long component is read in linear time', () => {
    const [value] = parseMessage(`${header}\rPID|${'a&'.repeat(100_000)}b`).segments[1]!.field(1);
    const ms = processorMs(() => {
      for (let index = 1; index <= 100_001; index++) assert.equal(value!.get(1, index), index > 100_000 ? 'b' : 'a');
    });
    assert.ok(ms < 2_000);
  });
});

describe('a megabyte of blank lines', () => {
  for (const blank of ['\r', '\r\n', ' \r', '\n\r  ']) {
    it(`${JSON.stringify(blank)} between two segments is none`, () => {
      const bytes = Buffer.from(`${header}\r${blank.repeat(1_000_000 / blank.length)}PID|1||2\r`);
      assert.equal(checkBatch(bytes), undefined);
      assert.equal(isBatch(bytes), false);
      assert.deepEqual(
        splitMessages(bytes).flatMap((one) => readMessage(one).message.segments.map(({ raw }) => raw)),
        [header, 'PID|1||2'],
      );
    });
  }
});

describe('line ends within a text', () => {
  const texts = (text: string): string[] =>
    parseMessage(`${header}\r${text}`)
      .segments.slice(1)
      .map(({ raw }) => raw);
  const rows: [string, string, string[]][] = [
    [
      'a line that is no segment goes on with the one before',
      'NTE|1||one\ntwo words\n|three|\rPID|1',
      ['NTE|1||one\ntwo words\n|three|', 'PID|1'],
    ],
    ['a segment without fields is one', 'NTE|1||a\rDSC\rDSC|', ['NTE|1||a', 'DSC', 'DSC|']],
    [
      'names that are odd but names are kept as such',
      'NTE|1\rABCD|1\r5.1|2\rpid|3\rX|4',
      ['NTE|1', 'ABCD|1', '5.1|2', 'pid|3', 'X|4'],
    ],
  ];
  for (const [what, text, expected] of rows) it(what, () => assert.deepEqual(texts(text), expected));
});

describe('fields, as printed in the standard', () => {
  it('numbers MSH with MSH-1 as the separator and MSH-2 as the encoding characters', () => {
    const msh = parseMessage(header).first('MSH')!;
    assert.equal(msh.text(1), '|');
    assert.equal(msh.text(2), '^~\\&');
    assert.equal(msh.field(2).length, 1);
    assert.equal(msh.field(2)[0]?.get(1), '^~\\&');
    assert.equal(msh.text(4), 'HOSPA');
    assert.equal(msh.field(9)[0]?.get(2), 'R01');
    assert.equal(msh.text(12), '2.5.1');
    assert.equal(msh.fieldCount, 12);
  });

  for (const [fields, present, beyond] of [
    [[1, 30], (1 << 1) | (1 << 30), 0],
    [[31, 60], 0, (1 << 1) | (1 << 30)],
    [[2, 61], 1 << 2, 1],
    [[75], 0, 1],
  ] as const) {
    it(`says which fields hold any text: ${fields.join(', ')}`, () => {
      const values = Array.from({ length: 80 }, (_, index) => (fields.some((field) => field === index + 1) ? 'x' : ''));
      const segment = parseMessage(`${header}\rZZZ|${values.join('|')}`).segments[1];
      assert.deepEqual([segment?.present, segment?.presentBeyond], [present, beyond]);
    });
  }

  it('takes any separators that the message declares', () => {
    const message = parseMessage('MSH$*%#@$LAB$HOSPA\rPID$1$$7*x@y%8$a#F#b');
    const pid = message.segments[1]!;
    assert.equal(pid.field(3)[0]?.get(2, 2), 'y');
    assert.equal(pid.field(3)[1]?.get(1), '8');
    assert.equal(pid.text(4), 'a$b');
  });

  it('given only a component separator in MSH-2, then nothing else separates', () => {
    const pid = parseMessage('MSH|^|LAB\rPID|a~b^c&d\\F\\').segments[1]!;
    assert.deepEqual([pid.text(1), pid.field(1)[0]?.get(2)], ['a~b', 'c&d\\F\\']);
  });

  const absent: [string, number][] = [
    ['a field after the last', 9],
    ['an empty field', 2],
    ['field 0', 0],
  ];
  for (const [what, field] of absent) {
    it(`given ${what}, then it has no repetition and its text is empty`, () => {
      const segment = read('PID|1||3');
      assert.deepEqual([segment.text(field), segment.field(field).length], ['', 0]);
    });
  }

  it('drops trailing empty repetitions and keeps those between', () => {
    assert.deepEqual(
      read('PID|1||a~~b~~')
        .field(3)
        .map(({ raw }) => raw),
      ['a', '', 'b'],
    );
  });

  it('tells "" (remove it) from an empty field (no change)', () => {
    const segment = read('PID|""||x');
    assert.equal(segment.field(1)[0]?.isNull, true);
    assert.equal(segment.field(3)[0]?.isNull, false);
  });

  it('reads components and subcomponents, and the whole of a component', () => {
    const value = read('OBX|a^b&c&d^^e').field(1)[0]!;
    assert.deepEqual(
      [value.get(1), value.get(2), value.get(2, 3), value.get(3), value.get(4)],
      ['a', 'b', 'd', '', 'e'],
    );
    assert.deepEqual([value.get(5), value.get(2, 4), value.get(1, 2)], ['', '', '']);
    assert.deepEqual([value.whole(2), value.componentCount, value.subcomponentCount(2)], ['b&c&d', 4, 3]);
  });

  it('keeps names that are not three letters', () => {
    assert.equal(read('ZZXX|1').name, 'ZZXX');
    assert.equal(read('Z|1').name, 'Z');
  });
});

describe('escape sequences (v2.5.1 section 2.7), undone after splitting', () => {
  const rows: [string, string][] = [
    ['a\\F\\b', 'a|b'],
    ['a\\S\\b', 'a^b'],
    ['a\\T\\b', 'a&b'],
    ['a\\R\\b', 'a~b'],
    ['a\\E\\b', 'a\\b'],
    ['\\E\\F\\E\\', '\\F\\'],
    ['a\\.br\\b', 'a\nb'],
    ['a\\.sp2\\b', 'a\n\nb'],
    ['a\\X0D0A\\b', 'a\r\nb'],
    ['a\\X41\\b', 'aAb'],
    ['\\F\\\\F\\', '||'],
    // Not sequences, or not ones that stand for text: as sent.
    ['a\\X4\\b', 'a\\X4\\b'],
    ['a\\XZZ\\b', 'a\\XZZ\\b'],
    ['a\\H\\b\\N\\c', 'a\\H\\b\\N\\c'],
    ['a\\Zlocal\\b', 'a\\Zlocal\\b'],
    ['a\\.sp999\\b', 'a\\.sp999\\b'],
    ['C:\\dir', 'C:\\dir'],
    ['5\\6\\F\\7', '5\\6|7'],
  ];
  for (const [sent, text] of rows) {
    it(`${JSON.stringify(sent)} is ${JSON.stringify(text)}`, () => {
      assert.equal(read(`NTE|${sent}`).text(1), text);
      assert.equal(read(`NTE|${sent}`).field(1)[0]?.whole(1), text);
    });
  }

  it('decodes \\X..\\ in the charset of the message, and keeps what that charset does not have', () => {
    const gb = (bytes: Uint8Array) => (bytes.length === 2 ? new TextDecoder('gb18030').decode(bytes) : undefined);
    const segment = parseMessage(`${header}\rNTE|\\XD6D0\\|\\XD6\\`, gb).segments[1]!;
    assert.deepEqual([segment.text(1), segment.text(2)], ['中', '\\XD6\\']);
  });
});

describe('nothing is lost', () => {
  const piece = fc.string({
    unit: fc.constantFrom('a', '9', '|', '^', '~', '\\', '&', '"', ' ', '中', '#'),
    maxLength: 40,
  });

  it('segments joined again are the message', () => {
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (tails) => {
        const text = [header, ...tails.map((tail) => `ZZ1|${tail}`)].join('\r');
        assert.equal(
          parseMessage(text)
            .segments.map(({ raw }) => raw)
            .join('\r'),
          text,
        );
      }),
    );
  });

  it('repetitions and fields joined again are the segment, up to trailing empty repetitions', () => {
    fc.assert(
      fc.property(piece, (tail) => {
        const segment = read(`ZZ1|${tail}`);
        const fields = Array.from({ length: segment.fieldCount }, (_, index) =>
          segment
            .field(index + 1)
            .map(({ raw }) => raw)
            .join('~'),
        );
        const bare = (text: string) =>
          text
            .split('|')
            .map((field) => field.replace(/~+$/, ''))
            .join('|');
        assert.equal(['ZZ1', ...fields].join('|'), bare(segment.raw));
      }),
    );
  });

  it('text written with escapes reads as itself, whatever is in it', () => {
    const escapes: Record<string, string> = { '|': 'F', '^': 'S', '~': 'R', '\\': 'E', '&': 'T' };
    fc.assert(
      fc.property(piece, (text) => {
        const escaped = text.replace(/[|^~\\&]/g, (sign) => `\\${escapes[sign]}\\`);
        assert.equal(read(`ZZ1|${escaped}|end`).text(1), text);
      }),
    );
  });
});
