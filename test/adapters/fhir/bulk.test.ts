import assert from 'node:assert/strict';
import { fhirBulk } from '../../../adapters/fhir/bulk.ts';
import { readLines } from '../../../adapters/fhir/bulk/lines.ts';
import { sql } from '../../../src/db/sql.ts';
import { Problem } from '../../../src/fhir/problem.ts';
import { givenBulkWorld, type BulkManners, type BulkSource } from '../../given-bulk.ts';

describe('a source that exports in bulk', () => {
  const bulk = givenBulkWorld();

  /** Two Patients and an Observation. */
  async function given(manners: BulkManners = {}, config: Record<string, unknown> = {}): Promise<BulkSource> {
    const one = await bulk.source(manners, { title: 'x', ...config });
    const { server } = one;
    for (const id of ['a', 'b']) server.put('Patient', id, { active: true });
    server.put('Observation', 'o', { status: 'final', subject: { reference: 'Patient/a' } });
    return {
      ...one,
      mark: async () => {
        // The clock of the server, and what is compared when, are other matters.
        const { aheadSeconds: _ahead, types: _types, comparedAt: _comparedAt, ...mark } = await one.mark();
        return mark;
      },
    };
  }
  const all = ['Patient/a/1', 'Patient/b/1', 'Observation/o/1'];

  it('is asked once, waited for, taken and told to forget', async () => {
    const { server, run, messages, mark } = await given({ polls: 2 });
    assert.deepEqual(await run(), { notes: [] });
    assert.deepEqual(await messages(), all);
    assert.equal(server.kickOffs.length, 1);
    assert.equal(server.open, 0, 'DELETE was sent');
    assert.deepEqual(await mark(), { form: 'bulk/1', since: server.transactionTime });
    const kickOff = server.asked.find(({ url }) => url.startsWith('$export'));
    assert.equal(kickOff?.headers['prefer'], 'respond-async');
  });

  it('the bytes of a resource are kept as they stood in the line', async () => {
    const line = '{"resourceType":"Patient","id":"x", "meta":{"versionId":"7"},"multipleBirthInteger":1.50}';
    const { run } = await given({ files: { Patient: `${line}\r\n\r\n` }, counts: { Patient: 1, Observation: 1 } });
    await run();
    const rows = await bulk.world.database.query<{ text: string }>(
      sql`select convert_from(raw, 'UTF8') as text from message where control_id = 'Patient/x/7'`,
    );
    assert.equal(rows[0]?.text, line);
  });

  it('content of documents is fetched, between files, once, whatever ends the run', async () => {
    const { server, run, messages, mark } = await given({ reads: true });
    const data = Buffer.from('letter').toString('base64');
    for (const id of ['b1', 'b2', 'b3']) {
      server.put('Binary', id, { contentType: 'text/plain', data });
      const content = [{ attachment: { url: `${server.base}/Binary/${id}` } }];
      server.put('DocumentReference', `d-${id}`, { status: 'current', content });
    }
    for (let runs = 0; (await run({ resources: 2 })).isMore === true; runs++) assert.ok(runs < 20, 'comes to an end');
    const found = await messages();
    // The Binaries of the export, as they are; and the content of each document.
    assert.equal(found.filter((one) => one.startsWith('Attachment/')).length, 3);
    assert.equal(found.filter((one) => one.startsWith('Binary/')).length, 3);
    assert.deepEqual(server.reads.toSorted(), ['Binary/b1', 'Binary/b2', 'Binary/b3']);
    assert.deepEqual([server.open, (await mark())['contents']], [0, undefined]);
  });

  it('next time only what changed is asked for, and what is known is not received again', async () => {
    const { server, run, messages } = await given({}, { overlapSeconds: 60 });
    await run();
    const since = server.transactionTime;
    server.put('Patient', 'b', { active: false });
    await run();
    const [, query = ''] = (server.kickOffs[1] ?? '').split('?');
    const asked = new URLSearchParams(query).get('_since');
    assert.equal(asked, new Date(Date.parse(since) - 60_000).toISOString());
    assert.deepEqual(await messages(), [...all, 'Patient/b/2']);
  });

  it('asks at the level, for the types and by the filters that are set', async () => {
    const config = { level: 'group', group: 'g1', types: 'Patient,Observation', typeFilter: 'Patient?active=true' };
    const { server, run } = await given({}, config);
    await run();
    const [path, query] = (server.kickOffs[0] ?? '').split('?');
    assert.equal(path, 'Group/g1/$export');
    assert.deepEqual(
      [...new URLSearchParams(query)],
      [
        ['_outputFormat', 'application/fhir+ndjson'],
        ['_type', 'Patient,Observation'],
        ['_typeFilter', 'Patient?active=true'],
      ],
    );
  });

  it('a wait that is long ends the run, and says when to go on; there is no second export', async () => {
    const { server, run, messages } = await given({ polls: 1, retryAfter: '300' });
    const before = Date.now();
    const end = await run();
    assert.equal(end.isMore, true);
    assert.ok(Math.abs(Number(end.notBefore) - before - 300_000) < 5_000);
    assert.deepEqual(await messages(), []);
    assert.deepEqual(await run(), { notes: [] });
    assert.equal(server.kickOffs.length, 1);
    assert.deepEqual(await messages(), all);
  });

  it('a budget that is used up ends the run; the next one goes on at the line', async () => {
    const { server, run, messages, mark } = await given();
    for (let n = 0; n < 1_200; n++) server.put('Observation', `n${n}`, { status: 'final' });
    let runs = 0;
    for (let isMore = true; isMore; runs++) {
      const end = await run({ resources: 500 });
      isMore = end.isMore === true;
      const { export: taking } = (await mark()) as { export?: { manifest: { files: { line: number }[] } } };
      if (isMore) assert.ok((taking?.manifest.files[0]?.line ?? 0) % 500 === 0);
    }
    assert.ok(runs >= 3);
    assert.equal(server.kickOffs.length, 1);
    const received = await messages();
    assert.equal(received.length, 1_203);
    assert.equal(new Set(received).size, 1_203);
  });

  it('gzip, manifests in parts and addresses that expire are no hindrance', async () => {
    const { server, run, messages } = await given({ isGzipped: true, filesPerPart: 1, addressesLast: 1 });
    await run();
    assert.deepEqual(await messages(), all);
    assert.equal(server.kickOffs.length, 1);
  });

  it('the token goes with files only where the manifest asks for it', async () => {
    const authorizations = async (withToken: boolean): Promise<unknown[]> => {
      const { server, run } = await given({ withToken }, { auth: 'bearer' });
      await run();
      return server.asked.filter(({ url }) => url.startsWith('file/')).map(({ headers }) => headers['authorization']);
    };
    assert.deepEqual(new Set(await authorizations(true)), new Set(['Bearer secret-token']));
    assert.deepEqual(new Set(await authorizations(false)), new Set([undefined]));
  });

  it('what was deleted there is deleted here, after what is there; errors are told by their codes', async () => {
    const { run, messages } = await given({
      deleted: ['Patient/a', 'Patient/unheard-of', 'ValueSet/v'],
      errors: [{ severity: 'error', code: 'too-costly' }],
    });
    const { notes } = await run();
    assert.deepEqual(notes, ['the source reports error: too-costly']);
    const received = await messages();
    assert.deepEqual(received.slice(0, 3), all);
    assert.ok(received.includes('Patient:delete a'));
    assert.ok(!received.some((one) => one.includes('ValueSet')));
  });

  it('types that the hub takes from no source are left out, and told', async () => {
    const { server, run, messages } = await given();
    server.put('Subscription', 's');
    assert.deepEqual((await run()).notes, ['Subscription: not taken from sources']);
    assert.deepEqual(await messages(), all);
  });

  it('a line that is no resource is kept for a person to see, and costs its neighbours nothing', async () => {
    const lines = [
      '{"resourceType":"Patient","id":"a"}',
      '{"resourceType":"Patient"',
      '{"resourceType":"Patient","id":"b"}',
    ];
    const { run, messages } = await given({
      files: { Patient: `${lines.join('\n')}\n` },
      counts: { Patient: 3, Observation: 1 },
    });
    await run();
    const received = await messages();
    assert.equal(received.length, 4);
    assert.match(received[1] ?? '', /^Patient\/line-2-/);
  });

  describe('a file that ends too early', () => {
    const line = (id: string): string => JSON.stringify({ resourceType: 'Patient', id });

    it('by its count is asked for again; when it stays so, the next export begins where this one did', async () => {
      const files = { Patient: `${line('a')}\n` };
      const { server, run, messages, mark } = await given({ files, counts: { Patient: 2, Observation: 1 } });
      for (let tries = 0; tries < 2; tries++) await assert.rejects(run(), { code: 'transient' });
      const { notes = [] } = await run();
      assert.match(notes.join(), /1 resources of the 2 that the manifest says/);
      assert.equal(server.kickOffs.length, 1);
      assert.equal((await messages()).length, 2);
      assert.equal((await mark())?.['since'], undefined);
    });

    it('by its count, and is whole the next time, was only slow', async () => {
      const files: Record<string, string> = { Patient: `${line('a')}\n` };
      const { server, run, messages, mark } = await given({ files, counts: { Patient: 2, Observation: 1 } });
      await assert.rejects(run(), { code: 'transient' });
      files['Patient'] = `${line('a')}\n${line('b')}\n`;
      assert.deepEqual(await run(), { notes: [] });
      assert.equal((await messages()).length, 3);
      assert.equal((await mark())?.['since'], server.transactionTime);
    });

    it('within a line, without a word, is not taken for a whole one', async () => {
      const files: Record<string, string> = { Patient: `${line('a')}\n${line('b').slice(0, 20)}` };
      const { run, messages } = await given({ files, counts: { Patient: 2, Observation: 1 } });
      await assert.rejects(run(), { code: 'transient', message: /within a line/ });
      files['Patient'] = `${line('a')}\n${line('b')}`;
      await run();
      assert.deepEqual((await messages()).length, 3);
    });

    it('by a connection that breaks is gone on with at the line', async () => {
      let cuts = 0;
      const text = Array.from({ length: 700 }, (_, n) => `${line(`n${n}`)}\n`).join('');
      const { server, run, messages } = await given({
        files: { Patient: text },
        counts: { Patient: 700, Observation: 1 },
        on: (event, response) => {
          if (event !== 'file Patient' || cuts++ > 0) return false;
          response.writeHead(200, { 'content-type': 'application/fhir+ndjson', 'content-length': text.length });
          response.write(text.slice(0, -2_000), () => response.destroy());
          return true;
        },
      });
      await assert.rejects(run(), { code: 'transient' });
      assert.equal((await messages()).length, 500, 'whole pages are on disk');
      await run();
      const received = await messages();
      assert.equal(received.length, 701);
      assert.equal(new Set(received).size, 701);
      assert.equal(server.kickOffs.length, 1);
    });
  });

  const refusals: [string, BulkManners['on'], RegExp, number][] = [
    ['a refusal of the export', refuse('kick-off', 403), /403/, 0],
    ['a login page instead of a manifest', page('manifest'), /no manifest/, 1],
    ['a login page instead of a file', page('file Patient'), /a page/, 1],
    ['an export that is being made and fails for now', refuse('manifest', 500), /500/, 1],
  ];
  for (const [what, on, message, kept] of refusals) {
    it(`${what} is a failure, and ${kept === 1 ? 'the export stays asked for' : 'nothing is asked for'}`, async () => {
      const { run, mark } = await given({ on });
      await assert.rejects(run(), (error: unknown) => error instanceof Problem && message.test(error.message));
      assert.equal((await mark())?.['export'] === undefined ? 0 : 1, kept);
    });
  }

  it('an export that is gone is asked for anew', async () => {
    let gone = true;
    const { server, run, messages } = await given({
      on: (event, response) => gone && refuse('manifest', 404)(event, response),
    });
    await assert.rejects(run(), { code: 'transient' });
    gone = false;
    await run();
    assert.equal(server.kickOffs.length, 2);
    assert.deepEqual(await messages(), all);
  });

  it('an export that never becomes ready is ended, and asked for anew', async () => {
    const { server, run } = await given({ polls: 100, retryAfter: '60' });
    await run();
    const later = (): Date => new Date(Date.now() + 25 * 3_600_000);
    await assert.rejects(run({ now: later }), { code: 'timeout' });
    assert.equal(server.open, 0);
    await run();
    assert.equal(server.kickOffs.length, 2);
  });

  it('a server that has no time says when it has', async () => {
    const { run } = await given({
      on: (event, response) => {
        if (event !== 'kick-off') return false;
        response.writeHead(429, { 'retry-after': '600' }).end();
        return true;
      },
    });
    const { isMore, notBefore } = await run();
    assert.equal(isMore, true);
    assert.ok(Number(notBefore) > Date.now() + 500_000);
  });

  it('a release that the endpoint does not say is not taken for R4', async () => {
    const { server, run } = await given({ fhirVersion: '3.0.2' });
    await assert.rejects(run(), { code: 'required', expression: ['version'] });
    assert.equal(server.kickOffs.length, 0);
    const stu3 = await given({ fhirVersion: '3.0.2' }, { version: 'stu3' });
    await stu3.run();
    assert.deepEqual(await stu3.messages(), all);
  });

  it('is tried without an export being begun', async () => {
    const { server } = await given();
    const endpoint = await bulk.world.endpoint('try', { kind: 'fhir-bulk', config: { base: server.base } });
    const signal = new AbortController().signal;
    const checks = await fhirBulk.test({ endpoint, secrets: {}, signal, now: () => new Date() });
    assert.deepEqual(
      checks.map(({ name, isOk }) => [name, isOk]),
      [
        ['CapabilityStatement', true],
        ['version', true],
        ['export', true],
      ],
    );
    assert.equal(server.kickOffs.length, 0);
  });

  const settings: [string, Record<string, unknown>, string][] = [
    ['a level that is none', { level: 'ward' }, 'level'],
    ['a group without its id', { level: 'group' }, 'group'],
    ['a type that the hub does not take', { types: 'Subscription' }, 'types'],
    ['a release that is none', { version: 'r9' }, 'version'],
    ['a setting that nobody knows', { speed: 'fast' }, 'speed'],
  ];
  for (const [what, config, name] of settings) {
    it(`${what} is refused by its name`, () =>
      assert.throws(
        () => fhirBulk.readConfig({ base: 'https://x.example/fhir', ...config }),
        (error: unknown) => error instanceof Problem && error.expression.includes(name),
      ));
  }
});

describe('lines of NDJSON', () => {
  const read = async (pieces: string[], bytesMax = 100): Promise<[string, boolean][]> => {
    const lines: [string, boolean][] = [];
    const source = (async function* () {
      for (const piece of pieces) yield Buffer.from(piece);
    })();
    for await (const { bytes, isEnded } of readLines(source, bytesMax)) lines.push([bytes.toString(), isEnded]);
    return lines;
  };

  it('are put together of pieces, whatever ends them', async () => {
    assert.deepEqual(await read(['a', 'b\r', '\n\nc\nd']), [
      ['ab', true],
      ['', true],
      ['c', true],
      ['d', false],
    ]);
    assert.deepEqual(await read([]), []);
  });

  it('are refused when one is longer than allowed', async () => {
    assert.equal((await read(['12345\n'], 5)).length, 1);
    await assert.rejects(read(['123', '456\n'], 5), { code: 'too-long' });
  });
});

function refuse(wanted: string, status: number): NonNullable<BulkManners['on']> {
  return (event, response) => {
    if (event !== wanted) return false;
    response.writeHead(status).end();
    return true;
  };
}

function page(wanted: string): NonNullable<BulkManners['on']> {
  return (event, response) => {
    if (event !== wanted) return false;
    response.writeHead(200, { 'content-type': 'text/html' }).end('<html>Sign in</html>');
    return true;
  };
}
