import assert from 'node:assert/strict';
import { bodyAt, contentDigest } from '../../../src/cli/simulate/sources/content.ts';
import { absenceAt } from '../../../src/cli/simulate/sources/absence.ts';
import { crowdDefaults, openCrowd, type CrowdOptions } from '../../../src/cli/simulate/sources/crowd.ts';
import { secretOf } from '../../../src/cli/simulate/sources/gate.ts';
import { baseOf, serveSources, type SourcesServer } from '../../../src/cli/simulate/sources/server.ts';
import { Source, type Habits } from '../../../src/cli/simulate/sources/source.ts';
import type { ResourceEntry } from '../../../src/cli/simulate/ledger.ts';
import { validate } from '../../../src/fhir/validate.ts';
import type { AnyResource } from '../../../src/fhir/types.ts';

const habits: Habits = {
  manner: 'live',
  flapMs: 60_000,
  clockMs: 0,
  hasHistory: true,
  isDeafToLastUpdated: false,
  lateMs: 0,
  auth: 'none',
  pageMax: 5,
};
const noon = Date.UTC(2026, 0, 5, 12);

interface Bundle {
  total: number;
  link: { relation: string; url: string }[];
  entry: { resource?: AnyResource; request?: { method: string } }[];
}

describe('simulated FHIR sources', () => {
  let server: SourcesServer;
  let now = noon;
  let disturb: 'cut' | undefined;
  const entries: ResourceEntry[] = [];

  before(async () => {
    server = await serveSources({
      now: () => now,
      onRequest: ({ path }) => (path === 'Condition' ? disturb : undefined),
    });
  });
  after(() => server.close());

  const given = (name: string, own: Partial<Habits> = {}): Source => {
    const base = baseOf(server.port, name);
    const source = new Source({
      seed: 3,
      number: 7,
      name,
      base,
      habits: { ...habits, ...own },
      onVersion: (entry) => entries.push(entry),
    });
    source.addPatients(3, now);
    server.add(source);
    return source;
  };
  const get = (url: string, headers: Record<string, string> = {}) => fetch(url, { headers });
  const pages = async (url: string): Promise<Bundle[]> => {
    const found: Bundle[] = [];
    for (let next: string | undefined = url; next !== undefined;) {
      const bundle: Bundle = (await (await get(next)).json()) as Bundle;
      found.push(bundle);
      next = bundle.link.find(({ relation }) => relation === 'next')?.url;
    }
    return found;
  };
  const resourcesOf = (bundles: Bundle[]): AnyResource[] =>
    bundles.flatMap(({ entry }) => entry.flatMap(({ resource }) => resource ?? []));

  it('serves resources that are valid, the same ones for a seed', async () => {
    const source = given('valid');
    for (const stored of source.resources) {
      const body = source.body({ stored, version: 1, updatedAt: now, isDeleted: false });
      const errors = validate(JSON.parse(body) as AnyResource);
      assert.deepEqual(errors, [], body);
      assert.equal(bodyAt({ seed: 3, source: 7, index: stored.index }, 1, new Date(now).toISOString()), body);
    }
  });

  it('gives pages with links until all is there, and each resource once, while it changes', async () => {
    const source = given('paged');
    now += 1000;
    const found: string[] = [];
    for (let next: string | undefined = `${source.options.base}/Observation?_count=2`; next !== undefined;) {
      const bundle: Bundle = (await (await get(next)).json()) as Bundle;
      found.push(...resourcesOf([bundle]).map(({ id }) => id as string));
      next = bundle.link.find(({ relation }) => relation === 'next')?.url;
      // What is changed moves to the end, and is found there again.
      if (found.length === 2) source.change(4, (now += 1000));
    }
    assert.equal(found.length, 10);
    assert.equal(new Set(found).size, 9);
  });

  it('tells by _lastUpdated what changed, by its own clock, and in no other way to a source that is deaf', async () => {
    for (const [name, own, expected] of [
      ['right', {}, 1],
      ['ahead', { clockMs: 300_000 }, 1],
      ['deaf', { isDeafToLastUpdated: true }, 3],
    ] as const) {
      const source = given(name, own);
      now += 60_000;
      source.change(0, now);
      const since = new Date(source.clock(now - 1000)).toISOString();
      const response = await get(`${source.options.base}/Patient?_lastUpdated=ge${since}`);
      assert.equal(((await response.json()) as Bundle).total, expected, name);
      assert.equal(Date.parse(response.headers.get('date') ?? ''), source.clock(now), name);
    }
  });

  it('has a history, the newest first, deletions included', async () => {
    const source = given('history');
    source.change(4, (now += 1000));
    assert.equal(source.remove(4, (now += 1000)), true);
    assert.equal(source.remove(0, now), false);
    const read = await get(`${source.options.base}/Observation/o-4`);
    assert.equal(read.status, 410);
    const listed = await pages(`${source.options.base}/_history?_count=5`);
    const methods = listed.flatMap(({ entry }) => entry.map(({ request }) => request?.method));
    assert.deepEqual(methods.slice(0, 3), ['DELETE', 'PUT', 'POST']);
    assert.equal(methods.length, 23);
    const last = entries.at(-1);
    assert.deepEqual([last?.id, last?.version, last?.isDeleted], ['o-4', 3, true]);
  });

  it('given a commit that is late, then what it wrote is seen later, under the time it was written', async () => {
    const source = given('late', { lateMs: 5_000 });
    source.change(0, (now += 1000));
    const read = async () => ((await (await get(`${source.options.base}/Patient/p-0`)).json()) as AnyResource).meta;
    assert.equal((await read())?.versionId, '1');
    const at = new Date(now).toISOString();
    now += 5_000;
    assert.deepEqual(await read(), { versionId: '2', lastUpdated: at });
  });

  it('wants a password, or a token of its token server', async () => {
    const basic = given('basic', { auth: 'basic' });
    const header = (source: Source) => `Basic ${Buffer.from(`hub:${secretOf(source)}`).toString('base64')}`;
    const url = `${basic.options.base}/Patient`;
    assert.equal((await get(url)).status, 401);
    assert.equal((await get(url, { authorization: header(basic) })).status, 200);
    const oauth = given('oauth', { auth: 'client-secret' });
    const { token_endpoint: tokens } = (await (
      await get(`${oauth.options.base}/.well-known/smart-configuration`)
    ).json()) as { token_endpoint: string };
    const ask = (authorization: string) =>
      fetch(tokens, {
        method: 'POST',
        headers: { authorization },
        body: new URLSearchParams({ grant_type: 'client_credentials' }),
      });
    assert.equal((await ask(header(basic))).status, 401);
    const { access_token: token } = (await (await ask(header(oauth))).json()) as { access_token: string };
    const bearer = { authorization: `Bearer ${token}` };
    assert.equal((await get(`${oauth.options.base}/Patient`, bearer)).status, 200);
    assert.equal((await get(url, bearer)).status, 401);
    now += 301_000;
    assert.equal((await get(`${oauth.options.base}/Patient`, bearer)).status, 401);
  });

  it('exports in bulk: kick-off, status, files with the lines it promised, deletions since', async () => {
    const source = given('bulk');
    const { base } = source.options;
    const started = now;
    source.remove(5, (now += 1000));
    const kickOff = await get(`${base}/$export?_since=${new Date(started).toISOString()}`, { prefer: 'respond-async' });
    assert.equal(kickOff.status, 202);
    assert.equal((await get(`${base}/$export`)).status, 400);
    const status = kickOff.headers.get('content-location') ?? '';
    const waiting = await get(status);
    assert.equal(waiting.status, 202);
    assert.equal(waiting.headers.get('retry-after'), '1');
    now += 1000;
    const manifest = (await (await get(status)).json()) as Record<
      'output' | 'deleted',
      { type: string; url: string; count: number }[]
    >;
    assert.equal(
      manifest.output.reduce((sum, { count }) => sum + count, 0),
      20,
    );
    for (const { type, url, count } of manifest.output) {
      const lines = (await (await get(url)).text()).trimEnd().split('\n');
      assert.equal(lines.length, count);
      assert.ok(lines.every((line) => (JSON.parse(line) as AnyResource).resourceType === type));
    }
    const [gone] = manifest.deleted;
    assert.match(await (await get(gone?.url ?? '')).text(), /"DELETE","url":"Observation\/o-5"/);
    assert.equal((await fetch(status, { method: 'DELETE' })).status, 202);
    assert.equal((await get(status)).status, 404);
    assert.equal(server.kickOffs, 1);
  });

  it('given it is disturbed, then the answer ends in its middle', async () => {
    const source = given('cut');
    disturb = 'cut';
    await assert.rejects(get(`${source.options.base}/Condition`).then((response) => response.text()));
    disturb = undefined;
    assert.equal((await get(`${source.options.base}/Condition`)).status, 200);
  });

  it('flaps in every way a server is away, half of the time', () => {
    const flapping: Habits = { ...habits, manner: 'flaps', flapMs: 1000 };
    const ways = Array.from({ length: 20 }, (_, n) => absenceAt(flapping, 0, n * 1000));
    assert.equal(ways.filter((way) => way === undefined).length, 10);
    assert.deepEqual(new Set(ways), new Set([undefined, 'busy', 'page', 'reset', 'cut', 'failure']));
  });

  describe('a crowd of them', () => {
    const options: CrowdOptions = { ...crowdDefaults, seed: 5, count: 60, hanging: 7, flapping: 4, patients: 1 };

    it('has exactly as many that hang and flap as it was told, and changes of every kind', () => {
      const seen: ResourceEntry[] = [];
      const crowd = openCrowd(options, server, now, (entry) => seen.push(entry));
      const manners = crowd.sources.map((source) => source.options.habits.manner);
      assert.equal(manners.filter((manner) => manner === 'hangs').length, 7);
      assert.equal(manners.filter((manner) => manner === 'flaps').length, 4);
      const before = seen.length;
      assert.equal(before, (60 - 7) * 7);
      for (let n = 0; n < 300; n++) crowd.changeSomewhere(now + n);
      const after = seen.slice(before);
      assert.ok(after.some(({ isDeleted }) => isDeleted));
      assert.ok(after.some(({ version }) => version === 1) && after.some(({ version }) => version > 1));
      const again: ResourceEntry[] = [];
      const twin = openCrowd(options, server, now, (entry) => again.push(entry));
      for (let n = 0; n < 300; n++) twin.changeSomewhere(now + n);
      assert.deepEqual(again, seen);
    });
  });

  it('compares contents by what they say: not by id, meta, order or the name under which they are kept', () => {
    const source = `{"resourceType":"Observation","id":"a","meta":{"versionId":"1"},"status":"final",
      "subject":{"reference":"Patient/p"},"valueQuantity":{"value":1.50}}`;
    const kept = `{"status":"final","resourceType":"Observation","id":"b","subject":{"reference":"Patient/q"},
      "identifier":[{"system":"http://s/Observation","value":"a"}],"valueQuantity":{"value":1.50}}`;
    const digest = (text: string): string =>
      contentDigest(text, 'http://s/Observation', (reference) => (reference === 'Patient/q' ? 'Patient/p' : reference));
    assert.equal(digest(source), digest(kept));
    assert.notEqual(digest(source), digest(kept.replace('1.50', '1.5')));
    assert.notEqual(digest(source), digest(kept.replace('Patient/q', 'Patient/x')));
    assert.notEqual(digest(source), digest(kept.replace('"system":"http://s/', '"system":"http://t/')));
  });
});
