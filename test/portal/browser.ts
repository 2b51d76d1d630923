/** A Chromium for tests of pages, a page for each test, and what axe finds in one. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { chromium, type Browser, type BrowserContext, type BrowserContextOptions, type Page } from 'playwright-core';

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

/** Says once why the tests of this suite do not run. */
export function chromiumOr(suite: Mocha.Context): string {
  if (executablePath !== undefined) return executablePath;
  console.log('    skipped: no Chromium found (install one, or set CHROMIUM to its path)');
  return suite.skip();
}

/** What a page is waited for, as other things are (until.ts). */
const actionMsMax = 110_000;

export async function openContext(browser: Browser, options: BrowserContextOptions): Promise<BrowserContext> {
  const context = await browser.newContext(options);
  context.setDefaultTimeout(actionMsMax);
  return context;
}

/** Of the suite that calls it: a browser, and for each test a page of its own in which no script may fail. */
export interface Pages {
  readonly browser: Browser;
  readonly context: BrowserContext;
  readonly page: Page;
}

/** Called before the hooks of the suite, which is skipped where there is no browser. */
export function givenPages(): Pages {
  let [browser, context, page]: [Browser?, BrowserContext?, Page?] = [];
  const faults: string[] = [];
  before(async function () {
    browser = await chromium.launch({ executablePath: chromiumOr(this), args: ['--no-sandbox'] });
  });
  after(() => browser?.close());
  beforeEach(async () => {
    context = await openContext(browser as Browser, { locale: 'en-GB', timezoneId: 'Asia/Shanghai' });
    page = await context.newPage();
    page.on('pageerror', (error) => faults.push(error.message));
  });
  afterEach(async () => {
    await context?.close();
    assert.deepEqual(faults.splice(0), []);
  });
  return {
    get browser() {
      return browser as Browser;
    },
    get context() {
      return context as BrowserContext;
    },
    get page() {
      return page as Page;
    },
  };
}

/** The page must be one of a context that bypasses the content policy: axe is a foreign script. */
export async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  const run = `axe.run(document, ${JSON.stringify({ runOnly: wcag })})`;
  const result = await page.evaluate<{ violations: { id: string; nodes: { target: string[] }[] }[] }>(run);
  return result.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(' ')).join(', ')}`);
}
