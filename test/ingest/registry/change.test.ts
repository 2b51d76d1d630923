import assert from 'node:assert/strict';
import { createSecretKey, randomBytes } from 'node:crypto';
import { openSealer } from '../../../src/access/secrets/seal.ts';
import { sql } from '../../../src/db/sql.ts';
import type { EndpointState } from '../../../src/ingest/contract.ts';
import { addEndpoint, changeEndpoint, stateBeforePause } from '../../../src/ingest/registry/change.ts';
import type { Kinds } from '../../../src/ingest/registry/description.ts';
import { planOneChange } from '../../../src/ingest/registry/plan.ts';
import { findEndpoint } from '../../../src/ingest/registry/rows.ts';
import { readSecrets, secretNames } from '../../../src/ingest/registry/secrets.ts';
import { assertTransition, states } from '../../../src/ingest/registry/states.ts';
import { listVersions } from '../../../src/ingest/registry/versions.ts';
import { givenDatabase } from '../../given.ts';
import { oneHospital } from '../../given-ingest.ts';

const at = new Date('2026-03-01T08:00:00Z');
const signed = { by: 'lin', at };

describe('the life of an endpoint', () => {
  const allowed: Record<EndpointState, readonly EndpointState[]> = {
    draft: ['testing', 'live', 'retired'],
    testing: ['live', 'paused', 'retired'],
    live: ['paused', 'retired'],
    paused: ['testing', 'live', 'retired'],
    retired: [],
  };
  for (const from of states) {
    for (const to of states.filter((state) => state !== from)) {
      const may = allowed[from].includes(to);
      it(`${from} -> ${to}: ${may ? 'allowed' : 'refused'}`, () => {
        const go = () => assertTransition(from, to, false);
        if (may) go();
        else assert.throws(go, { name: 'Problem', code: 'business-rule' });
      });
    }
  }
  it('paused -> testing: refused when it was live before', () => {
    assert.throws(() => assertTransition('paused', 'testing', true), { code: 'business-rule' });
  });
});

describe('changing an endpoint', () => {
  let world: Awaited<ReturnType<typeof givenDatabase>>;
  before(async () => {
    world = await givenDatabase();
  });
  after(() => world.close());
  let count = 0;
  const add = (rest: object = {}) => {
    const name = `e${++count}`;
    return addEndpoint(world.database, { ...oneHospital, name, facilities: [name.toUpperCase()], ...rest }, signed);
  };
  const set = (name: string, patch: object, more: object = {}) =>
    changeEndpoint(world.database, name, patch as Record<string, unknown>, { ...signed, ...more });

  it('each change is a version that says who, when, why, what, and the whole description', async () => {
    const { name } = await add({ zone: '+08:00' });
    await set(name, { zone: 'Asia/Shanghai', charset: 'GB18030' }, { by: 'wei', note: 'new HIS' });
    await set(name, { charset: null }, { by: 'wei' });
    const versions = await listVersions(world.database, name);
    assert.deepEqual(
      versions.map(({ version, changedBy, note }) => [version, changedBy, note]),
      [
        [3, 'wei', undefined],
        [2, 'wei', 'new HIS'],
        [1, 'lin', undefined],
      ],
    );
    assert.deepEqual(versions[1]?.changes, [
      { what: 'zone', from: '+08:00', to: 'Asia/Shanghai' },
      { what: 'charset', to: 'GB18030' },
    ]);
    assert.equal(versions[1]?.changedAt, at.toISOString());
    assert.deepEqual(versions[0]?.description, {
      name,
      kind: 'hl7v2-mllp',
      organization: 'Organization/a',
      state: 'live',
      facilities: [name.toUpperCase()],
      zone: 'Asia/Shanghai',
    });
  });

  it('what changes nothing makes no version', async () => {
    const { name } = await add();
    await set(name, { state: 'live', facilities: [name.toUpperCase()] });
    assert.equal((await listVersions(world.database, name)).length, 1);
  });

  it('a change that is only looked at changes nothing', async () => {
    const { name } = await add();
    const { changes } = await planOneChange(world.database, { name, patch: { port: 4000 } }, {});
    assert.deepEqual(changes, [{ what: 'port', to: 4000 }]);
    assert.equal((await findEndpoint(world.database, name))?.port, undefined);
  });

  const refused: [string, object, object, string][] = [
    ['another kind', {}, { kind: 'hl7v2-http' }, 'business-rule'],
    ['another name', {}, { name: 'other' }, 'business-rule'],
    ['another organization of what is live', {}, { organization: 'Organization/b' }, 'business-rule'],
    ['a zone that is none', {}, { zone: 'Mars/North' }, 'value'],
    ['a word nobody knows', {}, { colour: 'red' }, 'value'],
    ['a port as text', {}, { port: '80' }, 'value'],
    ['a state that may not follow', {}, { state: 'draft' }, 'business-rule'],
    ['anything of a retired one', { state: 'retired' }, { zone: '+08:00' }, 'business-rule'],
    ['what it has and needs', {}, { facilities: null }, 'value'],
  ];
  for (const [what, had, patch, code] of refused) {
    it(`refuses ${what}`, async () => {
      const { name } = await add(had);
      await assert.rejects(set(name, patch), { name: 'Problem', code });
      assert.equal((await listVersions(world.database, name)).length, 1);
    });
  }

  it('the organization of a draft may change', async () => {
    const { name } = await add({ state: 'draft' });
    assert.equal((await set(name, { organization: 'Organization/b' })).organization, 'Organization/b');
  });

  it('an endpoint that is paused keeps no facility from others, and cannot come back while one has it', async () => {
    const { name, facilities } = await add();
    await set(name, { state: 'paused' });
    const other = await add({ facilities });
    await assert.rejects(set(name, { state: 'live' }), { code: 'conflict' });
    await set(other.name, { state: 'retired' });
    await set(name, { state: 'live' });
  });

  it('two that want the same facility at the same time: one gets it', async () => {
    const done = await Promise.allSettled([add({ facilities: ['SAME'] }), add({ facilities: ['SAME'] })]);
    assert.deepEqual(done.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected']);
  });

  it('is resumed as what it was before the pause', async () => {
    const [tried, live] = [await add({ state: 'testing' }), await add()];
    for (const { name } of [tried, live]) await set(name, { state: 'paused' });
    assert.equal(await stateBeforePause(world.database, tried.name), 'testing');
    assert.equal(await stateBeforePause(world.database, live.name), 'live');
  });

  describe('secrets', () => {
    const key = createSecretKey(randomBytes(32));
    const sealer = openSealer(() => [key]);
    const kinds: Kinds = () => ({ readConfig: (config) => config, secrets: () => ['password'], asks: () => undefined });
    const options = { sealer, kinds };
    const rest = { ...oneHospital, kind: 'fhir-rest' as const, facilities: [] };

    it('are sealed, listed by name, and in no version', async () => {
      const { id, name } = await addEndpoint(
        world.database,
        { ...rest, name: 'sealed' },
        { ...signed, ...options, secrets: { password: 'open sesame' } },
      );
      await set(name, {}, { ...options, secrets: { password: 'open barley', extra: 'x' } });
      assert.deepEqual(await secretNames(world.database, id), ['extra', 'password']);
      assert.deepEqual(await readSecrets(world.database, sealer, id), { extra: 'x', password: 'open barley' });
      const [latest, first] = await listVersions(world.database, name);
      assert.deepEqual(latest?.changes, [
        { what: 'secret password', from: 'set', to: 'set anew' },
        { what: 'secret extra', to: 'set' },
      ]);
      assert.ok(first?.changes.some(({ what }) => what === 'secret password'));
      const [kept] = await world.database.query<{ text: string }>(sql`
        select (select string_agg(v::text, '') from endpoint_version v) || (select sealed from endpoint_secret
          where id = ${String(id)}) as text`);
      assert.doesNotMatch(kept?.text ?? '', /sesame|barley/);
    });

    it('an endpoint without those that its kind needs cannot be live, but can be a draft', async () => {
      const without = { ...rest, name: 'bare' };
      const add = (more: object) => addEndpoint(world.database, { ...without, ...more }, { ...signed, ...options });
      await assert.rejects(add({}), { code: 'required', expression: ['secret'] });
      await add({ state: 'draft' });
      await assert.rejects(set('bare', { state: 'live' }, options), { code: 'required' });
      await set('bare', { state: 'live' }, { ...options, secrets: { password: 'p' } });
      await assert.rejects(set('bare', {}, { ...options, secrets: { password: null } }), { code: 'required' });
    });

    it('of one endpoint do not open for another', async () => {
      const one = await addEndpoint(
        world.database,
        { ...rest, name: 'one' },
        { ...signed, ...options, secrets: { password: 'mine' } },
      );
      const two = await addEndpoint(world.database, { ...rest, name: 'two' }, { ...signed, sealer });
      await world.database.query(sql`
        insert into endpoint_secret (id, sealed) select ${String(two.id)}, sealed from endpoint_secret
        where id = ${String(one.id)}`);
      await assert.rejects(readSecrets(world.database, sealer, two.id), { code: 'exception' });
    });
  });
});
