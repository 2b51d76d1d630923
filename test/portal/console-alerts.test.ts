/** The console's alerts in a browser: what a watch of this test found, at times the test says. */
import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import { sql } from '../../src/db/sql.ts';
import { givenHub, type GivenHub } from '../given-hub.ts';
import { after as minutesAfter, givenWatch, type WatchWorld } from '../watch/given.ts';
import { givenPages, openContext, violations } from './browser.ts';

describe('alerts in the console', function () {
  this.timeout(300_000);
  let hub: GivenHub;
  let world: WatchWorld;
  const pages = givenPages();
  let page: Page;
  const now = new Date();

  before(async () => {
    // No role `scheduler`: nobody else looks.
    hub = await givenHub({ HUB_ROLES: 'api' });
    world = await givenWatch(hub);
    await givenAlerts();
  });
  after(async () => {
    await world?.close();
    await hub?.close();
  });
  beforeEach(() => {
    ({ page } = pages);
  });

  const allow = async (name: string, allowed: string): Promise<void> => {
    const operator = await hub.token('operator');
    const { status } = await hub.send('PUT', `/ops/endpoints/${name}/silence`, operator, { body: { allow: allowed } });
    assert.equal(status, 200);
  };
  /** `ward` and `icu` are silent and told of, `lab` was, `er` fails, and five of one network fell silent together. */
  async function givenAlerts(): Promise<void> {
    const rounds = async (from: number, to: number): Promise<void> => {
      for (let minute = from; minute <= to; minute += 4) await world.round(minutesAfter(minute, now));
    };
    const five = ['n1', 'n2', 'n3', 'n4', 'n5'];
    const given = async (names: readonly string[], minute: number): Promise<void> => {
      for (const name of names) {
        const addresses = five.includes(name) ? [`10.1.2.${name.slice(1)}`] : [];
        const endpoint = await world.endpoint({ name, addresses });
        await world.messages(endpoint, [minutesAfter(minute, now)]);
        await allow(name, '10m');
      }
    };
    await given(['ward', 'icu', 'lab'], -46);
    await rounds(-44, -24);
    const lab = world.registry.byName('lab') ?? assert.fail('no lab');
    await world.messages(lab, [minutesAfter(-22, now)]);
    await rounds(-20, -20);
    await allow('lab', 'any');
    await given(five, -18);
    await rounds(-16, -8);
    const er = await world.endpoint({ name: 'er' });
    await world.messages(er, Array<Date>(6).fill(minutesAfter(-6, now)), 2);
    await rounds(-4, 0);
  }

  const open = async (role: 'operator' | 'analyst' | 'auditor', on = page): Promise<void> => {
    const token = await hub.token('operator', { client_id: role, ops_role: role });
    await on.goto(`${hub.url}/console#token=${token}`);
    await on.getByRole('navigation').getByRole('link', { name: 'Alerts' }).click();
    await on.getByRole('heading', { name: 'Alerts', level: 2 }).waitFor();
  };
  const card = (name: string, on = page) =>
    on.getByRole('listitem').filter({ has: on.getByRole('heading', { name, exact: true }) });
  const names = async (): Promise<string[]> =>
    (await page.getByRole('heading', { level: 3 }).allTextContents()).toSorted();

  it('what is wrong is said in a sentence, a trouble of many as one', async () => {
    await open('auditor');
    await page.getByText('Last checked:').waitFor();
    assert.deepEqual(await names(), ['Many are silent: 10.1.2.0/24', 'Many errors: er', 'Silent: icu', 'Silent: ward']);
    await card('Silent: ward').getByText('silent for 10 minutes at most').waitFor();
    await card('Many errors: er').getByText('Of 6 messages of a quarter of an hour 6 went into quarantine.').waitFor();
    await card('Many errors: er').getByText('critical').waitFor();
  });

  it('by keyboard alone: an alert is taken in hand with a note, and what to do is read in place', async () => {
    const elsewhere: string[] = [];
    page.on('request', (request) => request.url().startsWith(hub.url) || elsewhere.push(request.url()));
    await open('analyst');
    const ward = card('Silent: ward');
    await ward.getByText('What to do').press('Enter');
    await ward.getByText(/Nothing came from an endpoint for longer than is usual/).waitFor();
    await ward.getByText('hub endpoint pause NAME', { exact: true }).waitFor();
    await ward.getByRole('button', { name: 'Take in hand' }).press('Enter');
    await page.keyboard.type('Called the ward <b>, they restart it');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Space');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.getByRole('status').getByText('Silent: ward: in your hands.').waitFor();
    await ward.getByText('Called the ward <b>, they restart it This silence is as it should be').waitFor();
    await ward.getByText(/^analyst, since/).waitFor();
    await page.getByLabel('Which').selectOption('open, in somebody’s hands');
    await card('Many errors: er').waitFor({ state: 'detached' });
    assert.deepEqual(await names(), ['Silent: ward']);
    await page.getByLabel('Which').selectOption('open, in nobody’s hands');
    await card('Silent: icu').waitFor();
    assert.equal(await card('Silent: ward').count(), 0);
    assert.deepEqual(elsewhere, []);
    const [row] = await hub.database.query<{ isExpected: boolean }>(sql`
      select is_expected as "isExpected" from alert where kind = 'silence' and subject = 'ward'`);
    assert.equal(row?.isExpected, true);
  });

  it('what is past is shown with how long it took', async () => {
    await open('auditor');
    await page.getByLabel('Which').selectOption('past');
    await card('Silent: lab')
      .getByText(/after 12 minutes/)
      .waitFor();
    assert.deepEqual(await names(), ['Silent: lab']);
    assert.equal(await page.getByRole('button', { name: 'Take in hand' }).count(), 0);
    await page.getByLabel('Kind').selectOption('A certificate ends');
    await page.getByText('There was nothing of this kind.').waitFor();
  });

  it('one trouble of many leads to its sources', async () => {
    await open('auditor');
    await page.getByRole('button', { name: 'Its 5 sources' }).click();
    await card('Silent: n1').waitFor();
    assert.deepEqual(
      await names(),
      [1, 2, 3, 4, 5].map((number) => `Silent: n${number}`),
    );
    await page.getByRole('button', { name: 'Back to all alerts' }).click();
    await card('Silent: icu').waitFor();
  });

  it('an operator says how long a source may be silent; the rule in force is what the form begins with', async () => {
    await open('operator');
    const icu = card('Silent: icu');
    await icu.getByRole('button', { name: 'Silence rule' }).press('Enter');
    await icu.getByText('How long may icu be silent?').waitFor();
    assert.deepEqual(
      [await icu.getByLabel('At most').inputValue(), await icu.getByLabel('Unit').inputValue()],
      ['10', 'minutes'],
    );
    await icu.getByLabel('At most').fill('0');
    await icu.getByRole('button', { name: 'Set the rule' }).press('Enter');
    await page.getByText('Say a whole number, of a year at most.').waitFor();
    await icu.getByLabel('At most').fill('3');
    await icu.getByLabel('Unit').selectOption('days');
    await icu.getByRole('button', { name: 'Set the rule' }).press('Enter');
    await page.getByRole('status').getByText('icu: the rule is set').waitFor();
    await page.getByRole('navigation').getByRole('link', { name: 'Sources' }).click();
    await page.getByRole('button', { name: 'Silence rule: icu' }).click();
    assert.deepEqual(
      [await page.getByLabel('At most').inputValue(), await page.getByLabel('Unit').inputValue()],
      ['3', 'days'],
    );
    await page.getByLabel('as its own rhythm shows').check();
    assert.ok(await page.getByLabel('At most').isDisabled());
    await page.getByRole('button', { name: 'Set the rule' }).click();
    await page.getByRole('status').getByText('icu: the rule is set').waitFor();
  });

  it('who may not is told so', async () => {
    await open('auditor');
    await card('Silent: icu').getByRole('button', { name: 'Take in hand' }).click();
    await card('Silent: icu').getByRole('button', { name: 'Take in hand' }).last().click();
    await page.getByText('Your role does not cover this').waitFor();
  });

  it('when nobody looks, an empty list is no comfort', async () => {
    const watched = sql`select evaluated_at as at from watch_progress`;
    const [before] = await hub.database.query<{ at: Date }>(watched);
    await hub.database.query(sql`update watch_progress set evaluated_at = ${minutesAfter(-5, now)}`);
    await open('auditor');
    await page.getByText(/Nobody is looking: the last time was/).waitFor();
    await hub.database.query(sql`update watch_progress set evaluated_at = ${before?.at ?? now}`);
  });

  it('speaks three languages', async () => {
    await open('auditor');
    await page.getByLabel('Language').selectOption('zh');
    await page.getByRole('heading', { name: '告警' }).waitFor();
    await page.getByText('通常最多静默10分钟').first().waitFor();
    await page.getByLabel('语言').selectOption('de');
    await page.getByRole('heading', { name: 'Alarme' }).waitFor();
    await page.getByText('höchstens 10 Minuten Stille').first().waitFor();
  });

  it('fits a narrow screen without scrolling sideways', async () => {
    await page.setViewportSize({ width: 320, height: 700 });
    await open('operator');
    await card('Silent: icu').getByText('What to do').click();
    await card('Silent: icu')
      .getByText(/Nothing came from/)
      .waitFor();
    await card('Silent: icu').getByRole('button', { name: 'Silence rule' }).click();
    await card('Silent: icu').getByText('How long may').waitFor();
    assert.equal(await page.evaluate('document.documentElement.scrollWidth'), 320);
  });

  for (const colorScheme of ['light', 'dark'] as const) {
    it(`has no violation of WCAG 2.2 AA that axe finds (${colorScheme})`, async () => {
      // The pages forbid foreign scripts; axe is one.
      const strict = await openContext(pages.browser, {
        colorScheme,
        locale: 'en-GB',
        bypassCSP: true,
        reducedMotion: 'reduce',
      });
      const other = await strict.newPage();
      await open('operator', other);
      await card('Silent: icu', other).getByText('What to do').click();
      await card('Silent: icu', other)
        .getByText(/Nothing came from/)
        .waitFor();
      await card('Silent: icu', other).getByRole('button', { name: 'Take in hand' }).click();
      await card('Silent: ward', other).getByRole('button', { name: 'Silence rule' }).click();
      await other.getByText('How long may').waitFor();
      const found = await violations(other);
      await other.getByLabel('Which').selectOption('past');
      await card('Silent: lab', other).waitFor();
      assert.deepEqual([...found, ...(await violations(other))], []);
      await strict.close();
    });
  }
});
