/** The languages a Consent is explained in, and which of them somebody reads. */
import { de } from './de.ts';
import { en } from './en.ts';
import type { Words } from './words.ts';
import { zh } from './zh.ts';

export const words = { zh, en, de } as const satisfies Readonly<Record<string, Words>>;
export type Language = keyof typeof words;
export const languages = Object.keys(words) as readonly Language[];

/** Of a BCP 47 tag: `zh-Hans-CN` is read as zh. */
export function languageOf(tag: string): Language | undefined {
  const primary = tag.trim().toLowerCase().split('-', 1)[0];
  return languages.find((language) => language === primary);
}

/** The first wanted that is spoken here. @see https://www.rfc-editor.org/rfc/rfc9110#name-accept-language */
export function acceptedLanguage(header: string | undefined): Language | undefined {
  const wanted = (header ?? '').split(',').map((part) => {
    const [tag = '', ...parameters] = part.split(';');
    const weight = parameters
      .map((one) => /^\s*q=([01](?:\.\d{0,3})?)\s*$/.exec(one)?.[1])
      .find((one) => one !== undefined);
    return { language: languageOf(tag), weight: weight === undefined ? 1 : Number(weight) };
  });
  const [best] = wanted
    .filter(({ language, weight }) => language !== undefined && weight > 0)
    .toSorted((a, b) => b.weight - a.weight);
  return best?.language;
}
