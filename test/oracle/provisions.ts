/** A Consent's provisions as the rules they state, with what they take over from each other. docs/consent.md, "Narrow". */
import type { AnyResource } from '../../src/fhir/types.ts';
import { elements, type Element } from './model.ts';

/** Half-open, epoch milliseconds. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** What one rule states; a missing dimension does not restrict. */
export interface StatedRule {
  readonly isDeny: boolean;
  readonly recipients?: readonly string[];
  readonly sources?: readonly string[];
  readonly purposes?: readonly string[];
  /** Resource types, and LOINC codes as classes of documents. */
  readonly classes?: readonly string[];
  /** `system|code` or `|code`. */
  readonly codes?: readonly string[];
  readonly labels?: readonly string[];
  readonly data?: Span;
  readonly valid?: Span;
  readonly instances?: readonly string[];
}
type Stated = Omit<StatedRule, 'isDeny'>;

/** The rules in force. "`active` has rules, every other status none"; "its rules end when its period is over". */
export function rulesIn(
  consent: AnyResource,
  now: number,
  withKinds: (purposes: readonly string[]) => readonly string[] = (purposes) => purposes,
): StatedRule[] {
  if (consent['status'] !== 'active') return [];
  return rulesOf(consent['provision'] as Element, withKinds).filter(
    ({ valid }) => valid === undefined || (valid.from <= now && now < valid.to),
  );
}

function rulesOf(root: Element, withKinds: (purposes: readonly string[]) => readonly string[]): StatedRule[] {
  const nested = elements(root, 'provision');
  const base = stated(root);
  const deny = (one: Stated): StatedRule => ({
    ...one,
    isDeny: true,
    purposes: one.purposes && withKinds(one.purposes),
  });
  const permit = (one: Stated, exceptions: readonly Element[]): StatedRule[] => [
    { ...one, isDeny: false },
    // "Exceptions are nested rules: a deny inside a permit takes over what it does not state itself."
    ...exceptions.map((inner) =>
      // "An exception to that exception is a permit inside the deny, which names one thing less than the deny lists."
      elements(inner, 'provision').reduce(less, deny(takenOver(one, stated(inner)))),
    ),
  ];
  if (root['type'] === 'permit') return permit(base, nested);
  const permits = nested.filter(({ type }) => type === 'permit');
  const denies = nested.filter(({ type }) => type === 'deny').map((inner) => deny(takenOver(base, stated(inner))));
  // "A root deny, which then permits only those. It grants nothing else, and takes nothing away from other Consents."
  if (permits.length > 0)
    return [
      ...permits.flatMap((inner) => permit(within(base, stated(inner)), elements(inner, 'provision'))),
      ...denies,
    ];
  // "A root deny without nested permits denies: to the actors it names, or to everybody."
  return [deny(base), ...denies];
}

function takenOver(parent: Stated, own: Stated): Stated {
  return { ...parent, ...own };
}

/** Inside of the frame's time, for whom and what for the frame says, unless the permit does. */
function within(frame: Stated, own: Stated): Stated {
  const valid =
    frame.valid && own.valid
      ? { from: Math.max(frame.valid.from, own.valid.from), to: Math.min(frame.valid.to, own.valid.to) }
      : (own.valid ?? frame.valid);
  return { ...takenOver(frame, own), ...(valid === undefined ? {} : { valid }) };
}

function less(deny: StatedRule, exception: Element): StatedRule {
  const opened = stated(exception);
  const rest: Record<string, unknown> = { ...deny };
  for (const name of ['recipients', 'sources', 'purposes', 'classes', 'codes', 'labels'] as const) {
    if (opened[name] !== undefined) rest[name] = deny[name]?.filter((one) => !opened[name]?.includes(one));
  }
  return rest as unknown as StatedRule;
}

function stated(provision: Element): Stated {
  const isPermit = provision['type'] === 'permit';
  const actors = (isRole: (code: unknown) => boolean): string[] =>
    elements(provision, 'actor')
      .filter((actor) => isRole(elements(actor['role'] as Element, 'coding')[0]?.['code']))
      .map((actor) => String((actor['reference'] as Element)['reference']));
  const codes = (name: string): string[] => elements(provision, name).map(({ code }) => String(code));
  const all = {
    recipients: actors((role) => role === 'IRCP'),
    sources: actors((role) => role === 'CST'),
    purposes: codes('purpose'),
    classes: codes('class'),
    codes: elements(provision, 'code')
      .flatMap((concept) => elements(concept, 'coding'))
      .map(({ system, code }) => `${(system as string | undefined) ?? ''}|${String(code)}`),
    labels: codes('securityLabel').flatMap((label) => (isPermit ? upTo(label) : andAbove(label))),
    instances: elements(provision, 'data').map((data) => String((data['reference'] as Element)['reference'])),
  };
  const periods = { data: spanOf(provision['dataPeriod']), valid: spanOf(provision['period']) };
  return Object.fromEntries([
    ...Object.entries(all).filter(([, list]) => list.length > 0),
    ...Object.entries(periods).filter(([, span]) => span !== undefined),
  ]) as Stated;
}

/** "N is the ordinary records, R what is marked R and everything below, V all three." */
function upTo(label: string): string[] {
  const at = marks.indexOf(label);
  return at < 0 ? [label] : marks.slice(0, at + 1);
}
/** "In a deny: any of them, R and above." */
function andAbove(label: string): string[] {
  const at = marks.indexOf(label);
  return at < 0 ? [label] : marks.slice(at);
}
const marks = ['N', 'R', 'V'];

export function spanOf(period: unknown): Span | undefined {
  if (period === undefined) return undefined;
  const { start, end } = period as { start?: string; end?: string };
  return {
    from: start === undefined ? Number.NEGATIVE_INFINITY : dateOf(start).from,
    to: end === undefined ? Number.POSITIVE_INFINITY : dateOf(end).to,
  };
}

/** "A date without time means that day in UTC, both ends included"; a year and a month mean all of it. */
export function dateOf(text: string): Span {
  const from = Date.parse(text);
  const [year = 0, month, day] = text.split('-').map(Number);
  if (text.includes('T')) return { from, to: from + 1_000 };
  if (month === undefined) return { from, to: Date.UTC(year + 1, 0, 1) };
  return { from, to: day === undefined ? Date.UTC(year, month, 1) : Date.UTC(year, month - 1, day + 1) };
}

export function reaches(time: Span | undefined, data: Span): boolean {
  return time !== undefined && time.from < data.to && data.from < time.to;
}
