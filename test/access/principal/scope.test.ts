/** LEAKS 52: a scope that cannot be evaluated covers nothing, rather than more than it says. @see SMART 2.2 scopes-and-launch-context */
import assert from 'node:assert/strict';
import { parseScope } from '../../../src/access/principal/scope.ts';

const none: readonly string[] = [
  'patient/Observation.rs?category=laboratory&code:in=urn:vs',
  'patient/Observation.rs?category=laboratory&subject.family=x',
  'patient/Observation.rs?category=laboratory&code=',
  'patient/Observation.rs?category=laboratory&_has:X:y:z=1',
  String.raw`patient/Observation.rs?category=a\,b`,
  'patient/Observation.rs?',
  'patient/*.rs?category=laboratory',
  'patient/Nothing.rs',
  'patient/Observation.sr',
  'patient/Observation.',
  'patient/Observation.read',
  'everybody/Observation.rs',
];

describe('scopes that say less than they seem to (LEAKS 52)', () => {
  for (const scope of none) it(`covers nothing: ${scope}`, () => assert.equal(typeof parseScope(scope), 'undefined'));

  it('one that can be evaluated has a filter for each parameter', () => {
    assert.equal(parseScope('patient/Observation.rs?category=laboratory&code=a,b')?.filters.length, 2);
  });
});
