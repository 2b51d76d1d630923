/**
 * A patient's first ten minutes in a real browser: invited by the operator's command, enrolled, signed out, signed in with the app, and
 * the portal shows the record. No script on the pages of signing in; axe finds nothing on any of them.
 */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';
import { inviteAccount } from '../../src/access/login/account.ts';
import { totpCode } from '../../src/access/login/totp.ts';
import { citizenAt } from '../../src/cli/simulate/resident-id.ts';
import { sql } from '../../src/db/sql.ts';
import { nationalIdSystem } from '../../src/fhir/identifiers.ts';
import type { AnyResource } from '../../src/fhir/types.ts';
import { given } from '../given.ts';
import { givenHub, type GivenHub } from '../given-hub.ts';
import { runHub } from '../hub-process.ts';
import { chromiumOr, openContext, violations } from '../portal/browser.ts';

const password = 'four brown owls';
const stepMs = 30_000;

describe('journey: a patient signs in', function () {
  this.timeout(300_000);
  let hub: GivenHub;
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  let patient: string;
  const faults: string[] = [];

  before(async function () {
    const executablePath = chromiumOr(this);
    hub = await givenHub();
    const hospital = await hub.token('hospital');
    const { json } = await hub.send('POST', 'Patient', hospital, { body: given.patient({ family: 'Ouyang' }) });
    patient = json['id'] as string;
    await hub.send('POST', 'Observation', hospital, { body: given.observation({ patient, value: 7.1 }) });
    browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  });
  beforeEach(async () => {
    context = await openContext(browser, { locale: 'en-GB', bypassCSP: true });
    page = await context.newPage();
    page.on('pageerror', (error) => faults.push(error.message));
    await hub.database.query(sql`delete from login_attempt`);
  });
  afterEach(async () => {
    await context.close();
    assert.deepEqual(faults.splice(0), []);
  });
  after(async () => {
    await browser?.close();
    await hub?.close();
  });

  const enrol = async (code: string, login: string): Promise<{ key: string; usedAt: number; codes: string[] }> => {
    await page.goto(`${hub.url}/oauth/enrol`);
    await page.getByLabel('Invitation code').fill(code);
    await page.getByLabel('Invitation code').press('Enter');
    const key = ((await page.locator('code').first().textContent()) ?? '').replaceAll(' ', '');
    await page.getByLabel('Choose a name').fill(login);
    await page.getByLabel('Choose a password').fill(password);
    await page.getByLabel('The password once more').fill(password);
    const usedAt = Date.now();
    await page.getByLabel('The code that your app shows now').fill(totpCode(key, usedAt));
    await page.getByLabel('The code that your app shows now').press('Enter');
    await page.getByRole('heading', { name: 'Recovery codes' }).waitFor();
    return { key, usedAt, codes: await page.locator('code').allTextContents() };
  };
  const signIn = async (login: string, code: string): Promise<void> => {
    await page.getByLabel('Name').fill(login);
    await page.getByLabel('Password').fill(password);
    await page.getByLabel('Code from your app').fill(code);
    await page.getByLabel('Code from your app').press('Enter');
  };
  const invite = async (who: string): Promise<string> =>
    (await inviteAccount(hub.database, who, new Date(Date.now() + 3_600_000))).code;

  it('invitation, enrolment, sign-out, sign-in with the app, the record', async () => {
    const { stdout, code: exit } = await runHub(['account', 'invite', `Patient/${patient}`], {
      env: { DATABASE_URL: hub.databaseUrl, HUB_PUBLIC_URL: hub.url },
    });
    assert.equal(exit, 0);
    const invitation = JSON.parse(stdout) as { code: string; page: string };
    assert.equal(invitation.page, `${hub.url}/oauth/enrol`);

    const found: Record<string, string[]> = {};
    await page.goto(invitation.page);
    found['invitation'] = await violations(page);
    await page.getByLabel('Invitation code').fill(invitation.code);
    await page.getByRole('button', { name: 'Next' }).click();
    assert.equal(await page.getByRole('img', { name: 'QR' }).isVisible(), true);
    await page.getByRole('button', { name: 'Set up' }).waitFor();
    found['enrolment'] = await violations(page);
    const { key, usedAt } = await enrol(invitation.code, 'ouyang');
    found['recovery codes'] = await violations(page);
    await page.getByRole('link', { name: 'Continue' }).click();
    await page.getByRole('heading', { name: 'Who may see' }).waitFor();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('link', { name: 'Sign in' }).click();
    await page.getByRole('button', { name: 'Sign in' }).waitFor();
    found['sign-in'] = await violations(page);
    await signIn('ouyang', '000000');
    await page.getByRole('alert').getByText('is not right').waitFor();
    found['refused'] = await violations(page);
    // The code of enrolment is used up; the next one is taken early.
    await signIn('ouyang', totpCode(key, usedAt + stepMs));
    await page.getByRole('heading', { name: 'Who may see' }).waitFor();
    await page.getByRole('link', { name: 'My records' }).click();
    await page.getByRole('row').filter({ hasText: '7.1' }).waitFor();
    await page.getByText('Wei Ouyang').waitFor();
    await page.getByRole('link', { name: 'ouyang' }).click();
    await page.getByRole('heading', { name: 'Where you are signed in' }).waitFor();
    await page.getByText('this browser').waitFor();
    found['account'] = await violations(page);
    assert.deepEqual(Object.values(found).flat(), []);
  });

  it('fits a narrow screen, and is in the language of the browser', async () => {
    await context.close();
    context = await openContext(browser, {
      locale: 'zh-CN',
      viewport: { width: 320, height: 700 },
      colorScheme: 'dark',
      bypassCSP: true,
    });
    page = await context.newPage();
    const code = await invite('Patient/narrow');
    await page.goto(`${hub.url}/oauth/enrol`);
    assert.equal(await page.getAttribute('html', 'lang'), 'zh');
    await page.getByLabel('邀请码').fill(code);
    await page.getByRole('button', { name: '下一步' }).click();
    await page.getByRole('button', { name: '开通' }).waitFor();
    assert.equal(await page.evaluate('document.documentElement.scrollWidth'), 320);
    assert.deepEqual(await violations(page), []);
    await page.goto(`${hub.url}/oauth/login`);
    assert.equal(await page.evaluate('document.documentElement.scrollWidth'), 320);
    assert.deepEqual(await violations(page), []);
  });

  it('with scripts switched off: the pages of signing in do all the same', async () => {
    await context.close();
    context = await openContext(browser, { locale: 'de-DE', javaScriptEnabled: false });
    page = await context.newPage();
    await page.goto(`${hub.url}/oauth/login`);
    await signInGerman(page);
    await page.getByText('Das hat nicht geklappt').waitFor();
  });

  it('given an account that ends while its page is open, then the page says so and shows nothing more', async () => {
    const { json } = await hub.send('POST', 'Patient', await hub.token('hospital'), {
      body: given.patient({ family: 'Situ' }),
    });
    const who = `Patient/${json['id'] as string}`;
    await enrol(await invite(who), 'situ');
    await page.goto(`${hub.url}/portal/`);
    await page.getByRole('heading', { name: 'Who may see' }).waitFor();
    const { code } = await runHub(['account', 'disable', 'situ'], {
      env: { DATABASE_URL: hub.databaseUrl, HUB_PUBLIC_URL: hub.url },
    });
    assert.equal(code, 0);
    // Until the hub has heard of what another process did, within a second, it shows nothing and does not say why.
    await sleep(1_100);
    await page.getByRole('link', { name: 'My records' }).click();
    await page.getByText('Your session has ended').waitFor();
    assert.equal(await page.getByText('Situ').count(), 0);
  });

  it('a mother chooses between her own record and her child’s, and decides for the child', async () => {
    const hospital = await hub.token('hospital');
    const create = async (body: AnyResource): Promise<string> => {
      const { json, status } = await hub.send('POST', body.resourceType, hospital, { body });
      assert.equal(status, 201, JSON.stringify(json));
      return json['id'] as string;
    };
    const identifier = [{ system: nationalIdSystem, value: citizenAt(7, 7, 'F').residentId }];
    const mother = await create({ ...given.patient({ family: 'Mu' }), identifier });
    const birthDate = `${new Date().getUTCFullYear() - 5}-01-01`;
    const child = await create({ ...given.patient({ family: 'Xiao' }), birthDate });
    const relatedPerson = await create({
      resourceType: 'RelatedPerson',
      patient: { reference: `Patient/${child}` },
      relationship: [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-RoleCode', code: 'MTH' }] }],
      identifier,
    });
    await enrol(await invite(`Patient/${mother}`), 'mother');
    await page.goto(`${hub.url}/portal/`);
    await page.getByRole('heading', { name: 'Who may see' }).waitFor();
    await page.getByLabel('Record of').selectOption({ label: `Wei Xiao, ${birthDate}` });
    await page.getByRole('button', { name: 'Allow someone' }).click();
    await page.getByLabel('Who may see your records?').selectOption('Organization/ai-health-manager');
    await page.getByRole('button', { name: 'Allow', exact: true }).click();
    await page.getByRole('status').getByText('AI health manager may now see').waitFor();
    assert.deepEqual(await violations(page), []);
    const { json } = await hub.send(
      'GET',
      'Consent',
      await hub.token('patient', { fhirUser: `Patient/${child}`, patient: child }),
    );
    const [consent] = json['entry'] as { resource: { patient: object; performer: object } }[];
    assert.deepEqual(consent?.resource.patient, { reference: `Patient/${child}` });
    assert.deepEqual(consent?.resource.performer, [{ reference: `RelatedPerson/${relatedPerson}` }]);
    await page.getByLabel('Record of').selectOption({ label: 'Wei Mu' });
    await page.locator('.empty', { hasText: 'Nobody has a permission from you.' }).first().waitFor();
  });

  it('given somebody else who signs in in another tab, then no tab shows two people', async () => {
    const hospital = await hub.token('hospital');
    const people: string[] = [];
    for (const family of ['Zhuge', 'Sima']) {
      const { json } = await hub.send('POST', 'Patient', hospital, { body: given.patient({ family }) });
      people.push(`Patient/${json['id'] as string}`);
    }
    await enrol(await invite(people[0] ?? ''), 'zhuge');
    await page.goto(`${hub.url}/portal/`);
    await page.getByText('Wei Zhuge').waitFor();
    const first = page;
    page = await context.newPage();
    await enrol(await invite(people[1] ?? ''), 'sima');
    await first.getByRole('link', { name: 'My records' }).click();
    await first.getByText('Your session has ended').waitFor();
    assert.equal(await first.getByText('Sima').count(), 0);
  });
});

async function signInGerman(page: Page): Promise<void> {
  await page.getByLabel('Name').fill('niemand');
  await page.getByLabel('Passwort').fill(password);
  await page.getByLabel('Code aus Ihrer App').fill('000000');
  await page.getByRole('button', { name: 'Anmelden' }).click();
}
