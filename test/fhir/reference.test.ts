import assert from 'node:assert/strict';
import {
  localizeReferences,
  localReference,
  readCanonical,
  readReference,
  readReferenceAt,
  type ParsedReference,
} from '../../src/fhir/reference.ts';

describe('reference text (R4 references.html#literal)', () => {
  const rows: [string, ParsedReference | undefined][] = [
    ['Patient/1', { type: 'Patient', id: '1' }],
    ['Patient/1/_history/2', { type: 'Patient', id: '1', version: '2' }],
    ['https://x.org/fhir/Patient/1', { type: 'Patient', id: '1', url: 'https://x.org/fhir/Patient/1' }],
    [
      'https://x.org/fhir/Patient/1/_history/3',
      { type: 'Patient', id: '1', url: 'https://x.org/fhir/Patient/1', version: '3' },
    ],
    ['urn:uuid:91824e53-f7bc-f812-8880-cd40f8ec7602', { url: 'urn:uuid:91824e53-f7bc-f812-8880-cd40f8ec7602' }],
    ['#p', { fragment: 'p' }],
    ['#', { fragment: '' }],
    ['Nonsense/1', undefined],
    ['Patient', undefined],
    ['Patient/', undefined],
    ['Patient/a b', undefined],
    ['../Patient/1', undefined],
    ['Patient?identifier=1', undefined],
    ['', undefined],
  ];
  for (const [text, expected] of rows) {
    it(`'${text}' is ${JSON.stringify(expected)}`, () => assert.deepEqual(readReference(text), expected));
  }
  it("a server's own absolute URL is relative", () => {
    assert.deepEqual(readReferenceAt('http://hub/fhir/R4/Patient/1', 'http://hub/fhir/R4'), {
      type: 'Patient',
      id: '1',
    });
    assert.equal(
      readReferenceAt('http://hub/fhir/R42/Patient/1', 'http://hub/fhir/R4')?.url,
      'http://hub/fhir/R42/Patient/1',
    );
  });
  it('canonicals split at their version', () => {
    assert.deepEqual(readCanonical('http://x/vs|4.0.1'), { url: 'http://x/vs', version: '4.0.1' });
    assert.deepEqual(readCanonical('http://x/vs'), { url: 'http://x/vs' });
  });
  it('local references are Type/id and nothing else', () => {
    assert.deepEqual(localReference({ reference: 'Patient/1/_history/2' }), { type: 'Patient', id: '1' });
    for (const reference of ['http://x/Patient/1', 'urn:uuid:1', '#p', 'Patient/1/2', 'Nonsense/1', 7, undefined]) {
      assert.equal(localReference({ reference }), undefined, String(reference));
    }
    assert.equal(localReference(undefined), undefined);
  });
  it("the server's own absolute references become relative, wherever they stand", () => {
    const resource = {
      subject: { reference: 'http://hub/fhir/R4/Patient/1' },
      focus: [
        { reference: 'http://hub/fhir/R4/Patient/2/_history/3' },
        { reference: 'http://other/fhir/R4/Patient/1' },
      ],
      extension: [{ url: 'http://hub/fhir/R4/x', valueReference: { reference: 'http://hub/fhir/R4/Patient/4' } }],
      note: [{ text: 'http://hub/fhir/R4/Patient/1' }, null],
    };
    localizeReferences(resource, 'http://hub/fhir/R4');
    assert.deepEqual(resource, {
      subject: { reference: 'Patient/1' },
      focus: [{ reference: 'Patient/2/_history/3' }, { reference: 'http://other/fhir/R4/Patient/1' }],
      extension: [{ url: 'http://hub/fhir/R4/x', valueReference: { reference: 'Patient/4' } }],
      note: [{ text: 'http://hub/fhir/R4/Patient/1' }, null],
    });
  });
});
