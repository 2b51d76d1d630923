/**
 * My records: one category at a time, newest first, a page at a time.
 *
 * @typedef {import('../portal.js').App} App
 * @typedef {import('../fhir.js').Resource} Resource
 */
import { button, el, stackedRow, stackedTable } from '../dom.js';
import { fill } from '../texts.js';
import { conceptText, interpretationText, nameText, rangeText, timeText, valueText } from '../words.js';

const pageSize = 25;

/**
 * @typedef {{ when?: string, what: string, minor?: string, value?: string, range?: string, tag?: string }} Line
 * @typedef {import('../texts.js').Texts} Texts
 */

/** What is asked of the hub for each category, and how one resource reads in a line. @type {Record<string, { search: string, line: (resource: Resource, t: Texts) => Line }>} */
const kinds = {
  results: {
    search: 'Observation?_sort=-date',
    line: (observation, t) => ({
      when: observation.effectiveDateTime ?? observation.issued,
      what: conceptText(observation.code) ?? t.unnamed,
      value: valueText(observation),
      range: rangeText(observation),
      tag: [interpretationText(observation, t), statusText(observation.status, t)].filter(Boolean).join(' · '),
    }),
  },
  diagnoses: {
    search: 'Condition?_sort=-recorded-date',
    line: (condition, t) => ({
      when: condition.onsetDateTime ?? condition.recordedDate,
      what: conceptText(condition.code) ?? t.unnamed,
    }),
  },
  visits: {
    search: 'Encounter?_sort=-date',
    line: (encounter, t) => ({
      when: encounter.period?.start,
      what: visitText(encounter.class?.code, t) ?? conceptText(encounter.class) ?? t.unnamed,
      minor: encounter.serviceProvider?.display,
      tag: statusText(encounter.status, t),
    }),
  },
  allergies: {
    search: 'AllergyIntolerance?_sort=-date',
    line: (allergy, t) => ({
      when: allergy.onsetDateTime ?? allergy.recordedDate,
      what: conceptText(allergy.code) ?? t.unnamed,
      minor: conceptText(allergy.reaction?.[0]?.manifestation?.[0]) ?? allergy.reaction?.[0]?.description,
    }),
  },
  medicines: {
    search: 'MedicationRequest?_sort=-authoredon',
    line: (request, t) => ({
      when: request.authoredOn,
      what: conceptText(request.medicationCodeableConcept) ?? request.medicationReference?.display ?? t.unnamed,
      minor: request.dosageInstruction?.[0]?.text,
    }),
  },
  procedures: {
    search: 'Procedure?_sort=-date',
    line: (procedure, t) => ({
      when: procedure.performedDateTime ?? procedure.performedPeriod?.start,
      what: conceptText(procedure.code) ?? t.unnamed,
    }),
  },
  insurance: {
    search: 'Coverage?_sort=-_lastUpdated',
    line: (coverage, t) => ({
      when: coverage.period?.start,
      what: coverage.payor?.[0]?.display ?? conceptText(coverage.type) ?? t.unnamed,
      minor: coverage.subscriberId ?? coverage.identifier?.[0]?.value,
    }),
  },
  person: {
    search: 'Patient?_sort=-_lastUpdated',
    line: (patient, t) => ({
      when: patient.meta?.lastUpdated,
      what: nameText(patient.name?.[0]) ?? t.unnamed,
      minor: [
        patient.birthDate === undefined ? undefined : fill(t.bornOn, { date: patient.birthDate }),
        ...(patient.telecom ?? []).map((/** @type {Resource} */ contact) => contact.value),
      ]
        .filter(Boolean)
        .join(' · '),
    }),
  },
};

/** @param {App} app @param {{ kind?: string }} [wish] */
export async function showRecords(app, { kind = 'results' } = {}) {
  const { t } = app;
  const homes = await homesOf(app);
  const list = el('div', { class: 'stack' });
  await open(kind, false);
  return [el('p', { class: 'lead' }, t.recordsLead), list];

  /** @param {string} key @param {boolean} hasFocus the button that was pressed is drawn anew and keeps the focus */
  async function open(key, hasFocus) {
    const known = /** @type {(typeof kinds)[string]} */ (kinds[key]);
    const first = await app.fhir.page(
      `${known.search}${subject(app, known.search)}&_count=${pageSize}&_total=accurate`,
    );
    const rows = el('tbody', {}, ...first.resources.map(row));
    const tabs = Object.keys(kinds).map((one) =>
      button(t[/** @type {'results'} */ (one)], () => app.attempt(() => open(one, true)), {
        'aria-pressed': String(one === key),
      }),
    );
    list.replaceChildren(
      el('div', { class: 'row', role: 'group', 'aria-label': t.kinds }, ...tabs),
      first.resources.length === 0
        ? el('p', { class: 'empty', role: 'status' }, t.noRecords)
        : el(
            'div',
            { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': t.records },
            table(key, first.total, rows),
          ),
      moreButton(first.next),
    );
    if (hasFocus) tabs[Object.keys(kinds).indexOf(key)]?.focus();

    /** @param {Resource} resource */
    function row(resource) {
      const { when, what, minor, value, range, tag } = known.line(resource, t);
      const isResult = key === 'results';
      return stackedRow(
        headsOf(key),
        el('td', { class: 'number' }, timeText(when, app.language, t)),
        el(
          'th',
          { scope: 'row' },
          what,
          minor !== undefined && minor !== '' && el('span', { class: 'minor' }, minor),
          !isResult && tag ? ' ' : undefined,
          !isResult && tag ? el('span', { class: 'tag' }, tag) : undefined,
        ),
        isResult &&
          el('td', {}, el('span', { class: 'number' }, value ?? ''), ' ', tag ? el('span', { class: 'tag' }, tag) : ''),
        isResult && el('td', { class: 'number' }, range ?? ''),
        el('td', {}, homes.get(ownerOf(resource)) ?? ''),
      );
    }

    /** @param {string | undefined} next */
    function moreButton(next) {
      const more = el('p', {});
      if (next === undefined) return more;
      more.append(
        button(t.more, () =>
          app.attempt(async () => {
            const following = await app.fhir.page(next);
            const added = following.resources.map(row);
            rows.append(...added);
            more.replaceWith(moreButton(following.next));
            added[0]?.querySelector('th')?.setAttribute('tabindex', '-1');
            added[0]?.querySelector('th')?.focus();
          }),
        ),
      );
      return more;
    }
  }

  /** @param {string} key */
  function headsOf(key) {
    return [t.when, t.what, ...(key === 'results' ? [t.value, t.normal] : []), t.from];
  }

  /** @param {string} key @param {number | undefined} total @param {HTMLElement} rows */
  function table(key, total, rows) {
    const caption = el('caption', {}, total === undefined ? '' : fill(t.count, { count: total }));
    return stackedTable({ heads: headsOf(key), rows, caption });
  }
}

/**
 * A person has a record at each hospital; what a resource is about tells where it comes from.
 * @param {App} app
 * @returns {Promise<Map<string, string>>} `Patient/x` and the hospital that gave its record number
 */
async function homesOf(app) {
  const { resources } = await app.fhir.page('Patient?_count=100');
  return new Map(
    resources.map((patient) => {
      /** @type {Resource[]} */
      const identifiers = patient.identifier ?? [];
      return [
        `Patient/${patient.id}`,
        identifiers.find(({ assigner }) => assigner?.display !== undefined)?.assigner.display ?? '',
      ];
    }),
  );
}

/** @param {Resource} resource @returns {string} `Patient/x` */
function ownerOf(resource) {
  if (resource.resourceType === 'Patient') return `Patient/${resource.id}`;
  return (resource.subject ?? resource.patient ?? resource.beneficiary)?.reference ?? '';
}

/** @param {App} app @param {string} search */
function subject(app, search) {
  return search.startsWith('Patient') ? '' : `&patient=${encodeURIComponent(app.patient)}`;
}

/** @param {string | undefined} code HL7 v3 ActCode @param {Texts} t */
function visitText(code, t) {
  if (code === 'IMP' || code === 'ACUTE' || code === 'NONAC') return t.inpatient;
  return code === 'AMB' ? t.outpatient : code === 'EMER' ? t.emergency : undefined;
}

/** @param {string | undefined} status @param {Texts} t @returns {string | undefined} undefined: nothing a reader must know */
function statusText(status, t) {
  switch (status) {
    case 'corrected':
    case 'amended':
      return t.corrected;
    case 'preliminary':
    case 'registered':
      return t.preliminary;
    case 'in-progress':
    case 'arrived':
      return t.inProgress;
    case 'finished':
      return t.finished;
    case 'cancelled':
    case 'entered-in-error':
      return t.cancelled;
    default:
      return undefined;
  }
}
