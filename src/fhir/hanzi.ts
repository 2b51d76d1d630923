/**
 * Chinese characters: their simplified forms, so that 張偉 and 张伟 are one name, and their pinyin, so that it is found as
 * `zhangwei`, `zhang wei` and `zw`. The table (64 kB) is read with the first character that needs it.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Hanzi } from './definitions/hanzi.ts';

export const han = /\p{Script=Han}/u;
/** Nothing but characters, and the dot of names such as 阿依努尔·买买提. */
const onlyHan = /^[\p{Script=Han}·•]+$/u;
/** Names of people have up to some ten characters, those of hospitals some twenty; longer texts are no names. */
const spelledCharsMax = 24;
/** Dots among them, and characters of two code units. */
const textCharsMax = 4 * spelledCharsMax;

const firstCodePoint = 0x4e00;

interface Tables {
  readonly simplified: ReadonlyMap<string, string>;
  readonly traditional: ReadonlyMap<string, string>;
  readonly hanzi: Hanzi;
}
let tables: Tables | undefined;

function load(): Tables {
  if (tables !== undefined) return tables;
  const hanzi = JSON.parse(readFileSync(join(import.meta.dirname, 'definitions/hanzi.json'), 'utf8')) as Hanzi;
  const [one, other] = [Array.from(hanzi.traditional), Array.from(hanzi.simplified)];
  const traditional = new Map<string, string>();
  one.forEach((character, at) => {
    const simpler = other[at] as string;
    traditional.set(simpler, (traditional.get(simpler) ?? '') + character);
  });
  return (tables = {
    simplified: new Map(one.map((character, at) => [character, other[at] as string])),
    traditional,
    hanzi,
  });
}

/** Character by character, without regard to words: what two spellings of one text have in common. */
export function simplify(text: string): string {
  const { simplified } = load();
  return Array.from(text, (character) => simplified.get(character) ?? character).join('');
}

/** The characters whose simplified form is this one, itself among them. */
export function variantsOf(character: string): string {
  return character + (load().traditional.get(character) ?? '');
}

/**
 * The spellings by which a name in characters is searched: the pinyin without tones in one word, and its initials.
 * `ü` is written u, v and yu, as keyboards and passports have it. Empty for anything but a name in characters.
 * @param isSurnameFirst the text begins with (or is) a surname, some of which have a reading of their own
 */
export function spellName(text: string, isSurnameFirst: boolean): readonly string[] {
  if (text.length > textCharsMax) return [];
  const key = `${isSurnameFirst ? '!' : ''}${text}`;
  let found = recent.get(key);
  if (found === undefined) {
    found = spell(text, isSurnameFirst);
    if (recent.size >= recentMax) recent.clear();
    recent.set(key, found);
  }
  return found;
}

/** Surnames come again with every other patient; a name is spelled for several parameters. */
const recentMax = 5_000;
const recent = new Map<string, readonly string[]>();

function spell(text: string, isSurnameFirst: boolean): string[] {
  if (!onlyHan.test(text)) return [];
  const characters = Array.from(simplify(text)).filter((character) => han.test(character));
  if (characters.length > spelledCharsMax) return [];
  const syllables = readingOf(characters, isSurnameFirst);
  // A character that is in no table leaves the others to be found by.
  if (syllables.length === 0) return [];
  const whole = syllables.join('');
  const wholes = whole.includes('ü') ? ['u', 'v', 'yu'].map((letter) => whole.replaceAll('ü', letter)) : [whole];
  const initials = syllables.map((syllable) => syllable.charAt(0)).join('');
  return [...new Set([...wholes, initials])];
}

function readingOf(characters: readonly string[], isSurnameFirst: boolean): string[] {
  const { surnames } = load().hanzi;
  if (isSurnameFirst) {
    for (const length of [2, 1]) {
      const surname = characters.slice(0, length).join('');
      const reading = Object.hasOwn(surnames, surname) ? surnames[surname] : undefined;
      if (reading !== undefined) return [...reading.split(' '), ...characters.slice(length).flatMap(syllableOf)];
    }
  }
  return characters.flatMap(syllableOf);
}

function syllableOf(character: string): string[] {
  const { syllables, readings } = load().hanzi;
  const at = ((character.codePointAt(0) as number) - firstCodePoint) * 2;
  const syllable = syllables[Number.parseInt(readings.slice(at, at + 2), 36)];
  return at < 0 || syllable === undefined ? [] : [syllable];
}
