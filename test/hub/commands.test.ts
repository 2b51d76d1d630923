import assert from 'node:assert/strict';
import { sql } from '../../src/db/sql.ts';
import { samePerson } from '../../src/identity/link.ts';
import { consents, givenPrincipal, givenSelf, idsSeenBy, permitTo } from '../access/world.ts';
import { givenWorld, idOf, message, type World } from './given.ts';

const pid = (number: string, name = 'Lin^Mei'): string => `PID|1||${number}^^^HOSP^MR||${name}`;
const mrg = (number: string): string => `MRG|${number}^^^HOSP^MR`;
const patientId = (number: string): string => idOf(message('A28', [pid(number)]), 'Patient');

describe('identity commands, from message to store', () => {
  let world: World;
  before(async () => {
    world = await givenWorld();
  });
  after(() => world.close());

  const patient = async (number: string): Promise<Record<string, unknown>> =>
    (await world.read('Patient', patientId(number))) ?? {};
  const linkTo = (number: string, type: string) => ({ other: { reference: `Patient/${patientId(number)}` }, type });
  const version = async (number: string): Promise<number | undefined> =>
    (await world.stored('Patient', patientId(number)))?.version;
  const person = (number: string): Promise<string[]> => samePerson(world.database, patientId(number));
  const log = (number: string) =>
    world.database.query(sql`
      select action, evidence->>'command' as command, evidence->>'event' as event, evidence->>'message' as message
      from person_link_log where patient = ${patientId(number)} order by id`);

  for (const event of ['A18', 'A30', 'A34', 'A36', 'A39', 'A40', 'A46', 'A47']) {
    it(`${event}: the prior record is retired in favour of the other, both stay, and are one person`, async () => {
      const [old, kept] = [`${event}-OLD`, `${event}-NEW`];
      await world.apply([message('A28', [`${pid(old)}||19800101`]), message('A28', [pid(kept)])]);
      await world.apply([message(event, [pid(kept), mrg(old)])]);
      const retired = await patient(old);
      assert.equal(retired['active'], false);
      assert.deepEqual(retired['link'], [linkTo(kept, 'replaced-by')]);
      assert.equal(retired['birthDate'], '1980-01-01', 'MRG says little; what is stored stays');
      assert.deepEqual((await patient(kept))['link'], [linkTo(old, 'replaces')]);
      assert.equal((await person(old)).length, 2);
    });
  }

  it('a prior record that the hub never saw is stored with what MRG says of it', async () => {
    await world.apply([message('A40', [pid('K1'), `${mrg('U1')}||||||Old^Name`])]);
    const retired = await patient('U1');
    assert.deepEqual(retired['name'], [{ family: 'Old', given: ['Name'] }]);
    assert.deepEqual(retired['link'], [linkTo('K1', 'replaced-by')]);
  });

  it('applied twice, nothing changes the second time', async () => {
    const texts = [message('A28', [pid('T1')]), message('A40', [pid('T2'), mrg('T1')])];
    await world.apply(texts);
    const before = [await version('T1'), await version('T2'), await log('T1')];
    await world.apply([texts[1] as string]);
    assert.deepEqual([await version('T1'), await version('T2'), await log('T1')], before);
  });

  it('a later message on the retired number is stored there, and found with the person', async () => {
    await world.apply([message('A28', [pid('L1')]), message('A40', [pid('L2'), mrg('L1')])]);
    const later = message('A08', [pid('L1', 'Lin^Meili'), 'PV1|1|I|||||||||||||||||V7^^^HOSP^VN']);
    await world.apply([later]);
    const retired = await patient('L1');
    assert.equal(JSON.stringify(retired['name']), '[{"family":"Lin","given":["Meili"]}]');
    assert.equal(retired['active'], false);
    assert.deepEqual(retired['link'], [linkTo('L2', 'replaced-by')]);
    const visit = await world.read('Encounter', idOf(later, 'Encounter'));
    assert.deepEqual(visit?.['subject'], { reference: `Patient/${patientId('L1')}` });
    assert.ok((await person('L2')).includes(patientId('L1')));
  });

  it('what was recorded keeps its patient: no clinical row moves', async () => {
    const result = message('A01', [pid('R1'), 'AL1|1|DA|70618^Penicillin^RXN']);
    await world.apply([result, message('A40', [pid('R2'), mrg('R1')])]);
    const allergy = await world.stored('AllergyIntolerance', idOf(result, 'AllergyIntolerance'));
    assert.equal(allergy?.patient, patientId('R1'));
    assert.equal(allergy?.version, 1);
  });

  it('a merge of two into one keeps both links; a merge the other way round takes the first back', async () => {
    await world.apply([message('A40', [pid('M1'), mrg('M2')]), message('A40', [pid('M1'), mrg('M3')])]);
    assert.deepEqual((await patient('M1'))['link'], [linkTo('M2', 'replaces'), linkTo('M3', 'replaces')]);
    await world.apply([message('A40', [pid('M2'), mrg('M1')])]);
    const [first, second] = [await patient('M1'), await patient('M2')];
    assert.equal(first['active'], false);
    assert.deepEqual(first['link'], [linkTo('M3', 'replaces'), linkTo('M2', 'replaced-by')]);
    assert.equal(second['active'], true);
    assert.deepEqual(second['link'], [linkTo('M1', 'replaces')]);
    assert.equal((await person('M3')).length, 3);
  });

  it('A24 links two records in use, A37 takes it back; both are logged with their message', async () => {
    const pair = [pid('A1'), pid('A2').replace('|1|', '|2|')];
    await world.apply([message('A24', pair, 'LINK1')]);
    assert.deepEqual((await patient('A1'))['link'], [linkTo('A2', 'seealso')]);
    assert.deepEqual((await patient('A2'))['link'], [linkTo('A1', 'seealso')]);
    assert.equal((await patient('A1'))['active'], undefined);
    assert.equal((await person('A1')).length, 2);
    await world.apply([message('A37', pair, 'UNLINK1')]);
    assert.equal((await patient('A1'))['link'], undefined);
    assert.deepEqual(await person('A1'), [patientId('A1')]);
    assert.deepEqual(await log('A2'), [
      { action: 'link', command: 'link', event: 'A24', message: 'LINK1' },
      { action: 'unlink', command: 'unlink', event: 'A37', message: 'UNLINK1' },
    ]);
    await world.apply([message('A24', pair)]);
    assert.equal((await person('A1')).length, 2, 'its own word against it is taken back');
  });

  it('a merge that its source has taken back since stays so, when it is replayed', async () => {
    const at = (minutes: number): Date => new Date(world.at.getTime() + minutes * 60_000);
    const merge = message('A40', [pid('O2'), mrg('O1')]);
    const unlink = message('A37', [pid('O1'), pid('O2')]);
    await world.apply([merge], undefined, at(1));
    await world.apply([unlink], undefined, at(2));
    await world.apply([merge], undefined, at(1));
    assert.equal((await patient('O1'))['active'], true);
    assert.equal((await patient('O2'))['link'], undefined);
    assert.deepEqual(await person('O1'), [patientId('O1')]);
    await world.apply([message('A40', [pid('O2'), mrg('O1')])], undefined, at(3));
    await world.apply([unlink], undefined, at(2));
    assert.equal((await patient('O1'))['active'], false, 'the later word holds');
    assert.equal((await person('O1')).length, 2);
  });

  it('merges of the same records by several workers at once all end, and end right', async () => {
    const texts = ['E2', 'E3', 'E4', 'E5'].flatMap((number) => [
      message('A40', [pid('E1'), mrg(number)]),
      message('A08', [pid(number, 'Lin^Meili')]),
    ]);
    await Promise.all(texts.map((text) => world.apply([text])));
    assert.equal((await person('E1')).length, 5);
    assert.equal(((await patient('E1'))['link'] as unknown[]).length, 4);
    for (const number of ['E2', 'E3', 'E4', 'E5']) assert.equal((await patient(number))['active'], false);
  });

  it('A37 undoes a merge: the retired record is in use again', async () => {
    await world.apply([message('A40', [pid('W2'), mrg('W1')])]);
    await world.apply([message('A37', [pid('W1'), pid('W2')])]);
    const back = await patient('W1');
    assert.equal(back['active'], true);
    assert.equal(back['link'], undefined);
    assert.equal((await patient('W2'))['link'], undefined);
    assert.deepEqual(await person('W1'), [patientId('W1')]);
  });

  it('A37: who shares an identifier with one of the two stays with that one', async () => {
    const shown = (number: string, id: string): string => `PID|1||${number}^^^HOSP^MR~${id}^^^^NI||Lin^Mei`;
    await world.apply([
      message('A28', [shown('S1', '11010519491231002X')]),
      message('A28', [shown('S2', '11010519491231002X')]),
      message('A40', [pid('S3'), mrg('S4')]),
      message('A24', [shown('S1', '11010519491231002X'), pid('S3')]),
    ]);
    assert.equal((await person('S1')).length, 4);
    await world.apply([message('A37', [shown('S1', '11010519491231002X'), pid('S3')])]);
    assert.deepEqual(await person('S1'), [patientId('S1'), patientId('S2')].toSorted());
    assert.deepEqual(await person('S3'), [patientId('S3'), patientId('S4')].toSorted());
  });

  it('A43: the record leaves whom it was linked to and joins the other person', async () => {
    await world.apply([message('A24', [pid('X1'), pid('X2')])]);
    await world.apply([message('A43', [pid('X3'), mrg('X2')])]);
    assert.deepEqual(await person('X1'), [patientId('X1')]);
    assert.deepEqual(await person('X2'), [patientId('X2'), patientId('X3')].toSorted());
    assert.equal((await patient('X2'))['active'], undefined, 'its number stays in use');
  });

  it('a link by command outlives a corrected identifier', async () => {
    const shown = `PID|1||Y1^^^HOSP^MR~440524188001010014^^^^NI||Lin^Mei`;
    await world.apply([message('A28', [shown]), message('A40', [pid('Y2'), mrg('Y1')])]);
    await world.apply([message('A31', [pid('Y1')])]);
    assert.equal((await person('Y1')).length, 2);
  });

  it('two different national identifiers veto: the Patients say what was sent, nobody is linked', async () => {
    const shown = (number: string, id: string): string => `PID|1||${number}^^^HOSP^MR~${id}^^^^NI||Lin^Mei`;
    await world.apply([
      message('A28', [shown('Z1', '11010519491231002X')]),
      message('A28', [shown('Z2', '440524188001010014')]),
    ]);
    await world.apply([message('A40', [shown('Z2', '440524188001010014'), mrg('Z1')])]);
    assert.deepEqual((await patient('Z1'))['link'], [linkTo('Z2', 'replaced-by')]);
    assert.ok(!(await person('Z1')).includes(patientId('Z2')));
    const last = (await log('Z1')).at(-1) as { action: string; event: string } | undefined;
    assert.deepEqual([last?.action, last?.event], ['veto', 'A40']);
  });

  it('the same number twice commands nothing, and is reported', async () => {
    await world.apply([message('A40', [pid('Q1'), mrg('Q1')])]);
    assert.equal((await patient('Q1'))['link'], undefined);
    assert.equal((await patient('Q1'))['active'], undefined);
  });

  it('A29: the record is not used any more and not deleted; A28 takes it into use again', async () => {
    await world.apply([message('A28', [pid('D1')]), message('A29', [pid('D1')])]);
    assert.equal((await patient('D1'))['active'], false);
    await world.apply([message('A28', [pid('D1')])]);
    assert.equal((await patient('D1'))['active'], true);
  });

  it('LEAKS 33: a permit does not follow a merge, the patient sees both at once', async () => {
    const result = message('A01', [pid('P1'), 'AL1|1|DA|1^Aspirin^L']);
    const other = message('A01', [pid('P2'), 'AL1|1|DA|1^Aspirin^L']);
    await world.apply([result, other]);
    const [first, second] = [patientId('P1'), patientId('P2')];
    const allergies = [idOf(result, 'AllergyIntolerance'), idOf(other, 'AllergyIntolerance')].toSorted();
    await world.database.inTransaction((tx) =>
      consents(tx, permitTo(), { id: 'merge-consent', patient: { reference: `Patient/${first}` } }),
    );
    await world.apply([message('A40', [pid('P1'), mrg('P2')])]);
    const seen = async (principal: Parameters<typeof idsSeenBy>[1]): Promise<string[]> =>
      (await idsSeenBy(world.database, principal)).filter((id) => allergies.includes(id));
    assert.deepEqual(await seen(givenPrincipal()), [idOf(result, 'AllergyIntolerance')]);
    assert.deepEqual(await seen(givenSelf(second)), allergies);
    await world.apply([message('A37', [pid('P2'), pid('P1')])]);
    assert.deepEqual(await seen(givenSelf(second)), [idOf(other, 'AllergyIntolerance')]);
  });
});

describe('visits and accounts under another number', () => {
  let world: World;
  before(async () => {
    world = await givenWorld();
  });
  after(() => world.close());

  const visit = (number: string): string => `PV1|1|I|W1^R1^B1||||||||||||||||${number}^^^HOSP^VN`;
  const visitId = (patient: string, number: string): string =>
    idOf(message('A01', [pid(patient), visit(number)]), 'Encounter');

  it('A50: the visit goes on under its new number, with what it had', async () => {
    const admitted = message('A01', [pid('B1'), `${visit('V1')}|||||||||||||||||||||||||20260228`]);
    await world.apply([admitted]);
    await world.apply([
      message('A50', [pid('B1'), 'MRG|B1^^^HOSP^MR||||V1^^^HOSP^VN', 'PV1|1|I|||||||||||||||||V2^^^HOSP^VN']),
    ]);
    const [before, after] = [visitId('B1', 'V1'), visitId('B1', 'V2')];
    const [former, current] = [await world.read('Encounter', before), await world.read('Encounter', after)];
    assert.equal(former?.['status'], 'entered-in-error');
    assert.deepEqual(former?.['partOf'], { reference: `Encounter/${after}` });
    assert.equal(current?.['status'], 'in-progress');
    assert.deepEqual(current?.['period'], { start: '2026-02-28' });
    assert.match(JSON.stringify(current?.['identifier']), /"V2"/);
    assert.doesNotMatch(JSON.stringify(current?.['identifier']), /"V1"/);
  });

  it('A50 applied twice changes nothing the second time', async () => {
    const text = message('A50', [pid('B2'), 'MRG|B2^^^HOSP^MR||||V3^^^HOSP^VN', visit('V4')]);
    await world.apply([message('A01', [pid('B2'), visit('V3')]), text]);
    const versions = async () => [
      (await world.stored('Encounter', visitId('B2', 'V3')))?.version,
      (await world.stored('Encounter', visitId('B2', 'V4')))?.version,
    ];
    const before = await versions();
    await world.apply([text]);
    assert.deepEqual(await versions(), before);
  });

  it('A42: the merged visit is part of the one that stays, which keeps its own words', async () => {
    await world.apply([
      message('A01', [pid('B3'), visit('V5')]),
      message('A42', [pid('B3'), 'MRG|B3^^^HOSP^MR||||V6^^^HOSP^VN', visit('V5')]),
    ]);
    const merged = await world.read('Encounter', visitId('B3', 'V6'));
    assert.equal(merged?.['status'], 'entered-in-error');
    assert.deepEqual(merged?.['partOf'], { reference: `Encounter/${visitId('B3', 'V5')}` });
    assert.equal((await world.read('Encounter', visitId('B3', 'V5')))?.['status'], 'in-progress');
  });

  it('A45: a visit that was another patient’s ends there and begins here; neither record names the other', async () => {
    await world.apply([message('A01', [pid('WRONG'), visit('V7')])]);
    await world.apply([message('A45', [pid('RIGHT'), 'MRG|WRONG^^^HOSP^MR||||V7^^^HOSP^VN', visit('V7')])]);
    const wrong = await world.read('Encounter', visitId('WRONG', 'V7'));
    assert.equal(wrong?.['status'], 'entered-in-error');
    assert.equal(wrong?.['partOf'], undefined);
    const right = await world.read('Encounter', visitId('RIGHT', 'V7'));
    assert.deepEqual(right?.['subject'], { reference: `Patient/${patientId('RIGHT')}` });
    assert.deepEqual(await samePerson(world.database, patientId('RIGHT')), [patientId('RIGHT')]);
  });

  it('A45 with the same patient and number retires nothing', async () => {
    await world.apply([message('A45', [pid('B4'), 'MRG|B4^^^HOSP^MR||||V8^^^HOSP^VN', visit('V8')])]);
    assert.notEqual((await world.read('Encounter', visitId('B4', 'V8')))?.['status'], 'entered-in-error');
  });

  it('A35, A41, A49: the account of the prior number is closed', async () => {
    for (const event of ['A35', 'A41', 'A49']) {
      const text = message(event, [pid(`${event}-P`), `MRG|||${event}-ACC^^^HOSP^AN`]);
      await world.apply([text]);
      const account = await world.read('Account', idOf(text, 'Account'));
      assert.equal(account?.['status'], 'inactive');
      assert.deepEqual(account?.['subject'], [{ reference: `Patient/${patientId(`${event}-P`)}` }]);
    }
  });
});
