/** Where content lies: beside the document by whose row it is protected (R4 binary.html#security). */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { ownBucket } from '../../src/fhir/ids.ts';
import { mintId } from '../../src/store/place.ts';

const document = (patient: string): string =>
  mintId({ resourceType: 'DocumentReference', subject: { reference: `Patient/${patient}` } }, randomBytes(16));
const content = (context?: string): string =>
  mintId(
    {
      resourceType: 'Binary',
      contentType: 'text/plain',
      ...(context === undefined ? {} : { securityContext: { reference: context } }),
    },
    randomBytes(16),
  );

describe('content of a document', () => {
  it('gets an id in the bucket of its document, and so of its patient', () => {
    const id = document('p');
    assert.equal(ownBucket(content(`DocumentReference/${id}`)), ownBucket('p'));
    assert.equal(ownBucket(id), ownBucket('p'));
  });

  it('that names no document, or one whose id does not say where it lies, lies anywhere', () => {
    for (const context of [undefined, 'DocumentReference/chosen', `Media/${document('p')}`]) {
      const buckets = new Set(Array.from({ length: 4 }, () => ownBucket(content(context))));
      assert.ok(buckets.size > 1, context);
    }
  });
});
