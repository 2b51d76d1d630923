import assert from 'node:assert/strict';
import fc from 'fast-check';
import { deriveId, formatId, idPattern, isMintedId, ownBucket, sourceId, sourceOf } from '../../src/fhir/ids.ts';
import { resourceTypes, typeCode, typeName } from '../../src/fhir/types.ts';

describe('ids that say where they live (RFC 9562 section 5.8)', () => {
  it('the same parts give the same id for ever', () => {
    assert.equal(deriveId(undefined, ['a', 'b']), 'facdde7a-bf1e-8c5b-b012-73ab2e282f79');
    assert.equal(deriveId(7, ['Organization/x', 'Patient', '王', '9']), '00079622-7b28-8ac8-91e3-3d97b3ed9263');
  });
  it('the bucket of a client-assigned id never changes', () => {
    assert.deepEqual([ownBucket('abc'), ownBucket('pat-1')], [47736, 59314]);
  });
  it('a derived or random id is a FHIR id of minted form, in its bucket', () => {
    const bucket = fc.integer({ min: 0, max: 65535 });
    fc.assert(
      fc.property(
        bucket,
        fc.array(fc.string()),
        fc.uint8Array({ minLength: 16, maxLength: 16 }),
        (at, parts, bytes) => {
          for (const id of [deriveId(at, parts), formatId(bytes, at)]) {
            assert.ok(isMintedId(id) && idPattern.test(id), id);
            assert.equal(ownBucket(id), at);
          }
          const own = deriveId(undefined, parts);
          assert.equal(ownBucket(own), Number.parseInt(own.slice(0, 4), 16));
        },
      ),
    );
  });
  it('parts cannot be shifted into one another', () => {
    assert.notEqual(deriveId(1, ['ab', 'c']), deriveId(1, ['a', 'bc']));
    assert.notEqual(deriveId(1, ['a', '']), deriveId(1, ['a']));
    assert.notEqual(deriveId(1, ['1:a']), deriveId(1, ['a']));
  });
  for (const id of [
    '91824e53-f7bc-4812-8880-cd40f8ec7602',
    '91824e53-f7bc-f812-8880-cd40f8ec7602',
    '91824E53-F7BC-8812-8880-CD40F8EC7602',
    'pat-1',
    '',
  ]) {
    it(`'${id}' is not of the hub's minting`, () => assert.equal(isMintedId(id), false));
  }
});

describe('resource types have numbers (append-only: they are in every row)', () => {
  const rows: [string, number][] = [
    ['Account', 1],
    ['Observation', 96],
    ['Patient', 103],
    ['VisionPrescription', 146],
  ];
  for (const [type, code] of rows) {
    it(`${type} is ${code}`, () => {
      assert.equal(typeCode(type), code);
      assert.equal(typeName(code), type);
    });
  }
  it('every type has one, names of nothing have none', () => {
    assert.deepEqual(
      resourceTypes.map((type) => typeName(typeCode(type) ?? 0)),
      [...resourceTypes],
    );
    for (const name of ['', 'patient', 'Nonsense', 'Resource', 'DomainResource', 'constructor', '__proto__'])
      assert.equal(typeCode(name), undefined);
    assert.throws(() => typeName(0), RangeError);
    assert.throws(() => typeName(9999), RangeError);
  });
});

describe("ids that follow from a source's own (RFC 9562 section 5.5)", () => {
  const source = { organization: 'Organization/a', base: 'https://fhir.example.org/r4' };

  it('the same resource has the same id for ever', () => {
    assert.equal(sourceId(source, 'Patient', '4711'), '611326e3-934f-5b25-a636-c2d258fdba4e');
  });
  it('an id is a UUID of version 5, a FHIR id, and not of minted form', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (type, id) => {
        const made = sourceId(source, type, id);
        assert.match(made, /^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
        assert.ok(idPattern.test(made) && !isMintedId(made));
      }),
    );
  });
  it('another owner, server, type or id gives another id, however their parts are shifted', () => {
    const others = [
      sourceId({ ...source, organization: 'Organization/b' }, 'Patient', '4711'),
      sourceId({ ...source, base: 'https://fhir.example.org/r5' }, 'Patient', '4711'),
      sourceId(source, 'Person', '4711'),
      sourceId(source, 'Patient', '4712'),
      sourceId(source, 'Patient4', '711'),
      sourceId(source, 'Patient', '4711'),
    ];
    assert.equal(new Set(others).size, others.length);
  });

  const sources: [string, Record<string, unknown>, string][] = [
    ['the base URL', { base: 'https://fhir.example.org/r4' }, 'https://fhir.example.org/r4'],
    ['a slash at its end does not count', { base: 'https://fhir.example.org/r4//' }, 'https://fhir.example.org/r4'],
    [
      'what config.source says',
      { base: 'https://bulk.example.org', source: 'https://fhir.example.org/r4/' },
      'https://fhir.example.org/r4',
    ],
    ['neither: the endpoint', { source: '', base: 7 }, 'urn:health-record-hub:endpoint:ward'],
  ];
  for (const [what, config, base] of sources)
    it(`a source is told by ${what}`, () =>
      assert.deepEqual(sourceOf({ name: 'ward', organization: 'Organization/a', config }), {
        organization: 'Organization/a',
        base,
      }));
});
