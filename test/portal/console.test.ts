/** The operations console in a browser, on a hub with messages that were processed and some that were not. */
import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import { connectMllp } from '../../adapters/hl7v2/client.ts';
import { sql } from '../../src/db/sql.ts';
import { addEndpoint } from '../../src/ingest/endpoint.ts';
import { givenHub, type GivenHub } from '../given-hub.ts';
import { until } from '../until.ts';
import { givenPages, openContext, violations } from './browser.ts';

const admission = (id: string, patient: string, event: string): Buffer =>
  Buffer.from(
    [
      `MSH|^~\\&|HIS|WARD|HUB|HUB|20260301080000+0800||${event}|${id}|P|2.5.1`,
      `PID|1||${patient}^^^WARD^MR||Canary<b>^Jane||19800101|F`,
      'PV1|1|I',
    ].join('\r'),
  );
const sections = ['Messages', 'Errors', 'Sources', 'Endpoints', 'Try a message'];

describe('the operations console in a browser', function () {
  this.timeout(300_000);
  let hub: GivenHub;
  const pages = givenPages();
  let page: Page;

  before(async () => {
    hub = await givenHub();
    await addEndpoint(hub.database, {
      name: 'ward',
      kind: 'hl7v2-mllp',
      organization: 'Organization/ward',
      facilities: ['WARD'],
    });
    const mllp = connectMllp({ host: '127.0.0.1', port: hub.mllpPort });
    await mllp.send(admission('GOOD-1', 'MR1', 'ADT^A01'));
    await mllp.send(admission('BAD-1', 'MR1', 'ADT^Z99'));
    await mllp.send(admission('BAD-2', 'MR2', 'ADT^Z99'));
    mllp.destroy();
    await until('their fate is known', async () => {
      const rows = await hub.database.query(sql`select from message where status in (1, 2)`);
      return rows.length === 3;
    });
  });
  after(async () => {
    await hub?.close();
  });
  beforeEach(() => {
    ({ page } = pages);
  });

  const open = async (role: 'operator' | 'analyst' | 'auditor', on = page): Promise<void> => {
    const token = await hub.token('operator', { client_id: role, ops_role: role });
    await on.goto(`${hub.url}/console#token=${token}`);
    await on.getByRole('table').waitFor();
  };
  /** The former view stays until the next one has what it shows. */
  const section = async (name: string, on = page): Promise<void> => {
    await on.getByRole('navigation').getByRole('link', { name }).click();
    await on.getByRole('heading', { name, level: 2 }).waitFor();
  };

  it('a message is found by an identifier of its patient, which stands in no address', async () => {
    const addresses: string[] = [];
    page.on('request', (request) => addresses.push(request.url()));
    await open('auditor');
    await page.getByLabel('Identifier of the patient').fill('MR2');
    await page.getByRole('button', { name: 'Show', exact: true }).click();
    await page.getByText('Messages shown: 1').waitFor();
    await page.getByRole('row').filter({ hasText: 'BAD-2' }).getByText('in quarantine').waitFor();
    assert.deepEqual(
      addresses.filter((address) => address.includes('MR2')),
      [],
    );
  });

  it('by keyboard alone: a message, what happened to it, and its content for an analyst who says what for', async () => {
    await open('analyst');
    await page.getByRole('button', { name: 'Open message GOOD-1' }).press('Enter');
    await page.getByRole('heading', { name: 'Message', exact: true }).waitFor();
    await page.getByRole('row').filter({ hasText: 'Received' }).or(page.getByText('received')).first().waitFor();
    await page.getByRole('button', { name: 'Show the content' }).press('Enter');
    await page.getByText('Say in at least 10 characters').waitFor();
    assert.equal(await page.evaluate('document.activeElement.id'), 'reason');
    assert.equal(await page.getByText('Canary').count(), 0);
    await page.getByLabel('What do you need the content for?').fill('Ticket 1: the name is wrong.');
    await page.getByRole('button', { name: 'Show the content' }).press('Enter');
    // As text: nothing that a hospital sends becomes markup.
    await page.getByText('PID|1||MR1^^^WARD^MR||Canary<b>^Jane').waitFor();
    await page.getByText('Fields', { exact: true }).press('Enter');
    await page.getByRole('row').filter({ hasText: 'PID-3' }).getByText('MR1^^^WARD^MR').waitFor();
    await page.getByText(/The Bundle it becomes/).press('Enter');
    await page.getByText('"resourceType": "Bundle"').waitFor();
    await page.getByRole('button', { name: 'Back to the messages' }).press('Enter');
    await page.getByRole('heading', { name: 'Messages' }).waitFor();
    assert.equal(await page.getByText('Canary').count(), 0, 'gone with the view');
  });

  it('an operator is told that content is for another role', async () => {
    await open('operator');
    await page.getByRole('button', { name: 'Open message GOOD-1' }).click();
    await page.getByLabel('What do you need the content for?').fill('I would like to look at it.');
    await page.getByRole('button', { name: 'Show the content' }).click();
    await page.getByText('Your role does not cover this').waitFor();
    assert.equal(await page.getByText('Canary').count(), 0);
  });

  it('errors are grouped by cause; a replay says what it would do, then does it, and is listed', async () => {
    await open('analyst');
    await section('Errors');
    const cause = page.getByRole('row').filter({ hasText: 'event Z99 of ADT' });
    await cause.waitFor();
    assert.equal(await cause.getByRole('cell').nth(2).textContent(), '2');
    await cause.getByRole('button', { name: /^Messages/ }).click();
    await page.getByText('Messages shown: 2').waitFor();
    await section('Errors');
    await cause.getByRole('button', { name: /^Replay/ }).click();
    await page.getByText('2 messages match; with what came after them, 2 of 2 patients run again.').waitFor();
    await page.getByLabel('Or they are not needed, because').waitFor();
    await page.getByLabel('Messages a second').fill('50');
    await page.getByRole('button', { name: 'Begin the replay' }).click();
    await page.getByText(/Replay \d+ has begun/).waitFor();
    await until('it is done', async () => {
      await page.getByRole('button', { name: 'Look again' }).click();
      return (await page.getByRole('region', { name: 'Replays' }).getByText('done', { exact: true }).count()) === 1;
    });
    await page.getByRole('region', { name: 'Replays' }).getByText('2 / 2').waitFor();
  });

  it('an auditor may not replay, and is told so', async () => {
    await open('auditor');
    await section('Errors');
    await page
      .getByRole('button', { name: /^Replay/ })
      .first()
      .click();
    await page.getByText('Your role does not cover this').waitFor();
  });

  it('sources are shown with how they are doing; an operator pauses an endpoint and resumes it', async () => {
    await open('operator');
    await section('Sources');
    await page.getByRole('row').filter({ hasText: 'ward' }).waitFor();
    await section('Endpoints');
    const ward = page.getByRole('row').filter({ hasText: 'ward' });
    await ward.getByText('live', { exact: true }).waitFor();
    await ward.getByRole('button', { name: /^Pause/ }).click();
    await page.getByText('ward: paused').waitFor();
    await ward.getByRole('button', { name: /^Resume/ }).click();
    await page.getByText('ward: live').waitFor();
  });

  it('speaks three languages', async () => {
    await open('auditor');
    await section('Errors');
    await page.getByLabel('Language').selectOption('zh');
    await page.getByRole('heading', { name: '错误' }).waitFor();
    await page.getByLabel('语言').selectOption('de');
    await page.getByRole('heading', { name: 'Fehler' }).waitFor();
    assert.equal(await page.getAttribute('html', 'lang'), 'de');
  });

  it('fits a narrow screen without scrolling sideways', async () => {
    await page.setViewportSize({ width: 320, height: 700 });
    await open('analyst');
    for (const name of sections) {
      await section(name);
      assert.equal(await page.evaluate('document.documentElement.scrollWidth'), 320, name);
    }
  });

  for (const colorScheme of ['light', 'dark'] as const) {
    it(`has no violation of WCAG 2.2 AA that axe finds (${colorScheme})`, async () => {
      // The pages forbid foreign scripts; axe is one.
      const strict = await openContext(pages.browser, { colorScheme, locale: 'en-GB', bypassCSP: true });
      const other = await strict.newPage();
      const found: Record<string, string[]> = {};
      await open('analyst', other);
      for (const name of sections) {
        await section(name, other);
        found[name] = await violations(other);
      }
      await section('Messages', other);
      await other.getByRole('button', { name: 'Open message GOOD-1' }).click();
      await other.getByLabel('What do you need the content for?').fill('To look for violations.');
      await other.getByRole('button', { name: 'Show the content' }).click();
      await other.getByText(/The Bundle it becomes/).click();
      found['message'] = await violations(other);
      await strict.close();
      assert.deepEqual(found, Object.fromEntries(Object.keys(found).map((name) => [name, []])));
    });
  }
});
