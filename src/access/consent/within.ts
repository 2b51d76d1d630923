/** Whether what is granted is no more than what was asked for, pure: each permit lies in one that was asked for, in every dimension. */
import { ordinaryLabel } from '../../fhir/labels.ts';
import type { Period } from './element.ts';
import type { Rule } from './rules.ts';

/** Denies narrow, so any may be added. */
export function isWithin(granted: readonly Rule[], asked: readonly Rule[]): boolean {
  return granted.every((one) => one.isDeny || asked.some((other) => !other.isDeny && isPermitWithin(one, other)));
}

function isPermitWithin(inner: Rule, outer: Rule): boolean {
  return (
    inner.recipient === outer.recipient &&
    (inner.purposes & ~outer.purposes) === 0 &&
    (labelsOf(inner) & ~labelsOf(outer)) === 0 &&
    isPeriodWithin(inner.valid, outer.valid) &&
    (outer.data === undefined || (inner.data !== undefined && isPeriodWithin(inner.data, outer.data))) &&
    isSubset(inner.types, outer.types) &&
    isSubset(inner.codes, outer.codes) &&
    isSubset(inner.sources, outer.sources) &&
    isSubset(inner.instances, outer.instances)
  );
}

/** Rows without labels are one kind of row more. */
function labelsOf({ labels }: Rule): number {
  return labels === 0 ? ordinaryLabel : labels;
}

function isPeriodWithin(inner: Period, outer: Period): boolean {
  return inner.from >= outer.from && inner.to <= outer.to;
}

/** Absent: everything. */
function isSubset<One>(inner: readonly One[] | undefined, outer: readonly One[] | undefined): boolean {
  return outer === undefined || (inner?.every((one) => outer.includes(one)) ?? false);
}
