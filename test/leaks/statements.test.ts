/**
 * The structural guard: no statement of the facade reads a row of the store that nobody has decided on. Whatever can be asked is
 * asked, by everybody, and each statement that reaches PostgreSQL is read (statement.ts). What reads rows for another reason
 * than to answer is listed here with the reason.
 */
import assert from 'node:assert/strict';
import pg from 'pg';
import { asked } from './questions.ts';
import { uncoveredIn } from './statement.ts';
import { ai, givenLeakWorld, hidden, ofP, open, type LeakWorld } from './world.ts';

/** The driver's view of a connection: every statement with parameters is parsed once on each. */
interface Connection {
  parse(message: { text: string }, ...rest: unknown[]): unknown;
}
const { Connection: driver } = pg as unknown as { Connection: { prototype: Connection } };

function record(): { readonly texts: Set<string>; stop(): void } {
  const texts = new Set<string>();
  const parse = Object.getOwnPropertyDescriptor(driver.prototype, 'parse') as PropertyDescriptor & {
    value: Connection['parse'];
  };
  driver.prototype.parse = function (this: Connection, message, ...rest): unknown {
    texts.add(message.text);
    return parse.value.call(this, message, ...rest);
  };
  return {
    texts,
    stop: () => {
      Object.defineProperty(driver.prototype, 'parse', parse);
    },
  };
}

/** What reads rows of the store and shows nothing of them. */
const exceptions: readonly (readonly [reason: string, text: RegExp])[] = [
  ['whether the store is empty, when the process begins', /^select from resource\)/],
  [
    'what a write finds, which decides by its owner',
    /^select r\.bucket, .*r\.precedence, r\.body from resource r join unnest/,
  ],
  ['whose the Patients are that a write refers to', /^select r\.id, r\.owner from resource r join unnest/],
  [
    'rows that a write changes, locked',
    /^select r\.bucket, r\.type, r\.id, r\.version from resource r join unnest.* for update/,
  ],
  [
    'references in the bodies of the answer itself',
    /^select coalesce\( \(select l\.bucket from locator l where not refs\.id/,
  ],
];

/** Beside what GET asks. */
const sent: readonly (readonly [
  method: string,
  path: string,
  body?: object | string,
  headers?: Record<string, string>,
])[] = [
  ['GET', 'Binary/hidden'],
  ['GET', 'Location?partof:below=x'],
  ['GET', 'Encounter?location:below=x'],
  ['GET', '$export'],
  [
    'POST',
    'Observation/_search',
    'patient=p&encounter.status=finished',
    { 'content-type': 'application/x-www-form-urlencoded' },
  ],
  ['POST', 'Basic', { resourceType: 'Basic', code: { text: 'x' } }, { 'if-none-exist': 'code=x' }],
  [
    'PUT',
    'Basic?identifier=urn:i|1',
    { resourceType: 'Basic', code: { text: 'x' }, identifier: [{ system: 'urn:i', value: '1' }] },
  ],
  [
    'PATCH',
    'Observation/seen',
    [{ op: 'test', path: '/id', value: 'seen' }],
    { 'content-type': 'application/json-patch+json' },
  ],
  ['DELETE', 'Basic?identifier=urn:i|1'],
  ['DELETE', 'Basic/none'],
  [
    'POST',
    '/fhir/R4',
    {
      resourceType: 'Bundle',
      type: 'transaction',
      entry: [
        {
          resource: { resourceType: 'Observation', status: 'final', code: { text: 'x' }, ...ofP },
          request: { method: 'POST', url: 'Observation', ifNoneExist: 'identifier=urn:i|none' },
        },
      ],
    },
  ],
];

describe('LEAKS 1-9, 13, 23: every statement of the facade decides on every row that it reads', function () {
  this.timeout(300_000);
  let world: LeakWorld;
  let texts: readonly string[];

  before(async () => {
    const recorder = record();
    try {
      world = await givenLeakWorld();
      await world.write([...open, ...hidden]);
      await world.consent('p', ai);
      for (const token of Object.values(world.tokens)) {
        await Promise.all(asked.map((path) => world.hub.send('GET', path, token)));
        for (const [method, path, body, headers = {}] of sent) {
          await world.hub.send(method, path, token, { headers, ...(body === undefined ? {} : { body }) });
        }
      }
    } finally {
      recorder.stop();
    }
    texts = [...recorder.texts].filter((text) => /\bresource(_history)?\b/.test(text));
  });
  after(() => world.close());

  it('none is left out, but for what shows nothing', () => {
    const needed = new Set<string>();
    for (const text of texts) {
      for (const { table, alias, where } of uncoveredIn(text)) {
        const exception = exceptions.find(([, pattern]) => pattern.test(where));
        assert.ok(exception, `${table} ${alias} has no condition of a Visibility: ${where}`);
        needed.add(exception[0]);
      }
    }
    assert.deepEqual([...needed].toSorted(), exceptions.map(([reason]) => reason).toSorted(), 'exceptions without use');
  });

  it('the statements are many, and each of their conditions counts: without it the alias is found', () => {
    assert.ok(texts.length > 100, `${texts.length}`);
    const isCounted = (text: string, mark: RegExpExecArray): boolean =>
      uncoveredIn(text.slice(0, mark.index) + text.slice(mark.index + mark[0].length)).length >
      uncoveredIn(text).length;
    // In a list of what is selected it tells why a row is seen (a Binary through its document), not whether.
    const marks = texts.flatMap((text) =>
      Array.from(text.matchAll(/(?<!case when d\.id is null or )\/\* visible \w+ \*\//g), (mark) => ({ text, mark })),
    );
    for (const { text, mark } of marks) {
      assert.ok(isCounted(text, mark), text.slice(Math.max(0, mark.index - 400), mark.index + 100));
    }
    assert.ok(marks.length > 100, `${marks.length}`);
  });

  it('what is read for the hub itself says why', () => {
    const reasons = texts.flatMap((text) =>
      Array.from(text.matchAll(/\/\* internal: (.*?) \*\//g), ([, reason]) => reason),
    );
    assert.deepEqual(new Set(reasons), new Set(internal));
  });
});

const internal: readonly string[] = ['labels', 'whose log says that somebody tried'];
