/** Journey: an HL7v2 message in, a consented FHIR answer out. */
import assert from 'node:assert/strict';
import { connectMllp } from '../../adapters/hl7v2/client.ts';
import { addEndpoint } from '../../src/ingest/endpoint.ts';
import { givenConsent } from '../given-consent.ts';
import { givenHub, type GivenHub, type HubResponse } from '../given-hub.ts';
import { until } from '../until.ts';

const oru = [
  'MSH|^~\\&|LAB|HOSPA|HUB|HUB|20260301080000+0800||ORU^R01^ORU_R01|A-1|P|2.5.1|||AL|NE|||UNICODE UTF-8',
  'PID|1||4711^^^HOSPA^MR||Chen^Wei||19800101|M',
  'PV1|1|I|W1^101^1||||||||||||||||V-1^^^HOSPA^VN|||||||||||||||||||||||||20260228090000+0800',
  'OBR|1|P-1^HOSPA|F-1^LAB|58410-2^CBC^LN|||20260301070000+0800|||||||||||||||20260301075500+0800||LAB|F',
  'OBX|1|NM|718-7^Hemoglobin^LN||13.50|g/dL|13-17|N|||F|||20260301070000+0800',
].join('\r');

describe('journey: from MLLP to a consented answer', () => {
  let hub: GivenHub;
  let patient: string;
  const ai = (): Promise<string> => hub.token('ai');
  const self = (): Promise<string> => hub.token('patient', { fhirUser: `Patient/${patient}`, patient });
  const observations = async (token: string): Promise<HubResponse> =>
    hub.send('GET', `Observation?patient=Patient/${patient}`, token);

  before(async () => {
    hub = await givenHub();
    await addEndpoint(hub.database, {
      name: 'hospital-a',
      kind: 'hl7v2-mllp',
      organization: 'Organization/hospital',
      facilities: ['HOSPA'],
    });
  });
  after(() => hub.close());

  it('the hospital sends a result, which is acknowledged and becomes searchable for it', async () => {
    const client = connectMllp({ host: '127.0.0.1', port: hub.mllpPort });
    const ack = await client.send(Buffer.from(oru));
    await client.close();
    assert.deepEqual([ack.code, ack.controlId], ['CA', 'A-1'], ack.bytes.toString());
    const hospital = await hub.token('hospital');
    await until('it is searchable', async () => {
      const { json } = await hub.send('GET', 'Patient?identifier=4711', hospital);
      patient = json['entry']?.[0]?.resource?.id as string;
      return patient !== undefined;
    });
    const { json } = await observations(hospital);
    assert.equal(json['total'], 1);
    assert.match((await observations(hospital)).text, /"value":13\.50/);
  });

  it('without consent the AI finds nothing, and what it may not see looks like what does not exist', async () => {
    const token = await ai();
    const { json } = await observations(token);
    assert.deepEqual([json['total'], json['entry']], [0, undefined]);
    const [hidden, unknown] = await Promise.all([
      hub.send('GET', `Patient/${patient}`, token),
      hub.send('GET', 'Patient/00000000-0000-8000-8000-000000000000', token),
    ]);
    assert.equal(hidden.status, 404);
    const seen = ({ status, headers, text }: HubResponse): unknown => [
      status,
      [...headers].filter(([name]) => name !== 'date'),
      text,
    ];
    assert.deepEqual(seen(hidden), seen(unknown));
  });

  it('a conditional read of what is hidden is the same 404 (LEAKS 22)', async () => {
    const response = await hub.send('GET', `Patient/${patient}`, await ai(), { headers: { 'if-none-match': 'W/"1"' } });
    assert.equal(response.status, 404);
  });

  it('nobody but the patient writes a Consent', async () => {
    const consent = givenConsent(patient, 'Organization/ai-health-manager');
    for (const token of [await hub.token('hospital'), await hub.token('ai', { scope: 'system/*.cruds' })]) {
      assert.equal((await hub.send('POST', 'Consent', token, { body: consent })).status, 403);
    }
  });

  it('a Consent that cannot be enforced is refused and not stored', async () => {
    const consent = givenConsent(patient, 'Organization/ai-health-manager', {
      extension: [{ url: 'https://x.example', valueString: 'only on Mondays' }],
    });
    const response = await hub.send('POST', 'Consent', await self(), { body: consent });
    assert.equal(response.status, 422, response.text);
    assert.equal((await hub.send('GET', `Consent?patient=Patient/${patient}`, await self())).json['total'], 0);
  });

  let consent: Record<string, unknown>;
  it('the patient grants, and the AI reads on its next request', async () => {
    const granted = await hub.send('POST', 'Consent', await self(), {
      body: givenConsent(patient, 'Organization/ai-health-manager'),
    });
    assert.equal(granted.status, 201, granted.text);
    consent = granted.json;
    const { json } = await observations(await ai());
    assert.equal(json['total'], 1);
    assert.equal((await hub.send('GET', `Patient/${patient}`, await ai())).status, 200);
  });

  it('the grant is for the AI and for treatment: payment gets nothing by it', async () => {
    assert.equal(
      (await hub.send('GET', `Coverage?patient=Patient/${patient}`, await hub.token('payment'))).json['total'],
      0,
    );
    const research = await hub.token('ai', { purpose_of_use: 'HRESCH' });
    assert.equal((await observations(research)).json['total'], 0);
  });

  it('the patient revokes, and the AI finds nothing on its next request', async () => {
    const body = { ...consent, status: 'inactive' };
    const revoked = await hub.send('PUT', `Consent/${String(consent['id'])}`, await self(), { body });
    assert.equal(revoked.status, 200, revoked.text);
    assert.equal((await observations(await ai())).json['total'], 0);
    assert.equal((await hub.send('GET', `Patient/${patient}`, await ai())).status, 404);
  });

  it("the patient's log shows every access with its reason, the refused ones too", async () => {
    const { json } = await hub.send('GET', `AuditEvent?patient=Patient/${patient}`, await self());
    const text = JSON.stringify(json);
    assert.match(text, new RegExp(`Consent/${String(consent['id'])}`));
    const outcomes = (json['entry'] as { resource: { outcome: string } }[]).map(({ resource }) => resource.outcome);
    assert.ok(outcomes.includes('0') && outcomes.includes('4'), text.slice(0, 2_000));
    assert.equal((await hub.send('GET', `AuditEvent?patient=Patient/${patient}`, await ai())).json['total'], 0);
    const [newest, oldest] = await Promise.all(
      ['-date', 'date'].map(async (order) => hub.send('GET', `AuditEvent?_sort=${order}`, await self())),
    );
    assert.deepEqual([newest?.status, oldest?.status], [200, 200]);
  });

  it('the operator sees the fate of the message, not its content', async () => {
    const operator = await hub.token('operator');
    const lines = await hub.send('GET', '/ops/messages?source=hospital-a', operator, {
      headers: { accept: 'application/x-ndjson' },
    });
    assert.equal(lines.headers.get('content-type'), 'application/x-ndjson; charset=utf-8');
    const line = JSON.parse(lines.text) as Record<string, unknown>;
    assert.deepEqual([line['controlId'], line['source'], line['status']], ['A-1', 'hospital-a', 'processed']);
    assert.doesNotMatch(lines.text, /Chen/);
    const page = await hub.send('GET', '/ops/messages?control-id=A-1&status=processed', operator);
    assert.equal(page.json['messages'].length, 1);
    const none = await hub.send('GET', '/ops/messages?control-id=none', operator, {
      headers: { accept: 'application/x-ndjson' },
    });
    assert.deepEqual([none.status, none.text], [200, '']);
    assert.equal((await hub.send('GET', '/ops/messages?status=lost', operator)).status, 400);
    assert.equal((await hub.send('GET', '/ops/messages?patient=x', operator)).status, 400);
    assert.equal((await hub.send('GET', '/ops/messages', await ai())).status, 403);
  });

  it('a preview shows what a message would become, and stores nothing', async () => {
    const operator = await hub.token('operator');
    const body = Buffer.from(oru.replace('4711', '4712').replace('A-1', 'A-2'));
    const preview = await hub.send('POST', '/ops/hl7v2/preview?endpoint=hospital-a', operator, { body });
    assert.equal(preview.json['resourceType'], 'Bundle', preview.text);
    assert.equal((await hub.send('GET', 'Patient?identifier=4712', await hub.token('hospital'))).json['total'], 0);
    const broken = await hub.send('POST', '/ops/hl7v2/preview', operator, { body: 'no message' });
    assert.deepEqual([broken.status, broken.json['resourceType']], [400, 'OperationOutcome']);
  });
});
