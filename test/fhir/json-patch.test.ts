/** JSON Patch: the examples of RFC 6902 appendix A, RFC 6901, and what a hostile patch tries. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { applyJsonPatch, readJsonPatch } from '../../src/fhir/patch/json-patch.ts';
import { parseJson } from '../../src/fhir/json.ts';
import { Problem, type ProblemCode } from '../../src/fhir/problem.ts';

const patched = (document: unknown, patch: unknown): unknown =>
  applyJsonPatch(structuredClone(document), readJsonPatch(patch));
const refuses = (code: ProblemCode, work: () => unknown): void =>
  assert.throws(work, (error) => error instanceof Problem && error.code === code);

describe('JSON Patch', () => {
  const examples: [string, unknown, unknown[], unknown][] = [
    [
      'A.1 adding an object member',
      { foo: 'bar' },
      [{ op: 'add', path: '/baz', value: 'qux' }],
      { baz: 'qux', foo: 'bar' },
    ],
    [
      'A.2 adding an array element',
      { foo: ['bar', 'baz'] },
      [{ op: 'add', path: '/foo/1', value: 'qux' }],
      { foo: ['bar', 'qux', 'baz'] },
    ],
    ['A.3 removing an object member', { baz: 'qux', foo: 'bar' }, [{ op: 'remove', path: '/baz' }], { foo: 'bar' }],
    [
      'A.4 removing an array element',
      { foo: ['bar', 'qux', 'baz'] },
      [{ op: 'remove', path: '/foo/1' }],
      { foo: ['bar', 'baz'] },
    ],
    [
      'A.5 replacing a value',
      { baz: 'qux', foo: 'bar' },
      [{ op: 'replace', path: '/baz', value: 'boo' }],
      { baz: 'boo', foo: 'bar' },
    ],
    [
      'A.6 moving a value',
      { foo: { bar: 'baz', waldo: 'fred' }, qux: { corge: 'grault' } },
      [{ op: 'move', from: '/foo/waldo', path: '/qux/thud' }],
      { foo: { bar: 'baz' }, qux: { corge: 'grault', thud: 'fred' } },
    ],
    [
      'A.7 moving an array element',
      { foo: ['all', 'grass', 'cows', 'eat'] },
      [{ op: 'move', from: '/foo/1', path: '/foo/3' }],
      { foo: ['all', 'cows', 'eat', 'grass'] },
    ],
    [
      'A.8 testing a value: success',
      { baz: 'qux', foo: ['a', 2, 'c'] },
      [
        { op: 'test', path: '/baz', value: 'qux' },
        { op: 'test', path: '/foo/1', value: 2 },
      ],
      { baz: 'qux', foo: ['a', 2, 'c'] },
    ],
    [
      'A.10 adding a nested member object',
      { foo: 'bar' },
      [{ op: 'add', path: '/child', value: { grandchild: {} } }],
      { foo: 'bar', child: { grandchild: {} } },
    ],
    [
      'A.11 ignoring unrecognized elements',
      { foo: 'bar' },
      [{ op: 'add', path: '/baz', value: 'qux', xyz: 123 }],
      { foo: 'bar', baz: 'qux' },
    ],
    ['A.14 ~ escape ordering', { '/': 9, '~1': 10 }, [{ op: 'test', path: '/~01', value: 10 }], { '/': 9, '~1': 10 }],
    [
      'A.16 adding an array value',
      { foo: ['bar'] },
      [{ op: 'add', path: '/foo/-', value: ['abc', 'def'] }],
      { foo: ['bar', ['abc', 'def']] },
    ],
    ['4.1 add replaces a member that is there', { foo: 1 }, [{ op: 'add', path: '/foo', value: 2 }], { foo: 2 }],
    ['4.1 the whole document', { foo: 1 }, [{ op: 'add', path: '', value: { bar: 2 } }], { bar: 2 }],
    [
      '4.5 copy',
      { a: { b: [1] } },
      [
        { op: 'copy', from: '/a/b', path: '/c' },
        { op: 'add', path: '/c/-', value: 2 },
      ],
      { a: { b: [1] }, c: [1, 2] },
    ],
    ['4.6 numbers are equal by value', { a: 1.5 }, [{ op: 'test', path: '/a', value: parseJson('1.50') }], { a: 1.5 }],
    [
      '4.6 members in any order',
      { a: { b: 1, c: 2 } },
      [{ op: 'test', path: '/a', value: { c: 2, b: 1 } }],
      { a: { b: 1, c: 2 } },
    ],
  ];
  for (const [title, before, patch, after] of examples) {
    it(`RFC 6902 ${title}`, () => assert.deepEqual(patched(before, patch), after));
  }

  const refused: [string, ProblemCode, unknown, unknown][] = [
    ['A.9 testing a value: error', 'business-rule', { baz: 'qux' }, [{ op: 'test', path: '/baz', value: 'bar' }]],
    [
      'A.12 adding to a target that is not there',
      'value',
      { foo: 'bar' },
      [{ op: 'add', path: '/baz/bat', value: 'qux' }],
    ],
    [
      'A.15 comparing strings and numbers',
      'business-rule',
      { '/': 9, '~1': 10 },
      [{ op: 'test', path: '/~01', value: '10' }],
    ],
    ['4.2 removing what is not there', 'value', {}, [{ op: 'remove', path: '/a' }]],
    ['4.3 replacing what is not there', 'value', {}, [{ op: 'replace', path: '/a', value: 1 }]],
    ['4.4 moving into a child', 'value', { a: { b: 1 } }, [{ op: 'move', from: '/a', path: '/a/c' }]],
    ['4.6 null is not absence', 'value', {}, [{ op: 'test', path: '/a', value: null }]],
    ['an index beyond the end', 'value', { a: [1] }, [{ op: 'add', path: '/a/2', value: 1 }]],
    ['RFC 6901 4: a leading zero', 'value', { a: [1, 2] }, [{ op: 'replace', path: '/a/01', value: 1 }]],
    ['RFC 6901 4: "-" where something must be', 'value', { a: [1] }, [{ op: 'remove', path: '/a/-' }]],
    ['RFC 6901 3: a tilde alone', 'structure', {}, [{ op: 'add', path: '/a~2', value: 1 }]],
    ['a pointer without its slash', 'structure', {}, [{ op: 'add', path: 'a', value: 1 }]],
    ['an operation that there is not', 'structure', {}, [{ op: 'spam', path: '/a' }]],
    ['add without a value', 'structure', {}, [{ op: 'add', path: '/a' }]],
    ['no array', 'structure', {}, { op: 'add', path: '/a', value: 1 }],
    ['an index of a text', 'value', { a: 'bc' }, [{ op: 'add', path: '/a/0', value: 'x' }]],
    [
      'too many operations',
      'too-costly',
      {},
      Array.from({ length: 1_001 }, () => ({ op: 'add', path: '/a', value: 1 })),
    ],
  ];
  for (const [title, code, document, patch] of refused) {
    it(`refuses ${title}: ${code}`, () => refuses(code, () => patched(document, patch)));
  }

  for (const name of ['__proto__', 'constructor', 'prototype']) {
    it(`no path reaches ${name} (LEAKS 44)`, () => {
      refuses('structure', () => patched({}, [{ op: 'add', path: `/${name}/polluted`, value: true }]));
      refuses('structure', () => patched({}, [{ op: 'copy', from: `/${name}`, path: '/a' }]));
      assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
    });
  }

  it('what is inherited is not there', () => {
    refuses('value', () => patched({}, [{ op: 'copy', from: '/toString', path: '/a' }]));
    refuses('value', () => patched({ a: [] }, [{ op: 'replace', path: '/a/length', value: 5 }]));
  });

  it('doubling ends at a bound, in values and in depth (LEAKS 46)', () => {
    const wide = Array.from({ length: 60 }, (_, n) => ({ op: 'copy', from: '/a', path: `/a/${n + 1}` }));
    refuses('too-costly', () => patched({ a: ['x'.repeat(60_000)] }, wide));
    const deep = Array.from({ length: 70 }, () => ({ op: 'copy', from: '', path: '/a' }));
    refuses('structure', () => patched({ a: 1 }, deep));
  });

  it('moving something large again and again ends at a bound (LEAKS 46)', () => {
    const moves = Array.from({ length: 500 }, () => [
      { op: 'move', from: '/a', path: '/b' },
      { op: 'move', from: '/b', path: '/a' },
    ]).flat();
    refuses('too-costly', () => patched({ a: Array.from({ length: 10_000 }, (_, n) => n) }, moves));
  });

  it('numbers keep their digits', () => {
    const document = parseJson('{"value":1.50}');
    const operations = readJsonPatch(
      parseJson('[{"op":"add","path":"/low","value":2.00},{"op":"copy","from":"/value","path":"/high"}]'),
    );
    assert.equal(JSON.stringify(applyJsonPatch(document, operations)), '{"value":1.50,"low":2.00,"high":1.50}');
  });

  it('a patch may be applied again: it shares nothing with what it made', () => {
    const operations = readJsonPatch([
      { op: 'add', path: '/a', value: [] },
      { op: 'add', path: '/a/-', value: 1 },
    ]);
    applyJsonPatch({}, operations);
    assert.deepEqual(applyJsonPatch({}, operations), { a: [1] });
  });

  describe('properties', () => {
    const key = fc.constantFrom('a', 'b', 'c~d', 'e/f');
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof({ maxDepth: 3 }, fc.integer(), fc.string({ maxLength: 3 }), tie('array'), tie('object')),
      array: fc.array(tie('value'), { maxLength: 3 }),
      object: fc.dictionary(key, tie('value'), { maxKeys: 3, noNullPrototype: true }),
    }));
    const document = fc.dictionary(key, value, { maxKeys: 3, noNullPrototype: true });
    const escape = (token: string): string => token.replaceAll('~', '~0').replaceAll('/', '~1');

    type Held = unknown[] | Record<string, unknown>;
    const at = (doc: unknown, path: readonly string[]): unknown =>
      path.reduce((held, token) => (held as Record<string, unknown>)[token], doc);

    /** Every place in a document, as tokens. */
    const places = (held: unknown, path: string[] = []): string[][] =>
      typeof held === 'object' && held !== null
        ? Object.entries(held).flatMap(([name, child]) => [[...path, name], ...places(child, [...path, name])])
        : [];
    const pointer = (path: readonly string[]): string => path.map((token) => `/${escape(token)}`).join('');

    /** The naive model: a new document, made by recursion instead of by changing one. */
    const model = (
      held: unknown,
      [token, ...rest]: readonly string[],
      change: (holder: Held, token: string) => unknown,
    ): unknown => {
      if (rest.length === 0) return change(structuredClone(held) as Held, token as string);
      if (Array.isArray(held)) return held.map((item, at) => (String(at) === token ? model(item, rest, change) : item));
      return Object.fromEntries(
        Object.entries(held as object).map(([name, child]) => [
          name,
          name === token ? model(child, rest, change) : child,
        ]),
      );
    };
    const without = (holder: Held, token: string): unknown =>
      Array.isArray(holder)
        ? holder.filter((_: unknown, at: number) => String(at) !== token)
        : Object.fromEntries(Object.entries(holder as object).filter(([name]) => name !== token));
    const replacedBy =
      (fresh: unknown) =>
      (holder: Held, token: string): unknown =>
        Array.isArray(holder)
          ? holder.map((item: unknown, at: number) => (String(at) === token ? fresh : item))
          : { ...holder, [token]: fresh };

    const somewhere = document.chain((doc) => {
      const all = places(doc);
      return all.length === 0
        ? fc.constant(undefined)
        : fc.record({ doc: fc.constant(doc), path: fc.constantFrom(...all), fresh: value });
    });

    it('remove and replace do what the model does, at any place of any document', () => {
      fc.assert(
        fc.property(somewhere, (one) => {
          if (one === undefined) return;
          const { doc, path, fresh } = one;
          assert.deepEqual(patched(doc, [{ op: 'remove', path: pointer(path) }]), model(doc, path, without));
          assert.deepEqual(
            patched(doc, [{ op: 'replace', path: pointer(path), value: fresh }]),
            model(doc, path, replacedBy(fresh)),
          );
        }),
      );
    });

    it('add and then remove, or move there and back, is the document as it was', () => {
      fc.assert(
        fc.property(somewhere, (one) => {
          if (one === undefined) return;
          const { doc, path, fresh } = one;
          const where = pointer(path);
          const isItem = Array.isArray(at(doc, path.slice(0, -1)));
          if (isItem)
            assert.deepEqual(
              patched(doc, [
                { op: 'add', path: where, value: fresh },
                { op: 'remove', path: where },
              ]),
              doc,
            );
          const there = [
            { op: 'move', from: where, path: '/elsewhere' },
            { op: 'move', from: '/elsewhere', path: where },
          ];
          assert.deepEqual(patched(doc, there), doc);
          assert.deepEqual(patched(doc, [{ op: 'test', path: where, value: at(doc, path) }]), doc);
        }),
      );
    });

    it('whatever a patch says, it is applied or refused with a Problem', () => {
      const token = fc.oneof(key, fc.constantFrom('0', '1', '-', '', '01', '__proto__', 'length'));
      const path = fc.array(token, { maxLength: 4 }).map(pointer);
      const operation = fc.record({
        op: fc.constantFrom('add', 'remove', 'replace', 'move', 'copy', 'test'),
        path,
        from: path,
        value,
      });
      fc.assert(
        fc.property(document, fc.array(operation, { maxLength: 5 }), (doc, operations) => {
          try {
            patched(doc, operations);
          } catch (error) {
            assert.ok(error instanceof Problem);
          }
        }),
        { numRuns: 500 },
      );
    });
  });
});
