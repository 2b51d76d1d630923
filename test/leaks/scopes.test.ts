/**
 * LEAKS 51, 52: a scope covers what it names and nothing that comes with it: granular scopes on reads, includes, chains, history,
 * operations and writes; a launch context in all of them.
 */
import assert from 'node:assert/strict';
import { deriveId, ownBucket } from '../../src/fhir/ids.ts';
import type { AnyResource } from '../../src/fhir/types.ts';
import { commit } from '../../src/store/commit.ts';
import { canary, givenLeakWorld, loinc, ofP, ai, type LeakWorld } from './world.ts';
import { reference, resource } from '../spec/world.ts';

const category = (code: string): object => ({
  category: [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/observation-category', code }] }],
});
const binary = deriveId(ownBucket('p'), ['content']);
const secret = '99999-9';
const told = { ...category('social-history'), code: loinc(secret), valueString: canary };

const asked: readonly string[] = [
  'Observation',
  'Observation?_total=accurate',
  'Observation?patient=p',
  'Observation?_id=social',
  'Observation/social',
  'Observation/social/_history',
  'Observation/social/_history/1',
  'Observation/social/$meta',
  'Observation/social/$validate',
  'Observation/_history',
  'Observation/$meta',
  'Observation?_id=lab&_include=Observation:has-member',
  'Observation?_id=lab&_include=*',
  'Observation?_id=lab&_include:iterate=*',
  'Encounter?_id=e&_revinclude=Observation:encounter',
  'Patient?_id=p&_revinclude=Observation:patient',
  `Observation?has-member.code=${secret}`,
  `Observation?_id=lab&has-member.value-string=${canary.slice(0, 3)}`,
  `Encounter?_has:Observation:encounter:code=${secret}`,
  `Patient?_has:Observation:patient:code=${secret}`,
  'Patient/p/Observation',
  'Patient/p/*',
  'Encounter/e/*',
  'Encounter/e/Observation',
  'Patient/p/$everything',
  'Encounter/e/$everything',
  'Observation/$lastn?patient=p&code:missing=false',
  '?_type=Observation,Patient,Encounter',
  '_history',
  '$meta',
];

describe('LEAKS 52: a scope covers what it names', () => {
  let world: LeakWorld;
  before(async () => {
    world = await givenLeakWorld();
    await world.write([
      resource('Patient/p'),
      resource('Patient/q'),
      resource('Encounter/e', ofP),
      resource('Observation/social', { ...ofP, ...told, encounter: reference('Encounter/e') }),
      resource('Observation/lab', {
        ...ofP,
        ...category('laboratory'),
        encounter: reference('Encounter/e'),
        hasMember: [reference('Observation/social')],
      }),
      resource('Observation/of-q', { subject: reference('Patient/q'), ...category('laboratory'), valueString: 'of q' }),
      resource('DocumentReference/d', {
        ...ofP,
        status: 'current',
        content: [{ attachment: { url: `Binary/${binary}` } }],
      }),
    ]);
    // Where mapping and minted ids put it: in the bucket of the patient.
    const content: AnyResource = {
      resourceType: 'Binary',
      id: binary,
      contentType: 'text/plain',
      securityContext: reference('DocumentReference/d'),
      data: Buffer.from('content').toString('base64'),
    };
    await world.hub.database.inTransaction((tx) =>
      commit(tx, [{ kind: 'create', owner: 'Organization/hospital', resource: content }], { at: new Date() }),
    );
    await world.consent('p', ai);
    await world.consent('q', ai);
  });
  after(() => world.close());

  const scope = (context: string): string =>
    [
      `${context}/Observation.rs?category=laboratory`,
      ...['Patient', 'Encounter', 'DocumentReference'].map((type) => `${context}/${type}.rs`),
    ].join(' ');

  for (const [who, claims] of Object.entries({
    'granular scopes of a system': { scope: scope('system') },
    'granular scopes of a launch context': { scope: scope('patient'), patient: 'p' },
    'a launch context': { scope: 'patient/Observation.rs?category=laboratory patient/Patient.rs', patient: 'p' },
  })) {
    describe(who, () => {
      let token: string;
      before(async () => {
        token = await world.token('ai', claims);
      });
      it('what it covers is seen', async () => {
        const { json } = await world.hub.send('GET', 'Observation?patient=p', token);
        assert.deepEqual([json['total'], json['entry'][0].resource.id], [1, 'lab']);
      });
      for (const path of asked) {
        it(path, async () => {
          const { text, status } = await world.hub.send('GET', path, token);
          assert.ok([200, 403, 404].includes(status), `${status} ${text}`);
          assert.ok(!text.includes(canary), text);
          assert.ok(!text.includes('"id":"social"'), text);
        });
      }
    });
  }

  it('$everything brings no Binary that the scope does not name, and brings it with the scope', async () => {
    for (const [more, isThere] of [
      ['', false],
      ['system/Binary.rs?code=x', false],
      ['system/Binary.rs', true],
    ] as const) {
      const token = await world.token('ai', { scope: `${scope('system')} ${more}`.trim() });
      const { text } = await world.hub.send('GET', 'Patient/p/$everything', token);
      assert.equal(text.includes('"resourceType":"Binary"'), isThere, more);
      assert.equal((await world.hub.send('GET', `Binary/${binary}`, token)).status, isThere ? 200 : 403, more);
    }
  });

  it('a launch context shows nothing of another record', async () => {
    const token = await world.token('ai', { scope: scope('patient'), patient: 'p' });
    for (const path of [...asked, 'Observation/of-q', 'Patient/q', 'Patient/q/$everything', 'Observation?patient=q']) {
      const { text } = await world.hub.send('GET', path, token);
      assert.ok(!text.includes('of q') && !text.includes('"id":"q"'), `${path}: ${text}`);
    }
  });

  describe('a scope to write is none to read', () => {
    const patch = [{ op: 'test', path: '/status', value: 'final' }];
    const headers = { 'content-type': 'application/json-patch+json', prefer: 'return=representation' };

    it('a patch answers without what was there', async () => {
      const token = await world.token('hospital', { scope: 'system/Observation.u' });
      const answer = await world.hub.send('PATCH', 'Observation/social', token, { body: patch, headers });
      assert.deepEqual([answer.status, answer.text], [200, '']);
    });

    it('a conditional create answers where it is, not what it is', async () => {
      const { text: _, ...create } = { ...told, text: undefined };
      const token = await world.token('hospital', { scope: 'system/Observation.cs' });
      const answer = await world.hub.send('POST', 'Observation', token, {
        body: { ...resource('Observation/x'), ...create, id: undefined },
        headers: { 'if-none-exist': `code=${secret}`, prefer: 'return=representation' },
      });
      assert.deepEqual([answer.status, answer.text], [200, '']);
    });

    it('$meta-add answers with the meta: it needs both', async () => {
      const token = await world.token('hospital', { scope: 'system/Observation.u' });
      const body = { resourceType: 'Parameters', parameter: [{ name: 'meta', valueMeta: { tag: [{ code: 'x' }] } }] };
      assert.equal((await world.hub.send('POST', 'Observation/social/$meta-add', token, { body })).status, 403);
    });

    it('a granular scope writes nothing', async () => {
      const token = await world.token('hospital', { scope: 'system/Observation.cruds?category=laboratory' });
      for (const path of ['Observation/lab', 'Observation/social']) {
        assert.equal((await world.hub.send('PATCH', path, token, { body: patch, headers })).status, 403);
      }
    });
  });
});
