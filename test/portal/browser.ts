/** A Chromium for tests of pages, and what axe finds in one. */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core';

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

/** The page must be one of a context that bypasses the content policy: axe is a foreign script. */
export async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  const run = `axe.run(document, ${JSON.stringify({ runOnly: wcag })})`;
  const result = await page.evaluate<{ violations: { id: string; nodes: { target: string[] }[] }[] }>(run);
  return result.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(' ')).join(', ')}`);
}
