import assert from 'node:assert/strict';
import { attachmentSourceUrl, localAddress, writeContent } from '../../../adapters/fhir/content.ts';
import { convertResource } from '../../../adapters/fhir/convert.ts';
import { ownBucket, sourceId } from '../../../src/fhir/ids.ts';
import type { AnyResource } from '../../../src/fhir/types.ts';
import type { MappedMessage } from '../../../src/ingest/contract.ts';

const base = 'https://fhir.hospital.example/r4';
const organization = 'Organization/hospital';
const hubId = (type: string, id: string): string => sourceId({ organization, base }, type, id);

function convert(resource: object | Buffer, config: Record<string, unknown> = { base }): MappedMessage {
  const bytes = Buffer.isBuffer(resource) ? resource : Buffer.from(JSON.stringify(resource));
  return convertResource(bytes, { name: 'north', organization, config });
}
const lastOf = ({ drafts }: MappedMessage): AnyResource => drafts.at(-1)?.resource as AnyResource;

const documentOf = (url: string, more: Record<string, unknown> = {}) => ({
  resourceType: 'DocumentReference',
  id: 'd1',
  status: 'current',
  subject: { reference: 'Patient/p1' },
  content: [{ attachment: { contentType: 'application/pdf', url } }],
  ...more,
});
const attachmentOf = (mapped: MappedMessage): { url: string; extension?: { url: string; valueUrl: string }[] } =>
  (lastOf(mapped)['content'] as { attachment: never }[])[0]?.attachment as never;
const notTaken = { kind: 'field', position: 'DocumentReference.content.attachment.url' };

describe('content of documents: what becomes of an address', () => {
  for (const url of ['Binary/b1', `${base}/Binary/b1`]) {
    it(`${url}: a Binary of the hub, which lives beside its document; the address stays in an extension`, () => {
      const mapped = convert(documentOf(url));
      const { url: own, extension } = attachmentOf(mapped);
      assert.match(own, /^Binary\/[0-9a-f-]{36}$/);
      assert.equal(ownBucket(own.slice('Binary/'.length)), ownBucket(hubId('Patient', 'p1')));
      assert.deepEqual(extension, [{ url: attachmentSourceUrl, valueUrl: `${base}/Binary/b1` }]);
      assert.deepEqual(mapped.unmapped, []);
    });
  }

  it('what is received of a content becomes that Binary, under the document', () => {
    const { url } = attachmentOf(convert(documentOf('Binary/b1')));
    const name = { document: 'd1', patient: 'p1', local: 'Binary/b1' };
    const mapped = convert(writeContent(name, 'application/pdf', 'JVBERg=='));
    assert.deepEqual(lastOf(mapped), {
      resourceType: 'Binary',
      id: url.slice('Binary/'.length),
      meta: { source: base },
      contentType: 'application/pdf',
      securityContext: { reference: `DocumentReference/${hubId('DocumentReference', 'd1')}` },
      data: 'JVBERg==',
    });
    // By which it is found in the record of its patient, and not kept of somebody who was erased.
    assert.equal(mapped.drafts[0]?.resource.id, hubId('Patient', 'p1'));
    assert.equal(mapped.drafts[0]?.mode, 'merge');
  });

  it('one that the source did not give is a Binary without data, and a line of the work list', () => {
    const mapped = convert(writeContent({ document: 'd1', patient: undefined, local: 'Binary/b1' }, 'text/plain'));
    assert.deepEqual([lastOf(mapped)['contentType'], 'data' in lastOf(mapped)], ['text/plain', false]);
    assert.deepEqual(mapped.unmapped, [notTaken]);
    assert.deepEqual(
      mapped.issues.map(({ code, position }) => [code, position]),
      [['incomplete', notTaken.position]],
    );
  });

  it('a document outside of any record keeps its content beside itself; whoever is named anywhere counts', () => {
    const alone = attachmentOf(convert(documentOf('Binary/b1', { subject: undefined })));
    assert.equal(ownBucket(alone.url.slice(7)), ownBucket(hubId('DocumentReference', 'd1')));
    const context = { sourcePatientInfo: { reference: 'Patient/p9' } };
    const named = attachmentOf(convert(documentOf('Binary/b1', { subject: undefined, context })));
    assert.equal(ownBucket(named.url.slice(7)), ownBucket(hubId('Patient', 'p9')));
  });

  it('content that two documents name is two Binaries', () => {
    const [one, other] = ['d1', 'd2'].map((id) => attachmentOf(convert(documentOf('Binary/b1', { id }))).url);
    assert.notEqual(one, other);
  });

  const elsewhere: readonly (readonly [string, string])[] = [
    ['another host', 'https://files.example/Binary/b1'],
    ['a host that begins alike', `${base}.evil.example/Binary/b1`],
    ['the same host, beside the base', 'https://fhir.hospital.example/Binary/b1'],
    ['from the root of the host', '/Binary/b1'],
    ['without a scheme', '//files.example/Binary/b1'],
    ['a file of a machine', 'file:///etc/passwd'],
    ['a way up', `${base}/../admin/keys`],
    ['a way up in a query', 'files/..?x=1'],
    ['a way up, encoded', 'files/%2e%2e/%2e%2e/keys'],
    ['a search', 'Observation?patient=p2'],
    ['a resource', 'Patient/p2'],
    ['an operation', 'Patient/p2/$everything'],
    ['an operation, encoded', 'x/%24export'],
    ['an operation of the server', '$export'],
    ['a search of Binaries', 'Binary?_id=b1'],
    ['the history of a Binary', 'Binary/b1/_history'],
    ['a part of the document itself', '#pdf'],
  ];
  for (const [what, url] of elsewhere) {
    it(`${what} is not asked: the address stays, and is a line of the work list`, () => {
      assert.equal(localAddress(url, [base]), undefined);
      const mapped = convert(documentOf(url));
      assert.ok(!attachmentOf(mapped).url.startsWith('Binary/') || url.startsWith('Binary'));
      assert.equal(attachmentOf(mapped).extension, undefined);
      assert.deepEqual(mapped.unmapped, [notTaken]);
    });
  }

  for (const url of ['files/2026/report%201.pdf', `${base}/Binary/b1/_history/2`, 'documents/1.pdf?sig=a%3Db']) {
    it(`${url} is a file below the base`, () => {
      assert.equal(localAddress(url, [base]), url.replace(`${base}/`, ''));
    });
  }

  it('`attachments` left, inline data, and a source that pushes without one that pulls: as it was sent', () => {
    const left = convert(documentOf('Binary/b1'), { base, attachments: 'left' });
    assert.deepEqual([attachmentOf(left).url, left.unmapped], [`${base}/Binary/b1`, []]);
    const inline = { content: [{ attachment: { url: `${base}/Binary/b1`, data: 'eA==' } }] };
    assert.equal(attachmentOf(convert(documentOf('', inline))).url, `${base}/Binary/b1`);
    const pushed = convert(documentOf('Binary/b1'), { source: base });
    assert.deepEqual([attachmentOf(pushed).url, pushed.unmapped], [`${base}/Binary/b1`, [notTaken]]);
    const beside = convert(documentOf('Binary/b1'), { source: base, pull: 'north-rest' });
    assert.deepEqual(attachmentOf(beside), attachmentOf(convert(documentOf('Binary/b1'))));
  });

  it('what a report or a photo names stays at the source: who may read a Binary is said by a document alone', () => {
    const report = {
      resourceType: 'DiagnosticReport',
      id: 'r1',
      status: 'final',
      code: { text: 'x' },
      presentedForm: [{ url: 'Binary/b1' }],
    };
    const mapped = convert(report);
    assert.deepEqual(lastOf(mapped)['presentedForm'], [{ url: `${base}/Binary/b1` }]);
    assert.deepEqual(mapped.unmapped, [{ kind: 'field', position: 'DiagnosticReport.presentedForm.url' }]);
  });

  it('of other releases as of R4', () => {
    const stu3 = { ...documentOf('Binary/b1'), indexed: '2026-03-01T08:00:00Z', type: { text: 'letter' } };
    const mapped = convert(stu3, { base, version: 'stu3' });
    assert.equal(attachmentOf(mapped).url, attachmentOf(convert(documentOf('Binary/b1'))).url);
  });
});
