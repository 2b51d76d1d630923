/** Bulk export over real sockets, with its worker. @see https://hl7.org/fhir/uv/bulkdata/STU2/export.html */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from '../../../src/db/sql.ts';
import { given } from '../../given.ts';
import { givenConsent } from '../../given-consent.ts';
import { manifestOf } from '../../given-export.ts';
import { givenHub, type GivenHub, type HubResponse, type SendOptions } from '../../given-hub.ts';
import { until } from '../../until.ts';

interface Manifest {
  transactionTime: string;
  request: string;
  requiresAccessToken: boolean;
  output: { type: string; url: string; count: number }[];
  deleted: { type: string; url: string; count: number }[];
  error: unknown[];
}
type Line = Record<string, any>; // eslint-disable-line typescript/no-explicit-any

const asynchronous = { prefer: 'respond-async' };

describe('bulk export (Bulk Data Access IG)', () => {
  let hub: GivenHub;
  let hospital: string;
  let ai: string;
  let clients = 0;
  const begun = Date.now();
  /** A finished export, and its client, for the tests that look at one. */
  let whole: Awaited<ReturnType<typeof exported>>;
  let one: string;
  before(async () => {
    hub = await givenHub();
    hospital = await hub.token('hospital');
    ai = await hub.token('ai');
    for (const resource of [
      given.organization({ id: 'org' }),
      given.patient({ id: 'p' }),
      given.patient({ id: 'q' }),
      given.patient({ id: 'unrelated' }),
      {
        ...given.observation({ id: 'p1', patient: 'p', code: '718-7', value: 7 }),
        performer: [{ reference: 'Organization/org' }],
      },
      given.observation({ id: 'p2', patient: 'p', code: '2345-7' }),
      given.observation({ id: 'q1', patient: 'q' }),
      given.encounter({ id: 'visit', patient: 'p', start: '2026-01-01' }),
      {
        resourceType: 'Group',
        id: 'both',
        type: 'person',
        actual: true,
        member: [
          { entity: { reference: 'Patient/p' } },
          { entity: { reference: 'Patient/q' } },
          { entity: { reference: 'Patient/unrelated' }, inactive: true },
        ],
      },
    ] as { resourceType: string; id: string }[]) {
      const { status, text } = await hub.send('PUT', `${resource.resourceType}/${resource.id}`, hospital, {
        body: resource,
      });
      assert.equal(status, 201, text);
    }
    const elsewhere = await hub.token('hospital', { organization: 'Organization/elsewhere' });
    await hub.send('PUT', 'Patient/r', elsewhere, { body: given.patient({ id: 'r' }) });
    await grant('p');
    one = await client('hospital', { client_id: 'the-one' });
    whole = await exported('$export?_type=Patient,Observation', one);
  });
  after(() => hub.close());

  async function grant(patient: string, changes: Record<string, unknown> = {}): Promise<string> {
    const self = await hub.token('patient', { fhirUser: `Patient/${patient}` });
    const body = givenConsent(patient, 'Organization/ai-health-manager', changes);
    const { json, status, text } = await hub.send('POST', 'Consent', self, { body });
    assert.equal(status, 201, text);
    return json['id'] as string;
  }

  /** Of a client of its own, so that no test waits for another's bound. */
  const client = async (preset: 'hospital' | 'ai', more: object = {}): Promise<string> =>
    hub.token(preset, { client_id: `client-${++clients}`, ...more });
  const kickOff = (path: string, token: string, { headers, body }: SendOptions = {}): Promise<HubResponse> =>
    hub.send(body === undefined ? 'GET' : 'POST', path, token, {
      ...(body === undefined ? {} : { body }),
      headers: { ...asynchronous, ...headers },
    });
  const below = (url: string): string => url.slice(hub.fhir.length + 1);
  const locationOf = (response: HubResponse): string => {
    assert.equal(response.status, 202, response.text);
    return below(response.headers.get('content-location') as string);
  };

  async function complete(location: string, token: string): Promise<Manifest> {
    const ask = (): Promise<HubResponse> =>
      hub.send('GET', location, token, { headers: { accept: 'application/json' } });
    return (await manifestOf(ask)).json as unknown as Manifest;
  }
  async function download(files: Manifest['output'], token: string): Promise<Line[]> {
    const texts = await Promise.all(
      files.map(async ({ url }) =>
        hub.send('GET', below(url), token, { headers: { accept: 'application/fhir+ndjson' } }),
      ),
    );
    return texts.flatMap(({ status, text }) => {
      assert.equal(status, 200, text);
      return text
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as Line);
    });
  }
  async function exported(
    path: string,
    token: string,
    options: SendOptions = {},
  ): Promise<{ manifest: Manifest; lines: Line[]; names: string[]; location: string }> {
    const location = locationOf(await kickOff(path, token, options));
    const manifest = await complete(location, token);
    const lines = await download(manifest.output, token);
    return {
      location,
      manifest,
      lines,
      names: lines.map(({ resourceType, id }) => `${String(resourceType)}/${String(id)}`).toSorted(),
    };
  }
  /** What began before an export holds it up: none that is begun meanwhile is complete. */
  const whileCollecting = async <T>(work: () => Promise<T>): Promise<T> =>
    hub.database.inTransaction(async (tx) => {
      await tx.query(sql`select pg_current_xact_id()`);
      return work();
    });
  const parameters = (...parameter: object[]): object => ({ resourceType: 'Parameters', parameter });

  describe('kick-off (#bulk-data-kick-off-request)', () => {
    const refused: [string, string, Record<string, string>, string][] = [
      ['without Prefer: respond-async', '$export', {}, 'required'],
      ['another format', '$export?_outputFormat=text/csv', asynchronous, 'not-supported'],
      ['a type R4 does not have', '$export?_type=Patience', asynchronous, 'value'],
      ['no instant', '$export?_since=yesterday', asynchronous, 'value'],
      ['a parameter it does not have', '$export?colour=red', asynchronous, 'not-supported'],
      [
        'a filter of a type that is not exported',
        '$export?_type=Patient&_typeFilter=Observation%3Fcode%3Dx',
        asynchronous,
        'value',
      ],
      [
        'a filter that shapes an answer',
        '$export?_typeFilter=Observation%3F_sort%3Ddate',
        asynchronous,
        'not-supported',
      ],
      [
        'a filter by what is no parameter',
        '$export?_typeFilter=Observation%3Fcolour%3Dred',
        { prefer: 'respond-async, handling=strict' },
        'not-supported',
      ],
      ['patients by GET', 'Patient/$export?patient=Patient/p', asynchronous, 'not-supported'],
      [
        'associated data that is not served',
        '$export?includeAssociatedData=LatestProvenanceResources',
        asynchronous,
        'not-supported',
      ],
    ];
    for (const [title, path, headers, code] of refused) {
      it(`refuses ${title}: 400 ${code}`, async () => {
        const { status, json } = await hub.send('GET', path, hospital, { headers });
        assert.deepEqual([status, json['issue']?.[0].code], [400, code], JSON.stringify(json));
      });
    }

    it('takes every name of the format', async () => {
      const token = await client('hospital');
      for (const format of ['application/fhir%2Bndjson', 'application/ndjson', 'ndjson']) {
        const location = locationOf(await kickOff(`Patient/$export?_outputFormat=${format}`, token));
        assert.equal((await hub.send('DELETE', location, token)).status, 202);
      }
    });

    it('needs a scope of each type it names', async () => {
      const narrow = await client('hospital', { scope: 'system/Observation.rs' });
      assert.equal((await kickOff('$export?_type=Patient', narrow)).status, 403);
      assert.equal((await kickOff('$export', await hub.token('operator'))).status, 403);
    });

    it('a group that may not be seen is as unknown as one that never was', async () => {
      const [hidden, unknown] = await Promise.all([
        kickOff('Group/both/$export', ai),
        kickOff('Group/none/$export', ai),
      ]);
      assert.deepEqual([hidden.status, hidden.text], [404, unknown.text]);
    });
  });

  it('the CapabilityStatement names the guide and, at each level, its operation', async () => {
    const { json } = await hub.send('GET', 'metadata', undefined);
    const guides = json['instantiates'] as string[];
    assert.ok(guides.includes('http://hl7.org/fhir/uv/bulkdata/CapabilityStatement/bulk-data'), guides.join());
    const [rest] = json['rest'];
    const definitionOf = (operations: { name: string; definition: string }[]): string | undefined =>
      operations
        .find(({ name }) => name === 'export')
        ?.definition.split('/')
        .at(-1);
    const ofType = (type: string): string | undefined =>
      definitionOf(rest.resource.find((resource: { type: string }) => resource.type === type).operation);
    assert.deepEqual(
      [definitionOf(rest.operation), ofType('Patient'), ofType('Group'), ofType('Observation')],
      ['export', 'patient-export', 'group-export', undefined],
    );
  });

  describe('status (#bulk-data-status-request)', () => {
    it('in progress: 202 with X-Progress and Retry-After; asked too often: 429 with Retry-After', async () => {
      const token = await client('hospital');
      await whileCollecting(async () => {
        const location = locationOf(await kickOff('Patient/$export', token));
        const ask = (): Promise<HubResponse> => hub.send('GET', location, token);
        const first = await ask();
        assert.equal(first.status, 202);
        assert.match(first.headers.get('x-progress') ?? '', /^\d+ resources/);
        let second = first;
        const isRefused = async (): Promise<boolean> => (second = await ask()).status === 429;
        await until('two come within half a second', isRefused);
        for (const { headers } of [first, second]) assert.match(headers.get('retry-after') ?? '', /^\d+$/);
        assert.equal(second.json['resourceType'], 'OperationOutcome');
      });
    });

    it('complete: a manifest with its time, request, files with counts, and when it expires', async () => {
      const { manifest, location } = whole;
      assert.equal(manifest.request, `${hub.fhir}/$export?_type=Patient,Observation`);
      assert.equal(manifest.requiresAccessToken, true);
      const at = Date.parse(manifest.transactionTime);
      assert.ok(begun <= at && at <= Date.now(), manifest.transactionTime);
      assert.deepEqual([manifest.deleted, manifest.error], [[], []]);
      assert.deepEqual(manifest.output.map(({ type, count }) => `${type} ${count}`).toSorted(), [
        'Observation 3',
        'Patient 3',
      ]);
      const { headers } = await hub.send('GET', location, one);
      assert.match(headers.get('content-type') ?? '', /^application\/json/);
      assert.ok(Date.parse(headers.get('expires') ?? '') > Date.now());
    });

    it('DELETE ends it, and then there is none', async () => {
      const token = await client('hospital');
      const location = locationOf(await kickOff('Patient/$export', token));
      assert.equal((await hub.send('DELETE', location, token)).status, 202);
      assert.equal((await hub.send('GET', location, token)).status, 404);
      assert.equal((await hub.send('DELETE', location, token)).status, 404);
    });

    it('more than a client may have at a time: 429 with Retry-After', async () => {
      const token = await client('hospital');
      const answers = await whileCollecting(async () =>
        Promise.all(Array.from({ length: 3 }, async () => kickOff('Patient/$export', token))),
      );
      assert.deepEqual(answers.map(({ status }) => String(status)).toSorted(), ['202', '202', '429']);
      const refused = answers.find(({ status }) => status === 429) as HubResponse;
      assert.match(refused.headers.get('retry-after') ?? '', /^\d+$/);
      assert.equal(refused.json['issue'][0].code, 'throttled');
    });
  });

  describe('what is exported (#endpoints)', () => {
    const everybody = [
      'Encounter/visit',
      'Observation/p1',
      'Observation/p2',
      'Observation/q1',
      'Patient/p',
      'Patient/q',
      'Patient/unrelated',
    ];
    const rows: [string, string, 'hospital' | 'ai', object | undefined, string[]][] = [
      [
        'the whole system: records, and what is in none',
        '$export',
        'hospital',
        undefined,
        [...everybody, 'Group/both', 'Organization/org'].toSorted(),
      ],
      [
        'all patients: their compartments',
        'Patient/$export',
        'hospital',
        undefined,
        [...everybody, 'Group/both'].toSorted(),
      ],
      [
        'a group: its active members',
        'Group/both/$export?_type=Patient,Observation',
        'hospital',
        undefined,
        ['Observation/p1', 'Observation/p2', 'Observation/q1', 'Patient/p', 'Patient/q'],
      ],
      [
        'named patients, by POST',
        'Patient/$export',
        'hospital',
        parameters(
          { name: 'patient', valueReference: { reference: 'Patient/q' } },
          { name: '_type', valueString: 'Observation' },
        ),
        ['Observation/q1'],
      ],
      [
        'named members of a group',
        'Group/both/$export',
        'hospital',
        parameters({ name: 'patient', valueReference: { reference: 'Patient/unrelated' } }),
        [],
      ],
      [
        'another’s patient by name: nothing',
        'Patient/$export',
        'hospital',
        parameters({ name: 'patient', valueReference: { reference: 'Patient/r' } }),
        [],
      ],
      [
        'by consent: those who permit it, and nobody else',
        '$export',
        'ai',
        undefined,
        ['Encounter/visit', 'Observation/p1', 'Observation/p2', 'Patient/p'],
      ],
      [
        '_typeFilter: rows of the type that match one of them, all of other types',
        'Patient/$export?_type=Observation,Encounter&_typeFilter=Observation%3Fcode%3D718-7%26patient%3Dp&_typeFilter=Observation%3Fcode%3Dnone',
        'hospital',
        undefined,
        ['Encounter/visit', 'Observation/p1'],
      ],
      [
        '_typeFilter by a value set',
        'Patient/$export?_type=Observation&_typeFilter=Observation%3Fcode%3D718-7%26patient%3Dp%26status:in%3Dhttp://hl7.org/fhir/ValueSet/observation-status',
        'hospital',
        undefined,
        ['Observation/p1'],
      ],
    ];
    const found = new Map<string, string[]>();
    let own: string[];
    let part: Line[];
    before(async () => {
      const [self, other] = [await hub.token('patient', { fhirUser: 'Patient/q' }), await client('hospital')];
      await Promise.all([
        exported('Patient/$export', self).then(({ names }) => (own = names)),
        exported('Patient/$export?_type=Observation&_elements=Observation.code', other).then(
          ({ lines }) => (part = lines),
        ),
        ...rows.map(async ([title, path, preset, body]) => {
          const { names } = await exported(path, await client(preset), body === undefined ? {} : { body });
          found.set(title, names);
        }),
      ]);
    });
    for (const [title, , , , expected] of rows) {
      it(title, () => assert.deepEqual(found.get(title), expected));
    }

    it('the patient gets their own record', () => assert.deepEqual(own, ['Observation/q1', 'Patient/q']));

    it('a line is the resource as reading it shows; _elements leaves out the rest and says so', async () => {
      const read = (await hub.send('GET', 'Observation/p1', hospital)).json;
      assert.deepEqual(
        whole.lines.find(({ id }) => id === 'p1'),
        read,
      );
      const line = part.find(({ id }) => id === 'p1') as Line;
      assert.deepEqual(
        [line['code'], line['valueQuantity'], line['meta'].tag.at(-1).code],
        [read['code'], undefined, 'SUBSETTED'],
      );
    });
  });

  describe('one instant (transactionTime)', () => {
    it('what is changed after it is exported as it was; what is made after it is not', async () => {
      const token = await client('hospital');
      await hub.send('PUT', 'Observation/moving', hospital, {
        body: given.observation({ id: 'moving', patient: 'unrelated', value: 1 }),
      });
      await sleep(5);
      const location = locationOf(await kickOff('Patient/$export?_type=Observation', token));
      await sleep(5);
      await hub.send('PUT', 'Observation/moving', hospital, {
        body: given.observation({ id: 'moving', patient: 'unrelated', value: 2 }),
      });
      await hub.send('PUT', 'Observation/fresh', hospital, {
        body: given.observation({ id: 'fresh', patient: 'unrelated' }),
      });
      const lines = await download((await complete(location, token)).output, token);
      const moving = lines.filter(({ id }) => id === 'moving');
      assert.deepEqual(
        moving.map((line) => line['valueQuantity'].value),
        [1],
      );
      assert.ok(!lines.some(({ id }) => id === 'fresh'));
    });

    it('_since: what has changed after it, and what was deleted, as Bundles of DELETE, to its owner alone', async () => {
      const body = given.observation({ id: 'short', patient: 'p' });
      await hub.send('PUT', 'Observation/short', hospital, { body });
      await sleep(5);
      const since = new Date().toISOString();
      await sleep(5);
      await hub.send('PUT', 'Observation/p2', hospital, {
        body: given.observation({ id: 'p2', patient: 'p', code: '2345-7', value: 9 }),
      });
      assert.equal((await hub.send('DELETE', 'Observation/short', hospital)).status < 300, true);
      const [one, other] = [await client('hospital'), await client('ai')];
      const path = `Patient/$export?_type=Observation&_since=${since}`;
      const [own, theirs] = await Promise.all([exported(path, one), exported(path, other)]);
      assert.deepEqual(own.names, ['Observation/p2']);
      assert.deepEqual(theirs.names, ['Observation/p2']);
      assert.deepEqual(
        own.manifest.deleted.map(({ type }) => type),
        ['Bundle'],
      );
      const [bundle] = await download(own.manifest.deleted, one);
      assert.deepEqual(
        [bundle?.['type'], bundle?.['entry']],
        ['transaction', [{ request: { method: 'DELETE', url: 'Observation/short' } }]],
      );
      assert.deepEqual(theirs.manifest.deleted, []);
    });
  });

  describe('files (LEAKS 7, 26)', () => {
    it('what a patient has closed since is in no line, and they read who downloaded what', async () => {
      const consent = await grant('q');
      const token = await client('ai');
      const location = locationOf(await kickOff('Patient/$export?_type=Observation,Patient', token));
      const manifest = await complete(location, token);
      assert.ok((await download(manifest.output, token)).some(({ id }) => id === 'q1'));
      const self = await hub.token('patient', { fhirUser: 'Patient/q' });
      assert.match((await hub.send('GET', 'AuditEvent?patient=Patient/q', self)).text, /\$export\?file/);
      const body = { ...(await hub.send('GET', `Consent/${consent}`, self)).json, status: 'inactive' };
      assert.equal((await hub.send('PUT', `Consent/${consent}`, self, { body })).status, 200);
      const ids = (await download(manifest.output, token)).map(({ id }) => id as string);
      assert.ok(ids.includes('p') && !ids.includes('q') && !ids.includes('q1'), ids.join());
    });

    it('another client, and the same for another purpose, finds neither job nor file; a renewed token goes on', async () => {
      const { location, manifest } = whole;
      const file = below(manifest.output[0]?.url as string);
      for (const stranger of [
        await client('hospital'),
        await client('hospital', { client_id: 'the-one', purpose_of_use: 'HOPERAT' }),
        await client('hospital', { client_id: 'the-one', organization: 'Organization/other' }),
      ]) {
        const unknown = await hub.send('GET', '_export/00000000-0000-4000-8000-000000000000', stranger);
        for (const [method, path] of [
          ['GET', location],
          ['GET', file],
          ['DELETE', location],
        ] as const) {
          const { status, text } = await hub.send(method, path, stranger);
          assert.deepEqual([status, text], [404, unknown.text]);
        }
      }
      assert.equal((await hub.send('GET', file, undefined)).status, 401);
      assert.equal((await hub.send('GET', file, await client('hospital', { client_id: 'the-one' }))).status, 200);
    });

    it('a file that the job does not have is 404', async () => {
      for (const name of ['99.ndjson', '0', '..%2f0.ndjson', '-1.ndjson']) {
        assert.equal((await hub.send('GET', `${whole.location}/${name}`, one)).status, 404, name);
      }
    });

    it('is newline-delimited JSON', async () => {
      const { headers, text } = await hub.send('GET', below(whole.manifest.output[0]?.url as string), one, {
        headers: { accept: 'application/fhir+ndjson' },
      });
      assert.equal(headers.get('content-type'), 'application/fhir+ndjson');
      assert.ok(text.endsWith('}\n'));
    });
  });
});
