/**
 * Who sees which kinds of records at this moment, from the hub's $who-can-see: by recipient, and the other way round. Pure. It never says more
 * than the rules do: what a limit touches is `part`. What is meant exactly is in the hub's own sentences, which stand beside it.
 *
 * @typedef {import('./fhir.js').Resource} Resource
 * @typedef {'all' | 'part'} Share
 * @typedef {object} Seer one recipient, for these purposes, until this moment
 * @property {string} reference
 * @property {string} name as the hub knows it
 * @property {string[]} purposes codes of HL7 v3 PurposeOfUse; empty: whatever for
 * @property {string} [until]
 * @property {Map<string, Share>} kinds keys of services.js, and `rest` for what is of no kind there
 * @property {boolean} isProtected also what is specially protected
 * @typedef {object} Sight
 * @property {Seer[]} seers
 * @property {string[]} said about those who see without a permission, and who was asked to delete copies
 * @property {string[]} sentences of the permissions themselves
 * @typedef {object} Rule
 * @property {boolean} isDeny
 * @property {string} [recipient]
 * @property {string} name
 * @property {string[]} purposes
 * @property {string[]} types
 * @property {boolean} hasLabels
 * @property {boolean} isPartial limited to codes, days, writers, single records, or to some of the person's records
 * @property {string} [until]
 */
import { categories, paymentCategories } from './services.js';

export const restKey = 'rest';
export const kindKeys = [...categories.map(({ key }) => key), restKey];
const limits = ['code', 'dataPeriod', 'source', 'data'];
/** In this order they are told. */
const others = ['proxy', 'emergency', 'source', 'deletion'];
const permissions = ['nobody', 'sentence', 'exception', 'limit'];

/** @param {Resource} parameters of $who-can-see @param {number} records how many records the person has @returns {Sight} */
export function readSight(parameters, records) {
  /** @type {Resource[]} */
  const all = parameters['parameter'] ?? [];
  const rules = all.filter(({ name }) => name === 'rule').map((rule) => toRule(rule['part'] ?? [], records));
  /** @type {Resource[]} */
  const texts = all.find(({ name }) => name === 'text')?.['part'] ?? [];
  const saidAs = (/** @type {string[]} */ names) =>
    names.flatMap((one) => texts.filter(({ name }) => name === one).map(({ valueString }) => String(valueString)));
  return { seers: seersOf(rules), said: saidAs(others), sentences: saidAs(permissions) };
}

/** @param {Resource[]} parts @param {number} records @returns {Rule} */
function toRule(parts, records) {
  const named = (/** @type {string} */ wanted) => parts.filter(({ name }) => name === wanted);
  const recipient = named('recipient')[0]?.['valueReference'];
  const until = named('period')[0]?.['valuePeriod']?.end;
  return {
    isDeny: named('effect')[0]?.['valueCode'] === 'deny',
    name: recipient?.display ?? '',
    purposes: named('purpose').map(({ valueCoding }) => valueCoding.code),
    types: named('class').map(({ valueCoding }) => valueCoding.code),
    hasLabels: named('securityLabel').length > 0,
    isPartial:
      limits.some((name) => named(name).length > 0) ||
      named('patient').length < records ||
      named('unlabelled')[0]?.['valueBoolean'] === false,
    ...(recipient === undefined ? {} : { recipient: recipient.reference }),
    ...(until === undefined ? {} : { until }),
  };
}

/** @param {Rule[]} rules @returns {Seer[]} without those of whom a deny leaves nothing */
function seersOf(rules) {
  /** @type {Map<string, Seer>} */
  const seers = new Map();
  for (const rule of rules.filter(({ isDeny }) => !isDeny)) {
    const { recipient: reference = '', name, purposes, until, hasLabels } = rule;
    const key = [reference, purposes.toSorted().join(), until].join(' ');
    const seer = seers.get(key) ?? {
      reference,
      name,
      purposes,
      kinds: new Map(),
      isProtected: false,
      ...(until === undefined ? {} : { until }),
    };
    seers.set(key, seer);
    seer.isProtected ||= hasLabels;
    for (const [kind, share] of kindsOf(rule)) if (seer.kinds.get(kind) !== 'all') seer.kinds.set(kind, share);
  }
  for (const deny of rules.filter(({ isDeny }) => isDeny)) for (const seer of seers.values()) except(seer, deny);
  return [...seers.values()].filter(({ kinds }) => kinds.size > 0);
}

/** @param {Rule} rule @returns {Map<string, Share>} */
function kindsOf({ types, isPartial, isDeny, purposes }) {
  // The hub gives a payment service nothing beyond these, and of who somebody is the least.
  const isPayment = !isDeny && purposes.length > 0 && purposes.every((code) => code === 'HPAYMT');
  const known = new Set(categories.flatMap((category) => category.types));
  /** @type {Map<string, Share>} */
  const found = new Map();
  for (const { key, types: covered } of categories) {
    const count = types.length === 0 ? covered.length : covered.filter((type) => types.includes(type)).length;
    if (count === 0 || (isPayment && !paymentCategories.includes(key))) continue;
    found.set(key, isPartial || count < covered.length || (isPayment && key === 'person') ? 'part' : 'all');
  }
  const isRest = types.length === 0 || types.some((type) => !known.has(type));
  if (isRest && !isPayment) found.set(restKey, isPartial || types.length > 0 ? 'part' : 'all');
  return found;
}

/** A deny goes before every permit. @param {Seer} seer @param {Rule} deny */
function except(seer, deny) {
  if (deny.recipient !== undefined && deny.recipient !== seer.reference) return;
  // Of what is protected alone, where none of it is seen anyway.
  if (deny.hasLabels && !seer.isProtected) return;
  const isFor = (/** @type {string} */ code) => deny.purposes.length === 0 || deny.purposes.includes(code);
  if (seer.purposes.length > 0 && !seer.purposes.some(isFor)) return;
  const isWhole =
    !deny.hasLabels && (deny.purposes.length === 0 || (seer.purposes.length > 0 && seer.purposes.every(isFor)));
  for (const [kind, share] of kindsOf(deny)) {
    if (!seer.kinds.has(kind)) continue;
    if (isWhole && share === 'all') seer.kinds.delete(kind);
    else seer.kinds.set(kind, 'part');
  }
}

/**
 * The other way round.
 * @param {readonly Seer[]} seers
 * @returns {{ kind: string, seers: { seer: Seer, share: Share }[] }[]} every kind, also one that nobody sees
 */
export function byKind(seers) {
  return kindKeys.map((kind) => ({
    kind,
    seers: seers.flatMap((seer) => {
      const share = seer.kinds.get(kind);
      return share === undefined ? [] : [{ seer, share }];
    }),
  }));
}
