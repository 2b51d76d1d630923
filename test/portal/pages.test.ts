/** The pages in a real browser against the hub of the demo: what a patient does, and what an operator sees. */
import { readFileSync } from 'node:fs';
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';
import { launcher } from '../hub-process.ts';
import { chromiumOr, openContext, violations } from './browser.ts';

describe('pages in a browser', function () {
  // axe reads every element of long tables; beside other tests that takes a while.
  this.timeout(300_000);
  let demo: ChildProcess;
  let urls: { portal: string; console: string };
  let signedIn: Awaited<ReturnType<BrowserContext['storageState']>>;
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  const faults: string[] = [];

  before(async function () {
    const executablePath = chromiumOr(this);
    let account: Account;
    ({ demo, urls, account } = await startDemo());
    browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
    // Once for all tests: a code is good once.
    const first = await openContext(browser, { locale: 'en-GB' });
    await signIn(await first.newPage(), account, urls.portal);
    signedIn = await first.storageState();
    await first.close();
  });
  beforeEach(async () => {
    // The pages forbid foreign scripts; axe is one, so it runs in a context of its own (see `violations`).
    context = await openContext(browser, { locale: 'en-GB', timezoneId: 'Asia/Shanghai', storageState: signedIn });
    page = await context.newPage();
    page.on('pageerror', (error) => faults.push(error.message));
    page.on('console', (message) => message.type() === 'error' && faults.push(message.text()));
  });
  afterEach(async () => {
    await context.close();
    assert.deepEqual(faults.splice(0), []);
  });
  after(async () => {
    await browser?.close();
    if (demo === undefined) return;
    demo.kill('SIGINT');
    const code = await new Promise((resolve) => demo.once('exit', resolve));
    assert.equal(code, 0, 'Ctrl-C ends the demo with 0');
  });

  it('the token is in memory alone: no page can read the cookie, and nothing is stored', async () => {
    await page.goto(urls.portal);
    await page.getByRole('heading', { name: 'Who may see' }).waitFor();
    assert.equal(page.url().includes('token'), false);
    const kept = await page.evaluate('[document.cookie, localStorage.length, sessionStorage.length].join()');
    assert.equal(kept, ',0,0');
    await page.reload();
    await page.getByRole('heading', { name: 'Who may see' }).waitFor();
  });

  it('a token in the address signs nobody in', async () => {
    const stranger = await openContext(browser, { locale: 'en-GB' });
    page = await stranger.newPage();
    await page.goto(`${urls.portal}#token=a.b.c`);
    await page.getByRole('link', { name: 'Sign in' }).waitFor();
    await stranger.close();
  });

  it('the patient allows, narrows and stops, by keyboard alone', async () => {
    await page.goto(urls.portal);
    await page.getByRole('button', { name: 'Allow someone' }).press('Enter');
    await page.getByLabel('Who may see your records?').selectOption('Organization/ai-health-manager');
    await page.getByLabel('Laboratory results').press('Space');
    await page.getByLabel('Diagnoses').press('Space');
    await page.getByRole('button', { name: 'What would this mean?' }).press('Enter');
    await page
      .getByText(/may see for your care and health advice, until .*: Laboratory results, Diagnoses and Who you are/)
      .waitFor();
    await page.getByRole('button', { name: 'Allow', exact: true }).press('Enter');
    await page
      .getByRole('status')
      .getByText(/AI health manager may now see: Laboratory results, Diagnoses/)
      .waitFor();

    const card = page.getByRole('listitem').filter({ has: page.getByRole('heading', { name: 'AI health manager' }) });
    await card.first().getByRole('button', { name: 'Change' }).press('Enter');
    await page.getByLabel('Diagnoses').press('Space');
    await page.getByRole('button', { name: 'Save the change' }).press('Enter');
    await page
      .getByRole('status')
      .getByText(/Changed\. AI health manager may now see: Laboratory results and Who/)
      .waitFor();

    await card.first().getByRole('button', { name: 'Stop now' }).press('Enter');
    await page.getByRole('status').getByText('AI health manager can no longer see anything').waitFor();
  });

  it('who is asked reads what it would mean, grants less, and sees it among the permissions', async () => {
    await page.goto(urls.portal);
    await page.getByText('Somebody asks you for a permission (1).').waitFor();
    await page.getByRole('button', { name: 'Read what is asked' }).press('Enter');
    const card = page
      .getByRole('listitem')
      .filter({ has: page.getByRole('heading', { name: 'Research institute (research-institute)' }) });
    await card.getByText('We study how diabetes develops over years.').waitFor();
    await card
      .getByText(
        /Research institute \(research-institute\) may see for research, until .*: Laboratory results and Diagnoses;/,
      )
      .waitFor();
    await card.getByText('Copies are promised to be erased within 90 days after it ends.').waitFor();
    await card.getByText('Grant less').press('Enter');
    await card.getByLabel('Laboratory results').press('Space');
    await card.getByText(/may see for research, until .*: Diagnoses;/).waitFor();
    await card.getByRole('button', { name: 'Grant', exact: true }).press('Enter');
    await page
      .getByRole('status')
      .getByText('Research institute (research-institute) has the permission now.')
      .waitFor();
    const permission = page
      .getByRole('listitem')
      .filter({ has: page.getByRole('heading', { name: 'Research institute (research-institute)' }) });
    assert.match((await permission.first().textContent()) ?? '', /Diagnoses/);
    assert.doesNotMatch((await permission.first().textContent()) ?? '', /Laboratory/);
    assert.equal(await page.getByText('Somebody asks you').count(), 0);
  });

  it('given a form that is not complete, then the first wrong field has the focus and its reason', async () => {
    await page.goto(urls.portal);
    await page.getByRole('link', { name: 'Allow someone' }).click();
    await page.getByLabel('Who may see your records?').selectOption('other');
    await page.getByRole('button', { name: 'Allow', exact: true }).click();
    const field = page.getByLabel('Identifier of the organization');
    assert.equal(await page.evaluate('document.activeElement.id'), await field.getAttribute('id'));
    assert.match((await field.getAttribute('aria-describedby')) ?? '', /reference-error/);
  });

  it('shows results with the digits, range and hospital they came with', async () => {
    await page.goto(urls.portal);
    await page.getByRole('link', { name: 'My records' }).click();
    const glucose = page.getByRole('row').filter({ hasText: '葡萄糖' });
    await glucose.waitFor();
    assert.match((await glucose.textContent()) ?? '', /8\.30 mmol\/L high.*3\.9-6\.1.*HOSPB/);
    await page.getByText('Records: 15').waitFor();
    const corrected = page.getByRole('row').filter({ hasText: '糖化血红蛋白' });
    assert.match((await corrected.textContent()) ?? '', /7\.4 %.*corrected/);
  });

  it('everything can be taken away, as a file: every version, and who looked', async () => {
    await page.goto(urls.portal);
    await page.getByRole('link', { name: 'Export or erase' }).click();
    const [file] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'Take everything away' }).click(),
    ]);
    assert.equal(file.suggestedFilename(), 'my-record.ndjson');
    const text = readFileSync(await file.path(), 'utf8');
    const types = new Set(
      text
        .trimEnd()
        .split('\n')
        .map((line) => (JSON.parse(line) as { resourceType: string }).resourceType),
    );
    for (const type of ['Parameters', 'Patient', 'Observation', 'Consent', 'AuditEvent'])
      assert.ok(types.has(type), type);
  });

  it('shows who looked, why, and by which permission or that there was none', async () => {
    await page.goto(urls.portal);
    await page.getByRole('link', { name: 'Who looked' }).click();
    const lines = page.getByRole('row').filter({ hasText: 'AI health manager' });
    await lines.first().waitFor();
    const texts = await lines.allTextContents();
    assert.ok(texts.some((text) => /your care and health advice.*nothing shown.*no permission of yours/.test(text)));
    assert.ok(texts.some((text) => /Laboratory results.*allowed.*by your permission of .*ended since/.test(text)));
    assert.equal(
      await page
        .getByRole('row')
        .filter({ hasText: /^.*You\b/ })
        .count(),
      0,
    );
    await page.getByLabel('Show my own visits too').check();
    await page.getByRole('row').filter({ hasText: 'it is yours' }).first().waitFor();
  });

  it('speaks the language that is chosen, and says which one to assistive technology', async () => {
    await page.goto(urls.portal);
    await page.getByRole('heading', { name: 'Who may see' }).waitFor();
    await page.getByLabel('Language').selectOption('zh');
    await page.getByRole('heading', { name: '谁能看' }).waitFor();
    assert.equal(await page.getAttribute('html', 'lang'), 'zh');
  });

  it('the console shows the fate of each message', async () => {
    await page.goto(urls.console);
    await page.getByRole('row').filter({ hasText: 'DEMO-001' }).getByText('processed').waitFor();
    await page.getByLabel('Fate').selectOption('quarantined');
    await page.getByRole('button', { name: 'Show', exact: true }).click();
    await page.getByText('No message fits.').waitFor();
  });

  it('the console shows what a message would become', async () => {
    await page.goto(urls.console);
    await page.getByRole('link', { name: 'Try a message' }).click();
    const text = 'MSH|^~\\&|A|HOSPA|||20260101||ADT^A01|1|P|2.5\nPID|1||42^^^HOSPA^MR||Doe^Jane\nPV1|1|I';
    await page.getByLabel('HL7v2 message').fill(text);
    await page.getByRole('button', { name: 'Convert' }).click();
    await page.getByText('"resourceType": "Bundle"').waitFor();
  });

  for (const colorScheme of ['light', 'dark'] as const) {
    it(`has no violation of WCAG 2.2 AA that axe finds (${colorScheme})`, async () => {
      const strict = await openContext(browser, { colorScheme, locale: 'en-GB', bypassCSP: true });
      page = await strict.newPage();
      const found: Record<string, string[]> = {};
      await page.goto(urls.portal);
      await page.getByRole('link', { name: 'Sign in' }).waitFor();
      found['sign in'] = await violations(page);
      await strict.addCookies(signedIn.cookies);
      await page.reload();
      for (const view of [
        'Who may see',
        'Asked of you',
        'Allow someone',
        'My records',
        'Who looked',
        'Export or erase',
      ]) {
        await page.getByRole('link', { name: view }).click();
        await page.getByText('Loading').waitFor({ state: 'detached' });
        found[view] = await violations(page);
      }
      await page.goto(urls.console);
      await page.getByRole('table').waitFor();
      found['console'] = await violations(page);
      await strict.close();
      assert.deepEqual(Object.values(found).flat(), []);
    });
  }

  it('fits a narrow screen without scrolling sideways', async () => {
    await page.setViewportSize({ width: 320, height: 700 });
    await page.goto(urls.portal);
    for (const view of [
      'Who may see',
      'Asked of you',
      'Allow someone',
      'My records',
      'Who looked',
      'Export or erase',
    ]) {
      await page.getByRole('link', { name: view }).click();
      await page.getByText('Loading').waitFor({ state: 'detached' });
      assert.equal(await page.evaluate('document.documentElement.scrollWidth'), 320, view);
    }
  });
});

interface Account {
  readonly login: string;
  readonly password: string;
  readonly code: string;
}

/** As the demo tells its reader to. */
async function signIn(page: Page, { login, password, code }: Account, portal: string): Promise<void> {
  await page.goto(portal);
  await page.getByRole('link', { name: 'Sign in' }).click();
  await page.getByLabel('Name').fill(login);
  await page.getByLabel('Password').fill(password);
  await page.getByLabel('Code from your app').fill(code);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { name: 'Who may see' }).waitFor();
}

interface Demo {
  readonly demo: ChildProcess;
  readonly urls: { portal: string; console: string };
  readonly account: Account;
}

async function startDemo(): Promise<Demo> {
  const foreign = Object.entries(process.env).filter(([name]) => !/^(HUB_|DATABASE_URL$|NODE_V8_COVERAGE$)/.test(name));
  const demo = spawn(process.execPath, [launcher, 'demo'], {
    env: { ...Object.fromEntries(foreign), HUB_PORT: '0', HUB_MLLP_PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  demo.stdout.setEncoding('utf8');
  await new Promise<void>((resolve, reject) => {
    demo.once('exit', (code) => reject(new Error(`the demo ended with ${code}:\n${text}`)));
    demo.stdout.on('data', (chunk: string) => {
      text += chunk;
      if (text.includes('Ctrl-C')) resolve();
    });
  });
  const found = (pattern: RegExp): string => pattern.exec(text)?.[1] ?? '';
  return {
    demo,
    urls: { portal: found(/(http\S+\/portal\/)/), console: found(/(http\S+\/console#token=\S+)/) },
    account: {
      login: found(/^ +name +(\S+)$/m),
      password: found(/^ +password +(.+)$/m),
      code: found(/^ +code +(\S+)/m),
    },
  };
}
