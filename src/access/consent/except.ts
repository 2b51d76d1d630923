/**
 * A permit inside a deny inside a permit: "all of it, but no diagnoses, but those for the clinic". A deny overrides whatever
 * permits, so the exception is taken out of the deny when it is compiled. That can be done where it names a part of one list
 * that the deny has: who, what for, which classes, codes, labels or sources. Anything else would need a deny of what is left
 * over, which no list says, and is refused.
 */
import { ordinaryLabel } from '../../fhir/labels.ts';
import { refusal } from './element.ts';
import type { Dimensions } from './provision.ts';

const lists = ['recipients', 'purposes', 'classes', 'codes', 'labels', 'sources'] as const;
type List = (typeof lists)[number];
const elements: Readonly<Record<List, string>> = {
  recipients: 'actor',
  purposes: 'purpose',
  classes: 'class',
  codes: 'code',
  labels: 'securityLabel',
  sources: 'actor',
};

/** The deny without what the exception opens. @throws Problem business-rule (422) where that is no deny */
export function except(deny: Dimensions, exception: Dimensions, base: Dimensions): Dimensions {
  const { path } = exception;
  if (exception.type !== 'permit') {
    throw refusal(
      `${path}.type`,
      'a rule inside a deny is an exception to it: a permit',
      'Write a further deny beside it.',
    );
  }
  for (const [name, element] of [
    ['data', 'dataPeriod'],
    ['valid', 'period'],
    ['instances', 'data'],
  ] as const) {
    if (exception[name] !== undefined) {
      throw refusal(
        `${path}.${element}`,
        'this cannot be taken out of a deny',
        'Write the deny for what is to stay closed.',
      );
    }
  }
  const [stated, ...more] = lists.filter((name) => exception[name] !== undefined);
  if (stated === undefined || more.length > 0) {
    throw refusal(path, 'an exception to a deny names one of: actor, purpose, class, code, securityLabel');
  }
  const at = `${path}.${elements[stated]}`;
  if (!opensSomething(stated, exception, base)) throw refusal(at, 'the permit around it does not open this');
  const rest = without[stated](deny, exception);
  if (rest === undefined) {
    throw refusal(
      at,
      'an exception names a part of what the deny around it lists',
      'Let the deny list what it closes, and the exception some of that.',
    );
  }
  return { ...deny, ...rest };
}

/** What a deny is without the exception; undefined when the deny has no such list, or it would be empty, or lack what is named. */
const without: Readonly<Record<List, (deny: Dimensions, exception: Dimensions) => Partial<Dimensions> | undefined>> = {
  recipients: (deny, { recipients }) => of(less(deny.recipients, recipients), (rest) => ({ recipients: rest })),
  sources: (deny, { sources }) => of(less(deny.sources, sources), (rest) => ({ sources: rest })),
  purposes: (deny, { purposes }) => of(lessBits(deny.purposes, purposes), (rest) => ({ purposes: rest })),
  // A deny that takes over labels with the ordinary rows beside them is one of all rows: no label can be taken out of that.
  labels: (deny, { labels }) =>
    ((deny.labels ?? 0) & ordinaryLabel) === 0
      ? of(lessBits(deny.labels, labels), (rest) => ({ labels: rest }))
      : undefined,
  classes: (deny, { classes }) =>
    deny.classes?.documents === undefined && classes?.documents === undefined
      ? of(less(deny.classes?.types, classes?.types), (types) => ({ classes: { types } }))
      : undefined,
  codes: (deny, { codes }) =>
    of(less(deny.codes?.deny, codes?.deny), (rest) => ({
      codes: {
        permit: [],
        deny: rest,
        named: (deny.codes?.named ?? []).filter(
          (one) => !codes?.named.some(({ system, code }) => system === one.system && code === one.code),
        ),
      },
    })),
};

function of<Rest>(rest: Rest | undefined, made: (rest: Rest) => Partial<Dimensions>): Partial<Dimensions> | undefined {
  return rest === undefined ? undefined : made(rest);
}

function less<One>(all: readonly One[] | undefined, some: readonly One[] | undefined): readonly One[] | undefined {
  if (all === undefined || !some?.every((one) => all.includes(one))) return undefined;
  const rest = all.filter((one) => !some.includes(one));
  return rest.length === 0 ? undefined : rest;
}

function lessBits(all: number | undefined, some: number | undefined): number | undefined {
  if (all === undefined || some === undefined || (some & ~all) !== 0) return undefined;
  return all & ~some || undefined;
}

function opensSomething(stated: List, exception: Dimensions, base: Dimensions): boolean {
  if (stated === 'recipients') return exception.recipients?.every((one) => base.recipients?.includes(one)) ?? false;
  if (stated === 'purposes') return ((exception.purposes ?? 0) & ~(base.purposes ?? 0)) === 0;
  if (stated === 'labels') return ((exception.labels ?? 0) & ~(base.labels ?? 0)) === 0;
  const types = base.classes?.types;
  if (stated === 'classes')
    return types === undefined || (exception.classes?.types.every((one) => types.includes(one)) ?? false);
  return true;
}
