/** Journey: a service of its own, from its first key to a patient's record, by the examples of docs/authorization.md as printed. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { givenConsent } from '../given-consent.ts';
import { given } from '../given.ts';
import { givenHub, type GivenHub } from '../given-hub.ts';
import { runHub } from '../hub-process.ts';

const root = join(import.meta.dirname, '..', '..');
const run = promisify(execFile);

describe('journey: a backend service gets its token and reads by consent', function () {
  this.timeout(300_000);
  let hub: GivenHub;
  let folder: string;
  let patient: string;
  let documentation: string;
  let token: string;

  before(async () => {
    hub = await givenHub();
    documentation = await readFile(join(root, 'docs', 'authorization.md'), 'utf8');
    folder = await mkdtemp(join(tmpdir(), 'service-'));
    await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
    const created = await hub.send('POST', 'Patient', await hub.token('hospital'), { body: given.patient() });
    patient = String(created.json['id']);
  });
  after(async () => {
    await hub.close();
    await rm(folder, { recursive: true });
  });

  /** Runs the block that begins with the name of this file. */
  const example = async (name: string): Promise<string> => {
    const [, code] = new RegExp(`\`\`\`js\n// ${name}\n(.*?)\`\`\``, 's').exec(documentation) ?? [];
    assert.ok(code, name);
    await writeFile(join(folder, name), code);
    return (await run(process.execPath, [name], { cwd: folder, env: { FHIR_BASE: hub.fhir } })).stdout;
  };
  const client = (...args: string[]): ReturnType<typeof runHub> =>
    runHub(['client', ...args], { env: { DATABASE_URL: hub.databaseUrl, HUB_PUBLIC_URL: hub.url } });
  const askForToken = async (): Promise<Record<string, unknown>> =>
    JSON.parse(await example('token.mjs')) as Record<string, unknown>;

  it('before it is registered it gets none', async () => {
    await example('keys.mjs');
    assert.equal((await askForToken())['error'], 'invalid_client');
  });

  it('the operator registers it with its public key, by the command as printed', async () => {
    const [, line = ''] = /npx hub client (add .*)\n/.exec(documentation) ?? [];
    const args = line.replace('jwks.json', join(folder, 'jwks.json')).split(' ');
    const { code, stdout, stderr } = await client(...args.map((arg) => arg.replaceAll("'", '')));
    assert.equal(code, 0, stderr);
    const registered = JSON.parse(stdout) as Record<string, unknown>;
    assert.deepEqual(
      [registered['id'], registered['purposes'], registered['isActive']],
      ['assistant', ['TREAT'], true],
    );
    assert.doesNotMatch(stdout, /"(x|y|d)":/, 'keys by their ids');
  });

  it('it gets a token, and without consent sees nothing', async () => {
    token = String((await askForToken())['access_token']);
    assert.equal((await hub.send('GET', `Patient/${patient}`, token)).status, 404);
  });

  it('the patient consents to its organization, and it reads', async () => {
    const self = await hub.token('patient', { fhirUser: `Patient/${patient}`, patient });
    const consent = givenConsent(patient, 'Organization/assistant');
    assert.equal((await hub.send('POST', 'Consent', self, { body: consent })).status, 201);
    assert.equal((await hub.send('GET', `Patient/${patient}`, token)).status, 200);
    const log = await hub.send('GET', `AuditEvent?patient=Patient/${patient}`, self);
    assert.match(log.text, /Device\/assistant|"assistant"/);
  });

  it('its scope is what it asked for and no more', async () => {
    assert.equal((await hub.send('GET', `Condition?patient=Patient/${patient}`, token)).status, 403);
    assert.equal((await hub.send('POST', 'Patient', token, { body: given.patient() })).status, 403);
  });

  it('the operator sees it, disables it, and it gets no other', async () => {
    const listed = await client('list');
    assert.match(listed.stdout, /"id":"assistant"/);
    assert.equal((await client('disable', 'assistant')).code, 0);
    assert.equal((await askForToken())['error'], 'invalid_client');
    const shown = JSON.parse((await client('show', 'assistant')).stdout) as Record<string, unknown>;
    assert.equal(shown['isActive'], false);
    assert.equal((await hub.send('GET', `Patient/${patient}`, token)).status, 403);
    const unknown = await client('disable', 'nobody');
    assert.deepEqual([unknown.code, unknown.stderr.includes('no such client')], [1, true]);
  });
});
