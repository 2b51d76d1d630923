/** What follows when a Consent ends: whoever was shown something under it is asked to delete its copies, by a Task. */
import assert from 'node:assert/strict';
import { openAudit, type Audit } from '../../../src/access/audit/audit.ts';
import { askForDeletion } from '../../../src/access/erasure/ask.ts';
import { openDatabase, type Database } from '../../../src/db.ts';
import { sql } from '../../../src/db/sql.ts';
import { given } from '../../given.ts';
import { givenConsent } from '../../given-consent.ts';
import { givenHub, type GivenHub, type HubResponse } from '../../given-hub.ts';
import { until } from '../../until.ts';

const canary = 'xyzzycanary';
const ai = 'Organization/ai';

describe('the end of a Consent, for those who saw something under it', () => {
  let hub: GivenHub;
  let trail: Database;
  let audit: Audit;
  let patient: string;
  const services: Record<string, string> = {};
  before(async () => {
    // The hub's own clock stands still here: each test says when it is time.
    hub = await givenHub({ HUB_ROLES: 'api' });
    trail = openDatabase({ url: hub.databaseUrl, poolMax: 1, pipelines: 1 });
    audit = openAudit(trail);
    const hospital = await hub.token('hospital', { organization: 'Organization/h' });
    patient = await hub.token('patient', { patient: 'p', fhirUser: 'Patient/p' });
    const scope = 'system/*.rs system/Task.cruds';
    services['ai'] = await hub.token('ai', { organization: ai, client_id: 'ai', scope });
    services['idle'] = await hub.token('ai', { organization: 'Organization/idle', client_id: 'idle', scope });
    services['other'] = await hub.token('ai', { organization: 'Organization/other', client_id: 'other', scope });
    services['payer'] = await hub.token('payment', { organization: 'Organization/payer', client_id: 'payer', scope });
    await hub.send('PUT', 'Patient/p', hospital, { body: given.patient({ id: 'p', family: canary }) });
    await hub.send('PUT', 'Observation/o', hospital, {
      body: { ...given.observation({ id: 'o', patient: 'p' }), note: [{ text: canary }] },
    });
    await hub.send('PUT', 'Coverage/c', hospital, {
      body: {
        resourceType: 'Coverage',
        id: 'c',
        status: 'active',
        beneficiary: { reference: 'Patient/p' },
        payor: [{ display: canary }],
      },
    });
  });
  after(async () => {
    await audit.close();
    await trail.close();
    await hub.close();
  });

  const consent = async (id: string, recipients: readonly string[], changes: object = {}): Promise<void> => {
    const body = givenConsent('p', recipients[0] as string);
    const provision = body['provision'] as Record<string, unknown>;
    const actor = recipients
      .flatMap((one) => givenConsent('p', one)['provision'] as { actor: unknown[] })
      .flatMap((one) => one.actor);
    const sent = { ...body, id, provision: { ...provision, actor }, ...changes };
    const { status, text } = await hub.send('PUT', `Consent/${id}`, patient, { body: sent });
    assert.ok(status < 300, text);
  };
  const end = (id: string): Promise<void> => consent(id, [ai], { status: 'inactive' });
  const ask = (): Promise<number> => askForDeletion(hub.database, audit, { settle: 0 });
  const tasks = async (who: string): Promise<HubResponse['json'][]> => {
    const found = await hub.send('GET', 'Task?_sort=-_lastUpdated', services[who] ?? who);
    assert.equal(found.status, 200, found.text);
    assert.doesNotMatch(found.text, new RegExp(canary));
    return ((found.json['entry'] ?? []) as { resource: Record<string, unknown> }[])
      .map(({ resource }) => resource)
      .filter(({ resourceType }) => resourceType === 'Task');
  };
  const observe = (who: string): Promise<HubResponse> => hub.send('GET', 'Observation/o', services[who]);
  const forget = async (): Promise<void> => {
    await hub.database.query(sql`update deletion_task set status = 'completed'`);
    await hub.database.query(sql`delete from audit_block`);
  };

  it('revoked: the receiver that was shown something is asked, by when, without a word of the record; one that was not is not', async () => {
    await consent('c1', [ai, 'Organization/idle'], {
      extension: [
        {
          url: 'https://health-record-hub.example/fhir/StructureDefinition/copies-kept',
          valueDuration: { value: 7, unit: 'days', system: 'http://unitsofmeasure.org', code: 'd' },
        },
      ],
    });
    assert.equal((await observe('ai')).status, 200);
    await ask();
    assert.deepEqual(await tasks('ai'), []);
    await end('c1');
    assert.equal((await observe('ai')).status, 404);
    await ask();
    const [task, ...more] = await tasks('ai');
    assert.equal(more.length, 0);
    assert.equal(task?.['status'], 'requested');
    assert.equal(task?.['intent'], 'order');
    assert.deepEqual(
      [task?.['for'], task?.['owner'], task?.['basedOn']],
      [{ reference: 'Patient/p' }, { reference: ai }, [{ reference: 'Consent/c1' }]],
    );
    const days = (Date.parse(task?.['restriction'].period.end) - Date.now()) / 86_400_000;
    assert.ok(days > 6.9 && days <= 7.01, String(days));
    assert.deepEqual([await tasks('idle'), await tasks('other')], [[], []]);
    await ask();
    assert.equal((await tasks('ai')).length, 1);
  });

  it('the patient finds it by search and in $who-can-see', async () => {
    const [task] = await tasks(patient);
    assert.equal(task?.['owner'].reference, ai);
    const seen = await hub.send('GET', 'Patient/p/$who-can-see?language=en', patient);
    assert.match(seen.text, /ai was asked to delete what it kept of your record by /);
    // The Task is the receiver's to answer; that makes it no source of the record.
    assert.doesNotMatch(seen.text, /ai sees what it wrote itself/);
  });

  it('LEAKS 20: a Consent to everything shows it to nobody else', async () => {
    const [task] = await tasks('ai');
    await consent('wide', ['Organization/other']);
    assert.equal((await observe('other')).status, 200);
    assert.deepEqual(await tasks('other'), []);
    const hidden = await hub.send('GET', `Task/${task?.['id']}`, services['other']);
    const unknown = await hub.send('GET', 'Task/unknown', services['other']);
    assert.deepEqual([hidden.status, hidden.text], [unknown.status, unknown.text]);
    for (const query of [
      'Patient?_has:Task:patient:status=requested',
      'Patient?_id=p&_revinclude=Task:patient',
      'Observation?subject:Patient._has:Task:patient:_id=x',
    ]) {
      const found = await hub.send('GET', query, services['other']);
      assert.doesNotMatch(found.text, /"resourceType":"Task"|delete-copies/, query);
    }
    const has = await hub.send('GET', 'Patient?_has:Task:patient:status=requested', services['other']);
    assert.equal(has.json['total'] ?? 0, 0);
  });

  describe('the answer', () => {
    const bodies: [string, (task: Record<string, unknown>) => Record<string, unknown>, number][] = [
      ['another owner', (task) => ({ ...task, owner: { reference: 'Organization/other' } }), 422],
      ['a note', (task) => ({ ...task, note: [{ text: 'why' }] }), 422],
      [
        'a narrative',
        (task) => ({
          ...task,
          text: { status: 'additional', div: '<div xmlns="http://www.w3.org/1999/xhtml">x</div>' },
        }),
        422,
      ],
      ['a tag', (task) => ({ ...task, meta: { tag: [{ system: 'urn:t', code: 'x' }] } }), 422],
      ['no code', ({ code: _code, ...task }) => task, 422],
      ['a status of the hub', (task) => ({ ...task, status: 'cancelled' }), 422],
      ['the status', (task) => ({ ...task, status: 'accepted', lastModified: new Date().toISOString() }), 200],
    ];
    for (const [what, change, status] of bodies) {
      it(`PUT with ${what}: ${status}`, async () => {
        const [task] = await tasks('ai');
        const sent = await hub.send('PUT', `Task/${task?.['id']}`, services['ai'], { body: change(task ?? {}) });
        assert.equal(sent.status, status, sent.text);
      });
    }

    it('others can neither change nor delete it, nor can the patient; its owner does not delete it', async () => {
      const [task] = await tasks('ai');
      const id = task?.['id'] as string;
      const put = { body: { ...task, status: 'completed' } };
      const absent = { body: { ...put.body, id: 'absent' } };
      const [theirs, unknown] = [
        await hub.send('PUT', `Task/${id}`, services['other'], put),
        await hub.send('PUT', 'Task/absent', services['other'], absent),
      ];
      assert.deepEqual([theirs.status, theirs.text], [unknown.status, unknown.text]);
      assert.equal((await hub.send('DELETE', `Task/${id}`, services['other'])).status, 404);
      assert.equal((await hub.send('PUT', `Task/${id}`, patient, put)).status, 403);
      assert.equal((await hub.send('DELETE', `Task/${id}`, services['ai'])).status, 403);
    });

    it('PATCH of the status: done, and final; the patient sees it', async () => {
      const [task] = await tasks('ai');
      const patch = (value: string): Promise<HubResponse> =>
        hub.send('PATCH', `Task/${task?.['id']}`, services['ai'], {
          body: JSON.stringify([{ op: 'replace', path: '/status', value }]),
          headers: { 'content-type': 'application/json-patch+json' },
        });
      assert.equal((await patch('completed')).status, 200);
      assert.equal((await patch('accepted')).status, 422);
      const seen = await hub.send('GET', 'Patient/p/$who-can-see?language=en', patient);
      assert.match(seen.text, /and says it has/);
    });
  });

  it('a payer reads and answers its Task, and writes no other', async () => {
    await consent('pay', ['Organization/payer'], {
      provision: {
        ...(givenConsent('p', 'Organization/payer')['provision'] as object),
        purpose: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActReason', code: 'HPAYMT' }],
      },
    });
    assert.equal((await hub.send('GET', 'Coverage/c', services['payer'])).status, 200);
    await hub.send('DELETE', 'Consent/pay', patient);
    await ask();
    const [task] = await tasks('payer');
    assert.equal(task?.['basedOn'][0].reference, 'Consent/pay');
    const put = { body: { ...task, status: 'completed' } };
    const answered = await hub.send('PUT', `Task/${task?.['id']}`, services['payer'], put);
    assert.equal(answered.status, 200, answered.text);
    const own = { resourceType: 'Task', status: 'requested', intent: 'order' };
    assert.equal((await hub.send('POST', 'Task', services['payer'], { body: own })).status, 403);
  });

  it('narrowed: only whom it no longer names is asked', async () => {
    await forget();
    await consent('c2', [ai, 'Organization/other']);
    await observe('ai');
    await observe('other');
    await consent('c2', ['Organization/other']);
    await ask();
    const open = async (who: string): Promise<number> =>
      (await tasks(who)).filter(
        ({ status, basedOn }) => status === 'requested' && basedOn[0].reference === 'Consent/c2',
      ).length;
    assert.deepEqual([await open('ai'), await open('other')], [1, 0]);
  });

  it('consented again: what is open is taken back', async () => {
    await consent('c2', [ai, 'Organization/other']);
    await ask();
    const [task] = await tasks('ai');
    assert.deepEqual([task?.['basedOn'][0].reference, task?.['status']], ['Consent/c2', 'cancelled']);
  });

  it('over by its period, nobody writing anything: asked by the clock, once, however many processes do', async () => {
    await end('c2');
    await ask();
    await forget();
    await consent('c3', [ai], {
      provision: {
        ...(givenConsent('p', ai)['provision'] as object),
        // Later than what is asked before it.
        period: { end: new Date(Date.now() + 5_000).toISOString() },
      },
    });
    assert.equal((await observe('ai')).status, 200);
    await ask();
    const ofIt = async (): Promise<number> =>
      (await tasks('ai')).filter(({ basedOn }) => basedOn[0].reference === 'Consent/c3').length;
    assert.equal(await ofIt(), 0);
    await until('it is over', async () => (await observe('ai')).status === 404);
    await Promise.all([ask(), ask(), ask(), ask()]);
    assert.equal(await ofIt(), 1);
  });
});
