import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildHanzi, renderHanzi } from '../../src/fhir/definitions/hanzi.ts';
import { simplify, spellName, variantsOf } from '../../src/fhir/hanzi.ts';

describe('Chinese characters', () => {
  it('hanzi.json is what node src/fhir/definitions/hanzi.ts writes', function () {
    this.timeout(300_000);
    const committed = readFileSync(join(import.meta.dirname, '../../src/fhir/definitions/hanzi.json'), 'utf8');
    assert.ok(committed === renderHanzi(buildHanzi()), 'run it again');
  });
  for (const [name, spellings] of [
    ['王小明', ['wangxiaoming', 'wxm']],
    ['張偉', ['zhangwei', 'zw']],
    ['单雄信', ['shanxiongxin', 'sxx']],
    ['曾国藩', ['zengguofan', 'zgf']],
    ['尉迟恭', ['yuchigong', 'ycg']],
    ['长孙无忌', ['zhangsunwuji', 'zswj']],
    ['吕布', ['lubu', 'lvbu', 'lyubu', 'lb']],
    ['阿依努尔·买买提', ['ayinuermaimaiti', 'aynemmt']],
    ['王', ['wang', 'w']],
    ['Wang', []],
    ['张A伟', []],
    ['', []],
    ['王'.repeat(30), []],
  ] as const) {
    it(`${name.slice(0, 8)} is spelled ${spellings.join(' ') || 'not at all'}`, () =>
      assert.deepEqual(spellName(name, true), spellings));
  }
  it('a reading of a surname is of a surname', () => assert.deepEqual(spellName('解', false), ['jie', 'j']));
  it('traditional is simplified, once for all', () => {
    assert.equal(simplify('長孫無忌 x'), '长孙无忌 x');
    assert.equal(simplify(simplify('長孫無忌')), simplify('長孫無忌'));
    assert.ok(variantsOf('长').includes('長'));
  });
});
