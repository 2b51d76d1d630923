/** batch, and what a Bundle of either kind may be. @see https://hl7.org/fhir/R4/http.html#transaction */
import assert from 'node:assert/strict';
import { entriesMax } from '../../src/api/bundle/entry.ts';
import { bodyBytesMax } from '../../src/api/incoming.ts';
import { given } from '../given.ts';
import { givenBundles, type Json } from './given-bundles.ts';

describe('http.html#batch', () => {
  const { world, create, entries, get, post, read, remove, send, statuses, transact } = givenBundles();

  describe('batch', () => {
    it('entries stand alone: each with its own status and outcome', async () => {
      const id = await create(given.patient());
      const response = await send('batch', [
        post(given.patient()),
        post({ ...given.patient(), gender: 'm' }),
        read(`Patient/${id}`),
        read('Patient/none'),
        read(`Patient?_id=${id}`),
        remove(`Patient/${id}`),
        { request: { method: 'GET', url: 'Patient/x/y/z' } },
        { request: { method: 'FETCH', url: 'Patient' } },
        {},
        read(`${world.hub.fhir}/Patient?_count=0`),
        read('https://elsewhere.example/Patient/1'),
      ]);
      assert.equal(response.json['type'], 'batch-response');
      const found = statuses(response);
      // A batch has no order: the read may come before or after the deletion.
      assert.ok(['200', '410'].includes(found[2] as string));
      assert.deepEqual(
        found.filter((_, index) => index !== 2),
        ['201', '422', '404', '200', '204', '404', '400', '400', '200', '404'],
      );
      const invalid = entries(response)[1];
      assert.equal(invalid?.['response'].outcome.issue[0].code, 'code-invalid');
    });

    it('a hidden row is an unknown one in an entry too (LEAKS 10, 21)', async () => {
      const id = await create(given.patient());
      const [hidden, unknown] = entries(
        await send('batch', [read(`Patient/${id}`), read('Patient/none')], world.other),
      );
      assert.deepEqual(hidden, unknown);
    });

    it('the address of another server is none here, whatever it ends with (LEAKS 10)', async () => {
      const id = await create(given.patient());
      const local = `Patient/${id}`;
      const [, port] = /:(\d+)\//.exec(world.hub.fhir) ?? [];
      const elsewhere = [
        `https://elsewhere.example/fhir/R4/${local}`,
        `http://elsewhere.example:${port}/fhir/R4/${local}`,
        `//elsewhere.example/fhir/R4/${local}`,
        `${world.hub.fhir}.elsewhere.example/${local}`,
        `${world.hub.fhir.replace('://', '://elsewhere@')}/${local}`,
        `${world.hub.fhir}/../R4/${local}`,
        `${world.hub.url}/${local}`,
      ];
      const [own, relative, ...foreign] = statuses(
        await send(
          'batch',
          [`${world.hub.fhir}/${local}`, local, ...elsewhere].map((url) => read(url)),
        ),
      );
      assert.deepEqual([own, relative], ['200', '200']);
      assert.deepEqual(
        foreign,
        elsewhere.map(() => '404'),
      );
      const written = await transact(remove(`https://elsewhere.example/fhir/R4/${local}`));
      assert.equal(written.status, 404, written.text);
      assert.equal((await get(local)).status, 200);
    });

    it('HEAD has no resource; operations and _history are reached by the same table', async () => {
      const id = await create(given.patient());
      const response = await send('batch', [
        read(`Patient/${id}/_history/1`),
        read(`Patient/${id}/$meta`),
        read(`Patient/${id}/$everything`),
        { request: { method: 'HEAD', url: `Patient/${id}` } },
      ]);
      assert.deepEqual(statuses(response), ['200', '200', '200', '200']);
      assert.deepEqual(
        [entries(response)[3]?.['resource'], entries(response)[3]?.['response'].etag],
        [undefined, 'W/"1"'],
      );
      assert.equal(entries(response)[2]?.['resource'].resourceType, 'Bundle');
    });

    it('a Bundle holds no other', async () => {
      const inner = { resource: { resourceType: 'Bundle', type: 'batch' }, request: { method: 'POST', url: '' } };
      assert.deepEqual(statuses(await send('batch', [inner, { ...inner, request: { method: 'POST', url: '/' } }])), [
        '400',
        '400',
      ]);
    });
  });

  describe('borders', () => {
    const refused: [string, unknown, number][] = [
      ['no Bundle', given.patient(), 400],
      ['a Bundle of another type', { resourceType: 'Bundle', type: 'collection' }, 400],
      ['entries that are no list', { resourceType: 'Bundle', type: 'batch', entry: {} }, 400],
      [
        'more entries than the hub takes',
        { resourceType: 'Bundle', type: 'batch', entry: Array.from({ length: entriesMax + 1 }, () => ({})) },
        413,
      ],
      ['no JSON', '{', 400],
    ];
    for (const [title, body, status] of refused) {
      it(`${title}: ${status}`, async () => {
        assert.equal((await world.hub.send('POST', '/fhir/R4', world.hospital, { body })).status, status);
      });
    }

    it('a Bundle may be longer than a resource', async () => {
      const body = `${JSON.stringify({ resourceType: 'Bundle', type: 'transaction' })}${' '.repeat(bodyBytesMax)}`;
      assert.equal((await world.hub.send('POST', '/fhir/R4', world.hospital, { body })).status, 200);
    });

    it('without a token nothing is read: 401', async () => {
      assert.equal((await world.hub.send('POST', '/fhir/R4', undefined, { body: '{' })).status, 401);
    });

    it('an entry that should bring a resource and does not is named', async () => {
      const response = await transact(post(given.patient()), { request: { method: 'POST', url: 'Patient' } });
      assert.deepEqual([response.status, response.json['issue'][0].expression], [400, ['Bundle.entry[1].resource']]);
    });

    it('an entry needs its scope', async () => {
      const reader = await world.hub.token('hospital', { scope: 'system/*.rs' });
      assert.equal((await send('transaction', [post(given.patient())], reader)).status, 403);
      assert.deepEqual(statuses(await send('batch', [post(given.patient())], reader)), ['403']);
    });

    it('the CapabilityStatement lists transaction and batch, and the forms of patch and conditions', async () => {
      const { json } = await world.hub.send('GET', 'metadata', undefined);
      const codes = json['rest'][0].interaction.map(({ code }: Json) => code as string);
      assert.ok(codes.includes('transaction') && codes.includes('batch'), String(codes));
      assert.deepEqual(json['patchFormat'], ['application/json-patch+json', 'application/fhir+json']);
      const patient = json['rest'][0].resource.find(({ type }: Json) => type === 'Patient');
      assert.deepEqual(
        [patient.conditionalCreate, patient.conditionalUpdate, patient.conditionalDelete, patient.updateCreate],
        [true, true, 'multiple', true],
      );
      const auditEvent = json['rest'][0].resource.find(({ type }: Json) => type === 'AuditEvent');
      assert.deepEqual([auditEvent.conditionalCreate, auditEvent.conditionalDelete], [false, 'not-supported']);
    });
  });
});
