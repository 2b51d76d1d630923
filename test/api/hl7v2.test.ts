/** HL7v2 over HTTP: the message is the body, the answer is the ACK. */
import assert from 'node:assert/strict';
import { addEndpoint } from '../../src/ingest/endpoint.ts';
import { givenHub, type GivenHub, type HubResponse } from '../given-hub.ts';

const message = (controlId: string, facility = 'HOSPA'): string =>
  [
    `MSH|^~\\&|ADT|${facility}|HUB|HUB|20260301080000+0800||ADT^A01^ADT_A01|${controlId}|P|2.5.1`,
    'EVN|A01|20260301080000+0800',
    'PID|1||4711^^^HOSPA^MR||Chen^Wei||19800101|M',
    'PV1|1|I|W1^101^1',
  ].join('\r');

describe('POST /hl7v2', () => {
  let hub: GivenHub;
  before(async () => {
    hub = await givenHub();
    for (const [name, organization, facility] of [
      ['a', 'Organization/a', 'HOSPA'],
      ['b', 'Organization/b', 'HOSPB'],
    ] as const) {
      await addEndpoint(hub.database, { name, kind: 'hl7v2-http', organization, facilities: [facility] });
    }
  });
  after(() => hub.close());

  const post = async (body: string, token: string | undefined, type = 'application/hl7-v2'): Promise<HubResponse> =>
    hub.send('POST', '/hl7v2', token, { body, headers: { 'content-type': type } });
  const hospital = (): Promise<string> => hub.token('hospital', { organization: 'Organization/a' });
  const answered = (response: HubResponse): (string | undefined)[] =>
    /MSA\|(\w\w)\|([^|\r]*)/.exec(response.text)?.slice(1) ?? [];

  it('answers with the ACK once the message is on disk', async () => {
    const response = await post(message('C-1'), await hospital());
    assert.deepEqual([response.status, ...answered(response)], [200, 'AA', 'C-1'], response.text);
    assert.equal(response.headers.get('content-type'), 'application/hl7-v2');
    const { json } = await hub.send('GET', '/ops/messages?control-id=C-1', await hub.token('operator'));
    assert.equal(json['messages'].length, 1);
  });

  it('a message sent again is answered as the first time and kept once', async () => {
    const again = await post(message('C-1'), await hospital());
    assert.deepEqual([again.status, ...answered(again)], [200, 'AA', 'C-1']);
    const { json } = await hub.send('GET', '/ops/messages?control-id=C-1', await hub.token('operator'));
    assert.equal(json['messages'].length, 1);
  });

  it("the token's organization speaks for its own facilities alone (LEAKS 37)", async () => {
    const response = await post(message('C-2', 'HOSPB'), await hospital());
    assert.deepEqual([response.status, answered(response)[0]], [403, 'AR'], response.text);
  });

  it('refuses a caller without token, without organization, without the right to create', async () => {
    assert.equal((await post(message('C-3'), undefined)).status, 401);
    assert.equal((await post(message('C-3'), await hub.token('ai'))).status, 403);
    assert.equal(
      (await post(message('C-3'), await hub.token('patient', { patient: 'x', fhirUser: 'Patient/x' }))).status,
      403,
    );
    const { json } = await hub.send('GET', '/ops/messages?control-id=C-3', await hub.token('operator'));
    assert.deepEqual(json['messages'], []);
  });

  it('refuses what is not declared as HL7v2', async () => {
    assert.equal((await post(message('C-4'), await hospital(), 'application/json')).status, 415);
  });

  it('what is no message is answered with an error, not stored', async () => {
    const response = await post('hello', await hospital());
    assert.equal(response.status, 400, response.text);
  });
});
