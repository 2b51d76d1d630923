/** Journey: a document in a message, whose content is read by whom the document may be read, and by nobody else. */
import assert from 'node:assert/strict';
import { connectMllp } from '../../adapters/hl7v2/client.ts';
import { addEndpoint } from '../../src/ingest/endpoint.ts';
import { givenConsent } from '../given-consent.ts';
import { givenHub, type GivenHub } from '../given-hub.ts';
import { until } from '../until.ts';

const pdf = Buffer.from('%PDF-1.7\n\0\u00ff|^~\\&', 'latin1').toString('base64');
const mdm = [
  'MSH|^~\\&|DOC|HOSPA|HUB|HUB|20260301080000+0800||MDM^T02^MDM_T02|D-1|P|2.5.1|||AL|NE',
  'PID|1||4711^^^HOSPA^MR||Chen^Wei||19800101|M',
  'TXA|1|DS^Discharge summary|AP|20260301070000+0800||20260301070000+0800||||||DOC-1^HOSPA|||||AU||AV',
  `OBX|1|ED|DS^Discharge summary||^application^pdf^Base64^${pdf}||||||F`,
].join('\r');

describe('journey: the content of a document', () => {
  let hub: GivenHub;
  let patient: string;
  let binary: string;
  const self = (): Promise<string> => hub.token('patient', { fhirUser: `Patient/${patient}`, patient });
  const read = async (token: string, path = binary): Promise<number> => (await hub.send('GET', path, token)).status;

  before(async () => {
    hub = await givenHub();
    await addEndpoint(hub.database, {
      name: 'hospital-a',
      kind: 'hl7v2-mllp',
      organization: 'Organization/hospital',
      facilities: ['HOSPA'],
    });
    const client = connectMllp({ host: '127.0.0.1', port: hub.mllpPort });
    await client.send(Buffer.from(mdm));
    await client.close();
    const hospital = await hub.token('hospital');
    await until('it is searchable', async () => {
      const { json } = await hub.send('GET', 'DocumentReference?identifier=DOC-1', hospital);
      const resource = json['entry']?.[0]?.resource;
      if (resource === undefined) return false;
      patient = (resource.subject.reference as string).slice('Patient/'.length);
      binary = resource.content[0].attachment.url as string;
      return true;
    });
  });
  after(() => hub.close());

  it('its source and its patient read it, byte for byte', async () => {
    for (const token of [await hub.token('hospital'), await self()]) {
      const { status, json } = await hub.send('GET', binary, token);
      assert.equal(status, 200);
      assert.deepEqual([json['contentType'], json['data']], ['application/pdf', pdf]);
    }
  });

  it('without consent nobody else does, and hidden looks like unknown', async () => {
    const other = await hub.token('hospital', { organization: 'Organization/other' });
    for (const token of [await hub.token('ai'), await hub.token('payment', { scope: 'system/*.rs' }), other]) {
      assert.deepEqual([await read(token), await read(token, 'Binary/unknown')], [404, 404]);
    }
    const elsewhere = await hub.token('patient', { fhirUser: 'Patient/other', patient: 'other' });
    assert.equal(await read(elsewhere), 404);
  });

  it('a document of somebody else that names the Binary opens nothing', async () => {
    const other = await hub.token('hospital', { organization: 'Organization/other' });
    const body = {
      resourceType: 'DocumentReference',
      status: 'current',
      content: [{ attachment: { url: binary } }],
    };
    const made = await hub.send('POST', 'DocumentReference', other, { body });
    assert.equal(made.status, 201, made.text);
    assert.equal(await read(other), 404);
  });

  it('what a Consent says of the document holds for its content, and ends with it', async () => {
    const grant = async (changes: Record<string, unknown>): Promise<Record<string, unknown>> => {
      const body = givenConsent(patient, 'Organization/ai-health-manager', changes);
      const response = await hub.send('POST', 'Consent', await self(), { body });
      assert.equal(response.status, 201, response.text);
      return response.json;
    };
    const end = async (consent: Record<string, unknown>): Promise<void> => {
      const body = { ...consent, status: 'inactive' };
      assert.equal((await hub.send('PUT', `Consent/${String(consent['id'])}`, await self(), { body })).status, 200);
    };
    const types = (...codes: string[]) => ({
      class: codes.map((code) => ({ system: 'http://hl7.org/fhir/resource-types', code })),
    });
    const observations = await grant(types('Observation'));
    assert.equal(await read(await hub.token('ai')), 404, 'a Consent for observations');
    await end(observations);

    const documents = await grant(types('DocumentReference'));
    assert.equal(await read(await hub.token('ai')), 200, 'a Consent for documents');
    assert.equal(await read(await hub.token('ai', { scope: 'system/Binary.rs' })), 404, 'a scope without the document');
    assert.equal(
      await read(await hub.token('ai', { scope: 'system/DocumentReference.rs' })),
      403,
      'a scope without Binary',
    );
    assert.equal(await read(await hub.token('ai', { scope: 'system/DocumentReference.rs system/Binary.r' })), 200);
    assert.equal(await read(await hub.token('ai', { purpose_of_use: 'HRESCH' })), 404, 'another purpose');
    await end(documents);
    assert.equal(await read(await hub.token('ai')), 404, 'revoked');
  });

  it("the patient's log shows who read it", async () => {
    const { json } = await hub.send('GET', `AuditEvent?patient=Patient/${patient}`, await self());
    const text = JSON.stringify(json);
    assert.match(text, new RegExp(binary));
  });

  it('search finds Binaries for their source alone', async () => {
    const { json } = await hub.send('GET', `Binary?_id=${binary.slice('Binary/'.length)}`, await hub.token('ai'));
    assert.equal(json['total'], 0);
  });
});
