/**
 * SQL as values: a tagged template whose `${}` holes are bound parameters or other fragments, never text.
 *
 *     sql`select body from resource where bucket = ${bucket} and ${visible}`
 */
export class Sql {
  readonly strings: readonly string[];
  readonly values: readonly unknown[];
  /** Not prepared: see {@link plannedAnew}. */
  readonly isPlannedAnew: boolean;
  constructor(strings: readonly string[], values: readonly unknown[], isPlannedAnew = false) {
    this.strings = strings;
    this.values = values;
    this.isPlannedAnew = isPlannedAnew || values.some((value) => value instanceof Sql && value.isPlannedAnew);
  }
}

export function sql(strings: TemplateStringsArray, ...values: readonly unknown[]): Sql {
  return new Sql(strings, values);
}

/** Text written by us (an identifier from an allow list, a keyword). Never anything a caller sent. */
export function raw(text: string): Sql {
  return new Sql([text], []);
}

export function join(parts: readonly Sql[], separator: string): Sql {
  if (parts.length === 0) return raw('');
  return new Sql(['', ...Array.from({ length: parts.length - 1 }, () => separator), ''], parts);
}

/**
 * Makes the statement it becomes part of one that is not kept prepared: its text carries what decides the plan, and hardly
 * repeats. Costs a plan each time, 0.2 ms or more.
 */
export function plannedAnew(query: Sql): Sql {
  return new Sql(query.strings, query.values, true);
}

export interface Statement {
  readonly text: string;
  readonly values: unknown[];
}

/** Flattens fragments and numbers the parameters `$1..$n`. The same shape always gives the same text. */
export function render(query: Sql): Statement {
  const values: unknown[] = [];
  let text = '';
  const write = (part: Sql): void => {
    text += part.strings[0] ?? '';
    part.values.forEach((value, index) => {
      if (value instanceof Sql) write(value);
      else {
        values.push(value);
        text += `$${values.length}`;
      }
      text += part.strings[index + 1] ?? '';
    });
  };
  write(query);
  return { text, values };
}
