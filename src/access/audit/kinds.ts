/**
 * What each interaction of the trail is as an AuditEvent: type, subtypes, action, and the profile of IHE's Basic Audit Log Patterns
 * that a successful one meets.
 *
 * @see https://profiles.ihe.net/ITI/BALP/content.html
 * @see https://hl7.org/fhir/R4/valueset-audit-event-type.html
 */
export interface Coding {
  readonly system: string;
  readonly code: string;
  readonly display?: string;
}

export interface Kind {
  readonly type: Coding;
  readonly subtype: readonly Coding[];
  /** @see https://hl7.org/fhir/R4/valueset-audit-event-action.html */
  readonly action: 'C' | 'R' | 'U' | 'D' | 'E';
  /** With a patient: `Patient` before it. */
  readonly profile?: 'Create' | 'Read' | 'Update' | 'Delete' | 'Query';
}

export const dicom = 'http://dicom.nema.org/resources/ontology/DCM';
/** Names of the hub's own: like every canonical a name, not an address. */
export const ownSubtypes = 'https://health-record-hub.example/fhir/CodeSystem/audit-event-sub-type';
const restful = 'http://hl7.org/fhir/restful-interaction';
const ihe = 'urn:ihe:event-type-code';

const rest: Coding = {
  system: 'http://terminology.hl7.org/CodeSystem/audit-event-type',
  code: 'rest',
  display: 'RESTful Operation',
};
const dcm = (code: string, display: string): Coding => ({ system: dicom, code, display });
const authentication = dcm('110114', 'User Authentication');
const alert = dcm('110113', 'Security Alert');
const activity = dcm('110100', 'Application Activity');
const own = (code: string): Coding => ({ system: ownSubtypes, code });

const ofRest = (
  code: string,
  action: Kind['action'],
  profile: Kind['profile'],
  more: readonly Coding[] = [],
): Kind => ({
  type: rest,
  subtype: [...more, { system: restful, code }],
  action,
  profile,
});
const search = { system: restful, code: 'search' };

/** By the name under which it is recorded. What is recorded under another name is told as {@link unknown}. */
const kinds: Readonly<Record<string, Kind>> = {
  read: ofRest('read', 'R', 'Read'),
  vread: ofRest('vread', 'R', 'Read'),
  'history-instance': ofRest('history-instance', 'R', 'Read'),
  'history-type': ofRest('history-type', 'E', 'Query'),
  'history-system': ofRest('history-system', 'E', 'Query'),
  create: ofRest('create', 'C', 'Create'),
  update: ofRest('update', 'U', 'Update'),
  patch: ofRest('patch', 'U', 'Update'),
  delete: ofRest('delete', 'D', 'Delete'),
  'search-type': ofRest('search-type', 'E', 'Query', [search]),
  'search-system': ofRest('search-system', 'E', 'Query', [search]),
  operation: ofRest('operation', 'E', 'Query'),
  transaction: ofRest('transaction', 'E', undefined),
  batch: ofRest('batch', 'E', undefined),
  // Who asked could not be established.
  unauthenticated: { type: authentication, subtype: [own('unauthenticated')], action: 'E' },
  login: { type: authentication, subtype: [dcm('110122', 'Login')], action: 'E' },
  'login-failed': { type: authentication, subtype: [dcm('110122', 'Login'), own('login-failed')], action: 'E' },
  logout: { type: authentication, subtype: [dcm('110123', 'Logout')], action: 'E' },
  token: { type: authentication, subtype: [{ system: ihe, code: 'ITI-71', display: 'Get Access Token' }], action: 'E' },
  authorize: { type: authentication, subtype: [own('authorize')], action: 'E' },
  'token-revoke': { type: authentication, subtype: [own('token-revoke')], action: 'E' },
  'password-change': {
    type: alert,
    subtype: [dcm('110137', 'User Security Attributes Changed'), own('password-change')],
    action: 'U',
  },
  'recovery-codes': {
    type: alert,
    subtype: [dcm('110137', 'User Security Attributes Changed'), own('recovery-codes')],
    action: 'U',
  },
  enrol: { type: alert, subtype: [dcm('110137', 'User Security Attributes Changed'), own('enrol')], action: 'C' },
  'account-invite': { type: alert, subtype: [own('account-invite')], action: 'C' },
  'account-disable': {
    type: alert,
    subtype: [dcm('110137', 'User Security Attributes Changed'), own('account-disable')],
    action: 'U',
  },
  'account-reset': {
    type: alert,
    subtype: [dcm('110137', 'User Security Attributes Changed'), own('account-reset')],
    action: 'U',
  },
  'break-glass': {
    type: alert,
    subtype: [dcm('110127', 'Emergency Override Started'), own('break-glass')],
    action: 'E',
  },
  'consent-request': { type: activity, subtype: [own('consent-request')], action: 'E' },
  'consent-decline': { type: activity, subtype: [own('consent-decline')], action: 'E' },
  // Of a person's copies: asked for, taken back, lifted; begun and done by the clock; ordered by the operator.
  ...Object.fromEntries(
    ['erase', 'erase-cancel', 'erase-lift', 'erase-begin', 'erase-order'].map((name): [string, Kind] => [
      name,
      { type: activity, subtype: [own(name)], action: name === 'erase' ? 'D' : 'E' },
    ]),
  ),
  'break-glass-end': { type: alert, subtype: [own('break-glass-end')], action: 'E' },
  // Asked for more than is asked for in earnest.
  throttled: { type: alert, subtype: [own('throttled')], action: 'E' },
  // The content of a message, shown to an analyst.
  'ops-content': { type: dcm('110112', 'Query'), subtype: [own('ops-content')], action: 'R' },
  'ops-view': { type: dcm('110112', 'Query'), subtype: [own('ops-view')], action: 'R' },
  'ops-change': { type: activity, subtype: [own('ops-change')], action: 'E' },
  'audit-export': { type: dcm('110101', 'Audit Log Used'), subtype: [own('audit-export')], action: 'R' },
};

export const knownInteractions: readonly string[] = Object.keys(kinds);

/** Recorded under a name that is not in the table: the name is the subtype. */
export const unknown: Omit<Kind, 'subtype'> = { type: activity, action: 'E' };

export function kindOf(interaction: string): Kind {
  return Object.hasOwn(kinds, interaction) ? (kinds[interaction] as Kind) : { ...unknown, subtype: [own(interaction)] };
}
