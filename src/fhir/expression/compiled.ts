/** What an expression is once it is compiled. */
import type { Items, Scope } from './items.ts';

/** Types a value may have; undefined: any. */
export type Types = readonly string[] | undefined;

export type Run = (focus: Items, scope: Scope) => Items;

/** An expression with what is known of the types it gives; undefined: anything. */
export interface Compiled {
  readonly run: Run;
  readonly types: Types;
  /** What it gives everywhere, such as `('a' | 'b')`. */
  readonly constant?: Items;
  /** Whether `run` would give anything, where that is cheaper to say. */
  readonly isAny?: ((focus: Items, scope: Scope) => boolean) | undefined;
}

/** The types around an atom: of `$this`, and of `%context`. */
export interface Typing {
  readonly focus: Types;
  readonly context: Types;
}

/** Thrown while compiling; never while running. */
export class Unsupported extends Error {}

/** `$this`. */
export function self(types: Types): Compiled {
  return { run: (focus) => focus, types };
}

export function constant(items: Items, types: Types): Compiled {
  return { run: () => items, types, constant: items };
}
