/**
 * An AuditEvent as the answer to who, why, what, and on what ground.
 *
 * @see https://profiles.ihe.net/ITI/BALP/
 * @typedef {import('../fhir.js').Resource} Resource
 * @typedef {object} Access
 * @property {string} request id of the request; a search over several records of a patient has an event for each
 * @property {string} recorded
 * @property {string} who reference of who asked, `Organization/x`; an identifier of the client when there is none
 * @property {string} [name]
 * @property {boolean} isSelf the access of whoever looks at the log
 * @property {string} [purpose] code of HL7 v3 PurposeOfUse
 * @property {'read' | 'search' | 'write'} action
 * @property {string} [act] what was done beside the record, such as signing in: the code that is most its own
 * @property {string} [type] resource type that was asked for; undefined: several
 * @property {boolean} isAllowed something was shown
 * @property {boolean} isFailed
 * @property {'self' | 'proxy' | 'source' | 'consent' | 'break-glass'} [basis]
 * @property {string} [consent] `Consent/x` that decided
 * @property {string} [stated] why, in the words of who did it: the record was opened without consent, a message looked into
 */

/**
 * @param {Resource} event
 * @param {string} by who looks at the log: the patient, or who acts for them
 * @returns {Access}
 */
export function readAccess(event, by) {
  /** @type {Resource[]} */
  const agents = event.agent ?? [];
  const requestor = agents.find((agent) => agent.requestor === true);
  const organization = agents.find((agent) => agent.who?.reference?.startsWith('Organization/'));
  const asker = (organization ?? requestor)?.who ?? {};
  const consent = decidingConsent(event);
  const [, ground] = /allowed by (self|proxy|source|break-glass)\b/.exec(event.outcomeDesc ?? '') ?? [];
  return {
    request: requestId(event),
    recorded: event.recorded,
    who: asker.reference ?? asker.identifier?.value ?? '',
    name: asker.display,
    isSelf: organization === undefined && requestor?.who?.reference === by,
    purpose: event.purposeOfEvent?.[0]?.coding?.[0]?.code,
    action: event.action === 'R' ? 'read' : event.action === 'E' ? 'search' : 'write',
    act: actOf(event),
    type: askedType(event),
    isAllowed: event.outcome === '0',
    isFailed: event.outcome === '8' || event.outcome === '12',
    basis:
      consent === undefined
        ? /** @type {'self' | 'proxy' | 'source' | 'break-glass' | undefined} */ (ground)
        : 'consent',
    consent,
    stated: event.purposeOfEvent?.find((/** @type {Resource} */ { text }) => text !== undefined)?.text,
  };
}

/**
 * An operation of the API is told by what it is about; all else has a name.
 * @param {Resource} event
 * @returns {string | undefined}
 */
function actOf({ type, subtype }) {
  return type?.code === 'rest' ? undefined : (subtype?.at(-1)?.code ?? 'other');
}

/**
 * One line a request: shown, when it was for any of the records. Keeps the order.
 * @param {Access[]} accesses
 * @returns {Access[]}
 */
export function oneEachRequest(accesses) {
  /** @type {Map<string, Access>} */
  const requests = new Map();
  for (const access of accesses) {
    const known = requests.get(access.request);
    if (known === undefined || (access.isAllowed && !known.isAllowed)) requests.set(access.request, access);
  }
  return [...requests.values()];
}

/** @param {Resource} event */
function requestId(event) {
  for (const { type, what } of event.entity ?? []) {
    if (type?.code === 'XrequestId' && what?.identifier?.value !== undefined) return what.identifier.value;
  }
  return `AuditEvent/${event.id}`;
}

/** The entity that is the Consent, not one that was read or written. @param {Resource} event */
function decidingConsent(event) {
  for (const { what, type } of event.entity ?? []) {
    if (type?.code !== 'Consent') continue;
    const [, consent] = /^(Consent\/[^/]+)\/_history\//.exec(what?.reference ?? '') ?? [];
    if (consent !== undefined) return consent;
  }
  return undefined;
}

/** `Observation?code` of a query, or `Observation/x` of a read. @param {Resource} event @returns {string | undefined} */
function askedType(event) {
  for (const { what, role, description, query } of event.entity ?? []) {
    const [, type] = /^([A-Z][A-Za-z]+)[/?]/.exec((query && description) ?? what?.reference ?? '') ?? [];
    // Role 1 is the patient whom it is about: HL7 object-role.
    if (type !== undefined && role?.code !== '1') return type;
  }
  return undefined;
}
