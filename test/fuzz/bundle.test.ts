/** Bundles with anything anywhere: refused or carried out, never an error of ours, and a transaction whole or not at all. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { given } from '../given.ts';
import { givenHub, type GivenHub } from '../given-hub.ts';

const runs = Number(process.env['FUZZ_RUNS'] ?? 100);

describe('fuzz: Bundles', function () {
  this.timeout(300_000);
  let hub: GivenHub;
  let hospital: string;
  before(async () => {
    hub = await givenHub();
    hospital = await hub.token('hospital');
  });
  after(() => hub.close());

  const urn = 'urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a';
  const operations = Buffer.from('[{"op":"add","path":"/name/-","value":{"text":"x"}}]').toString('base64');
  const sound = (type: string): object => ({
    resourceType: 'Bundle',
    type,
    entry: [
      {
        fullUrl: urn,
        resource: {
          ...given.patient(),
          identifier: [{ system: 'urn:f', value: '1' }],
          text: { status: 'generated', div: `<div xmlns="http://www.w3.org/1999/xhtml"><a href="${urn}">x</a></div>` },
        },
        request: { method: 'POST', url: 'Patient', ifNoneExist: 'identifier=urn:f|1' },
      },
      {
        resource: { ...given.observation({ patient: 'x', value: 1 }), subject: { reference: urn } },
        request: { method: 'POST', url: 'Observation' },
      },
      { resource: given.patient({ id: 'f-1' }), request: { method: 'PUT', url: 'Patient/f-1', ifMatch: undefined } },
      {
        resource: { resourceType: 'Binary', contentType: 'application/json-patch+json', data: operations },
        request: { method: 'PATCH', url: 'Patient?identifier=urn:f|2' },
      },
      {
        resource: {
          resourceType: 'Parameters',
          parameter: [
            {
              name: 'operation',
              part: [
                { name: 'type', valueCode: 'delete' },
                { name: 'path', valueString: "Patient.name.where(family = 'x')" },
              ],
            },
          ],
        },
        request: { method: 'PATCH', url: 'Patient/f-1' },
      },
      { request: { method: 'DELETE', url: 'Observation?identifier=urn:f|none' } },
      { request: { method: 'GET', url: 'Patient?identifier=urn:f|1&_count=1', ifNoneMatch: 'W/"1"' } },
    ],
  });

  const places = (held: unknown, path: (string | number)[] = []): (string | number)[][] =>
    typeof held === 'object' && held !== null
      ? Object.entries(held).flatMap(([key, child]) => {
          const at = [...path, Array.isArray(held) ? Number(key) : key];
          return [at, ...places(child, at)];
        })
      : [];
  const oddities = fc.oneof(
    fc.constantFrom<unknown>(
      null,
      '',
      0,
      -1,
      1.5,
      true,
      [],
      {},
      [null],
      { resourceType: 'Patient' },
      urn,
      `${urn}x`,
      '/',
      '?',
      '%',
      '$meta',
      'Patient?',
      'Patient?identifier=',
      'Patient?_id=f-1',
      '../Patient',
      'POST',
      'PATCH',
      'W/"9"',
      '*',
      'urn:oid:',
      'x'.repeat(9_000),
      '__proto__',
      '\u0000',
      '\ud800',
    ),
    fc.jsonValue({ maxDepth: 2 }),
  );
  const mutated = fc
    .record({
      type: fc.constantFrom('transaction', 'batch'),
      changes: fc.array(fc.tuple(fc.nat(), oddities, fc.boolean()), { minLength: 1, maxLength: 4 }),
    })
    .map(({ type, changes }) => {
      const bundle: object = structuredClone(sound(type));
      for (const [seed, value, isRemoval] of changes) {
        const all = places(bundle);
        // The changes before have taken away all there was.
        if (all.length === 0) break;
        const path = all[seed % all.length] as (string | number)[];
        const holder = path.slice(0, -1).reduce<any>((held, key) => held[key], bundle); // eslint-disable-line typescript/no-explicit-any
        const last = path.at(-1) as string;
        if (isRemoval) delete holder[last];
        else holder[last] = value;
      }
      return bundle;
    });

  it(`${runs} of them: each answer is an OperationOutcome or a Bundle, below 500 in every entry`, async () => {
    await fc.assert(
      fc.asyncProperty(mutated, async (bundle) => {
        const response = await hub.send('POST', '/fhir/R4', hospital, { body: bundle });
        assert.ok(response.status < 500, response.text);
        assert.ok(['Bundle', 'OperationOutcome'].includes(response.json['resourceType'] as string));
        for (const entry of (response.json['entry'] ?? []) as { response: { status: string } }[]) {
          assert.ok(Number(entry.response.status.slice(0, 3)) < 500, JSON.stringify(entry));
        }
      }),
      { numRuns: runs },
    );
  });
});
