import assert from 'node:assert/strict';
import type { Endpoint } from '../../src/ingest/contract.ts';
import { givenWorld, idOf, message, type World } from './given.ts';

const pid = (number: string): string => `PID|1||${number}^^^HOSP^MR||Lin^Mei`;
const visit = (number: string): string => `PV1|1|I|W1||||||||||||||||${number}^^^HOSP^VN`;
const allergy = (code: string): string => `AL1|1|DA|${code}^Substance ${code}^L`;
const diagnosis = (code: string, action = ''): string => `DG1|1||${code}^Diagnosis^I10|||F${'|'.repeat(15)}${action}`;

describe('whole lists (HL7 v2.5.1 section 2.10.4.1), from message to store', () => {
  let world: World;
  before(async () => {
    world = await givenWorld();
  });
  after(() => world.close());

  /** Ids of what each segment makes, to be asked for later. */
  const ids = (number: string, segments: readonly string[], type: string): string[] =>
    segments.map((segment) => idOf(message('A01', [pid(number), visit(`V-${number}`), segment]), type));
  const areThere = (type: string, list: readonly string[]): Promise<boolean[]> =>
    Promise.all(list.map(async (id) => (await world.read(type, id)) !== undefined));
  const send = (number: string, segments: readonly string[], event = 'A08', endpoint?: Endpoint): Promise<void> =>
    world.apply([message(event, [pid(number), visit(`V-${number}`), ...segments])], endpoint);

  it('AL1: what is not repeated is deleted, and comes back when it is sent again', async () => {
    const list = ids('P1', [allergy('A'), allergy('B'), allergy('C')], 'AllergyIntolerance');
    await send('P1', [allergy('A'), allergy('B')], 'A01');
    await send('P1', [allergy('B'), allergy('C')]);
    assert.deepEqual(await areThere('AllergyIntolerance', list), [false, true, true]);
    const gone = await world.stored('AllergyIntolerance', list[0] as string);
    assert.equal(gone?.isDeleted, true, 'a deletion, with its past');
    await send('P1', [allergy('A')]);
    assert.deepEqual(await areThere('AllergyIntolerance', list), [true, false, false]);
  });

  it('no segment of the name says nothing: the list stays', async () => {
    const list = ids('P2', [allergy('A')], 'AllergyIntolerance');
    await send('P2', [allergy('A')], 'A01');
    await send('P2', []);
    assert.deepEqual(await areThere('AllergyIntolerance', list), [true]);
  });

  it('a single segment of `""` alone empties the list', async () => {
    const list = ids('P3', [allergy('A'), allergy('B')], 'AllergyIntolerance');
    await send('P3', [allergy('A'), allergy('B')], 'A01');
    await send('P3', ['AL1|""|""|""|""']);
    assert.deepEqual(await areThere('AllergyIntolerance', list), [false, false]);
  });

  it('NK1 likewise; only of this patient', async () => {
    const kin = (name: string): string => `NK1|1|Lin^${name}|MTH`;
    const [first, second] = [ids('P4', [kin('A'), kin('B')], 'RelatedPerson'), ids('P5', [kin('A')], 'RelatedPerson')];
    await send('P4', [kin('A'), kin('B')], 'A01');
    await send('P5', [kin('A')], 'A01');
    await send('P4', [kin('B')]);
    assert.deepEqual(await areThere('RelatedPerson', first), [false, true]);
    assert.deepEqual(await areThere('RelatedPerson', second), [true]);
  });

  it('DG1: the list of the visit; diagnoses of another visit stay', async () => {
    const one = message('A01', [pid('P6'), visit('V1'), diagnosis('I20.0'), diagnosis('E11.9')]);
    const two = message('A01', [pid('P6'), visit('V2'), diagnosis('J18.9')]);
    await world.apply([one, two, message('A08', [pid('P6'), visit('V1'), diagnosis('E11.9')])]);
    assert.deepEqual(
      await areThere('Condition', [idOf(one, 'Condition', 0), idOf(one, 'Condition', 1), idOf(two, 'Condition')]),
      [false, true, true],
    );
    const encounter = await world.read('Encounter', idOf(one, 'Encounter'));
    assert.equal((encounter?.['diagnosis'] as unknown[] | undefined)?.length, 1);
  });

  it('an emptied DG1 list leaves no diagnosis in the visit', async () => {
    const text = message('A01', [pid('P7'), visit('V3'), diagnosis('I20.0')]);
    await world.apply([text, message('A08', [pid('P7'), visit('V3'), 'DG1|""|""|""'])]);
    assert.deepEqual(await areThere('Condition', [idOf(text, 'Condition')]), [false]);
    assert.equal((await world.read('Encounter', idOf(text, 'Encounter')))?.['diagnosis'], undefined);
  });

  it('with action codes the list is not whole: A stays beside what is there, D deletes', async () => {
    const first = message('A01', [pid('P8'), visit('V4'), diagnosis('I20.0'), diagnosis('E11.9')]);
    const added = message('A08', [pid('P8'), visit('V4'), diagnosis('J18.9', 'A')]);
    await world.apply([first, added, message('A08', [pid('P8'), visit('V4'), diagnosis('I20.0', 'D')])]);
    assert.deepEqual(
      await areThere('Condition', [idOf(first, 'Condition', 0), idOf(first, 'Condition', 1), idOf(added, 'Condition')]),
      [false, true, true],
    );
    const encounter = await world.read('Encounter', idOf(first, 'Encounter'));
    assert.doesNotMatch(JSON.stringify(encounter), new RegExp(idOf(first, 'Condition', 0)));
  });

  it('another channel of the organization keeps its own list', async () => {
    const other = { name: 'emr', organization: 'Organization/hosp' } as Endpoint;
    const list = ids('P9', [allergy('A'), allergy('B')], 'AllergyIntolerance');
    await send('P9', [allergy('A')], 'A01');
    await send('P9', [allergy('B')], 'A08', other);
    assert.deepEqual(await areThere('AllergyIntolerance', list), [true, true]);
    await send('P9', [allergy('A'), allergy('B')]);
    await send('P9', [allergy('A')]);
    assert.deepEqual(await areThere('AllergyIntolerance', list), [true, true], 'the other channel lists it as well');
    await send('P9', [allergy('A')], 'A08', other);
    assert.deepEqual(await areThere('AllergyIntolerance', list), [true, false]);
  });

  it('a message that is processed later than it came does not bring its list back', async () => {
    const list = ids('P15', [allergy('A'), allergy('B')], 'AllergyIntolerance');
    await send('P15', [allergy('A')], 'A01');
    await send('P15', [allergy('A'), allergy('B')]);
    const late = message('A08', [pid('P15'), visit('V-P15'), allergy('A')]);
    await world.apply([late], undefined, new Date(world.at.getTime() - 1));
    assert.deepEqual(await areThere('AllergyIntolerance', list), [true, true]);
    await world.apply([late], undefined, new Date(world.at.getTime() + 1));
    assert.deepEqual(await areThere('AllergyIntolerance', list), [true, false]);
  });

  it('a result is no registration: its lists are not whole', async () => {
    const list = ids('P10', [allergy('A')], 'AllergyIntolerance');
    await send('P10', [allergy('A')], 'A01');
    const result = message('A01', [pid('P10'), allergy('B'), 'OBR|1||F1|1^Panel^L', 'OBX|1|NM|2^K^L||4|||||F']);
    await world.apply([result.replace('ADT^A01', 'ORU^R01')]);
    assert.deepEqual(await areThere('AllergyIntolerance', list), [true]);
  });

  it('A60: allergies one by one, by what IAM-6 says', async () => {
    const iam = (code: string, action: string): string => `IAM|1|DA|${code}^Substance^L|SV|Hives|${action}`;
    const list = ids('P11', [iam('A', 'A'), iam('B', 'A'), iam('C', 'A')], 'AllergyIntolerance');
    await send('P11', [iam('A', 'A'), iam('B', 'A')], 'A60');
    await send('P11', [iam('A', 'D'), iam('B', 'X'), iam('C', 'A')], 'A60');
    assert.deepEqual(await areThere('AllergyIntolerance', list), [false, true, true]);
    const unchanged = await world.stored('AllergyIntolerance', list[1] as string);
    assert.equal(unchanged?.version, 1);
  });

  it('A23 deletes the visit and nothing else', async () => {
    const text = message('A01', [pid('P12'), visit('V5'), allergy('A')]);
    await world.apply([text, message('A23', [pid('P12'), visit('V5')])]);
    assert.equal(await world.read('Encounter', idOf(text, 'Encounter')), undefined);
    assert.ok(await world.read('Patient', idOf(text, 'Patient')));
    assert.deepEqual(await areThere('AllergyIntolerance', [idOf(text, 'AllergyIntolerance')]), [true]);
  });

  it('A13 takes the end of the visit back', async () => {
    const ended = `${visit('V6')}|||||||||||||||||01||||||||20260201|20260228`;
    const text = message('A03', [pid('P13'), ended]);
    await world.apply([text]);
    assert.deepEqual((await world.read('Encounter', idOf(text, 'Encounter')))?.['period'], {
      start: '2026-02-01',
      end: '2026-02-28',
    });
    await world.apply([message('A13', [pid('P13'), visit('V6')])]);
    const visited = await world.read('Encounter', idOf(text, 'Encounter'));
    assert.equal(visited?.['status'], 'in-progress');
    assert.deepEqual(visited?.['period'], { start: '2026-02-01' });
    assert.doesNotMatch(JSON.stringify(visited), /dischargeDisposition/);
  });

  it('A03 that repeats no admission time leaves the start of the visit', async () => {
    const text = message('A01', [pid('P14'), `${visit('V7')}|||||||||||||||||||||||||20260201`]);
    await world.apply([text, message('A03', [pid('P14'), `${visit('V7')}||||||||||||||||||||||||||20260228`])]);
    const visited = await world.read('Encounter', idOf(text, 'Encounter'));
    assert.deepEqual(visited?.['period'], { start: '2026-02-01', end: '2026-02-28' });
  });
});
