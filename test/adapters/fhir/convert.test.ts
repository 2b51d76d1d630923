import assert from 'node:assert/strict';
import { convertResource } from '../../../adapters/fhir/convert.ts';
import { fhirUnmappedUrl } from '../../../adapters/fhir/unmapped.ts';
import { sourceId } from '../../../src/fhir/ids.ts';
import { Problem } from '../../../src/fhir/problem.ts';
import { validate } from '../../../src/fhir/validate.ts';

const base = 'https://fhir.hospital.example/r4';
const organization = 'Organization/a';
const source = { organization, base };
const endpoint = { name: 'ward', organization, config: { base } };
const idOf = (type: string, id: string): string => sourceId(source, type, id);

function convert(resource: unknown, config: Record<string, unknown> = { base }): ReturnType<typeof convertResource> {
  const text = typeof resource === 'string' ? resource : JSON.stringify(resource);
  return convertResource(Buffer.from(text), { ...endpoint, config });
}

/** The draft that is the resource itself. */
function ownOf(resource: unknown, config?: Record<string, unknown>): Record<string, unknown> {
  return convert(resource, config).drafts.at(-1)?.resource as Record<string, unknown>;
}

const observation = {
  resourceType: 'Observation',
  id: 'o1',
  status: 'final',
  code: { text: 'Haemoglobin' },
  subject: { reference: 'Patient/p1' },
};

describe('a resource of a source -> drafts (ids, references, meta)', () => {
  it('has the id that follows from the source, and keeps its own as an identifier', () => {
    const patient = ownOf({ resourceType: 'Patient', id: 'p1', identifier: [{ system: 'urn:oid:2.999', value: '1' }] });
    assert.equal(patient['id'], idOf('Patient', 'p1'));
    assert.deepEqual(patient['identifier'], [
      { system: 'urn:oid:2.999', value: '1' },
      { system: `${base}/Patient`, value: 'p1' },
    ]);
  });

  it('an identifier that says so already is not said twice', () => {
    const identifier = [{ system: `${base}/Patient`, value: 'p1', use: 'usual' }];
    assert.deepEqual(ownOf({ resourceType: 'Patient', id: 'p1', identifier })['identifier'], identifier);
  });

  it('types with one identifier or none get none: it would name the document', () => {
    const composition = ownOf({
      resourceType: 'Composition',
      id: 'c',
      status: 'final',
      type: { text: 'x' },
      date: '2024-01-01',
      author: [{ display: 'x' }],
      title: 'x',
    });
    assert.equal(composition['identifier'], undefined);
  });

  it('meta loses version and time, which are the hub’s, keeps labels and profiles, and says where it is from', () => {
    const meta = {
      versionId: '7',
      lastUpdated: '2024-01-01T00:00:00Z',
      source: 'urn:x',
      profile: ['http://example.org/p'],
      security: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code: 'R' }],
    };
    assert.deepEqual(ownOf({ ...observation, meta })['meta'], {
      source: base,
      profile: meta.profile,
      security: meta.security,
    });
  });

  const references: [string, string, string][] = [
    ['relative', 'Patient/p1', `Patient/${idOf('Patient', 'p1')}`],
    ['absolute, below the base', `${base}/Patient/p1`, `Patient/${idOf('Patient', 'p1')}`],
    ['of a version', 'Patient/p1/_history/3', `Patient/${idOf('Patient', 'p1')}`],
    ['absolute and of a version', `${base}/Patient/p1/_history/3`, `Patient/${idOf('Patient', 'p1')}`],
    ['below another name of the server', 'http://internal:8080/fhir/Patient/p1', `Patient/${idOf('Patient', 'p1')}`],
    ['of another server', 'https://other.example/r4/Patient/p1', 'https://other.example/r4/Patient/p1'],
    ['of a server whose address begins alike', `${base}2/Patient/p1`, `${base}2/Patient/p1`],
    ['a URN', 'urn:uuid:0b5a3c1e-5a0f-4a0c-9d4e-1c2b3a4d5e6f', 'urn:uuid:0b5a3c1e-5a0f-4a0c-9d4e-1c2b3a4d5e6f'],
  ];
  for (const [what, sent, expected] of references) {
    it(`a reference ${what}: ${sent}`, () => {
      for (const aliases of [['http://internal:8080/fhir/'], 'http://x.example, http://internal:8080/fhir']) {
        const own = ownOf({ ...observation, subject: { reference: sent } }, { base, aliases });
        assert.deepEqual(own['subject'], { reference: expected });
      }
    });
  }

  it('what is contained keeps its id and its fragment, and its references are rewritten', () => {
    const contained = [{ resourceType: 'Specimen', id: 's', subject: { reference: 'Patient/p1' } }];
    const own = ownOf({ ...observation, contained, specimen: { reference: '#s' } });
    assert.deepEqual(own['specimen'], { reference: '#s' });
    assert.deepEqual(own['contained'], [
      { resourceType: 'Specimen', id: 's', subject: { reference: `Patient/${idOf('Patient', 'p1')}` } },
    ]);
  });

  it('addresses that are names stay: systems, profiles, extensions', () => {
    const code = { coding: [{ system: `${base}/CodeSystem/lab`, code: '1' }] };
    const extension = [{ url: `${base}/StructureDefinition/x`, valueUri: `${base}/ValueSet/y` }];
    const own = ownOf({ ...observation, code, extension });
    assert.deepEqual([own['code'], own['extension']], [code, extension]);
  });

  it('numbers keep their digits', () => {
    const text = `{"resourceType":"Observation","id":"o","status":"final","code":{"text":"x"},"valueQuantity":{"value":1.50}}`;
    assert.match(JSON.stringify(ownOf(text)), /"value":1\.50\b/);
  });

  it('two endpoints of one owner that name one source make one resource; another owner makes another', () => {
    const [rest, bulk] = [{ base }, { base: 'https://bulk.hospital.example', source: base }];
    assert.equal(ownOf(observation, rest)['id'], ownOf(observation, bulk)['id']);
    const other = convertResource(Buffer.from(JSON.stringify(observation)), {
      ...endpoint,
      organization: 'Organization/b',
    });
    assert.notEqual(other.drafts.at(-1)?.resource.id, ownOf(observation)['id']);
  });
});

describe('a resource of a source -> drafts (whose record)', () => {
  it('the Patient that it names comes first, and says nothing where there is one', () => {
    const [stub, own] = convert(observation).drafts;
    assert.deepEqual(
      { type: stub?.resource.resourceType, id: stub?.resource.id, mode: stub?.mode, fallback: stub?.fallback },
      { type: 'Patient', id: idOf('Patient', 'p1'), mode: 'merge', fallback: ['meta', 'identifier'] },
    );
    assert.equal(own?.mode, 'replace');
    assert.deepEqual(validate(stub?.resource), []);
  });

  it('a Patient that links to another needs no other', () => {
    const link = [{ other: { reference: 'Patient/p2' }, type: 'seealso' }];
    const { drafts } = convert({ resourceType: 'Patient', id: 'p1', link });
    assert.equal(drafts.length, 1);
    assert.deepEqual(drafts[0]?.resource['link'], [
      { other: { reference: `Patient/${idOf('Patient', 'p2')}` }, type: 'seealso' },
    ]);
  });

  it('what is gone is a deletion of the same id', () => {
    const { drafts } = convert({ resourceType: 'Observation', id: 'o1' });
    assert.deepEqual(
      drafts.map(({ mode, resource }) => [mode, resource]),
      [['delete', { resourceType: 'Observation', id: idOf('Observation', 'o1') }]],
    );
  });
});

describe('a resource of a source -> drafts (what is not R4)', () => {
  it('an element that R4 does not have is kept beside, by its path and as it came, and counted', () => {
    const { drafts, unmapped } = convert({
      resourceType: 'Patient',
      id: 'p1',
      name: [{ family: 'Doe' }, { family: 'Roe', nickname: 'R' }],
      loyalty: { points: 1 },
    });
    const own = drafts[0]?.resource as Record<string, unknown>;
    assert.deepEqual(own['name'], [{ family: 'Doe' }, { family: 'Roe' }]);
    const kept = (own['extension'] as { url: string; extension: { valueString: string }[] }[]).map(
      ({ url, extension }) => [url, ...extension.map(({ valueString }) => valueString)],
    );
    assert.deepEqual(
      new Set(kept),
      new Set([
        [fhirUnmappedUrl, 'loyalty', '{"points":1}'],
        [fhirUnmappedUrl, 'name[1].nickname', '"R"'],
      ]),
    );
    assert.deepEqual(unmapped.map(({ position }) => position).toSorted(), ['Patient.loyalty', 'Patient.name.nickname']);
    assert.deepEqual(validate(own), []);
  });

  it('more of them than validation tells at once are all kept', () => {
    const extra = Object.fromEntries(Array.from({ length: 120 }, (_, at) => [`x${at}`, at]));
    assert.equal(convert({ resourceType: 'Patient', id: 'p1', active: true, ...extra }).unmapped.length, 120);
  });

  it('a rule that is broken is an issue without content, and the resource is kept', () => {
    const { drafts, issues } = convert({ ...observation, status: 'done' });
    assert.deepEqual(
      issues.map(({ severity, code, position }) => [severity, code, position]),
      [['warning', 'code-invalid', 'Observation.status']],
    );
    assert.equal(drafts.at(-1)?.resource['status'], 'done');
  });

  it('null, empty objects and empty lists are no values', () => {
    const own = ownOf({ ...observation, note: [], method: {}, issued: null });
    assert.deepEqual(
      ['note', 'method', 'issued'].filter((name) => name in own),
      [],
    );
  });

  it('a narrative with the ampersands of HTML is kept, as XHTML', () => {
    const narrative = (inside: string): object => ({
      status: 'generated',
      div: `<div xmlns="http://www.w3.org/1999/xhtml">${inside}</div>`,
    });
    assert.deepEqual(
      ownOf({ ...observation, text: narrative('Smith & Sons&nbsp;Ltd &lt;b&gt;') })['text'],
      narrative('Smith &amp; Sons&#160;Ltd &lt;b&gt;'),
    );
  });

  it('a narrative that could run goes', () => {
    const div = '<div xmlns="http://www.w3.org/1999/xhtml"><script>1</script></div>';
    assert.equal(ownOf({ ...observation, text: { status: 'generated', div } })['text'], undefined);
  });

  const refused: [string, string | object, string][] = [
    ['a list where one value stands', { ...observation, status: ['final'] }, 'structure'],
    ['a text where an object stands', { ...observation, code: 'HGB' }, 'structure'],
    ['a type that R4 does not have', { resourceType: 'Transport', id: 't' }, 'not-supported'],
    ['a type that changes the hub itself', { resourceType: 'SearchParameter', id: 's' }, 'not-supported'],
    ['no id', { ...observation, id: undefined }, 'required'],
    ['one name twice', '{"resourceType":"Patient","id":"p","active":true,"active":false}', 'structure'],
    ['no JSON', '<Patient/>', 'structure'],
    ['no object', '[]', 'structure'],
    ['a key that reaches a prototype', '{"resourceType":"Patient","id":"p","__proto__":{"a":1}}', 'structure'],
  ];
  for (const [what, sent, code] of refused) {
    it(`refused: ${what}`, () => {
      assert.throws(
        () => convert(sent),
        (error: unknown) => error instanceof Problem && error.code === code,
      );
    });
  }

  it('refused: no UTF-8', () => {
    const bytes = Buffer.from([...Buffer.from('{"resourceType":"Patient","id":"'), 0xff, ...Buffer.from('"}')]);
    assert.throws(() => convertResource(bytes, endpoint), { code: 'structure' });
  });
});

describe('a Bundle that says what to write -> drafts', () => {
  const patientUrl = 'urn:uuid:0b5a3c1e-5a0f-4a0c-9d4e-1c2b3a4d5e6f';
  const bundle = {
    resourceType: 'Bundle',
    type: 'transaction',
    entry: [
      { fullUrl: 'urn:uuid:1', resource: { ...observation, id: undefined, subject: { reference: patientUrl } } },
      { fullUrl: patientUrl, resource: { resourceType: 'Patient', active: true } },
    ],
  };

  it('each entry is a resource, Patients first; what the Bundle brings needs no stub', () => {
    const { drafts } = convert(bundle);
    assert.deepEqual(
      drafts.map(({ resource, mode }) => [resource.resourceType, mode]),
      [
        ['Patient', 'replace'],
        ['Observation', 'replace'],
      ],
    );
  });

  it('an address of the Bundle becomes the id that its resource has; the same Bundle again gives the same ids', () => {
    const { drafts } = convert(bundle);
    const [patient, own] = drafts.map(({ resource }) => resource);
    assert.deepEqual(own?.['subject'], { reference: `Patient/${patient?.id}` });
    assert.deepEqual(convert(bundle), convert(bundle));
  });

  it('a document is one resource', () => {
    const document = { resourceType: 'Bundle', id: 'd', type: 'document', timestamp: '2024-01-01T00:00:00Z' };
    assert.deepEqual(
      convert(document).drafts.map(({ resource }) => resource.resourceType),
      ['Bundle'],
    );
  });

  it('refused, naming the entry: one without a resource', () => {
    assert.throws(() => convert({ ...bundle, entry: [...bundle.entry, {}] }), {
      code: 'structure',
      expression: ['Bundle.entry[2]'],
    });
  });
});
