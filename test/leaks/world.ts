/**
 * A hub with two hospitals, a patient who let a service see what is ordinary, and rows that nobody but their source may see. All
 * that is hidden says {@link canary}: an answer or a header that shows it to anybody else has leaked.
 */
import assert from 'node:assert/strict';
import type { Claims, Preset } from '../../src/access/token/issue.ts';
import type { AnyResource } from '../../src/fhir/types.ts';
import type { Logger } from '../../src/hub/log.ts';
import { givenConsent } from '../given-consent.ts';
import { givenHub, type GivenHub, type HubResponse } from '../given-hub.ts';
import { reference, resource } from '../spec/world.ts';

export const canary = 'xyzzycanary';
const actCode = 'http://terminology.hl7.org/CodeSystem/v3-ActCode';
export const hiv = { meta: { security: [{ system: actCode, code: 'HIV' }], tag: [{ system: 'urn:t', code: canary }] } };
export const loinc = (code: string, text?: string): object => ({
  coding: [{ system: 'http://loinc.org', code }],
  ...(text === undefined ? {} : { text }),
});
export const ofP = { subject: reference('Patient/p') };

export const ai = 'Organization/ai-health-manager';
export const payer = 'Organization/payment-service';

/** What the service may see. */
export const open: readonly AnyResource[] = [
  resource('Organization/o', { name: 'Open' }),
  resource('Patient/p', { name: [{ family: 'Peters' }] }),
  resource('Encounter/e', ofP),
  resource('Observation/seen', { ...ofP, encounter: reference('Encounter/e'), effectiveDateTime: '2026-01-01' }),
  resource('Observation/linking', {
    ...ofP,
    encounter: reference('Encounter/hidden'),
    effectiveDateTime: '2026-01-02',
  }),
];

/** What it may not: labelled, of another patient, or of a type that no Consent opens. */
export const hidden: readonly AnyResource[] = [
  resource('Encounter/hidden', { ...ofP, ...hiv, reasonCode: [{ text: canary }] }),
  resource('Observation/hidden', {
    ...ofP,
    ...hiv,
    code: loinc(canary, canary),
    identifier: [{ system: 'urn:i', value: canary }],
    encounter: reference('Encounter/e'),
    effectiveDateTime: '2026-02-01',
    valueString: canary,
  }),
  resource('Provenance/hidden', {
    target: [reference('Observation/seen')],
    recorded: '2026-01-01T00:00:00Z',
    agent: [{ who: { display: canary } }],
  }),
  resource('List/hidden', { title: canary, entry: [{ item: reference('Observation/seen') }] }),
  resource('Group/hidden', { name: canary, member: [{ entity: reference('Patient/p') }] }),
  resource('Patient/q', { name: [{ family: canary }], identifier: [{ system: 'urn:i', value: canary }] }),
  resource('Observation/of-q', { subject: reference('Patient/q'), code: loinc(canary), valueString: canary }),
  resource('DocumentReference/hidden', {
    ...ofP,
    ...hiv,
    status: 'current',
    description: canary,
    content: [{ attachment: { url: 'Binary/hidden' } }],
  }),
  resource('ValueSet/hidden', {
    url: 'urn:vs:hidden',
    status: 'active',
    name: canary,
    compose: { include: [{ system: 'http://loinc.org', concept: [{ code: '718-7', display: canary }] }] },
  }),
  resource('CodeSystem/hidden', {
    url: 'urn:cs:hidden',
    status: 'active',
    content: 'complete',
    concept: [{ code: 'c1', display: canary }],
  }),
  resource('Basic/hidden', { code: { text: canary } }),
  resource('Binary/hidden', {
    contentType: 'text/plain',
    data: Buffer.from(canary).toString('base64'),
    securityContext: reference('DocumentReference/hidden'),
    meta: { tag: [{ system: 'urn:t', code: canary }] },
  }),
];

export interface LeakWorld {
  readonly hub: GivenHub;
  readonly tokens: Record<string, string>;
  write(resources: readonly AnyResource[], token?: string): Promise<void>;
  consent(patient: string, recipient: string, changes?: Record<string, unknown>): Promise<HubResponse>;
  token(preset: Preset, claims?: Partial<Claims>): Promise<string>;
  close(): Promise<void>;
}

/** @param log default: errors to stderr */
export async function givenLeakWorld(log?: Logger): Promise<LeakWorld> {
  const hub = await givenHub({}, log);
  const token: LeakWorld['token'] = (preset, claims) => hub.token(preset, claims);
  const hospital = await token('hospital');
  const write: LeakWorld['write'] = async (resources, by = hospital) => {
    for (const one of resources) {
      const address = `${one.resourceType}/${one.id}`;
      const { status, text } = await hub.send('PUT', address, by, { body: one });
      assert.ok(status < 300, `${address}: ${text}`);
    }
  };
  return {
    hub,
    write,
    token,
    consent: async (patient, recipient, changes) => {
      const self = await token('patient', { fhirUser: `Patient/${patient}`, patient });
      const answer = await hub.send('POST', 'Consent', self, { body: givenConsent(patient, recipient, changes) });
      assert.equal(answer.status, 201, answer.text);
      return answer;
    },
    tokens: {
      hospital,
      'a consented service': await token('ai'),
      'another hospital': await token('hospital', { organization: 'Organization/elsewhere', client_id: 'elsewhere' }),
      'an app of the patient': await token('ai', { patient: 'p', scope: 'patient/*.rs', client_id: 'app' }),
      payment: await token('payment'),
    },
    close: () => hub.close(),
  };
}

/** Of the clock, of chance, and sealed afresh each time. */
const volatile = /"(date|timestamp|identifier)":"[^"]*"|_cursor=[\w-]+/g;

/** What an answer says: status, headers, body. @param names that the question itself had, and an answer may echo */
export function saidBy({ status, headers, text }: HubResponse, names: readonly string[] = []): object {
  const anonymous = (value: string): string =>
    names.reduce((all, name) => all.replaceAll(name, '[id]'), value.replaceAll(volatile, ''));
  const shown = [...headers].filter(([name]) => name !== 'date');
  return { status, headers: shown.map(([name, value]) => `${name}: ${anonymous(value)}`), text: anonymous(text) };
}
