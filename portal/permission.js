/**
 * A permission as a patient thinks of it (who, what for, which records, until when), to and from a FHIR Consent.
 *
 * @see https://hl7.org/fhir/R4/consent.html
 * @typedef {import('./fhir.js').Resource} Resource
 * @typedef {object} Permission
 * @property {string} reference of the recipient, `Organization/x`
 * @property {string} name of the recipient as the patient knew it
 * @property {string} purpose code of HL7 v3 PurposeOfUse
 * @property {string[]} categories keys of services.js
 * @property {string} until `YYYY-MM-DD`, the last day in the patient's own zone
 * @property {{ from: string, to: string }} [period] days of the records it is limited to
 */
import { categories } from './services.js';

const actReason = 'http://terminology.hl7.org/CodeSystem/v3-ActReason';
const resourceTypes = 'http://hl7.org/fhir/resource-types';

/**
 * @param {Permission} permission
 * @param {{ patient: string, by?: string, now: Date, previous?: Resource }} context `by`: who acts for the patient
 * @returns {Resource}
 */
export function toConsent(permission, { patient, by = patient, now, previous }) {
  const types = categories
    .filter(({ key }) => permission.categories.includes(key))
    .flatMap((category) => category.types);
  return {
    resourceType: 'Consent',
    ...(previous === undefined ? {} : { id: previous.id, meta: { versionId: previous.meta?.versionId } }),
    status: 'active',
    scope: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/consentscope', code: 'patient-privacy' }] },
    category: [{ coding: [{ system: 'http://loinc.org', code: '59284-0', display: 'Consent Document' }] }],
    patient: previous?.patient ?? { reference: patient },
    dateTime: now.toISOString(),
    performer: [{ reference: by }],
    policyRule: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'OPTIN' }] },
    provision: {
      type: 'permit',
      period: { start: now.toISOString(), end: endOfDay(permission.until).toISOString() },
      actor: [
        {
          role: {
            coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ParticipationType', code: 'IRCP' }],
          },
          reference: { reference: permission.reference, display: permission.name },
        },
      ],
      purpose: [{ system: actReason, code: permission.purpose }],
      class: types.map((code) => ({ system: resourceTypes, code })),
      ...(permission.period === undefined
        ? {}
        : {
            dataPeriod: {
              start: startOfDay(permission.period.from).toISOString(),
              end: endOfDay(permission.period.to).toISOString(),
            },
          }),
    },
  };
}

/** The same Consent, ended. The hub keeps its versions, so the log can still name it. @param {Resource} consent @param {string} by */
export function ended(consent, by) {
  return { ...consent, status: 'inactive', performer: [{ reference: by }] };
}

/**
 * What a Consent says, as far as the portal can say it in words.
 * @param {Resource} consent
 * @returns {Permission & { isDeny: boolean, isWhole: boolean, isSimple: boolean, givenAt?: string, end?: string, restTypes: string[] }}
 *   `isWhole`: no limit on the kind of record; `isSimple`: the form can show and change all of it; `restTypes`: resource
 *   types that no category covers
 */
export function fromConsent(consent) {
  const provision = consent.provision ?? {};
  const actor = provision.actor?.[0]?.reference ?? {};
  /** @type {string[]} */
  const types = (provision.class ?? []).map((/** @type {{ code: string }} */ coding) => coding.code);
  const named = categories.filter((category) => category.types.some((type) => types.includes(type)));
  const covered = new Set(named.flatMap((category) => category.types));
  const from = provision.dataPeriod?.start;
  const to = provision.dataPeriod?.end;
  return {
    reference: actor.reference ?? '',
    name: actor.display ?? actor.reference ?? '',
    purpose: provision.purpose?.[0]?.code ?? '',
    categories: named.map((category) => category.key),
    until: provision.period?.end === undefined ? '' : localDay(new Date(provision.period.end)),
    ...(from === undefined || to === undefined
      ? {}
      : { period: { from: localDay(new Date(from)), to: localDay(new Date(to)) } }),
    isDeny: provision.type === 'deny',
    isWhole: types.length === 0,
    isSimple:
      provision.type === 'permit' &&
      types.length > 0 &&
      provision.provision === undefined &&
      provision.code === undefined &&
      provision.data === undefined &&
      provision.securityLabel === undefined &&
      provision.actor?.length === 1 &&
      provision.purpose?.length === 1 &&
      types.every((type) => covered.has(type)) &&
      [...covered].every((type) => types.includes(type)),
    ...(consent.dateTime === undefined ? {} : { givenAt: consent.dateTime }),
    ...(provision.period?.end === undefined ? {} : { end: provision.period.end }),
    restTypes: types.filter((type) => !covered.has(type)),
  };
}

const extensions = 'https://health-record-hub.example/fhir/StructureDefinition';
const translation = 'http://hl7.org/fhir/StructureDefinition/translation';

/** Why a service asks, in its own words. @param {Resource} request @param {string} language @returns {string | undefined} */
export function reasonText(request, language) {
  /** @type {Resource[]} */
  const all = request.extension ?? [];
  const reason = all.find(({ url }) => url === `${extensions}/consent-request-reason`);
  /** @type {Resource[]} */
  const translations = reason?.['_valueString']?.extension ?? [];
  for (const { url, extension = [] } of translations) {
    const part = (/** @type {string} */ name) => extension.find((/** @type {Resource} */ one) => one.url === name);
    const spoken = part('lang')?.valueCode;
    if (url === translation && typeof spoken === 'string' && spoken.slice(0, 2) === language) {
      return part('content')?.valueString;
    }
  }
  return reason?.valueString;
}

/** One permit, so that taking kinds of records away leaves less of the same. @param {Resource} request */
export function isNarrowable({ provision }) {
  return provision?.type === 'permit' && provision.provision === undefined;
}

/**
 * What of a request can be taken away: whole categories, and types that belong to none that is asked for as a whole.
 * @param {Resource} request
 * @returns {{ key?: string, types: string[] }[]} empty when it names no kinds of records
 */
export function choicesOf({ provision }) {
  /** @type {{ system: string, code: string }[]} */
  const classes = provision?.class ?? [];
  // A class of documents is no resource type: such a request is granted or declined as it is.
  if (classes.some(({ system }) => system !== resourceTypes)) return [];
  const types = classes.map(({ code }) => code);
  const whole = categories.filter((category) => category.types.every((type) => types.includes(type)));
  const covered = new Set(whole.flatMap((category) => category.types));
  return [
    ...whole.map((category) => ({ key: category.key, types: category.types })),
    ...types.filter((type) => !covered.has(type)).map((type) => ({ types: [type] })),
  ];
}

/**
 * A request as the Consent that grants it: of these types, until this day, where they narrow it.
 * @param {Resource} request
 * @param {{ by: string, name: string, now: Date, types: string[], until?: string }} choice `name`: of the recipient, as the hub knows it
 * @returns {Resource}
 */
export function granted(request, { by, name, now, types, until }) {
  const { id, meta: _meta, ...asked } = request;
  const { class: classes, period, actor = [], ...rest } = asked.provision ?? {};
  const recipient = actor[0]?.reference?.reference;
  const named = actor.map((/** @type {Resource} */ one) => {
    const { display: _display, ...reference } = one.reference;
    return { ...one, reference: reference.reference === recipient ? { ...reference, display: name } : reference };
  });
  const end = until === undefined ? undefined : endOfDay(until);
  const isSooner = end !== undefined && (period?.end === undefined || end < new Date(period.end));
  return {
    ...asked,
    resourceType: 'Consent',
    status: 'active',
    dateTime: now.toISOString(),
    performer: [{ reference: by }],
    sourceReference: { reference: `Consent/${id}` },
    provision: {
      ...rest,
      actor: named,
      ...(period === undefined && !isSooner
        ? {}
        : { period: isSooner ? { ...period, end: end.toISOString() } : period }),
      ...(classes === undefined
        ? {}
        : { class: types.length === 0 ? classes : types.map((code) => ({ system: resourceTypes, code })) }),
    },
  };
}

/** @param {Resource} consent @param {Date} now */
export function isInForce(consent, now) {
  const end = consent.provision?.period?.end;
  return consent.status === 'active' && (end === undefined || new Date(end) > now);
}

/** @param {Date} date @returns {string} `YYYY-MM-DD` in the zone of this device */
export function localDay(date) {
  const pad = (/** @type {number} */ value) => String(value).padStart(2, '0');
  return `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
}

/** @param {string} day */
function startOfDay(day) {
  return new Date(`${day}T00:00:00`);
}

/** @param {string} day */
function endOfDay(day) {
  return new Date(`${day}T23:59:59`);
}
