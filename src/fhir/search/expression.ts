/**
 * The grammar of `_filter`: tests of parameters, joined by and, or, not and parentheses. What a test means is decided by
 * search-operators.ts, where its path leads by search-chain.ts.
 *
 * @see https://hl7.org/fhir/R4/search_filter.html
 */
import { Problem } from '../problem.ts';
import type { Filter, SearchParam } from '../search-request.ts';
import { operators, type Operator } from './operators.ts';

/** Tests of one expression: each is a condition of the statement. */
const testsMax = 64;
const depthMax = 16;

/** `_filter` has no SearchParameter of its own in R4. */
const filterParam: SearchParam = {
  code: '_filter',
  type: 'special',
  url: 'http://hl7.org/fhir/R4/search_filter.html',
};

/** The filter of one test; undefined when its path is ignored. @throws Problem */
export type ReadTest = (path: string, operator: Operator, value: string) => Filter | undefined;

/** @throws Problem value for what is no expression, not-supported for paths with filters inside, too-costly */
export function parseExpression(text: string, read: ReadTest): Filter {
  const reader = new Reader(text, read);
  return reader.readAll();
}

class Reader {
  readonly #text: string;
  readonly #read: ReadTest;
  #at = 0;
  #tests = 0;

  constructor(text: string, read: ReadTest) {
    this.#text = text;
    this.#read = read;
  }

  readAll(): Filter {
    const filter = this.#expression(0);
    if (this.#peek() !== '') throw malformed();
    // One of several joined by and, or, not, or a test alone: what stands in the query is `_filter` all the same.
    return { kind: 'group', param: filterParam, join: 'and', isNegated: false, filters: [filter] };
  }

  /** R4: "Logical expressions are evaluated left to right, with no precedence between 'and' and 'or'." */
  #expression(depth: number): Filter {
    if (depth > depthMax) throw new Problem('too-costly', `_filter nests at most ${depthMax} deep`, expression);
    let left = this.#operand(depth);
    for (;;) {
      const join = this.#takeWord('and') ? 'and' : this.#takeWord('or') ? 'or' : undefined;
      if (join === undefined) return left;
      left = {
        kind: 'group',
        param: filterParam,
        join,
        isNegated: false,
        filters: [left, this.#operand(depth)],
      };
    }
  }

  #operand(depth: number): Filter {
    const isNegated = this.#takeWord('not');
    if (this.#peek() === '(') {
      this.#at++;
      const inner = this.#expression(depth + 1);
      if (this.#peek() !== ')') throw malformed();
      this.#at++;
      return isNegated ? { kind: 'group', param: filterParam, join: 'and', isNegated, filters: [inner] } : inner;
    }
    if (isNegated) throw malformed();
    return this.#test();
  }

  #test(): Filter {
    if (++this.#tests > testsMax) {
      throw new Problem('too-costly', `_filter takes at most ${testsMax} tests`, expression);
    }
    const path = this.#take(/[A-Za-z_][\w:.-]*/y);
    if (this.#peek() === '[') {
      throw new Problem('not-supported', 'a path with a filter inside is not served', {
        ...expression,
        hint: 'Use a composite parameter, or _has.',
      });
    }
    const operator = operators.find((one) => this.#takeWord(one));
    if (operator === undefined) throw malformed();
    const filter = this.#read(path, operator, this.#value());
    if (filter === undefined) throw malformed();
    return filter;
  }

  /** A JSON string, or any characters but white space and closing brackets. */
  #value(): string {
    if (this.#peek() !== '"') return this.#take(/[^\s)\]]+/y);
    const text = this.#take(/"(?:[^"\\]|\\.)*"/y);
    try {
      return JSON.parse(text) as string;
    } catch {
      throw malformed();
    }
  }

  /** The next character that is no white space; empty at the end. */
  #peek(): string {
    while (/\s/.test(this.#text.charAt(this.#at))) this.#at++;
    return this.#text.charAt(this.#at);
  }

  #take(pattern: RegExp): string {
    this.#peek();
    pattern.lastIndex = this.#at;
    const [found] = pattern.exec(this.#text) ?? [];
    if (found === undefined) throw malformed();
    this.#at += found.length;
    return found;
  }

  #takeWord(word: string): boolean {
    this.#peek();
    const end = this.#at + word.length;
    if (!this.#text.startsWith(word, this.#at) || /[\w.:-]/.test(this.#text.charAt(end))) return false;
    this.#at = end;
    return true;
  }
}

const expression = { expression: '_filter' };

function malformed(): Problem {
  return new Problem('value', '_filter cannot be read', {
    ...expression,
    hint: 'Write tests as: code eq "http://loinc.org|718-7" and (date ge 2024 or not (status eq final)).',
  });
}
