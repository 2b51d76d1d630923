import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  decimal,
  jsonDepthMax,
  numberOf,
  parseJson,
  parsePlainJson,
  parseReceivedJson,
  plainNumbers,
} from '../../src/fhir/json.ts';
import { Problem } from '../../src/fhir/problem.ts';

describe('JSON that keeps digits (R4 datatypes.html#decimal)', () => {
  for (const text of ['1.50', '1e3', '-0', '0.10', '12345678901234567890', '1.0', '3', '-2.5', '1.00E-2']) {
    it(`${text} stays ${text}`, () =>
      assert.equal(JSON.stringify(parseJson(`{"value":${text}}`)), `{"value":${text}}`));
  }
  it('keeps any decimal there is', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: -(10n ** 25n), max: 10n ** 25n }),
        fc.integer({ min: 0, max: 12 }),
        (digits, scale) => {
          const unsigned = String(digits < 0n ? -digits : digits).padStart(scale + 1, '0');
          const text = `${digits < 0n ? '-' : ''}${unsigned.slice(0, unsigned.length - scale)}${scale > 0 ? `.${unsigned.slice(-scale)}` : ''}`;
          assert.equal(JSON.stringify(parseJson(`[${text}]`)), `[${text}]`);
        },
      ),
    );
  });
  it('keeps any JSON value', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = JSON.stringify(value);
        fc.pre(!text.includes('__proto__'));
        assert.equal(JSON.stringify(parseJson(text)), text);
      }),
    );
  });
  it('gives the number to those who compute', () => {
    assert.equal(numberOf(decimal('1.50')), 1.5);
    assert.deepEqual(plainNumbers(parseJson('{"a":[1.50,{"b":2.0}],"c":"1.50"}')), { a: [1.5, { b: 2 }], c: '1.50' });
  });
});

describe('JSON that is refused', () => {
  const refused: [string, string][] = [
    ['a prototype key', '{"__proto__":{"isAdmin":true}}'],
    ['a prototype key in escapes', '{"\\u005f_proto__":{}}'],
    ['a prototype key deep inside', '{"a":[{"b":{"__proto__":1}}]}'],
    ['more depth than any resource has', `${'['.repeat(jsonDepthMax + 1)}${']'.repeat(jsonDepthMax + 1)}`],
    ['depth that would break a recursive reader', '{"a":'.repeat(200_000)],
    ['no JSON', '{"a":'],
    ['nothing', ''],
    ['a trailing comma', '{"a":1,}'],
  ];
  for (const [what, text] of refused) {
    it(what, () =>
      assert.throws(
        () => parseJson(text),
        (error) => error instanceof Problem && error.code === 'structure',
      ),
    );
  }
  for (const [what, text] of refused) {
    it(`${what}, where it is no resource`, () => assert.throws(() => parsePlainJson(text), { code: 'structure' }));
  }
  it('what is no resource has plain numbers', () => {
    assert.deepEqual(parsePlainJson('{"a":[1.50,1e3,"__proto__"]}'), { a: [1.5, 1000, '__proto__'] });
  });

  it('but a text that speaks of one is fine, and so is the deepest allowed body', () => {
    assert.deepEqual(parseJson('{"div":"__proto__ [[[ \\\\"}'), { div: '__proto__ [[[ \\' });
    assert.ok(parseJson(`${'['.repeat(jsonDepthMax)}${']'.repeat(jsonDepthMax)}`));
  });
});

describe('a name twice in one object (RFC 8259 section 4) is refused in what is received', () => {
  const refused: [string, string][] = [
    ['{"a":1,"a":2}', 'Send a once.'],
    ['{"a":1,"b":[{"c":1},{"c":1,"d":{},"c":1.50}]}', 'Send c once.'],
    ['{"a":1,"\\u0061":1}', 'Send a once.'],
    ['{"a b":":","a b":2}', 'Send each name once.'],
    ['{"a" : 1, "a"\n: 1}', 'Send a once.'],
  ];
  for (const [text, hint] of refused) {
    it(text, () =>
      assert.throws(
        () => parseReceivedJson(text),
        (error) => error instanceof Problem && error.code === 'structure' && error.hint === hint,
      ),
    );
  }
  for (const text of [
    '{"a":{"a":1},"b":[{"a":1},{"a":1}]}',
    '{"a":"{\\"a\\":1,\\"a\\":1}"}',
    '{"v":1.50,"w":[1e3,{"x":-0}]}',
    '[]',
    '7',
  ]) {
    it(`${text} is fine`, () => assert.equal(JSON.stringify(parseReceivedJson(text)), text));
  }
  it('never refuses what JSON.stringify writes', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = JSON.stringify(value);
        fc.pre(!text.includes('__proto__'));
        assert.equal(JSON.stringify(parseReceivedJson(text)), text);
      }),
    );
  });
});
