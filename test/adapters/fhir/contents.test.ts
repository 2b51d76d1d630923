import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { sql } from '../../../src/db/sql.ts';
import { answer, givenServer } from '../../given-source.ts';
import type { PullWorld } from '../../given-pull.ts';
import { givenPull, givenRest, type RestWorld } from '../../given-rest.ts';

const types = ['Patient', 'DocumentReference', 'Binary'];
const pdf = Buffer.from('%PDF-1.7 \0\u00ff', 'latin1');

describe('fhir-rest: content of documents', () => {
  let world: PullWorld;
  let rest: RestWorld;
  before(async () => {
    world = await givenPull();
  });
  after(() => world.close());
  beforeEach(async () => {
    rest = await givenRest(world, { types }, { types: ['Patient', 'DocumentReference'], attachmentBytesMax: 1_024 });
  });
  afterEach(() => rest.close());

  const putDocument = (id: string, ...urls: readonly string[]): void =>
    rest.server.put('DocumentReference', id, {
      status: 'current',
      subject: { reference: 'Patient/p1' },
      content: urls.map((url) => ({ attachment: { contentType: 'application/pdf', url } })),
    });
  const putBinary = (id: string, data: Buffer, more: Record<string, unknown> = {}): void =>
    rest.server.put('Binary', id, { contentType: 'application/pdf', data: data.toString('base64'), ...more });
  /** Of what was received: the address, and the text of its data. */
  async function contents(): Promise<[string, string | undefined][]> {
    const rows = await world.database.query<{ raw: Buffer }>(sql`
      select raw from message where type = 'Attachment' and endpoint_id = (
        select endpoint_id from pull order by endpoint_id desc limit 1) order by id`);
    return rows.map(({ raw }) => {
      const { meta, data } = JSON.parse(raw.toString());
      return [meta.extension[0].extension[0].valueUrl, data === undefined ? undefined : atob(data)];
    });
  }
  const asked = (path: string): number => rest.server.questions.filter((one) => one === path).length;

  it('comes in the run that brings the document, once; as a Binary or as its bytes', async () => {
    putBinary('b1', pdf);
    rest.server.file('files/2.pdf', (response) => {
      response.writeHead(200, { 'content-type': 'application/pdf' }).end('two');
    });
    putDocument('d1', 'Binary/b1', `${rest.server.base}/files/2.pdf`);
    for (let run = 0; run < 3; run++) assert.deepEqual((await rest.run()).notes, []);
    assert.deepEqual(await contents(), [
      ['Binary/b1', pdf.toString('latin1')],
      ['files/2.pdf', 'two'],
    ]);
    assert.deepEqual([asked('Binary/b1'), asked('files/2.pdf')], [1, 1]);
  });

  it('comes again when its document changed, and is received when it did', async () => {
    putBinary('b1', Buffer.from('first'));
    putDocument('d1', 'Binary/b1');
    await rest.run();
    putDocument('d1', 'Binary/b1', 'Binary/b1');
    await rest.run();
    putBinary('b1', Buffer.from('second'));
    putDocument('d1', 'Binary/b1');
    await rest.run();
    assert.deepEqual(await contents(), [
      ['Binary/b1', 'first'],
      ['Binary/b1', 'second'],
    ]);
    assert.equal(asked('Binary/b1'), 3);
  });

  it('of documents that came before it was fetched it is made up for, when they are shown again', async () => {
    putBinary('b1', pdf);
    putDocument('d1', 'Binary/b1');
    await rest.run();
    await world.database.query(sql`delete from source_resource where type = 'Attachment'`);
    await rest.run();
    assert.equal(asked('Binary/b1'), 2);
  });

  it('is asked below the base alone, with the credentials that everything is asked with', async () => {
    const other = await givenServer((_asked, response) => answer(response, {}));
    const secured = await givenRest(world, { types }, { types: ['DocumentReference'], auth: 'bearer' });
    try {
      const urls = ['Binary/b1', `${other.base}/Binary/b1`, '//127.0.0.1/Binary/b1', 'Patient/p2', '../keys'];
      const content = urls.map((url) => ({ attachment: { url } }));
      secured.server.put('DocumentReference', 'd1', { status: 'current', content });
      await secured.run({ secrets: { token: 'of-the-source' } });
      assert.equal(other.asked.length, 0);
      const [own, ...more] = secured.server.asked.filter(({ url }) => !/^(metadata|DocumentReference)/.test(url));
      assert.deepEqual([own?.url, own?.headers.authorization, more], ['Binary/b1', 'Bearer of-the-source', []]);
    } finally {
      await Promise.all([other.close(), secured.close()]);
    }
  });

  const binary = (more: Record<string, unknown>) => ({
    resourceType: 'Binary',
    contentType: 'application/pdf',
    data: 'eA==',
    ...more,
  });
  const refused: readonly (readonly [string, string, (response: ServerResponse) => void])[] = [
    ['is not there', 'not-found', (response) => answer(response, {}, {}, 404)],
    ['is not permitted', 'forbidden', (response) => answer(response, {}, {}, 403)],
    ['is larger than allowed', 'too-long', (response) => answer(response, binary({ data: 'A'.repeat(1_400) }))],
    ['is far larger than allowed', 'too-long', (response) => response.writeHead(200).end(Buffer.alloc(200_000))],
    ['is somewhere else now', 'not-supported', (response) => response.writeHead(302, { location: '/keys' }).end()],
    ['is another resource', 'forbidden', (response) => answer(response, { resourceType: 'Patient', id: 'p2' })],
    [
      'is FHIR in XML',
      'forbidden',
      (response) => answer(response, '<Patient/>', { 'content-type': 'application/fhir+xml' }),
    ],
    [
      'belongs to another document',
      'forbidden',
      (response) => answer(response, binary({ securityContext: { reference: 'DocumentReference/d2' } })),
    ],
    [
      'belongs to another patient',
      'forbidden',
      (response) => answer(response, binary({ securityContext: { reference: 'Patient/p2' } })),
    ],
    ['has no data', 'not-found', (response) => answer(response, binary({ data: undefined }))],
  ];
  for (const [what, code, serve] of refused) {
    it(`content that ${what} is stated: a Binary without data, and a note of the run`, async () => {
      rest.server.file('Binary/b1', serve);
      putDocument('d1', 'Binary/b1');
      const { notes } = await rest.run();
      assert.deepEqual(notes, [`content of documents not given by the source: 1 (${code})`]);
      assert.deepEqual(await contents(), [['Binary/b1', undefined]]);
      assert.deepEqual((await rest.run()).notes, [], 'and is not asked for again');
    });
  }

  for (const reference of [
    'DocumentReference/d1',
    'Patient/p1',
    'BASE/Patient/p1',
    'DocumentReference/d1/_history/1',
  ]) {
    it(`content that says that it belongs to ${reference} is the document’s`, async () => {
      const securityContext = { reference: reference.replace('BASE', rest.server.base) };
      putBinary('b1', pdf, { securityContext });
      putDocument('d1', 'Binary/b1');
      await rest.run();
      assert.deepEqual(await contents(), [['Binary/b1', pdf.toString('latin1')]]);
    });
  }

  it('what the source does not give any more stays as it is here', async () => {
    putBinary('b1', pdf);
    putDocument('d1', 'Binary/b1');
    await rest.run();
    rest.server.file('Binary/b1', (response) => answer(response, {}, {}, 404));
    putDocument('d1', 'Binary/b1', 'Binary/b1');
    const { notes } = await rest.run();
    assert.deepEqual(notes, ['content of documents not given by the source: 1 (not-found)']);
    assert.equal((await contents()).length, 1);
  });

  it('a server that fails is asked again in the next runs; after five of them it is stated', async () => {
    let isDown = true;
    const serve = (response: ServerResponse): void =>
      isDown ? void response.writeHead(500).end() : answer(response, binary({}));
    for (const id of ['b1', 'b2', 'b3']) rest.server.file(`Binary/${id}`, serve);
    putDocument('d1', 'Binary/b1', 'Binary/b2', 'Binary/b3');
    assert.deepEqual(await rest.run(), { isMore: false, notes: [] });
    assert.equal(asked('Binary/b3'), 0, 'after two failures the others are spared');
    isDown = false;
    await rest.run();
    assert.equal((await contents()).length, 3);
    rest.server.file('Binary/b4', (response) => void response.writeHead(500).end());
    putDocument('d2', 'Binary/b4');
    for (let run = 0; run < 5; run++) await rest.run();
    assert.deepEqual((await contents()).at(-1), ['Binary/b4', undefined]);
    assert.equal(asked('Binary/b4'), 5);
  });

  it('a server that asks for time ends the run; what was taken stays, and the rest follows', async () => {
    putBinary('b1', pdf);
    rest.server.file('Binary/b2', (response) => void response.writeHead(503, { 'retry-after': '600' }).end());
    putDocument('d1', 'Binary/b1', 'Binary/b2');
    const end = await rest.run();
    assert.ok(end.isMore === true && end.notBefore !== undefined);
    rest.server.file('Binary/b2', (response) => answer(response, binary({})));
    await rest.run();
    assert.deepEqual((await contents()).map(([local]) => local).toSorted(), ['Binary/b1', 'Binary/b2']);
    assert.deepEqual(await rest.messages().then((all) => all.filter((one) => one.startsWith('Doc'))), [
      'DocumentReference/d1/1',
    ]);
  });

  it('a run that was killed, at whichever write, leaves nothing out and takes nothing twice', async () => {
    for (const id of ['b1', 'b2', 'b3']) putBinary(id, Buffer.from(id));
    for (const id of ['d1', 'd2']) putDocument(id, 'Binary/b1', 'Binary/b2', 'Binary/b3');
    // Killed before the first page, before the first group of contents, and never.
    for (const survived of [0, 1, Infinity]) {
      let writes = 0;
      const onTake = (): void => {
        if (writes++ >= survived) throw new Error('killed');
      };
      await rest.run({ onTake }).catch((error: unknown) => assert.equal((error as Error).message, 'killed'));
    }
    assert.equal((await contents()).length, 6);
    const messages = await rest.messages();
    assert.equal(messages.length, new Set(messages).size);
    assert.deepEqual((await rest.watermark())?.['contents'], undefined);
  });

  it('counts against the budget of the run; what is left goes on in the next', async () => {
    for (const id of ['b1', 'b2', 'b3', 'b4']) putBinary(id, Buffer.from(id));
    putDocument('d1', 'Binary/b1', 'Binary/b2', 'Binary/b3', 'Binary/b4');
    assert.deepEqual(await rest.run({ resources: 1 }), { isMore: true, notes: [] });
    assert.equal((await contents()).length, 0);
    assert.deepEqual(await rest.run(), { isMore: false, notes: [] });
    assert.equal((await contents()).length, 4);
  });

  it('`attachments` left: nothing is asked for', async () => {
    const left = await givenRest(world, { types }, { types: ['DocumentReference'], attachments: 'left' });
    try {
      left.server.put('DocumentReference', 'd1', {
        status: 'current',
        content: [{ attachment: { url: 'Binary/b1' } }],
      });
      await left.run();
      assert.ok(left.server.questions.every((one) => !one.startsWith('Binary')));
    } finally {
      await left.close();
    }
  });
});
