import assert from 'node:assert/strict';
import { isProjected, mayFilter, project } from '../../../src/access/predicate/minimum.ts';
import { requireOperator } from '../../../src/access/principal/operator.ts';
import { requireScope } from '../../../src/access/principal/scope.ts';
import { givenPrincipal, givenSelf } from '../world.ts';

const payer = givenPrincipal({ purpose: ['HPAYMT'] });
const patient = {
  resourceType: 'Patient',
  id: 'p1',
  meta: { versionId: '3', lastUpdated: '2026-01-01T00:00:00Z', source: 'urn:x', security: [{ code: 'R' }] },
  text: { status: 'generated', div: '<div>HIV</div>' },
  extension: [{ url: 'x', valueString: 'secret' }],
  contained: [{ resourceType: 'Organization' }],
  identifier: [{ system: 's', value: 'v', extension: [{ url: 'x', valueString: 'secret' }], _value: { id: 'x' } }],
  name: [{ text: '王芳' }],
  telecom: [{ value: '139' }],
  gender: 'female',
  _gender: { extension: [{ url: 'x' }] },
  birthDate: '1990-01-01',
  address: [{ text: 'street' }],
  photo: [{ data: 'aGk=' }],
};

describe('the minimum for payment (HPAYMT)', () => {
  it('a Patient is trimmed to identifier, name, birth date and gender; LEAKS 19: no narrative, tagged SUBSETTED', () => {
    assert.deepEqual(JSON.parse(project(payer, JSON.stringify(patient))), {
      resourceType: 'Patient',
      id: 'p1',
      meta: {
        versionId: '3',
        lastUpdated: '2026-01-01T00:00:00Z',
        tag: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ObservationValue', code: 'SUBSETTED' }],
      },
      identifier: [{ system: 's', value: 'v' }],
      name: [{ text: '王芳' }],
      birthDate: '1990-01-01',
      gender: 'female',
    });
  });

  it('other bodies, and bodies of other callers, are sent as stored', () => {
    const coverage = '{"resourceType":"Coverage","a":1.50}';
    assert.equal(project(payer, coverage), coverage);
    const body = JSON.stringify(patient);
    assert.equal(project(givenPrincipal(), body), body);
    assert.equal(project(givenSelf('p1'), body), body);
    assert.equal(isProjected(payer, 'Patient'), true);
    assert.equal(isProjected(payer, 'Coverage'), false);
  });

  it('LEAKS 2: what is trimmed cannot be guessed through a filter', () => {
    for (const param of [
      'telecom',
      'phone',
      'address',
      'address-city',
      'general-practitioner',
      'link',
      'deceased',
      '_text',
      '_content',
    ]) {
      assert.equal(mayFilter(payer, 'Patient', param), false, param);
    }
    for (const param of ['_id', 'identifier', 'name', 'birthdate'])
      assert.equal(mayFilter(payer, 'Patient', param), true, param);
    assert.equal(mayFilter(payer, 'Coverage', 'payor'), true);
    assert.equal(mayFilter(givenPrincipal(), 'Patient', 'phone'), true);
  });
});

describe('requireScope (SMART App Launch 2)', () => {
  const rows: readonly [string, string, 'c' | 'r' | 'u' | 'd' | 's', boolean][] = [
    ['system/*.rs', 'Observation', 'r', true],
    ['system/*.rs', 'Observation', 'c', false],
    ['system/Observation.cruds', 'Observation', 'd', true],
    ['system/Observation.cruds', 'Patient', 'r', false],
    ['system/Observation.rs?category=laboratory', 'Observation', 's', true],
    ['system/Observation.cu?category=laboratory', 'Observation', 'c', false],
    ['system/*.rs?category=laboratory', 'Observation', 's', false],
    ['system/Observation.read', 'Observation', 'r', false],
    ['system/Observation.sr', 'Observation', 'r', false],
    ['system/Observation.', 'Observation', 'r', false],
    ['system/observation.rs', 'Observation', 'r', false],
    ['system/Observatory.rs', 'Observatory', 'r', false],
    ['patient/Observation.rs', 'Observation', 'r', false],
    ['user/Observation.rs', 'Observation', 'r', false],
    ['system/Observation.rs?', 'Observation', 'r', false],
    ['openid fhirUser', 'Observation', 'r', false],
    ['', 'Observation', 'r', false],
  ];
  for (const [scope, type, interaction, isCovered] of rows) {
    it(`${scope || '(none)'} ${isCovered ? 'covers' : 'does not cover'} ${type}.${interaction}`, () => {
      const attempt = (): void => requireScope(givenPrincipal({ scope }), type, interaction);
      if (isCovered) attempt();
      else
        assert.throws(attempt, {
          code: 'forbidden',
          message: 'the scope of the token does not cover this interaction',
        });
    });
  }

  it('a patient scope covers with a patient in context', () => {
    requireScope(givenPrincipal({ scope: 'patient/Observation.rs', patient: 'p1' }), 'Observation', 'r');
  });

  it('the console needs hub/ops', () => {
    requireOperator(givenPrincipal({ isOperator: true }));
    assert.throws(() => requireOperator(givenPrincipal()), { code: 'forbidden' });
  });
});
