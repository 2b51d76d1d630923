import assert from 'node:assert/strict';
import { validate } from '../../src/fhir/validate.ts';
import type { MappedMessage } from '../../src/mapping/message/draft.ts';
import { drafts, json, map, resource, segment, toBundle } from './given.ts';

const patient = 'PID|1||P1^^^HOSPA^MR||Lin^Mei||19900405|F||||||||||A77^^^HOSPA^AN';
const policy = 'IN1|1|G^Gold|55^^^REG|Harbour Mutual|1 Quay^^Porto';

function billed(segments: readonly string[], type = 'DFT^P03'): MappedMessage {
  const mapped = map([patient, ...segments], { type });
  assert.deepEqual(validate(JSON.parse(JSON.stringify(toBundle(mapped)))), []);
  return mapped;
}

/** FT1 with these fields from FT1-2 on. */
function charge(fields: string, type?: string): MappedMessage {
  return billed([`FT1|1|${fields}`], type);
}

describe('FT1 -> ChargeItem', () => {
  const full = segment('FT1', {
    1: '1',
    2: 'T9',
    4: '20260301^20260302',
    5: '20260303',
    6: 'CG',
    7: 'C100^Dressing^L',
    10: '2',
    11: '30.50&EUR',
    12: '15.25&EUR',
    13: 'W3^Ward',
    16: 'W^12^3',
    19: 'I10^^I10',
    20: 'D1^Sa^Rui',
    21: 'D2^Luz^Ana',
    23: 'FO1',
    24: 'D3^Vaz^Ivo',
    25: '97597^Debridement^C4',
    26: 'RT~59',
  });

  it('takes code, quantity, amount with currency, dates, diagnosis and modifiers from their fields', () => {
    const item = resource(billed([full]), 'ChargeItem');
    assert.equal(item['status'], 'billable');
    assert.deepEqual(item['identifier'], [{ value: 'T9' }]);
    const { coding } = item['code'] as { coding: { code: string }[] };
    assert.deepEqual(
      coding.map(({ code }) => code),
      ['C100', '97597'],
    );
    assert.equal(json(item['quantity']), '{"value":2}');
    assert.equal(json(item['priceOverride']), '{"value":30.50,"currency":"EUR"}');
    assert.deepEqual(item['occurrencePeriod'], { start: '2026-03-01', end: '2026-03-02' });
    assert.equal(item['enteredDate'], '2026-03-03');
    assert.ok(json(item['reason']).includes('"I10"'));
    const extensions = json(item['extension']);
    for (const part of [
      '/unit-price","valueMoney":{"value":15.25',
      '/procedure-modifier',
      '"RT"',
      '"59"',
      '/event-location',
    ])
      assert.ok(extensions.includes(part), `${part} in ${extensions}`);
  });

  it('names who did it, who asked for it and who entered it', () => {
    const item = resource(billed([full]), 'ChargeItem');
    const performer = json(item['performer']);
    assert.ok(performer.includes('"PPRF"') && performer.includes('Rui Sa'), performer);
    assert.ok(performer.includes('"OP"') && performer.includes('Ana Luz'), performer);
    assert.equal((item['enterer'] as { display: string }).display, 'Ivo Vaz');
  });

  it('belongs to the account, and to the order that FT1-23 names', () => {
    const mapped = billed([full]);
    const item = resource(mapped, 'ChargeItem');
    assert.deepEqual(item['account'], [{ reference: `Account/${resource(mapped, 'Account').id}` }]);
    assert.deepEqual(item['supportingInformation'], [{ identifier: { value: 'FO1' }, type: 'ServiceRequest' }]);
  });

  it('given PR1 after FT1, then the procedure is the service that is charged', () => {
    const mapped = billed([full, 'PR1|1||97597^Debridement^C4||20260301', 'FT1|2|T10||20260301||CG|C1']);
    const [first, second] = drafts(mapped, 'ChargeItem').map(({ resource: item }) => item);
    assert.deepEqual(first?.['service'], [{ reference: `Procedure/${resource(mapped, 'Procedure').id}` }]);
    assert.equal(second?.['service'], undefined);
  });

  it('a correction has the id of what it corrects, whatever message brings it', () => {
    const [first, second] = ['2|30&EUR', '3|45&EUR'].map((rest) =>
      resource(charge(`T9||20260301||CG|C100^Dressing^L|||${rest}`), 'ChargeItem'),
    );
    assert.equal(first?.id, second?.id);
  });

  it('a credit with the number of its charge stands beside it and counts against it', () => {
    const credit = resource(charge('T9||20260301||CD|C100^Dressing^L|||2|30&EUR'), 'ChargeItem');
    assert.notEqual(credit.id, resource(charge('T9||20260301||CG|C100^Dressing^L|||2|30&EUR'), 'ChargeItem').id);
    assert.equal(credit['factorOverride'], -1);
  });

  it('given FT1 without number, then a replay in another message is the same charge', () => {
    const [first, second] = ['M1', 'M2'].map((controlId) =>
      resource(map([patient, 'FT1|1|||20260301||CG|C100^Dressing^L'], { type: 'DFT^P03', controlId }), 'ChargeItem'),
    );
    assert.equal(first?.id, second?.id);
  });

  for (const [type, status, component] of [
    ['PY', 'balanced', 'deduction'],
    ['AJ', 'issued', 'deduction'],
    ['CO', 'issued', 'base'],
  ] as const) {
    it(`given FT1-6 ${type}, then a ${status} Invoice with a ${component}, and no charge`, () => {
      const mapped = charge(`T3||20260301||${type}|X^Cash||||12.00&EUR`);
      const invoice = resource(mapped, 'Invoice');
      assert.equal(invoice['status'], status);
      assert.ok(json(invoice['lineItem']).includes(`"type":"${component}","amount":{"value":12.00,"currency":"EUR"}`));
      assert.deepEqual(invoice['account'], { reference: `Account/${resource(mapped, 'Account').id}` });
      assert.equal(drafts(mapped, 'ChargeItem').length, 0);
    });
  }

  it('given FT1 in an order, then the charge is for what was ordered', () => {
    const mapped = billed(
      ['ORC|NW|O1', 'OBR|1|O1||24336-0^Gas panel^LN', 'FT1|1|||20260301||CG|C7', 'ORC|NW|O2', 'OBR|2|O2||X^Y^L'],
      'ORM^O01',
    );
    const [request] = drafts(mapped, 'ServiceRequest');
    assert.deepEqual(resource(mapped, 'ChargeItem')['supportingInformation'], [
      { reference: `ServiceRequest/${request?.resource.id}` },
    ]);
  });
});

describe('PID-18, PV1, GT1 and IN1 -> Account', () => {
  it('has number, time, sums, guarantor and policies', () => {
    const mapped = billed([
      segment('PV1', { 2: 'I', 44: '20260301', 45: '20260305', 46: '10.5', 47: '300', 48: '-20', 49: '269.5' }),
      segment('GT1', { 1: '1', 2: 'G1^^^HOSPA', 3: 'Lin^Bo', 11: 'FTH', 13: '20200101', 14: '20301231', 22: 'Y' }),
      policy,
    ]);
    const account = resource(mapped, 'Account');
    assert.deepEqual(account['servicePeriod'], { start: '2026-03-01', end: '2026-03-05' });
    assert.ok(json(account['identifier']).includes('"value":"A77"'));
    assert.ok(json(account['extension']).includes('/account-charges","valueMoney":{"value":300}'));
    assert.deepEqual(account['guarantor'], [
      {
        party: { reference: `RelatedPerson/${resource(mapped, 'RelatedPerson').id}` },
        onHold: true,
        period: { start: '2020-01-01', end: '2030-12-31' },
      },
    ]);
    assert.deepEqual(account['coverage'], [
      { coverage: { reference: `Coverage/${resource(mapped, 'Coverage').id}` }, priority: 1 },
    ]);
  });

  it('given an organization as guarantor, then it is one', () => {
    const mapped = billed([segment('GT1', { 1: '1', 2: '77^^^REG', 21: 'Town Welfare Office' })]);
    const [party] = resource(mapped, 'Account')['guarantor'] as { party: { reference: string } }[];
    const organization = drafts(mapped, 'Organization').find(({ resource: item }) => item['name'] !== undefined);
    assert.equal(party?.party.reference, `Organization/${organization?.resource.id}`);
    assert.equal(organization?.resource['name'], 'Town Welfare Office');
  });

  it('BAR^P06 ends the account, BAR^P02 purges it', () => {
    assert.equal(resource(billed([], 'BAR^P06'), 'Account')['status'], 'inactive');
    const [purged] = drafts(map([patient], { type: 'BAR^P02' }), 'Account');
    assert.equal(purged?.mode, 'delete');
    assert.equal(purged?.resource.id, resource(billed([], 'BAR^P01'), 'Account').id);
  });
});

describe('IN1, IN2, IN3 -> Coverage, its subscriber and its certification', () => {
  it('names plan, group, period, insurer with address, and what the patient pays first', () => {
    const mapped = billed([
      segment('IN1', {
        1: '1',
        2: 'G^Gold',
        3: '55^^^REG',
        4: 'Harbour Mutual',
        5: '1 Quay^^Porto',
        6: 'Reis^Ana',
        7: '+351 1',
        8: 'G7',
        9: 'Dockers',
        12: '20260101',
        13: '20261231',
        15: 'HMO',
        37: '150&EUR',
      }),
    ]);
    const coverage = resource(mapped, 'Coverage');
    const classes = json(coverage['class']);
    assert.ok(classes.includes('"code":"plan"') && classes.includes('"value":"G","name":"Gold"'), classes);
    assert.ok(classes.includes('"code":"group"') && classes.includes('"value":"G7","name":"Dockers"'), classes);
    assert.deepEqual(coverage['period'], { start: '2026-01-01', end: '2026-12-31' });
    assert.ok(json(coverage['costToBeneficiary']).includes('"valueMoney":{"value":150,"currency":"EUR"}'));
    const insurer = resource(mapped, 'Organization');
    assert.equal(insurer['name'], 'Harbour Mutual');
    assert.ok(json(insurer['address']).includes('1 Quay') && json(insurer['contact']).includes('Reis'));
    assert.deepEqual(coverage['payor'], [{ reference: `Organization/${insurer.id}`, display: 'Harbour Mutual' }]);
  });

  it('the insured who is not the patient is a RelatedPerson, with typed numbers', () => {
    const mapped = billed([`${policy}|||||||||||Lin^Bo|FTH|19600101`, 'IN2|E5|110-22-3333||||MC9||MA8||MI7']);
    const coverage = resource(mapped, 'Coverage');
    const insured = resource(mapped, 'RelatedPerson');
    assert.deepEqual(coverage['subscriber'], { reference: `RelatedPerson/${insured.id}` });
    assert.equal(insured['birthDate'], '1960-01-01');
    const numbers = insured['identifier'] as { value: string; type: { coding: { code: string }[] } }[];
    assert.deepEqual(
      numbers.map(({ value, type }) => `${type.coding[0]?.code} ${value}`),
      ['EI E5', 'SS 110-22-3333', 'MC MC9', 'MA MA8', 'MI MI7'],
    );
  });

  it('given the patient is the insured, then the subscriber is the patient, who has the numbers', () => {
    const mapped = billed([`${policy}|||||||||||Lin^Mei|SEL`, 'IN2||||||MC9']);
    const person = resource(mapped, 'Patient');
    assert.deepEqual(resource(mapped, 'Coverage')['subscriber'], { reference: `Patient/${person.id}` });
    assert.ok(json(person['identifier']).includes('"MC9"'));
    assert.equal(drafts(mapped, 'RelatedPerson').length, 0);
  });

  it('given no insurer, then the guarantor pays; given none either, then the payor is unknown', () => {
    const selfPaid = billed(['GT1|1||Lin^Bo||||||||FTH', 'IN1|1|SP^Self pay']);
    const guarantor = drafts(selfPaid, 'RelatedPerson')[0]?.resource.id;
    assert.deepEqual(resource(selfPaid, 'Coverage')['payor'], [{ reference: `RelatedPerson/${guarantor}` }]);
    assert.ok(json(resource(billed(['IN1|1|SP']), 'Coverage')['payor']).includes('data-absent-reason'));
  });

  it('IN1-55 D deletes the policy, and the account no longer has it', () => {
    const mapped = map([patient, segment('IN1', { 1: '1', 2: 'G^Gold', 3: '55^^^REG', 55: 'D' })], { type: 'ADT^A08' });
    assert.equal(drafts(mapped, 'Coverage')[0]?.mode, 'delete');
    assert.equal(resource(mapped, 'Account')['coverage'], undefined);
  });

  it('the policies and guarantors of an A08 are the whole list, unless they have action codes', () => {
    const lists = (action: string): string[] =>
      map([patient, 'GT1|1||Lin^Bo', segment('IN1', { 1: '1', 2: 'G', 3: '55', 55: action })], {
        type: 'ADT^A08',
      }).snapshots.map((list) => `${list.segment} ${list.type} ${list.ids.length}`);
    assert.deepEqual(lists(''), ['GT1 RelatedPerson 1', 'IN1 Coverage 1']);
    assert.deepEqual(lists('A'), ['GT1 RelatedPerson 1']);
  });

  it('IN3 is a preauthorization by the insurer, and its case manager a care team', () => {
    const mapped = billed([
      policy,
      segment('IN3', { 1: '1', 2: 'C4^^^REG', 3: 'D1^Sa^Rui', 6: '20260302', 21: 'Mora Dias' }),
    ]);
    const response = resource(mapped, 'ClaimResponse');
    assert.equal(response['use'], 'preauthorization');
    assert.equal(response['preAuthRef'], 'C4');
    assert.equal(response['created'], '2026-03-02');
    assert.equal((response['insurer'] as { display: string }).display, 'Harbour Mutual');
    assert.ok(json(resource(mapped, 'CareTeam')['participant']).includes('Mora Dias'));
  });

  it('PV1-20 is a Coverage where no policy is named, and the type of one that has none', () => {
    const visit = segment('PV1', { 1: '1', 2: 'I', 19: 'V1^^^HOSPA^VN', 20: 'M' });
    assert.ok(json(resource(billed([visit]), 'Coverage')['type']).includes('"M"'));
    const withPolicy = billed([visit, policy]);
    assert.equal(drafts(withPolicy, 'Coverage').length, 1);
    assert.ok(json(resource(withPolicy, 'Coverage')['type']).includes('"M"'));
  });
});

describe('CTD -> RelatedPerson', () => {
  it('is somebody to contact about the patient', () => {
    const mapped = billed(
      ['ORC|NW|O1', 'OBR|1|O1||X^Y^L', 'CTD|C^Emergency Contact^HL70131|Lin^Bo|2 Quay^^Porto||^PRN^PH^^^22^333'],
      'ORM^O01',
    );
    const person = resource(mapped, 'RelatedPerson');
    assert.ok(json(person['name']).includes('"Bo"') && json(person['address']).includes('Porto'));
    assert.ok(json(person['relationship']).includes('"C"') && json(person['telecom']).includes('333'));
  });
});
