/**
 * Rules -> sentences, pure. What is said is made of what is enforced and of nothing the Consent says of itself: no narrative,
 * no display, no name that whoever wrote it chose.
 */
import { labelCodings, ordinaryLabel } from '../../fhir/labels.ts';
import { typeName } from '../../fhir/types.ts';
import { financialTypes, neverByConsent } from '../predicate/minimum.ts';
import { anyPayment, anyPurpose, purposeCodesOf } from '../principal/purpose.ts';
import { categorized } from './categories.ts';
import type { Coding, Period } from './element.ts';
import { everybody, type Rule } from './rules.ts';
import { words, type Language } from './words/index.ts';
import type { State, Words } from './words/words.ts';

export interface SayOptions {
  readonly language: Language;
  /** IANA name of the zone whose days are meant. */
  readonly timeZone: string;
  /** Epoch milliseconds. */
  readonly now: number;
  /** How a reference is called. */
  readonly nameOf: (reference: string) => string;
  /** How a code is called. */
  readonly conceptOf: (coding: Coding) => string;
}

/** Rules that differ in their recipient alone, and so are one thing to a person. */
export interface Statement {
  readonly rule: Rule;
  readonly recipients: readonly string[];
}

export interface Sentence {
  readonly effect: 'permit' | 'deny' | 'limit';
  readonly text: string;
}

/** In their order. */
export function statementsOf(rules: readonly Rule[]): Statement[] {
  const found = new Map<string, { rule: Rule; recipients: string[] }>();
  for (const rule of rules) {
    const key = JSON.stringify({ ...rule, recipient: '' }, (_name, value: unknown) =>
      typeof value === 'bigint' || typeof value === 'number' ? String(value) : value,
    );
    const known = found.get(key);
    if (known === undefined) found.set(key, { rule, recipients: [rule.recipient] });
    else if (!known.recipients.includes(rule.recipient)) known.recipients.push(rule.recipient);
  }
  return [...found.values()];
}

/** @param rules of a Consent with this status, whether or not they are in force */
export function stateOf(status: string, rules: readonly Rule[], now: number): State {
  if (status === 'proposed' || status === 'draft') return 'proposed';
  if (status !== 'active') return 'inactive';
  if (rules.some(({ valid }) => valid.from <= now && now < valid.to)) return 'in-force';
  return rules.some(({ valid }) => now < valid.from) ? 'later' : 'over';
}

/** A sentence for each statement that is not over, and one where payment gets less than they say. */
export function sentencesOf(rules: readonly Rule[], options: SayOptions): Sentence[] {
  const current = statementsOf(rules.filter(({ valid }) => options.now < valid.to));
  const said = words[options.language];
  const hasPayment = current.some(({ rule }) => !rule.isDeny && (rule.purposes & anyPayment) !== 0);
  return [
    ...current.map((statement) => sentenceOf(statement, options, said)),
    ...(hasPayment ? [{ effect: 'limit', text: said.payment } as const] : []),
  ];
}

function sentenceOf({ rule, recipients }: Statement, options: SayOptions, said: Words): Sentence {
  const isForAll = recipients.includes(everybody);
  const who = listed(recipients.map(options.nameOf), said, 'conjunction');
  const what = whatOf(rule, options, said);
  const why =
    rule.purposes === anyPurpose
      ? undefined
      : listed(
          purposeCodesOf(rule.purposes).map((code) => said.purposes[code] ?? code),
          said,
          'conjunction',
        );
  const when = whenOf(rule.valid, options, said);
  const isMany = recipients.length > 1;
  return rule.isDeny
    ? { effect: 'deny', text: said.deny({ who: isForAll ? undefined : who, isMany, what, why, when }) }
    : { effect: 'permit', text: said.permit({ who, isMany, what, why: why ?? '', when: when ?? said.untilStopped }) };
}

/** What is shown by this rule: types no Consent opens are left out, and payment has its own. */
function whatOf(rule: Rule, options: SayOptions, said: Words): string {
  const types = typesOf(rule);
  if (types?.length === 0) return said.nothing;
  const any = (parts: readonly string[]): string => listed(parts, said, 'disjunction');
  const records =
    rule.instances !== undefined
      ? said.instances(rule.instances.length)
      : types === undefined
        ? said.all
        : listed(kindsOf(types, said), said, 'conjunction');
  const clauses = [
    records,
    rule.named && (rule.isDeny ? said.mentioning : said.about)(any(rule.named.map(options.conceptOf))),
    rule.sources && said.writtenBy(any(rule.sources.map(options.nameOf))),
    rule.data && said.dated(edgesOf(rule.data, options, said)),
    protectionOf(rule, said),
  ];
  return clauses.filter((clause) => clause !== undefined).join(said.clauses);
}

function listed(parts: readonly string[], { locale }: Words, type: 'conjunction' | 'disjunction'): string {
  return new Intl.ListFormat(locale, { type }).format(parts);
}

/** Undefined: all. */
function typesOf({ isDeny, types, purposes }: Rule): readonly string[] | undefined {
  const named = types?.map(typeName);
  if (isDeny) return named;
  if ((purposes & ~anyPayment) !== 0) return named?.filter((type) => !neverByConsent.includes(type));
  const ofPayment = ['Patient', ...financialTypes];
  return named?.filter((type) => ofPayment.includes(type)) ?? ofPayment;
}

function kindsOf(types: readonly string[], said: Words): string[] {
  const { categories, types: single } = categorized(types);
  return [...categories.map((key) => said.categories[key] ?? key), ...single.map((type) => said.types[type] ?? type)];
}

function protectionOf({ isDeny, labels }: Rule, said: Words): string | undefined {
  if (labels === 0 || labels === ordinaryLabel) return isDeny ? undefined : said.unprotected;
  const named = listed(
    labelCodings(labels).map(({ code }) => said.labels[code] ?? code),
    said,
    'disjunction',
  );
  return isDeny || (labels & ordinaryLabel) === 0 ? said.onlyProtected(named) : said.alsoProtected(named);
}

/** Undefined: always. A beginning that has passed is not said. */
function whenOf(valid: Period, options: SayOptions, said: Words): string | undefined {
  const { from, to } = edgesOf(
    { from: valid.from > options.now ? valid.from : Number.NEGATIVE_INFINITY, to: valid.to },
    options,
    said,
  );
  if (from !== undefined && to !== undefined) return said.between(from, to);
  if (from !== undefined) return said.from(from);
  return to === undefined ? undefined : said.until(to);
}

function edgesOf(
  { from, to }: Period,
  { timeZone }: SayOptions,
  said: Words,
): { from?: string | undefined; to?: string | undefined } {
  return {
    from: Number.isFinite(from) ? timeText(from, said, timeZone) : undefined,
    to: Number.isFinite(to) ? dayText(to, said, timeZone) : undefined,
  };
}

/** The end of a half-open period: what ends at midnight ends with the day before. */
export function dayText(end: number, said: Words, timeZone: string): string {
  return isMidnight(end, timeZone)
    ? new Intl.DateTimeFormat(said.locale, { dateStyle: 'long', timeZone }).format(end - 1)
    : timeText(end, said, timeZone);
}

function timeText(at: number, { locale }: Words, timeZone: string): string {
  const style = isMidnight(at, timeZone)
    ? ({ dateStyle: 'long' } as const)
    : ({ dateStyle: 'long', timeStyle: 'long' } as const);
  return new Intl.DateTimeFormat(locale, { ...style, timeZone }).format(at);
}

function isMidnight(at: number, timeZone: string): boolean {
  return (
    at % 1000 === 0 && new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium', timeZone }).format(at) === '00:00:00'
  );
}
