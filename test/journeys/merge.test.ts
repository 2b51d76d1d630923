/** Two numbers of one person in a hospital: merged, used again, and taken apart, from the wire to what a caller sees. */
import assert from 'node:assert/strict';
import { connectMllp } from '../../adapters/hl7v2/client.ts';
import { addEndpoint } from '../../src/ingest/endpoint.ts';
import { givenHub, type GivenHub } from '../given-hub.ts';
import { until } from '../until.ts';
import { idOf, message } from '../hub/given.ts';

describe('journey: a merge, a later message on the retired number, and the merge undone', () => {
  const endpoint = {
    name: 'merger',
    kind: 'hl7v2-mllp',
    organization: 'Organization/hosp',
    facilities: ['HOSP'],
  } as const;
  let hub: GivenHub;
  let token: string;
  before(async () => {
    hub = await givenHub();
    await addEndpoint(hub.database, endpoint);
    token = await hub.token('hospital', { organization: endpoint.organization });
  });
  after(() => hub.close());

  const pid = (number: string): string => `PID|1||${number}^^^HOSP^MR||Lin^Mei||19800101|F`;
  const [old, kept] = ['OLD1', 'NEW1'];
  const patientId = (number: string): string => idOf(message('A28', [pid(number)]), 'Patient');
  const visit = (number: string): string => `PV1|1|I|W1||||||||||||||||${number}^^^HOSP^VN`;

  /** Sends the messages in order, and waits until the hub has processed them. */
  const send = async (...texts: readonly string[]): Promise<void> => {
    const client = connectMllp({ host: '127.0.0.1', port: hub.mllpPort, backoffMs: 20 });
    for (const text of texts) assert.equal((await client.send(Buffer.from(text))).code, 'AA');
    client.destroy();
    const operator = await hub.token('operator');
    await until('all is processed', async () => {
      const { json } = await hub.send('GET', '/ops/messages?status=waiting', operator);
      return !JSON.stringify(json).includes('"controlId"');
    });
  };
  const read = (number: string) => hub.send('GET', `Patient/${patientId(number)}`, token);
  const visitsOf = async (number: string): Promise<number> => {
    const { json } = await hub.send('GET', `Encounter?patient=Patient/${patientId(number)}`, token);
    return Number(json['total']);
  };

  it('tells it', async () => {
    await send(message('A01', [pid(old), visit('V1')]), message('A01', [pid(kept), visit('V2')]));
    assert.deepEqual([await visitsOf(old), await visitsOf(kept)], [1, 1]);

    await send(message('A40', [pid(kept), `MRG|${old}^^^HOSP^MR`]));
    const retired = await read(old);
    assert.equal(retired.status, 200, 'retired, not deleted');
    assert.equal(retired.json['active'], false);
    assert.deepEqual(retired.json['link'], [
      { other: { reference: `Patient/${patientId(kept)}` }, type: 'replaced-by' },
    ]);
    assert.deepEqual((await read(kept)).json['link'], [
      { other: { reference: `Patient/${patientId(old)}` }, type: 'replaces' },
    ]);
    assert.deepEqual([await visitsOf(old), await visitsOf(kept)], [2, 2], 'a search for either covers the person');

    const later = message('A01', [pid(old), visit('V3')]);
    await send(later);
    assert.equal(await visitsOf(kept), 3);
    const encounter = await hub.send('GET', `Encounter/${idOf(later, 'Encounter')}`, token);
    assert.deepEqual(encounter.json['subject'], { reference: `Patient/${patientId(old)}` });
    assert.equal((await read(old)).json['active'], false);

    await send(message('A37', [pid(old), pid(kept)]));
    assert.deepEqual([await visitsOf(old), await visitsOf(kept)], [2, 1], 'each has its own again');
    assert.equal((await read(old)).json['active'], true);
    assert.equal((await read(kept)).json['link'], undefined);

    await send(message('A23', [pid(kept), visit('V2')]));
    assert.equal(await visitsOf(kept), 0);
    const deleted = `Encounter/${idOf(message('A01', [pid(kept), visit('V2')]), 'Encounter')}`;
    assert.equal((await hub.send('GET', deleted, token)).status, 410, 'its owner hears that it is deleted');
    const stranger = await hub.token('hospital', { organization: 'Organization/other' });
    assert.equal((await hub.send('GET', deleted, stranger)).status, 404, 'nobody else hears that it was there');
  });
});
