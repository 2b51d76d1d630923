/** The onboarding check: what samples show, what is missing, a first overlay. */
import assert from 'node:assert/strict';
import { parse } from 'yaml';
import type { Database } from '../../../src/db.ts';
import { sql } from '../../../src/db/sql.ts';
import { openShippedMaps } from '../../../src/hub/conversion.ts';
import {
  checkOnboarding,
  samplePartsMax,
  samplesMax,
  type OnboardingReport,
} from '../../../src/hub/onboarding/check.ts';
import { addEndpoint, changeEndpoint } from '../../../src/ingest/registry/change.ts';
import { findEndpoint } from '../../../src/ingest/registry/rows.ts';
import { applyOverlay } from '../../../src/ingest/overlays.ts';
import { checkOverlay } from '../../../src/mapping/tables/check.ts';
import { givenDatabase } from '../../given.ts';
import { oneHospital } from '../../given-ingest.ts';
import { givenAdmission } from './given-samples.ts';

const at = new Date('2026-03-01T08:00:00Z');
const signed = { by: 'test', at };
const maps = openShippedMaps();

describe('the onboarding check', () => {
  let world: Awaited<ReturnType<typeof givenDatabase>>;
  let database: Database;
  before(async () => {
    world = await givenDatabase();
    database = world.database;
    await addEndpoint(database, { ...oneHospital, name: 'renji', facilities: ['RENJI'], state: 'draft' }, signed);
  });
  after(() => world.close());

  const check = (name: string, ...bytes: Buffer[]): Promise<OnboardingReport> =>
    checkOnboarding(
      { database, maps: () => maps, register: (signature) => signature, now: () => at },
      name,
      bytes.map((one, index) => ({ name: `m${index + 1}.hl7`, bytes: one })),
    );
  const found = ({ readiness }: OnboardingReport, name: string) => {
    const one = readiness.checks.find((item) => item.name === name);
    return [one?.isOk, one?.fix];
  };
  const three = () => ['A1', 'A2', 'A3'].map((id) => givenAdmission({ id }));

  it('says what the sender is like: version, charset, facility, Z segments, and how it would be answered', async () => {
    const [sample] = (await check('renji', givenAdmission())).samples;
    const { version, charset, charsetFrom, application, facility, type, zSegments, ack } = sample ?? {};
    assert.deepEqual(
      { version, charset, charsetFrom, application, facility, type, zSegments },
      {
        version: '2.4',
        charset: 'GB 18030-2000',
        charsetFrom: 'detected',
        application: 'HIS',
        facility: 'RENJI',
        type: 'ADT^A01',
        zSegments: ['ZPV'],
      },
    );
    assert.deepEqual(ack, ['MSH|^~\\&|HUB|REGION|HIS|RENJI|20260301080000+0000||ACK^A01^ACK|TEST|P|2.4', 'MSA|AA|A1']);
    assert.equal(sample?.resources['Encounter'], 1);
  });

  it('from draft to ready: each step it names mends what it says, and the score grows to 100', async () => {
    const first = await check('renji', ...three());
    assert.equal(first.readiness.isReady, false);
    assert.deepEqual(found(first, 'zone'), [
      false,
      'hub endpoint set renji --zone Asia/Shanghai   # they are written in hanzi',
    ]);
    assert.deepEqual(found(first, 'charset'), [false, "hub endpoint set renji --charset 'GB 18030-2000'"]);
    const patch = { zone: 'Asia/Shanghai', charset: 'GB 18030-2000', addresses: ['10.0.0.1'] };
    await changeEndpoint(
      database,
      'renji',
      { ...patch, config: { contact: 'it@renji.example' }, state: 'live' },
      signed,
    );
    const second = await check('renji', ...three());
    assert.ok(second.readiness.isReady && second.readiness.score > first.readiness.score);
    assert.equal(found(second, 'mapped')[0], false);
    const text = second.overlay?.text ?? '';
    assert.deepEqual(checkOverlay(maps, text, 'draft.yaml'), []);
    await applyOverlay(database, maps, { endpoints: ['renji'], overlay: { name: 'draft.yaml', text }, ...signed });
    const third = await check('renji', ...three());
    const missing = third.readiness.checks.filter(({ isOk }) => !isOk).map(({ name }) => name);
    assert.deepEqual([missing, third.unmapped, third.overlay], [['heard'], [], undefined]);
  });

  it('the draft overlay names the vendor profile, a rule for each field none reads, and leaves the rest as comments', async () => {
    await addEndpoint(database, { ...oneHospital, name: 'drafted', facilities: ['DRAFT'] }, signed);
    const samples = three().map((_, index) =>
      givenAdmission({ facility: 'DRAFT', id: String(index), ...(index === 0 && { sex: 'Q' }) }),
    );
    const { overlay, unmapped } = await check('drafted', ...samples);
    const { partner, profile, changes } = parse(overlay?.text ?? '') as {
      partner: string;
      profile: string;
      changes: { add: string; rule: { from: string; to: string } }[];
    };
    assert.deepEqual([partner, profile], ['drafted', 'cn-his']);
    const rule = changes.find((change) => change.rule.from === 'ZPV-2');
    assert.deepEqual([rule?.add, rule?.rule.to], ['pv1-encounter', 'Encounter.extension[].valueString']);
    assert.match(overlay?.text ?? '', /# - vocab: administrative-sex\n# {3}codes: \{ 'Q': \.\.\. \}/);
    assert.ok(
      unmapped.some(({ position, code, messages }) => position.startsWith('PID-8') && code === 'Q' && messages === 1),
    );
    assert.ok(unmapped.some(({ position, messages }) => position === 'ZPV-2' && messages === 3));
  });

  it('an overlay in force is kept, with its comments, and grows', async () => {
    await addEndpoint(database, { ...oneHospital, name: 'grows', facilities: ['GROWS'] }, signed);
    const text = "# ours\npartner: grows\nchanges:\n  # sex\n  - vocab: administrative-sex\n    codes: { '1': male }\n";
    await applyOverlay(database, maps, { endpoints: ['grows'], overlay: { name: 'grows.yaml', text }, ...signed });
    const { overlay } = await check('grows', givenAdmission({ facility: 'GROWS' }));
    assert.match(overlay?.text ?? '', /^# ours\n[^]*# sex\n {2}- vocab: administrative-sex\n[^]*from: ZPV-2/);
    assert.deepEqual(checkOverlay(maps, overlay?.text ?? '', 'grows.yaml'), []);
  });

  it('given thousands of fields that no rule reads, it comes to an end: each message is explained once, not for each of them', async () => {
    const zone = Array.from({ length: 40 }, (_, field) => `v${field}`).join('|');
    const zones = Array.from({ length: 60 }, (_, at) => `Z${at + 10}|${zone}`);
    const samples = ['M1', 'M2'].map((id) => Buffer.concat([givenAdmission({ id }), Buffer.from(zones.join('\r'))]));
    const { overlay, unmapped } = await check('renji', ...samples);
    const left = unmapped.filter(({ position }) => position.startsWith('Z'));
    assert.ok(left.length >= 100, String(left.length));
    assert.match(overlay?.text ?? '', /# To be decided:\n[^]*# Z\d\d-\d+, in 2 of 2 messages: no rule reads it/);
  });

  it('given more than samples are, they are refused before anything is tried', async () => {
    const many = Buffer.concat([givenAdmission(), Buffer.from(`ZZZ|${'a~'.repeat(samplePartsMax)}`)]);
    await assert.rejects(check('renji', many), { code: 'too-costly' });
  });

  const wrong: [string, Buffer[], string, RegExp][] = [
    ['a facility of nobody', [givenAdmission({ facility: 'OTHER' })], 'accepted', /--facility 'OTHER'/],
    ['no MSH-10', [givenAdmission({ id: '' })], 'accepted', /control id/],
    ['what is no message', [Buffer.from('nothing')], 'accepted', /./],
    ['bytes that are not of the charset', [givenAdmission({ declared: 'UNICODE UTF-8' })], 'accepted', /charset/],
    [
      'a type that no map serves',
      [Buffer.from(String(givenAdmission()).replace('ADT^A01^ADT_A01', 'XYZ^X01'))],
      'converted',
      /map explain/,
    ],
    ['one control id for all', [givenAdmission(), givenAdmission()], 'control ids', /MSH-10/],
    ['a patient without a number', [givenAdmission({ patient: '' })], 'patients', /moved identifier/],
  ];
  for (const [what, samples, name, fix] of wrong) {
    it(`given ${what}, "${name}" is missing and it says what to do`, async () => {
      const [isOk, how = ''] = found(await check('renji', ...samples), name);
      assert.equal(isOk, false);
      assert.match(String(how), fix);
    });
  }

  const zones: [string, Buffer, string | undefined][] = [
    ['an offset in MSH-7', givenAdmission({ facility: 'Z', time: '20260301083000+0800' }), undefined],
    ['an offset elsewhere alone', givenAdmission({ facility: 'Z', more: ['EVN||20260301083000+0900'] }), '+09:00'],
    ['none, in hanzi', givenAdmission({ facility: 'Z' }), 'Asia/Shanghai'],
    ['dates alone', givenAdmission({ facility: 'Z', time: '20260301' }), undefined],
  ];
  for (const [what, sample, zone] of zones) {
    it(`times with ${what}: ${zone === undefined ? 'no zone is needed' : `${zone} is proposed`}`, async () => {
      if ((await findEndpoint(database, 'zones')) === undefined)
        await addEndpoint(database, { ...oneHospital, name: 'zones', facilities: ['Z'] }, signed);
      const [isOk, fix = ''] = found(await check('zones', sample), 'zone');
      assert.equal(isOk, zone === undefined);
      if (zone !== undefined) assert.ok(String(fix).includes(`--zone ${zone} `));
    });
  }

  it('nothing of a patient is in the report, and nothing is stored', async () => {
    const report = await check('renji', ...three());
    assert.doesNotMatch(JSON.stringify(report), /陈伟|4711|19800101|北楼/);
    const [row] = await database.query<{ count: number }>(sql`select count(*) as count from message`);
    assert.equal(row?.count, 0);
  });

  it('a batch is as many samples; more than a person reads are refused', async () => {
    const batch = Buffer.concat(three());
    assert.deepEqual(
      (await check('renji', batch)).samples.map(({ name }) => name),
      ['m1.hl7#1', 'm1.hl7#2', 'm1.hl7#3'],
    );
    const many = Array.from({ length: samplesMax + 1 }, () => givenAdmission());
    await assert.rejects(check('renji', ...many), { code: 'too-costly' });
    await assert.rejects(check('nobody'), { code: 'not-found' });
  });

  it('a source that is asked is reached, and why not is said', async () => {
    const rest = { name: 'asked', kind: 'fhir-rest' as const, facilities: [], state: 'draft' as const };
    await addEndpoint(database, { ...oneHospital, ...rest, config: { base: 'http://127.0.0.1:1/fhir' } }, signed);
    const report = await check('asked');
    assert.equal(report.readiness.isReady, false);
    assert.ok(report.readiness.checks.some(({ isNeeded, isOk }) => isNeeded && !isOk));
    assert.deepEqual(report.samples, []);
    await addEndpoint(database, { ...oneHospital, ...rest, name: 'bare' }, signed);
    const [isOk, fix] = found(await check('bare'), 'settings');
    assert.equal(isOk, false);
    assert.match(String(fix), /hub endpoint set bare --set/);
  });
});
