import assert from 'node:assert/strict';
import type { Delimiters } from '../../../adapters/hl7v2/delimiters.ts';
import { parseMessage } from '../../../adapters/hl7v2/message.ts';
import { escapeText, serialise } from '../../../adapters/hl7v2/serialise.ts';

const other: Delimiters = {
  field: '#',
  component: '*',
  repetition: '%',
  escape: '@',
  subcomponent: '!',
  truncation: undefined,
};

describe('a parsed message as text again', () => {
  it('is the text that was parsed, styling, trailing separators and empty repetitions included', () => {
    const text = 'MSH|^~\\&|A|B\rPID|1||7^^^H&1.2&ISO~~8||a\\T\\b \\H\\c\\N\\ \\.br\\|||~~\rZZZ\r';
    assert.equal(serialise(parseMessage(text)), text);
  });

  it('ends every segment with CR, whatever ended them', () => {
    assert.equal(serialise(parseMessage('\ufeffMSH|^~\\&|A\r\n\r\nPID|1\n ZZZ|2')), 'MSH|^~\\&|A\rPID|1\rZZZ|2\r');
  });

  const rows: [string, string, string][] = [
    ['separators become the others', 'PID|1^2&3~4', 'PID#1*2!3%4'],
    ['signs that now separate are escaped', 'PID|a#b*c%d@e!f', 'PID#a@F@b@S@c@R@d@E@e@T@f'],
    ['what no longer separates is not', 'PID|a\\F\\b\\S\\c\\T\\d\\R\\e\\E\\f', 'PID#a|b^c&d~e\\f'],
    ['other sequences keep their words', 'PID|a\\X0D\\b\\.br\\c', 'PID#a@X0D@b@.br@c'],
    ['a lone escape character is text', 'PID|a\\b', 'PID#a\\b'],
  ];
  for (const [what, from, to] of rows) {
    it(`with other separators: ${what}`, () => {
      const text = serialise(parseMessage(`MSH|^~\\&|A\r${from}\r`), other);
      assert.equal(text, `MSH#*%@!#A\r${to}\r`);
    });
  }

  it('says the same in both, at every position', () => {
    const message = parseMessage('MSH|^~\\&|A\rPID|1^x\\T\\y&z*~q#|r\\E\\s\r');
    const read = (text: string): string[] =>
      parseMessage(text)
        .segments.slice(1)
        .flatMap((segment) => [1, 2].flatMap((field) => segment.field(field)))
        .flatMap((value) => [value.get(1), value.get(2), value.get(2, 2), value.whole(2)]);
    assert.deepEqual(read(serialise(message, other)), read(serialise(message)));
  });

  it('text between separators has none of them', () => {
    assert.equal(escapeText('a|b^c&d~e\\f', parsed), 'a\\F\\b\\S\\c\\T\\d\\R\\e\\E\\f');
    assert.equal(escapeText('a|b', { ...parsed, escape: undefined }), 'ab');
  });
});

const parsed: Delimiters = {
  field: '|',
  component: '^',
  repetition: '~',
  escape: '\\',
  subcomponent: '&',
  truncation: undefined,
};
