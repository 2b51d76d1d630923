import assert from 'node:assert/strict';
import { validate } from '../../src/fhir/validate.ts';
import type { MappedMessage } from '../../src/mapping/message/draft.ts';
import { drafts, json, map, resource, segment, toBundle } from './given.ts';

function mapped(segments: readonly string[], type: string): MappedMessage {
  const message = map(segments, { type });
  assert.deepEqual(validate(JSON.parse(JSON.stringify(toBundle(message)))), []);
  return message;
}

const patient = 'PID|1||P1^^^HOSPA^MR||Lin^Mei';
const problem = 'PRB|AD|202601050900|I10^Hypertension^I10|77^REG';

describe('PRB -> Condition of the problem list', () => {
  const full = segment('PRB', {
    1: 'AD',
    2: '202601050900',
    3: 'I10^Hypertension^I10',
    4: '77^REG',
    7: '20260104',
    13: 'C^Confirmed',
    16: '2024',
    18: '1^Primary',
    25: 'R',
  });

  it('takes identity, code, dates, confirmation and protection', () => {
    const condition = resource(mapped([full], 'PPR^PC1'), 'Condition');
    assert.ok(json(condition['category']).includes('problem-list-item'));
    assert.ok(json(condition['identifier']).includes('"77"'));
    assert.ok(json(condition['verificationStatus']).includes('"confirmed"'));
    assert.ok(json(condition['clinicalStatus']).includes('"active"'));
    assert.equal(condition['onsetDateTime'], '2024');
    assert.equal(condition['recordedDate'], '2026-01-05T09:00:00+08:00');
    assert.ok(json(condition['meta']).includes('"code":"R"'));
    assert.ok(json(condition['extension']).includes('condition-assertedDate","valueDateTime":"2026-01-04"'));
  });

  for (const [status, end, expected] of [
    ['', '', 'active'],
    ['', '20260201', 'resolved'],
    ['ACTIVE', '20260201', 'resolved'],
    ['remission^Remission', '20260201', 'remission'],
    ['INACTIVE', '', 'inactive'],
    ['something else', '', 'active'],
  ] as const) {
    it(`given PRB-14 "${status}" and PRB-9 "${end}", then ${expected}`, () => {
      const fields = segment('PRB', { 1: 'AD', 3: 'I10^^I10', 9: end, 14: status });
      assert.ok(json(resource(mapped([fields], 'PPR^PC1'), 'Condition')['clinicalStatus']).includes(`"${expected}"`));
    });
  }

  it('an update has the id of the problem and leaves alone what it does not say, and when it was first recorded', () => {
    const [update] = drafts(mapped(['PRB|UP|20260301|I10^Hypertension^I10|77^REG'], 'PPR^PC2'), 'Condition');
    assert.equal(update?.resource.id, resource(mapped([full], 'PPR^PC1'), 'Condition').id);
    assert.equal(update?.mode, 'merge');
    assert.equal(update?.resource['recordedDate'], undefined);
  });

  for (const [name, segments, type] of [
    ['PRB-1 DE', ['PRB|DE|20260301|I10^Hypertension^I10|77^REG'], 'PPR^PC2'],
    ['PPR^PC3', ['PRB||20260301|I10^Hypertension^I10|77^REG'], 'PPR^PC3'],
  ] as const) {
    it(`${name} deletes the problem`, () => {
      const [draft] = drafts(map([patient, ...segments], { type }), 'Condition');
      assert.equal(draft?.mode, 'delete');
      assert.equal(draft?.resource.id, resource(mapped([full], 'PPR^PC1'), 'Condition').id);
    });
  }

  it('a role is who asserts it, an observation its evidence, a note its note', () => {
    const message = mapped(
      [
        problem,
        'NTE|1||Since the winter',
        'ROL|1|AD|AT^Attending^HL70443|D1^Sa^Rui',
        'OBX|1|NM|8480-6^Systolic^LN||182|mm[Hg]|||||F',
      ],
      'PPR^PC1',
    );
    const condition = resource(message, 'Condition');
    const role = resource(message, 'PractitionerRole');
    assert.deepEqual(condition['asserter'], { reference: `PractitionerRole/${role.id}` });
    assert.ok(json(role['practitioner']).includes('Rui Sa'));
    assert.ok(json(condition['evidence']).includes('Observation/'));
    assert.ok(json(condition['note']).includes('Since the winter'));
  });
});

describe('GOL, PTH, VAR -> Goal, CarePlan, DetectedIssue', () => {
  const goal = segment('GOL', {
    1: 'AD',
    2: '20260105',
    3: 'BP^Pressure below 140^L',
    4: 'G1^REG',
    7: '20260105',
    8: '20260630',
    16: 'improving^Improving^L',
    18: 'ACTIVE',
    19: '20260106',
  });
  const pathway = 'PTH|AD|HTN^Hypertension pathway^L|W1^REG|20260105|ACTIVE';

  it('a goal below a problem addresses it; a pathway has both', () => {
    const message = mapped([problem, goal, pathway, 'PRB|AD|20260105|E11^Diabetes^I10|78^REG'], 'PPR^PC1');
    const [condition] = drafts(message, 'Condition');
    const reference = { reference: `Condition/${condition?.resource.id}` };
    const target = resource(message, 'Goal');
    assert.deepEqual(target['addresses'], [reference]);
    assert.equal(target['lifecycleStatus'], 'active');
    assert.equal(target['startDate'], '2026-01-05');
    assert.equal(target['statusDate'], '2026-01-06');
    assert.deepEqual(target['target'], [{ dueDate: '2026-06-30' }]);
    const plan = resource(message, 'CarePlan');
    assert.deepEqual([plan['status'], plan['intent'], plan['title']], ['active', 'plan', 'Hypertension pathway']);
    assert.deepEqual(plan['addresses'], [reference]);
  });

  it('PGL: the problems below a goal are those it addresses', () => {
    const message = mapped([goal, problem, 'PRB|AD|20260105|E11^Diabetes^I10|78^REG'], 'PGL^PC6');
    const ids = drafts(message, 'Condition').map(({ resource: item }) => ({ reference: `Condition/${item.id}` }));
    assert.equal(ids.length, 2);
    assert.deepEqual(resource(message, 'Goal')['addresses'], ids);
  });

  it('PPP: a pathway with its goals', () => {
    const message = mapped([pathway, problem, goal], 'PPP^PCB');
    assert.deepEqual(resource(message, 'CarePlan')['goal'], [{ reference: `Goal/${resource(message, 'Goal').id}` }]);
  });

  it('a variance is an issue with what it is about', () => {
    const message = mapped([problem, 'VAR|V1^REG|20260110|20260109|D1^Sa^Rui|LATE^Delayed^L|Ward was full'], 'PPR^PC1');
    const issue = resource(message, 'DetectedIssue');
    assert.deepEqual(issue['implicated'], [{ reference: `Condition/${resource(message, 'Condition').id}` }]);
    assert.equal(issue['identifiedDateTime'], '2026-01-09');
    assert.equal(issue['detail'], 'Ward was full');
  });

  for (const [type, segments, deleted] of [
    ['PGL^PC8', [goal], 'Goal'],
    ['PPP^PCD', [pathway], 'CarePlan'],
    ['PPR^PC2', [problem, goal.replace('|AD|', '|DE|')], 'Goal'],
  ] as const) {
    it(`${type} deletes a ${deleted}`, () => {
      assert.equal(drafts(map([patient, ...segments], { type }), deleted)[0]?.mode, 'delete');
    });
  }
});

describe('RF1, PRD, AUT -> ServiceRequest, PractitionerRole, ClaimResponse', () => {
  const referral = segment('RF1', {
    1: 'A^Accepted^HL70283',
    2: 'S^STAT^HL70280',
    3: 'Rad^Radiology^HL70281',
    5: 'O^Outpatient^HL70284',
    6: 'R1^REG',
    7: '20260110',
    8: '20260210',
    9: '20260105',
    10: 'S^Second opinion^HL70336',
    11: 'X9^OTHER',
  });
  const from = segment('PRD', {
    1: 'RP^Referring^HL70286',
    2: 'Sa^Rui',
    7: '881^SL^CA',
    10: 'Harbour Clinic',
    11: '1 Quay^^Porto',
  });
  const to = segment('PRD', { 1: 'RT^Referred to^HL70286', 2: 'Luz^Ana', 8: '20200101' });

  it('names who refers, to whom, when, how urgently and why', () => {
    const message = mapped([referral, from, to, patient], 'REF^I12');
    const request = resource(message, 'ServiceRequest');
    assert.deepEqual([request['status'], request['intent'], request['priority']], ['active', 'order', 'stat']);
    assert.equal(request['authoredOn'], '2026-01-05');
    assert.deepEqual(request['occurrencePeriod'], { start: '2026-01-10', end: '2026-02-10' });
    assert.ok(json(request['reasonCode']).includes('"S"') && json(request['category']).includes('3457005'));
    const [referring, referredTo] = drafts(message, 'PractitionerRole').map(({ resource: role }) => role);
    assert.deepEqual(request['requester'], { reference: `PractitionerRole/${referring?.id}` });
    assert.deepEqual(request['performer'], [{ reference: `PractitionerRole/${referredTo?.id}` }]);
    assert.deepEqual(referredTo?.['period'], { start: '2020-01-01' });
    assert.ok(json(referring?.['organization']).includes('Harbour Clinic'));
    const [person] = drafts(message, 'Practitioner');
    assert.deepEqual(referring?.['practitioner'], { reference: `Practitioner/${person?.resource.id}` });
    assert.ok(json(person?.resource['identifier']).includes('"SL"'));
  });

  it('I13 changes the same referral, I14 revokes it, RF1-25 D deletes it', () => {
    const { id } = resource(mapped([referral, patient], 'REF^I12'), 'ServiceRequest');
    assert.equal(resource(mapped([referral, patient], 'REF^I13'), 'ServiceRequest').id, id);
    assert.equal(resource(mapped([referral, patient], 'REF^I14'), 'ServiceRequest')['status'], 'revoked');
    const [gone] = drafts(
      map([segment('RF1', { 6: 'R1^REG', 25: 'D' }), patient], { type: 'REF^I13' }),
      'ServiceRequest',
    );
    assert.deepEqual([gone?.mode, gone?.resource.id], ['delete', id]);
  });

  it('an authorization is a preauthorization, and the insurance of the referral', () => {
    const authorization = segment('AUT', {
      2: 'HM^^L',
      3: 'Harbour Mutual',
      4: '20260101',
      5: '20260401',
      6: 'Z5',
      7: '500&EUR',
      8: '10',
      9: '6',
      10: '20260103',
    });
    const message = mapped([referral, authorization, patient], 'REF^I12');
    const response = resource(message, 'ClaimResponse');
    assert.deepEqual(response['preAuthPeriod'], { start: '2026-01-01', end: '2026-04-01' });
    assert.equal((response['insurer'] as { display: string }).display, 'Harbour Mutual');
    assert.ok(json(response['item']).includes('"authorized treatments"},"value":6'), json(response['item']));
    assert.ok(json(response['total']).includes('"amount":{"value":500,"currency":"EUR"}'));
    assert.deepEqual(resource(message, 'ServiceRequest')['insurance'], [{ reference: `ClaimResponse/${response.id}` }]);
  });
});
