/** References of a stored text. @see https://hl7.org/fhir/R4/references.html#literal */
import assert from 'node:assert/strict';
import { collectReferences } from '../../src/fhir/references-in.ts';

describe('references in the text of a resource (R4 references.html#literal)', () => {
  const rows: [string, object, string[]][] = [
    ['a relative one', { subject: { reference: 'Patient/1' } }, ['Patient/1']],
    ['of a version: the resource', { x: { reference: 'Patient/1/_history/2' } }, ['Patient/1']],
    ['each once', { a: [{ reference: 'Patient/1' }, { reference: 'Patient/1' }] }, ['Patient/1']],
    ['an attachment that is a Binary here', { content: [{ attachment: { url: 'Binary/b' } }] }, ['Binary/b']],
    [
      'beside others',
      { a: { reference: 'Patient/1', display: 'x' }, b: { reference: 'Organization/o.1' } },
      ['Patient/1', 'Organization/o.1'],
    ],
    ['not a contained one', { x: { reference: '#p' } }, []],
    ['not another server’s', { x: { reference: 'https://example.org/fhir/Patient/1' } }, []],
    ['not a URN', { x: { reference: 'urn:uuid:0' } }, []],
    ['not an attachment elsewhere', { attachment: { url: 'https://example.org/Binary/b' } }, []],
    ['not what a text quotes', { note: '{"reference":"Patient/2"}' }, []],
    ['not what a text with a backslash quotes', { note: '\\"reference":"Patient/2"' }, []],
  ];
  for (const [title, resource, expected] of rows) {
    it(title, () => {
      const found = new Set<string>();
      collectReferences(JSON.stringify(resource), found);
      assert.deepEqual([...found], expected);
    });
  }
});
