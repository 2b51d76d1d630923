/** How a profile says what it finds: with its name, its URL as the hint, and the place. */
import { report, within, type Context, type Depth, type Detail } from '../validation/finding.ts';
import type { Library } from './library.ts';
import type { Node } from './tree.ts';
import { stepOf, type Item, type Typed } from './values.ts';

/** What is the same for the whole of a profile. */
export interface Scope {
  readonly library: Library;
  readonly depth: Depth;
  readonly name: string;
  readonly url: string;
}

export type TypedCheck = (item: Typed, context: Context) => void;

export function tell(
  scope: Scope,
  context: Context,
  code: 'required' | 'structure' | 'value' | 'informational',
  message: string,
  detail: Detail = {},
): void {
  report(context, code, `${scope.name}: ${message}`, { hint: scope.url, ...detail });
}

/** Runs a check and puts the item before what it found. */
export function inItem(item: Item, context: Context, work: () => void): void {
  const before = context.findings.length;
  work();
  if (context.findings.length > before) within(stepOf(item), context, before);
}

export function checkCount(
  count: number,
  { min = 0, max = Infinity }: Node,
  path: string,
  scope: Scope,
  context: Context,
  what = '',
): void {
  if (count < min) tell(scope, context, 'required', `${what}at least ${min} asked for, ${count} found`, { path });
  if (count > max)
    tell(
      scope,
      context,
      'structure',
      max === 0 ? `${what}may not stand here` : `${what}at most ${max} allowed, ${count} found`,
      { path },
    );
}
