/** MDM -> DocumentReference and Binary, and encapsulated data wherever it comes. */
import assert from 'node:assert/strict';
import { validate } from '../../src/fhir/validate.ts';
import { toBundle } from '../../src/mapping/bundle.ts';
import type { MappedMessage } from '../../src/mapping/message/draft.ts';
import { drafts, map, resource } from './given.ts';

const txa =
  'TXA|1|DS^Discharge summary|TX|20240501|D1^Lin^Mei|20240502101500|20240502|20240503|D1^Lin^Mei|D2^Wu^Yi|T1^Tan|DOC-2^NS|DOC-1^NS|PL-1|FL-1|notes.pdf|AU|R|AV|AC|typo||R1^Rao|FO^Folder|Title';

function mdm(observations: readonly string[], event = 'T02', document = txa): MappedMessage {
  const mapped = map([document, ...observations], { type: `MDM^${event}^MDM_T02` });
  const bundle = toBundle(mapped) as unknown as { entry: { resource: unknown }[] };
  for (const { resource: one } of bundle.entry) assert.deepEqual(validate(one), []);
  return mapped;
}

interface Attachment {
  contentType?: string;
  data?: string;
  url?: string;
  title?: string;
  size?: number;
  hash?: string;
}

const attachmentsOf = (mapped: MappedMessage): Attachment[] =>
  (resource(mapped, 'DocumentReference')['content'] as { attachment: Attachment }[]).map(
    ({ attachment }) => attachment,
  );

/** What a reader gets: the data of the attachment, or of the Binary that it names. */
function contentsOf(mapped: MappedMessage): Buffer[] {
  return attachmentsOf(mapped).map(({ data, url }) => {
    const binary = drafts(mapped, 'Binary').find(({ resource: { id } }) => `Binary/${id}` === url);
    return Buffer.from(data ?? (binary?.resource['data'] as string), 'base64');
  });
}

describe('TXA -> DocumentReference', () => {
  it('every field has its element', () => {
    const document = resource(mdm(['OBX|1|TX|T^Text||x']), 'DocumentReference') as unknown as Record<string, any>; // eslint-disable-line typescript/no-explicit-any
    assert.equal(document['masterIdentifier'].value, 'DOC-2');
    assert.deepEqual(
      document['identifier'].map((one: { value: string }) => one.value),
      ['PL-1', 'FL-1', 'notes.pdf'],
    );
    assert.deepEqual([document['status'], document['docStatus']], ['current', 'final']);
    assert.equal(document['type'].coding[0].code, 'DS');
    assert.equal(document['date'], '2024-05-02T10:15:00+08:00');
    assert.equal(document['context'].period.start, '2024-05-01');
    assert.match(document['author'][0].reference, /^Practitioner\//);
    assert.match(document['authenticator'].reference, /^Practitioner\//);
    assert.equal(document['securityLabel'][0].coding[0].code, 'R');
    assert.equal(document['description'], 'Title');
    assert.match(document['subject'].reference, /^Patient\//);
  });

  const relations: [event: string, code: string][] = [
    ['T02', 'appends'],
    ['T05', 'appends'],
    ['T06', 'appends'],
    ['T08', 'replaces'],
    ['T09', 'replaces'],
    ['T10', 'replaces'],
  ];
  for (const [event, code] of relations) {
    it(`${event} ${code} the parent of TXA-13`, () => {
      const [relation] = resource(mdm(['OBX|1|TX|T||x'], event), 'DocumentReference')['relatesTo'] as {
        code: string;
        target: { identifier: { value: string } };
      }[];
      assert.deepEqual([relation?.code, relation?.target.identifier.value], [code, 'DOC-1']);
    });
  }

  it('T11 withdraws the document, and leaves its stored content alone', () => {
    const mapped = mdm([], 'T11');
    const [draft] = drafts(mapped, 'DocumentReference');
    assert.equal(draft?.resource['status'], 'entered-in-error');
    assert.equal(draft?.mode, 'merge');
    assert.ok(draft?.fallback.includes('content'));
    const [sent] = drafts(mdm(['OBX|1|TX|T||x']), 'DocumentReference');
    assert.equal(draft?.resource.id, sent?.resource.id);
    assert.ok(!sent?.fallback.includes('content'));
  });

  it('names the orders it answers', () => {
    const mapped = mdm(['ORC|NW|P-1', 'OBR|1|P-1||CT^CT', txa, 'OBX|1|TX|T||x'], 'T02', 'EVN|T02');
    const [request] = drafts(mapped, 'ServiceRequest');
    const { related } = resource(mapped, 'DocumentReference')['context'] as { related: object[] };
    assert.deepEqual(related, [{ reference: `ServiceRequest/${request?.resource.id}` }]);
    assert.equal(drafts(mapped, 'Observation').length, 0, 'the OBX are the document');
  });
});

describe('OBX of a document -> content, byte for byte', () => {
  const every = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
  const pdf = Buffer.concat([Buffer.from('%PDF-1.7\n'), every, every]);
  const rtf = Buffer.from('{\\rtf1 |^~\\&}');
  const b64 = (bytes: Buffer): string => bytes.toString('base64');

  it('Base64 is a Binary under its document', () => {
    const mapped = mdm([`OBX|1|ED|DS^Summary||^application^pdf^Base64^${b64(pdf)}`]);
    const [binary] = drafts(mapped, 'Binary');
    const [attachment] = attachmentsOf(mapped);
    assert.deepEqual(contentsOf(mapped), [pdf]);
    assert.equal(binary?.resource['contentType'], 'application/pdf');
    assert.deepEqual(binary?.resource['securityContext'], {
      reference: `DocumentReference/${resource(mapped, 'DocumentReference').id}`,
    });
    assert.deepEqual([attachment?.size, attachment?.title], [pdf.length, 'Summary']);
    // In the bucket of its document: the first 16 bits of both ids.
    assert.equal(binary?.resource.id.slice(0, 4), resource(mapped, 'DocumentReference').id.slice(0, 4));
  });

  const encodings: [title: string, ed: string, bytes: Buffer, type: string][] = [
    ['hexadecimal', `^IM^JPEG^Hex^${pdf.toString('hex')}`, pdf, 'image/jpeg'],
    ['plain text, with separators escaped', '^TEXT^RTF^A^{\\E\\rtf1 \\F\\\\S\\\\R\\\\E\\\\T\\}', rtf, 'text/rtf'],
    [
      'Base64 with line ends',
      `^TEXT^HTML^Base64^${b64(pdf).replace(/(.{76})/g, '$1\\X0D\\\\X0A\\')}`,
      pdf,
      'text/html',
    ],
    [
      'Base64 without padding',
      `^application^octet-stream^base64^${b64(rtf).replace(/=+$/, '')}`,
      rtf,
      'application/octet-stream',
    ],
    ['a media type in one component', `^^text/html^Base64^${b64(rtf)}`, rtf, 'text/html'],
  ];
  for (const [title, ed, bytes, type] of encodings) {
    it(title, () => {
      const mapped = mdm([`OBX|1|ED|X^Y||${ed}`]);
      assert.deepEqual(contentsOf(mapped), [bytes]);
      assert.equal(attachmentsOf(mapped)[0]?.contentType, type);
    });
  }

  it('what is not of its encoding is kept as it came', () => {
    assert.deepEqual(contentsOf(mdm(['OBX|1|ED|X||^application^pdf^Base64^not base64 at all!'])), [
      Buffer.from('not base64 at all!'),
    ]);
  });

  it('parts of one object are joined, over OBX and over repetitions', () => {
    const text = b64(pdf);
    const cuts = [text.slice(0, 101), text.slice(101, 200), text.slice(200)];
    const overObx = cuts.map((part, index) => `OBX|${index + 1}|ED|DS^S||^application^pdf^Base64^${part}`);
    assert.deepEqual(contentsOf(mdm(overObx)), [pdf]);
    const repeated = cuts.map((part) => `^application^pdf^Base64^${part}`).join('~');
    assert.deepEqual(contentsOf(mdm([`OBX|1|ED|DS^S||${repeated}`])), [pdf]);
    const bare = [`^application^pdf^Base64^${cuts[0]}`, `^^^^${cuts[1]}`, `^^^^${cuts[2]}`];
    assert.deepEqual(contentsOf(mdm(bare.map((ed, index) => `OBX|${index + 1}|ED|DS^S||${ed}`))), [pdf]);
  });

  it('two documents of a kind stay two, with padding at the end of the first and without', () => {
    for (const first of [pdf, pdf.subarray(0, 300)]) {
      const sent = [first, pdf].map(
        (bytes, index) => `OBX|${index + 1}|ED|DS^S||^application^pdf^Base64^${b64(bytes)}`,
      );
      assert.deepEqual(contentsOf(mdm(sent)), [first, pdf]);
    }
  });

  it('lines of text are one text; formatting, repetitions and notes are lines of it', () => {
    const mapped = mdm([
      'OBX|1|FT|T^Findings||one\\.br\\two~three',
      'OBX|2|TX|T^Findings||四 \\F\\',
      'NTE|1||said later',
    ]);
    assert.deepEqual(contentsOf(mapped).map(String), ['one\ntwo\nthree\n四 |\nsaid later']);
    assert.deepEqual(attachmentsOf(mapped)[0]?.title, 'Findings');
    assert.equal(attachmentsOf(mapped)[0]?.contentType, 'text/plain; charset=utf-8');
  });

  it('each section is a content of its own', () => {
    const mapped = mdm([
      'OBX|1|TX|A^Findings||a',
      'OBX|2|TX|B^Impression||b',
      `OBX|3|ED|C^Scan||^^PDF^Base64^${b64(pdf)}`,
    ]);
    assert.deepEqual(
      attachmentsOf(mapped).map(({ title }) => title),
      ['Findings', 'Impression', 'Scan'],
    );
    assert.equal(attachmentsOf(mapped)[2]?.contentType, 'application/pdf');
  });

  it('RTF and HTML in lines are what TXA-3 calls them', () => {
    const mapped = mdm(['OBX|1|TX|T||<p>x</p>'], 'T02', txa.replace('|TX|', '|text/html|'));
    assert.equal(attachmentsOf(mapped)[0]?.contentType, 'text/html; charset=utf-8');
  });

  it('a pointer stays a pointer', () => {
    const [attachment] = attachmentsOf(mdm(['OBX|1|RP|X||https://pacs.example/1^^image^jpeg']));
    assert.deepEqual([attachment?.url, attachment?.contentType], ['https://pacs.example/1', 'image/jpeg']);
  });

  it('the same message again gives the same ids; nothing of it is lost', () => {
    const sent = [`OBX|1|ED|DS^S||^application^pdf^Base64^${b64(pdf)}`];
    assert.deepEqual(
      mdm(sent).drafts.map((draft) => draft.resource.id),
      mdm(sent).drafts.map((draft) => draft.resource.id),
    );
  });

  it('in a result, ED is the attachment of the Observation', () => {
    const mapped = map(['OBR|1|P|F|X^Y', `OBX|1|ED|X^Y||^application^pdf^Base64^${b64(pdf)}||||||F`], {
      type: 'ORU^R01',
    });
    const [extension] = resource(mapped, 'Observation')['extension'] as { valueAttachment: Attachment }[];
    assert.equal(extension?.valueAttachment.data, b64(pdf));
    assert.equal(extension?.valueAttachment.contentType, 'application/pdf');
  });
});
