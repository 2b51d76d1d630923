/** One person in two hospitals, over FHIR: what a link opens at once, and what only the person opens. */
import assert from 'node:assert/strict';
import { nationalIdSystem } from '../../src/fhir/identifiers.ts';
import { givenConsent } from '../given-consent.ts';
import { givenHub, type GivenHub } from '../given-hub.ts';

describe('journey: one person, two hospitals', () => {
  const ai = 'Organization/ai';
  let hub: GivenHub;
  let aiToken: string;
  before(async () => {
    hub = await givenHub();
    aiToken = await hub.token('ai', { organization: ai });
  });
  after(() => hub.close());

  /** A Patient and a reading of theirs, written by one hospital. @returns the Patient's id */
  const admit = async (organization: string, nationalId: string | undefined): Promise<string> => {
    const token = await hub.token('hospital', { organization });
    const identifier = nationalId === undefined ? undefined : [{ system: nationalIdSystem, value: nationalId }];
    const patient = await hub.send('POST', 'Patient', token, { body: { resourceType: 'Patient', identifier } });
    assert.equal(patient.status, 201, patient.text);
    const subject = { reference: `Patient/${patient.json['id']}` };
    const body = { resourceType: 'Observation', status: 'final', code: { text: 'glucose' }, subject };
    const observation = await hub.send('POST', 'Observation', token, { body });
    assert.equal(observation.status, 201, observation.text);
    return String(patient.json['id']);
  };
  const found = async (token: string, patient: string): Promise<number> => {
    const { json, text } = await hub.send('GET', `Observation?patient=Patient/${patient}`, token);
    assert.equal(json['resourceType'], 'Bundle', text);
    return Number(json['total']);
  };

  it('a permit covers the records of the day it was written; a repeated one those linked since', async () => {
    const first = await admit('Organization/first', '440524188001010014');
    const own = await hub.token('patient', { patient: first, fhirUser: `Patient/${first}` });
    const consent = await hub.send('POST', 'Consent', own, { body: givenConsent(first, ai) });
    assert.equal(consent.status, 201, consent.text);
    assert.equal(await found(aiToken, first), 1);

    const second = await admit('Organization/second', '440524188001010014');
    assert.equal(await found(own, first), 2, 'the patient sees both at once');
    assert.equal(await found(aiToken, first), 1, 'the service sees what was permitted');
    assert.equal(await found(aiToken, second), 1, 'a search for either record covers the person');

    const again = await hub.send('PUT', `Consent/${consent.json['id']}`, own, {
      body: { ...givenConsent(first, ai), id: consent.json['id'] },
    });
    assert.equal(again.status, 200, again.text);
    assert.equal(await found(aiToken, second), 2, 'confirmed');

    const revoked = await hub.send('PUT', `Consent/${consent.json['id']}`, own, {
      body: { ...givenConsent(first, ai), id: consent.json['id'], status: 'inactive' },
    });
    assert.equal(revoked.status, 200, revoked.text);
    assert.equal(await found(aiToken, first), 0);
    assert.equal(await found(aiToken, second), 0);
  });

  it('who asked in vain for a Patient is in that patient’s log', async () => {
    const patient = await admit('Organization/first', undefined);
    assert.equal((await hub.send('GET', `Patient/${patient}`, aiToken)).status, 404);
    const own = await hub.token('patient', { patient, fhirUser: `Patient/${patient}` });
    const log = await hub.send('GET', 'AuditEvent', own);
    assert.match(log.text, /"outcome":"4"/);
    assert.match(log.text, /Organization\/ai/);
  });
});
