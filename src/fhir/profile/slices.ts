/**
 * The slices of an element: each value is taken by the first slice it belongs to, and what none takes is as the rules allow.
 *
 * @see https://hl7.org/fhir/R4/profiling.html#slicing
 */
import { primitiveCheck } from '../primitives.ts';
import type { Context } from '../validation/finding.ts';
import { compileSlice, type Membership } from './slicing.ts';
import { checkCount, inItem, tell, type Scope, type TypedCheck } from './tell.ts';
import type { Node, Slicing } from './tree.ts';
import type { Item, Typed } from './values.ts';

interface Slice {
  readonly name: string;
  readonly node: Node;
  readonly membership: Membership | undefined;
  readonly check: (item: Item) => TypedCheck;
}

export type SlicesCheck = (items: readonly Item[], context: Context) => void;

/** What slices share with the element they are of. */
interface Sliced {
  /** The element's name. */
  readonly shown: string;
  readonly isChoice: boolean;
  readonly scope: Scope;
  /** Compiles a node for values of whatever type comes. */
  readonly byType: (node: Node) => (item: Typed) => TypedCheck;
}

export function compileSlicing(node: Node, sliced: Sliced): SlicesCheck {
  const { shown, isChoice, scope, byType } = sliced;
  const slicing = node.slicing ?? impliedSlicing(shown, isChoice);
  const slices = [...node.slices].map(([name, slice]): Slice => {
    const told = isChoice && slice.types === undefined ? withTypeOfName(slice, name, shown) : slice;
    return { name, node: told, membership: compileSlice(told, slicing, scope.library), check: byType(told) };
  });
  const inner = new Map(
    slices
      .filter((slice) => slice.node.slices.size > 0)
      .map((slice) => [slice, compileSlicing(slice.node, sliced)] as const),
  );
  const known = slices.filter(({ membership }) => membership !== undefined);
  return (items, context) => {
    const taken = new Map<Slice, Item[]>();
    let latest = -1;
    let isPastEnd = false;
    for (const item of items) {
      const at = known.findIndex(({ membership }) => membership?.belongs(item, context));
      const slice = known[at];
      if (slice === undefined) {
        isPastEnd = true;
        // A slice that cannot be told apart could have taken it.
        if (slicing.rules === 'closed' && known.length === slices.length)
          inItem(item, context, () =>
            tell(scope, context, 'structure', 'no slice takes this value, and no others may stand here'),
          );
        continue;
      }
      taken.set(slice, [...(taken.get(slice) ?? []), item]);
      inItem(item, context, () => {
        if (slicing.isOrdered && at < latest)
          tell(scope, context, 'structure', `the slice ${slice.name} comes too late`);
        if (slicing.rules === 'openAtEnd' && isPastEnd)
          tell(scope, context, 'structure', 'values of no slice come last');
        slice.check(item)(item, context);
      });
      latest = Math.max(latest, at);
    }
    for (const slice of known) {
      const own = taken.get(slice) ?? [];
      checkCount(own.length, slice.node, `.${shown}`, scope, context, `slice ${slice.name}: `);
      if (own.length < (slice.node.min ?? 0)) explainMissing(slice, items, scope, context);
      inner.get(slice)?.(own, context);
    }
  };
}

/** Faults told for a slice that is missing; the first ones show the way. */
const explainedMax = 3;

/** A value that was meant for the slice, by its type, is not of it because its profile finds fault with it. */
function explainMissing({ name, membership }: Slice, items: readonly Item[], scope: Scope, context: Context): void {
  if (membership?.explain === undefined) return;
  for (const item of items) {
    for (const { message, path } of membership.explain(item, context).slice(0, explainedMax)) {
      inItem(item, context, () => tell(scope, context, 'structure', `not of slice ${name}: ${message}`, { path }));
    }
  }
}

/** FHIR R4 profiling.html#slicing: extensions are sliced by url and choices by type, said or not. */
function impliedSlicing(shown: string, isChoice: boolean): Slicing {
  const discriminators = isChoice
    ? [{ type: 'type', path: '$this' }]
    : /^(modifierE|e)xtension$/.test(shown)
      ? [{ type: 'value', path: 'url' }]
      : [];
  return { discriminators, isOrdered: false, rules: 'open' };
}

/** `value[x]:valueQuantity` says its type by its name. */
function withTypeOfName(slice: Node, name: string, shown: string): Node {
  const code = name.startsWith(shown) ? name.slice(shown.length) : name;
  const lower = code.charAt(0).toLowerCase() + code.slice(1);
  return { ...slice, types: [{ code: primitiveCheck(lower) === undefined ? code : lower, profiles: [], targets: [] }] };
}
