/** The language of a page: what a client asked for (`ui_locales`), else what the browser prefers, else English. */
import { texts, type Language, type Texts } from './texts.ts';

const languages = Object.keys(texts) as Language[];

/**
 * @param uiLocales BCP 47 tags, best first, separated by spaces
 * @see https://openid.net/specs/openid-connect-core-1_0.html#AuthRequest ui_locales
 */
export function chooseLanguage(uiLocales: string | null, acceptLanguage: string | undefined): Language {
  const accepted = (acceptLanguage ?? '')
    .split(',')
    .map((offer) => {
      const [tag = '', ...parameters] = offer.trim().split(';');
      const quality = parameters.map((one) => /^\s*q=([\d.]+)$/.exec(one)?.[1]).find((one) => one !== undefined);
      return { tag, quality: Number(quality ?? 1) };
    })
    .filter(({ quality }) => quality > 0)
    .toSorted((one, other) => other.quality - one.quality)
    .map(({ tag }) => tag);
  const wanted = [...(uiLocales ?? '').split(' '), ...accepted].map((tag) => tag.split('-', 1)[0]?.toLowerCase());
  return wanted.map((tag) => languages.find((one) => one === tag)).find((one) => one !== undefined) ?? 'en';
}

/** `fill('wait {seconds} s', { seconds: 3 })` */
export function fill(text: string, values: Readonly<Record<string, string | number>>): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}

export type { Language, Texts };
