/** The pages in a real browser against the hub of the demo: what a patient does, and what an operator sees. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';
import { launcher } from '../hub-process.ts';

const candidates = [
  process.env['CHROMIUM'],
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];
const executablePath = candidates.find((path) => path !== undefined && existsSync(path));
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const wcag = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
/** The demo's story is told before the pages are opened. */
const readyMsMax = 90_000;

describe('pages in a browser', function () {
  // axe reads every element of long tables; beside other tests that takes a while.
  this.timeout(120_000);
  let demo: ChildProcess;
  let urls: { portal: string; console: string };
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  const faults: string[] = [];

  before(async function () {
    if (executablePath === undefined) {
      console.log('    skipped: no Chromium found (install one, or set CHROMIUM to its path)');
      this.skip();
    }
    this.timeout(readyMsMax);
    ({ demo, urls } = await startDemo());
    browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  });
  beforeEach(async () => {
    // The pages forbid foreign scripts; axe is one, so it runs in a context of its own (see `violations`).
    context = await browser.newContext({ locale: 'en-GB', timezoneId: 'Asia/Shanghai' });
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

  it('the token leaves the address bar at once and is stored nowhere', async () => {
    await page.goto(urls.portal);
    await page.getByRole('heading', { name: 'Who may see' }).waitFor();
    assert.equal(page.url().includes('token'), false);
    const kept = await page.evaluate('[document.cookie, localStorage.length, sessionStorage.length].join()');
    assert.equal(kept, ',0,0');
    await page.reload();
    await page.getByLabel('Access token').waitFor();
  });

  it('given no token of a patient, then it says so beside the field', async () => {
    await page.goto(urls.portal.replace(/#.*/, ''));
    await page.getByLabel('Access token').fill('"nonsense"');
    await page.getByRole('button', { name: 'Open' }).click();
    await page.getByText('not an access token of a patient').waitFor();
    assert.equal(await page.getByLabel('Access token').getAttribute('aria-invalid'), 'true');
  });

  it('the patient allows, narrows and stops, by keyboard alone', async () => {
    await page.goto(urls.portal);
    await page.getByRole('button', { name: 'Allow someone' }).press('Enter');
    await page.getByLabel('Who may see your records?').selectOption('Organization/ai-health-manager');
    await page.getByLabel('Laboratory results').press('Space');
    await page.getByLabel('Diagnoses').press('Space');
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
    await page.getByText('15 records').waitFor();
    const corrected = page.getByRole('row').filter({ hasText: '糖化血红蛋白' });
    assert.match((await corrected.textContent()) ?? '', /7\.4 %.*corrected/);
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
      const strict = await browser.newContext({ colorScheme, locale: 'en-GB', bypassCSP: true });
      page = await strict.newPage();
      const found: Record<string, string[]> = {};
      await page.goto(urls.portal.replace(/#.*/, ''));
      found['sign in'] = await violations(page);
      await page.goto(urls.portal);
      for (const view of ['Who may see', 'Allow someone', 'My records', 'Who looked']) {
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
    for (const view of ['Who may see', 'Allow someone', 'My records', 'Who looked']) {
      await page.getByRole('link', { name: view }).click();
      await page.getByText('Loading').waitFor({ state: 'detached' });
      assert.equal(await page.evaluate('document.documentElement.scrollWidth'), 320, view);
    }
  });
});

async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  const run = `axe.run(document, ${JSON.stringify({ runOnly: wcag })})`;
  const result = await page.evaluate<{ violations: { id: string; nodes: { target: string[] }[] }[] }>(run);
  return result.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(' ')).join(', ')}`);
}

async function startDemo(): Promise<{ demo: ChildProcess; urls: { portal: string; console: string } }> {
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
  const urlOf = (name: string): string => new RegExp(`http\\S+/${name}#token=\\S+`).exec(text)?.[0] ?? '';
  return { demo, urls: { portal: urlOf('portal'), console: urlOf('console') } };
}
