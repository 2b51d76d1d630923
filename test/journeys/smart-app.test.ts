/**
 * Journey: an app for patients, from its ticket to the end of its access, by the pages of docs/smart-app.md as printed, in a real
 * browser: fhirclient launches standalone with PKCE; the person signs in with a second factor, chooses whose record, and allows.
 */
import assert from 'node:assert/strict';
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';
import { totpCode } from '../../src/access/login/totp.ts';
import { sql } from '../../src/db/sql.ts';
import { nationalIdSystem } from '../../src/fhir/identifiers.ts';
import { enrolOn, openBrowser, password } from '../api/login/given-browser.ts';
import { chromiumOr, openContext, violations } from '../portal/browser.ts';
import { givenHub, type GivenHub } from '../given-hub.ts';
import { runHub } from '../hub-process.ts';
import { until } from '../until.ts';

const root = join(import.meta.dirname, '..', '..');
const run = promisify(execFile);
const nationalId = [{ system: nationalIdSystem, value: '11010519491231002X' }];

describe('journey: a SMART app launches standalone in a browser', function () {
  this.timeout(300_000);
  let hub: GivenHub;
  let folder: string;
  let app: string;
  let server: ChildProcess | undefined;
  let browser: Browser | undefined;
  let context: BrowserContext;
  let page: Page;
  let key: string;

  before(async function () {
    const executablePath = chromiumOr(this);
    hub = await givenHub();
    await givenFamily();
    const port = await freePort();
    app = `http://127.0.0.1:${port}/`;
    folder = await mkdtemp(join(tmpdir(), 'smart-app-'));
    await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
    await printed('js', ['register.mjs', 'app.mjs', 'serve.mjs']);
    await printed('html', ['index.html']);
    const scope = 'launch/patient openid fhirUser offline_access patient/*.rs';
    const ticket = await command('client', 'ticket', '--scope', scope);
    const env = { HUB: hub.url, APP: app, TICKET: ticket };
    await run(process.execPath, ['register.mjs'], { cwd: folder, env });
    server = spawn(process.execPath, ['serve.mjs'], { cwd: folder, env: { PORT: String(port) }, stdio: 'inherit' });
    browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
    context = await openContext(browser, { locale: 'en-GB' });
    page = await context.newPage();
    await untilItAnswers(app);
  });
  after(async () => {
    await browser?.close();
    server?.kill();
    await hub?.close();
    if (folder !== undefined) await rm(folder, { recursive: true });
  });

  const command = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await runHub(args, {
      env: { DATABASE_URL: hub.databaseUrl, HUB_PUBLIC_URL: hub.url },
    });
    assert.equal(code, 0, stderr);
    return stdout.trim();
  };

  /** Writes the blocks of the page that begin with the name of a file. */
  async function printed(language: string, names: readonly string[]): Promise<void> {
    const documentation = await readFile(join(root, 'docs', 'smart-app.md'), 'utf8');
    for (const name of names) {
      const first = language === 'js' ? `// ${name}` : `<!-- ${name} -->`;
      const start = documentation.indexOf(`\`\`\`${language}\n${first}\n`);
      assert.ok(start >= 0, name);
      const code = documentation.slice(start + language.length + 4, documentation.indexOf('```', start + 3));
      await writeFile(join(folder, name), code);
    }
  }

  /** A mother with a record of her own, and a child for whom she may act: the hospital says so. */
  async function givenFamily(): Promise<void> {
    const hospital = await hub.token('hospital');
    const write = async (body: { resourceType: string; id: string; [name: string]: unknown }): Promise<void> => {
      const { status, text } = await hub.send('PUT', `${body.resourceType}/${body.id}`, hospital, { body });
      assert.equal(status, 201, text);
    };
    const [name, child] = [
      { family: '王', given: ['芳'] },
      { family: '王', given: ['小明'] },
    ];
    const birthDate = new Date(Date.now() - 5 * 365 * 86_400_000).toISOString().slice(0, 10);
    await write({ resourceType: 'Patient', id: 'mother', name: [name], identifier: nationalId });
    await write({ resourceType: 'Patient', id: 'child', name: [child], birthDate });
    await write({
      resourceType: 'RelatedPerson',
      id: 'mother-of-child',
      patient: { reference: 'Patient/child' },
      identifier: nationalId,
      relationship: [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-RoleCode', code: 'MTH' }] }],
    });
    const invitation = await command('account', 'invite', 'Patient/mother');
    const code = /([0-9A-Z]{4}-){3}[0-9A-Z]{4}/.exec(invitation)?.[0] ?? '';
    ({ key } = await enrolOn(openBrowser(hub.url), code, 'wang.fang'));
  }

  /** A code is good once, and the one of this moment was used to set up the access. */
  async function signIn(): Promise<void> {
    await hub.database.query(sql`update account set totp_step = 0`);
    await page.getByLabel('Name').fill('wang.fang');
    await page.getByLabel('Password').fill(password);
    await page.getByLabel('Code from your app').fill(totpCode(key, Date.now()));
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  }

  it('the app sends the person to the hub, where they sign in first', async () => {
    await page.goto(app);
    await page.getByRole('button', { name: 'Open my record' }).click();
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    assert.equal(new URL(page.url()).origin, hub.url);
    await signIn();
    await page.getByRole('heading', { name: 'My little app asks for access' }).waitFor();
  });

  it('the page is readable by everybody (axe), and in three languages', async () => {
    // As it is styled, in a context that lets axe, a foreign script, run.
    const storageState = await context.storageState();
    const open = await openContext(browser as Browser, { bypassCSP: true, locale: 'en-GB', storageState });
    const copy = await open.newPage();
    await copy.goto(page.url());
    await copy.getByRole('heading', { name: 'My little app asks for access' }).waitFor();
    assert.deepEqual(await violations(copy), []);
    await open.close();
    for (const [link, heading] of [
      ['中文', '“My little app”请求访问'],
      ['Deutsch', 'My little app bittet um Zugriff'],
      ['English', 'My little app asks for access'],
    ] as const) {
      await page.getByRole('link', { name: link }).click();
      await page.getByRole('heading', { name: heading }).waitFor();
    }
  });

  it('none of several patients is chosen for them; they choose the child, and come back to the app, which reads', async () => {
    await page.getByText('up to a year').waitFor();
    assert.equal(await page.getByRole('radio', { checked: true }).count(), 0);
    await page.getByLabel('王小明').check();
    await page.getByRole('button', { name: 'Allow', exact: true }).click();
    await page.waitForURL((url) => url.href.startsWith(app));
    await page.locator('#name', { hasText: '王 小明' }).waitFor();
    await page.getByText('read as RelatedPerson/mother-of-child').waitFor();
  });

  it('the refresh token gets a new access token, and that one reads', async () => {
    await page.getByRole('button', { name: 'Refresh the token' }).click();
    await page.getByText('the token is new').waitFor();
    await page.getByRole('button', { name: 'Read again' }).click();
    await page.getByText('read as').waitFor();
  });

  it('revoked, and the next read is refused', async () => {
    await page.getByRole('button', { name: 'End the access' }).click();
    await page.getByText('the access has ended').waitFor();
    await page.getByRole('button', { name: 'Read again' }).click();
    await page.locator('#message', { hasText: /401|Unauthorized|expired/i }).waitFor();
  });

  it('a second launch asks again, although the person is still signed in; they choose themselves', async () => {
    await page.goto(app);
    await page.getByRole('button', { name: 'Open my record' }).click();
    await page.getByLabel('王芳').check();
    await page.getByRole('button', { name: 'Allow', exact: true }).click();
    await page.locator('#name', { hasText: '王 芳' }).waitFor();
    await page.getByText('read as Patient/mother').waitFor();
  });

  it('no is an answer, which the app hears', async () => {
    await page.goto(app);
    await page.getByRole('button', { name: 'Open my record' }).click();
    // Nobody need be chosen for a no.
    await page.getByRole('button', { name: 'Do not allow' }).click();
    await page.locator('#message', { hasText: 'access_denied' }).waitFor();
    assert.equal(await page.locator('#name').textContent(), '');
  });
});

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => probe.once('listening', resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

async function untilItAnswers(url: string): Promise<void> {
  await until(`something answers at ${url}`, async () => (await fetch(url).catch(() => undefined))?.ok === true);
}
