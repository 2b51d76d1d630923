/**
 * `node src/fhir/definitions/hanzi.ts`: writes hanzi.json, what fold.ts and pinyin.ts read: which traditional character is which
 * simplified one, how characters are read, and how some are read as surnames. From the devDependencies pinyin-pro and opencc-js,
 * so the hub needs neither: a table costs 1 us a name where the library takes 160.
 */
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

/** CJK Unified Ideographs: every character of GB 2312, GBK and Big5. */
const first = 0x4e00;
const last = 0x9fff;

/** Surnames of two characters (百家姓 and the census); those that are read otherwise than character by character are kept. */
const compoundSurnames = (
  '万俟 上官 东方 东郭 东里 东门 东宫 乐正 亓官 令狐 仲孙 仲长 公冶 公孙 公羊 公良 公西 公仪 公户 公玉 公祖 即墨 司寇 司徒 司空 司马 ' +
  '呼延 壤驷 夏侯 太叔 太史 夹谷 子书 子桑 子车 宇文 宗政 宰父 尉迟 左丘 巫马 希尔 慕容 拓跋 拓拔 敖鲁 梁丘 段干 欧阳 淳于 漆雕 澹台 濮阳 ' +
  '独孤 申屠 百里 皇甫 端木 第五 羊舌 西门 诸葛 谷梁 贯丘 赫连 轩辕 达奚 钟离 长孙 闻人 闾丘 南宫 南荣 南门 褚师 单于 鲜于 颛孙 微生 爱新 叶赫 那拉'
).split(' ');

export interface Hanzi {
  readonly traditional: string;
  /** The character at the same place is its simplified form. */
  readonly simplified: string;
  readonly syllables: readonly string[];
  /** Two digits to the base of 36 for each character from U+4E00 on: the place of its syllable; `--` for none. */
  readonly readings: string;
  /** How a character, or two, are read as a surname, where that is another reading: syllables joined by spaces. */
  readonly surnames: Readonly<Record<string, string>>;
}

interface Pinyin {
  pinyin(text: string, options: { toneType: 'none'; type?: 'array'; surname?: 'all' | 'off' }): string | string[];
}
interface OpenCC {
  Converter(options: { from: 't'; to: 'cn' }): (text: string) => string;
}

export function buildHanzi(): Hanzi {
  const require = createRequire(import.meta.url);
  const library = require('pinyin-pro') as Pinyin;
  const convert = (require('opencc-js') as OpenCC).Converter({ from: 't', to: 'cn' });
  const characters = Array.from({ length: last - first + 1 }, (_, at) => String.fromCodePoint(first + at));
  const simplify = (character: string): string => {
    const simpler = convert(character);
    return simpler === character || Array.from(simpler).length !== 1 ? character : simplify(simpler);
  };
  const pairs = characters.map((one) => [one, simplify(one)] as const).filter(([one, simpler]) => one !== simpler);
  const read = (text: string, surname: 'all' | 'off'): string =>
    (library.pinyin(text, { toneType: 'none', type: 'array', surname }) as string[]).join(' ');
  const spelled = characters.map((one) => read(one, 'off'));
  const syllables = [...new Set(spelled.filter((syllable, at) => syllable !== characters[at]))].sort();
  const places = new Map(syllables.map((syllable, at) => [syllable, at.toString(36).padStart(2, '0')]));
  const asSurname = [...characters, ...compoundSurnames].flatMap((name) => {
    const apart = Array.from(name, (character) => read(character, 'off')).join(' ');
    const together = read(name, 'all');
    return together === apart ? [] : [[name, together] as const];
  });
  return {
    traditional: pairs.map(([one]) => one).join(''),
    simplified: pairs.map(([, simpler]) => simpler).join(''),
    syllables,
    readings: spelled.map((syllable) => places.get(syllable) ?? '--').join(''),
    surnames: Object.fromEntries(asSurname),
  };
}

export function renderHanzi(hanzi: Hanzi): string {
  const lines = Object.entries(hanzi).map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`);
  return `{\n${lines.join(',\n')}\n}\n`;
}

if (import.meta.main) writeFileSync(join(import.meta.dirname, 'hanzi.json'), renderHanzi(buildHanzi()));
