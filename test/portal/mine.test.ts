/** The portal in a browser: who sees what at this moment, taking everything away, and being forgotten, to the end. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { Page } from 'playwright-core';
import { openAudit, type Audit } from '../../src/access/audit/audit.ts';
import { placeHold } from '../../src/access/erasure/hold.ts';
import { inviteAccount } from '../../src/access/login/account.ts';
import { openDatabase, type Database } from '../../src/db.ts';
import { sql } from '../../src/db/sql.ts';
import { eraseAllDue, letTimePass } from '../access/erasure/given-erasure.ts';
import { enrolOn, openBrowser } from '../api/login/given-browser.ts';
import { given } from '../given.ts';
import { givenConsent } from '../given-consent.ts';
import { givenHub, type GivenHub } from '../given-hub.ts';
import { givenSelf } from '../access/world.ts';
import { givenPages, openContext, violations } from './browser.ts';

describe('all of a record, in the portal', function () {
  this.timeout(300_000);
  let hub: GivenHub;
  let trail: Database;
  let audit: Audit;
  const pages = givenPages();
  let page: Page;
  let cookies: { name: string; value: string; url: string }[];
  let city: string;

  before(async () => {
    // No role `worker`: erasures take their steps when the test says so.
    hub = await givenHub({ HUB_ROLES: 'api' });
    trail = openDatabase({ url: hub.databaseUrl, poolMax: 1, pipelines: 1 });
    audit = openAudit(trail);
    await givenRecord();
    const { code } = await inviteAccount(hub.database, 'Patient/p', new Date(Date.now() + 3_600_000));
    const opened = openBrowser(hub.url);
    await enrolOn(opened, code, 'zhang');
    cookies = Array.from(opened.cookies, ([name, value]) => ({ name, value, url: hub.url }));
  });
  after(async () => {
    await audit?.close();
    await trail?.close();
    await hub?.close();
  });
  beforeEach(async () => {
    await pages.context.addCookies(cookies);
    ({ page } = pages);
  });

  /** Of two hospitals; the AI service may see results and diagnoses, of these not one code; research may see visits until 2100. */
  async function givenRecord(): Promise<void> {
    city = await hub.token('hospital', { organization: 'Organization/city', client_id: 'city' });
    const village = await hub.token('hospital', { organization: 'Organization/village', client_id: 'village' });
    const self = await hub.token('patient', { patient: 'p', fhirUser: 'Patient/p' });
    const put = async (token: string, body: Record<string, unknown>): Promise<void> => {
      const answer = await hub.send('PUT', `${String(body['resourceType'])}/${String(body['id'])}`, token, { body });
      assert.ok(answer.status < 300, answer.text);
    };
    await put(city, { ...given.organization({ id: 'city', name: 'City Hospital' }) });
    await put(city, { ...given.patient({ id: 'p', family: 'Zhang' }) });
    await put(village, { ...given.patient({ id: 'v', family: 'Zhang' }) });
    await put(city, { ...given.observation({ id: 'o', patient: 'p' }) });
    await hub.database.query(sql`
      insert into person_member (patient, bucket, person, evidence, linked_at)
      select patient, 0, '00000000-0000-4000-8000-000000000001', '{}', now() from unnest(array['p', 'v']) as patient`);
    const classes = (...codes: string[]): object[] =>
      codes.map((code) => ({ system: 'http://hl7.org/fhir/resource-types', code }));
    const results = classes('Observation', 'DiagnosticReport', 'ServiceRequest', 'Specimen');
    await put(self, {
      ...givenConsent('p', 'Organization/ai-health-manager', {
        class: [...results, ...classes('Condition')],
        provision: [
          {
            type: 'deny',
            code: [{ coding: [{ system: 'http://loinc.org', code: '2345-7' }] }],
            class: classes('Condition'),
          },
        ],
      }),
      id: 'ai',
    });
    await put(self, {
      ...givenConsent('p', 'Organization/institute', {
        class: classes('Encounter'),
        purpose: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActReason', code: 'HRESCH' }],
        period: { end: '2100-01-01' },
      }),
      id: 'research',
    });
  }

  const open = async (view: string, on = page): Promise<void> => {
    await on.goto(`${hub.url}/portal/`);
    await on.getByRole('navigation').getByRole('link', { name: view }).click();
    await on.getByRole('heading', { name: view, level: 2 }).waitFor();
    await on.getByText('Loading').waitFor({ state: 'detached' });
  };
  const row = (name: string | RegExp, on = page) =>
    on.getByRole('row').filter({ has: on.getByRole('rowheader', { name }) });
  const cells = async (name: string | RegExp): Promise<string[]> => await row(name).getByRole('cell').allTextContents();

  it('who sees what right now: by recipient, by kind of record, without a permission, and exactly', async () => {
    await open('Who may see');
    const [purpose, sees, until] = await cells('AI health manager');
    assert.deepEqual(
      [purpose, sees, until],
      ['your care and health advice', 'Laboratory resultsDiagnoses (in part)', 'until you stop it'],
    );
    assert.deepEqual((await cells('institute')).slice(0, 2), ['research', 'Hospital visits']);
    assert.match((await cells('institute'))[2] ?? '', /2100/);
    await page.getByText('City Hospital (city) sees what it wrote itself').waitFor();
    await page.getByRole('button', { name: 'By kind of record' }).press('Enter');
    assert.deepEqual(await cells('Laboratory results'), ['AI health manager']);
    assert.deepEqual(await cells('Diagnoses'), ['AI health manager (in part)']);
    assert.deepEqual(await cells('Allergies'), ['nobody']);
    await page.getByText('Exactly', { exact: true }).press('Enter');
    await page.getByText(/Whatever else you allow, .* may not see for your care .*LOINC 2345-7/).waitFor();
  });

  it('everything is taken away as a file, and the page says how large it is', async () => {
    await open('Export or erase');
    const [file] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'Take everything away' }).press('Enter'),
    ]);
    assert.equal(file.suggestedFilename(), 'my-record.ndjson');
    const lines = readFileSync(await file.path(), 'utf8')
      .trimEnd()
      .split('\n');
    const ids = lines
      .map((line) => JSON.parse(line) as { resourceType: string; id?: string })
      .map(({ resourceType, id }) => `${resourceType}/${id}`);
    for (const id of ['Patient/p', 'Patient/v', 'Observation/o', 'Consent/ai']) assert.ok(ids.includes(id), id);
    await page
      .getByRole('status')
      .getByText(/^Saved as my-record.ndjson \([\d.]+ kB\)/)
      .waitFor();
  });

  it('given pages of own visits, then who looked before them is shown once it is found, and nobody is said at the end alone', async () => {
    const visit = { principal: givenSelf('p'), interaction: 'read', at: Date.now() };
    // More than the pages that are read at once, and less than twice as many.
    const visits = Array.from({ length: 600 }, () => ({ context: visit, patient: 'p', rows: 1 }));
    await audit.record(visits.map((entry) => ({ ...entry, decidedBy: 'self', outcome: 'success' as const })));
    await open('Who looked');
    const [nobody, table] = [page.getByText('Nobody has asked'), page.getByRole('table', { name: 'Who looked' })];
    assert.deepEqual([await nobody.isVisible(), await table.isVisible()], [false, false]);
    await page.getByRole('button', { name: 'Show more' }).press('Enter');
    await row('city').first().waitFor();
    assert.deepEqual([await nobody.isVisible(), await table.isVisible()], [false, true]);
  });

  it('by keyboard alone: being forgotten is asked for, says what it takes, wants a yes, and is taken back', async () => {
    await open('Export or erase');
    await page.getByRole('button', { name: 'I want to be forgotten' }).press('Enter');
    await page
      .getByText(/^Records that would be erased: \d+\. Hospitals .* from: 2\. Nothing has happened yet\.$/)
      .waitFor();
    await page.getByRole('button', { name: 'Erase everything in 7 days' }).press('Enter');
    await page.getByText('Tick that you understand it.').waitFor();
    assert.equal(await page.evaluate('document.activeElement.type'), 'checkbox');
    await page.keyboard.press('Space');
    await page.getByRole('button', { name: 'Erase everything in 7 days' }).press('Enter');
    await page.getByText(/^Everything about you is erased on .*\. Until then you can take it back\.$/).waitFor();
    // Where it stands is the hub's to say: it is there after a new start, in another window, too.
    await open('Export or erase');
    await page.getByRole('button', { name: 'Take it back' }).press('Enter');
    await page.getByRole('status').getByText('Taken back. Everything stays as it is.').waitFor();
    await page.getByRole('button', { name: 'I want to be forgotten' }).waitFor();
    const rows = await hub.database.query<{ state: string }>(sql`select state from erasure`);
    assert.deepEqual(
      rows.map(({ state }) => state),
      ['cancelled'],
    );
  });

  it('given another window confirmed meanwhile, then it is shown, not asked twice', async () => {
    await open('Export or erase');
    await page.getByRole('button', { name: 'I want to be forgotten' }).click();
    const other = await pages.context.newPage();
    await open('Export or erase', other);
    await page.getByLabel('I understand').check();
    await page.getByRole('button', { name: 'Erase everything in 7 days' }).click();
    await page.getByText(/^Everything about you is erased on/).waitFor();
    await other.getByRole('button', { name: 'I want to be forgotten' }).click();
    await other.getByText(/^Everything about you is erased on/).waitFor();
    await other.getByRole('button', { name: 'Take it back' }).click();
    await other.getByText('Taken back').waitFor();
  });

  it('speaks three languages, and fits a narrow screen', async () => {
    await page.setViewportSize({ width: 320, height: 700 });
    await open('Export or erase');
    await page.getByRole('button', { name: 'I want to be forgotten' }).click();
    await page.getByLabel('I understand').waitFor();
    assert.equal(await page.evaluate('document.documentElement.scrollWidth'), 320);
    await page.getByLabel('Language').selectOption('zh');
    await page.getByRole('button', { name: '我要求被遗忘' }).waitFor();
    await page.getByLabel('语言').selectOption('de');
    await page.getByRole('button', { name: 'Ich möchte vergessen werden' }).waitFor();
    assert.equal(await page.evaluate('document.documentElement.scrollWidth'), 320);
    await page.getByRole('link', { name: 'Wer darf sehen' }).click();
    await page.getByRole('heading', { name: 'In diesem Moment' }).waitFor();
    assert.equal(await page.evaluate('document.documentElement.scrollWidth'), 320);
  });

  for (const colorScheme of ['light', 'dark'] as const) {
    it(`has no violation of WCAG 2.2 AA that axe finds (${colorScheme})`, async () => {
      const strict = await openContext(pages.browser, {
        colorScheme,
        locale: 'en-GB',
        bypassCSP: true,
        reducedMotion: 'reduce',
      });
      await strict.addCookies(cookies);
      const other = await strict.newPage();
      await open('Who may see', other);
      await other.getByText('Exactly', { exact: true }).click();
      const found = await violations(other);
      await other.getByRole('button', { name: 'By kind of record' }).click();
      found.push(...(await violations(other)));
      await open('Export or erase', other);
      await other.getByRole('button', { name: 'I want to be forgotten' }).click();
      await other.getByRole('button', { name: 'Erase everything in 7 days' }).click();
      assert.deepEqual([...found, ...(await violations(other))], []);
      await strict.close();
    });
  }

  it('once it is done the portal says so, what stays by law, who looked; and lets sources write again', async () => {
    await open('Export or erase');
    await page.getByRole('button', { name: 'I want to be forgotten' }).click();
    await page.getByLabel('I understand').check();
    await page.getByRole('button', { name: 'Erase everything in 7 days' }).click();
    await page.getByText(/^Everything about you is erased on/).waitFor();
    await placeHold(hub.database, { organization: 'Organization/village', reason: 'law', placedBy: 'test' });
    await letTimePass(hub.database);
    await eraseAllDue(hub.database, audit);
    await page.goto(`${hub.url}/portal/`);
    await page.getByText(/^Your records were erased on .*: \d+ of them\.$/).waitFor();
    await page.getByText('There is no record of you here any more.').waitFor();
    await page.getByText('village must keep its record of you by law.').waitFor();
    const links = await page.getByRole('navigation').getByRole('link').allTextContents();
    assert.deepEqual(links, ['Who looked', 'Export or erase'].toReversed());
    await page.getByRole('link', { name: 'Who looked' }).click();
    await page.getByLabel('Show my own visits too').waitFor();
    await page.getByRole('link', { name: 'Export or erase' }).click();
    assert.equal((await hub.send('PUT', 'Patient/p', city, { body: given.patient({ id: 'p' }) })).status, 422);
    await page.getByRole('button', { name: 'Keep what they send again' }).click();
    await page.getByRole('status').getByText('From now on what your hospitals send is kept again.').waitFor();
    assert.equal((await hub.send('PUT', 'Patient/p', city, { body: given.patient({ id: 'p' }) })).status, 201);
    await page.goto(`${hub.url}/portal/`);
    await page.getByRole('heading', { name: 'Who may see' }).waitFor();
  });
});
