/**
 * FHIR in plain words: pure functions from resources to text.
 *
 * @typedef {import('./fhir.js').Resource} Resource
 * @typedef {import('./texts.js').Texts} Texts
 * @typedef {import('./services.js').Language} Language
 */
import { actTexts } from './act-texts.js';
import { numberText } from './json.js';
import { categories, services } from './services.js';

/** @param {Resource | undefined} concept CodeableConcept or Coding @returns {string | undefined} */
export function conceptText(concept) {
  if (concept === undefined) return undefined;
  /** @type {Resource[]} */
  const codings = concept.coding ?? [];
  return (
    concept.text ??
    codings.find((coding) => coding.display !== undefined)?.display ??
    codings[0]?.code ??
    concept.display
  );
}

/** Chinese names are written without a space, family name first. @param {Resource | undefined} name HumanName */
export function nameText(name) {
  if (name === undefined) return undefined;
  if (name.text !== undefined) return name.text;
  const given = (name.given ?? []).join(' ');
  const family = name.family ?? '';
  return /\p{Script=Han}/u.test(family + given) ? family + given.replaceAll(' ', '') : `${given} ${family}`.trim();
}

/** @param {string | undefined} time FHIR date or dateTime @param {Language} language @param {Texts} t */
export function timeText(time, language, t) {
  if (time === undefined) return t.noDate;
  // A date, a year or a month has no time to convert: shown as sent, so that it never shifts by a zone.
  if (!time.includes('T')) return /^\d{4}-\d{2}-\d{2}$/.test(time) ? dayText(time, language) : time;
  return new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'short' }).format(new Date(time));
}

/** @param {string} day `YYYY-MM-DD` @param {Language} language */
export function dayText(day, language) {
  return new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeZone: 'UTC' }).format(new Date(day));
}

/** @param {string[]} parts @param {Language} language */
export function listText(parts, language) {
  return new Intl.ListFormat(language, { type: 'conjunction' }).format(parts);
}

/** The name under which a patient knows a service. @param {string} reference @param {string | undefined} name @param {Language} language */
export function recipientText(reference, name, language) {
  const known = services.find((service) => service.reference === reference);
  return known?.name[language] ?? name ?? reference.replace(/^\w+\//, '');
}

/** @param {string} purpose @param {Texts} t */
export function purposeText(purpose, t) {
  return Object.hasOwn(t, purpose) ? t[/** @type {'TREAT'} */ (purpose)] : purpose;
}

/** @param {string} act as an AuditEvent calls it @param {Language} language */
export function actText(act, language) {
  const t = actTexts[language];
  return Object.hasOwn(t, act) ? t[/** @type {'other'} */ (act)] : t.other;
}

/** @param {string} type @param {Texts} t */
export function typeText(type, t) {
  if (type === 'Consent') return t.permissions;
  if (type === 'AuditEvent') return t.accessLog;
  if (type === 'Task') return t.deletion;
  const category = categories.find(({ types }) => types.includes(type));
  return category === undefined ? type : t[/** @type {'results'} */ (category.key)];
}

/** @param {Resource} observation @returns {string} the value with its unit; '' when there is none */
export function valueText(observation) {
  if (observation.valueQuantity !== undefined) return quantityText(observation.valueQuantity);
  if (observation.valueRange !== undefined) {
    return `${quantityText(observation.valueRange.low)} – ${quantityText(observation.valueRange.high)}`;
  }
  for (const element of ['valueString', 'valueDateTime', 'valueTime', 'valueInteger', 'valueBoolean']) {
    if (observation[element] !== undefined) return String(observation[element]);
  }
  return conceptText(observation.valueCodeableConcept) ?? '';
}

/** @param {Resource | undefined} quantity */
function quantityText(quantity) {
  if (quantity === undefined) return '';
  return `${quantity.comparator ?? ''}${numberText(quantity.value)} ${quantity.unit ?? quantity.code ?? ''}`.trim();
}

/** @param {Resource} observation */
export function rangeText(observation) {
  const range = observation.referenceRange?.[0];
  if (range === undefined) return '';
  if (range.text !== undefined) return range.text;
  const { low, high } = range;
  if (low === undefined) return high === undefined ? '' : `≤ ${quantityText(high)}`;
  return high === undefined ? `≥ ${quantityText(low)}` : `${numberText(low.value)} – ${quantityText(high)}`;
}

/** @param {Resource} observation @param {Texts} t @returns {string | undefined} undefined: as usual, or not said */
export function interpretationText(observation, t) {
  const code = observation.interpretation?.[0]?.coding?.[0]?.code;
  if (code === 'H' || code === 'HH') return t.high;
  if (code === 'L' || code === 'LL') return t.low;
  return code === 'A' || code === 'AA' ? t.abnormal : undefined;
}
