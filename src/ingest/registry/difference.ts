/** What a change changes: for the history, and for whoever looks before it is made. */
import { isDeepStrictEqual } from 'node:util';

export interface Difference {
  /** `charset`, `config.auth.clientId`, `secret password`. */
  readonly what: string;
  /** Undefined: it was not there. */
  readonly from?: unknown;
  /** Undefined: it is gone. */
  readonly to?: unknown;
}

/** Place by place; lists are compared whole. */
export function differences(before: unknown, after: unknown, what = ''): Difference[] {
  if (isDeepStrictEqual(before, after)) return [];
  if (isObject(before) && isObject(after)) {
    const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
    return names.flatMap((name) => differences(before[name], after[name], what === '' ? name : `${what}.${name}`));
  }
  return [{ what, ...(before !== undefined && { from: before }), ...(after !== undefined && { to: after }) }];
}

/**
 * `null` takes away, an object goes into what is there, anything else replaces it.
 * @see https://www.rfc-editor.org/rfc/rfc7396#section-2
 */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const merged = new Map(Object.entries(isObject(target) ? target : {}));
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) merged.delete(name);
    else if (value !== undefined) merged.set(name, mergePatch(merged.get(name), value));
  }
  return Object.fromEntries(merged);
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
