/**
 * What the observations after RXA say of a vaccine: which information was handed out, which dose of a series it was, and, where no
 * vaccine was given (CVX 998), which ones are due. Observations that belong together have the same OBX-4.
 *
 * @see HL7 Version 2.5.1 Implementation Guide for Immunization Messaging (CDC), release 1.5, chapters 5 and 6
 */
import { type CodeableConcept, toConcept } from './concepts.ts';
import { dataAbsentReasonUrl } from './extensions.ts';
import type { RuleInfo } from '../functions.ts';
import type { Node } from '../message/nesting.ts';
import type { Element, Run } from '../message/state.ts';

/** LOINC codes of OBX-3. */
const loinc = {
  vaccineType: '30956-7',
  vaccineDue: '30979-9',
  dateDue: '30980-7',
  doseNumber: '30973-2',
  reason: '30982-3',
  published: '29768-9',
  presented: '29769-7',
  documentType: '69764-9',
  schedule: '59779-9',
  series: '59780-7',
  seriesDoses: '59782-3',
  status: '59783-1',
} as const;

/** R4's date criteria are these LOINC codes themselves. @see https://hl7.org/fhir/R4/valueset-immunization-recommendation-date-criterion.html */
const dateCriteria: readonly (readonly [code: string, display: string])[] = [
  ['30981-5', 'Earliest date to give'],
  [loinc.dateDue, 'Date vaccine due'],
  ['59777-3', 'Latest date next dose may be given'],
  ['59778-1', 'Date dose is overdue'],
];

/** The observations of one OBX-4, by code. */
type Group = ReadonlyMap<string, Node>;

function groupsOf(vaccine: Node): Group[] {
  const groups = new Map<string, Map<string, Node>>();
  for (const node of vaccine.children) {
    if (node.name !== 'OBX') continue;
    const subId = node.reader.key(4);
    const group = groups.get(subId) ?? new Map<string, Node>();
    groups.set(subId, group);
    const code = node.reader.parts(3)[0]?.peek(1).trim() ?? '';
    if (!group.has(code)) group.set(code, node);
  }
  return [...groups.values()];
}

/** `Immunization.education` and `protocolApplied`; the Observations are made as well, and take the values. */
export function vaccineDetails(node: Node, run: Run, info: RuleInfo): Element | undefined {
  if (node.children.length === 0) return undefined;
  const groups = groupsOf(node);
  const education = groups.map((group) => educationOf(group, run)).filter((item) => item !== undefined);
  const protocolApplied = groups.map((group) => protocolOf(group, run, info)).filter((item) => item !== undefined);
  if (education.length === 0 && protocolApplied.length === 0) return undefined;
  return { ...(education.length > 0 && { education }), ...(protocolApplied.length > 0 && { protocolApplied }) };
}

function educationOf(group: Group, run: Run): Element | undefined {
  // Before documents had a type of their own, the vaccine that a statement is about named it.
  const isStatement = group.has(loinc.published) || group.has(loinc.presented);
  const documentType =
    textOf(group, loinc.documentType) ?? (isStatement ? textOf(group, loinc.vaccineType) : undefined);
  // imm-1: dates alone do not say of what.
  if (documentType === undefined) return undefined;
  const [publicationDate, presentationDate] = [loinc.published, loinc.presented].map((code) =>
    dateOf(group, code, run),
  );
  return {
    documentType,
    ...(publicationDate !== undefined && { publicationDate }),
    ...(presentationDate !== undefined && { presentationDate }),
  };
}

function protocolOf(group: Group, run: Run, info: RuleInfo): Element | undefined {
  const dose = choice('doseNumber', textOf(group, loinc.doseNumber));
  if (dose === undefined) return undefined;
  const series = textOf(group, loinc.series);
  const schedule = conceptOf(group, loinc.schedule, run, info);
  return {
    ...(series !== undefined && { series }),
    ...(schedule !== undefined && { authority: { display: displayOf(schedule) } }),
    ...dose,
    ...choice('seriesDoses', textOf(group, loinc.seriesDoses)),
  };
}

/** What is due, for RXA-5 998: one recommendation for each OBX-4 that names a vaccine or a date. */
export function vaccineForecast(node: Node, run: Run, info: RuleInfo): Element {
  const groups = groupsOf(node);
  const recommendation = groups.map((group) => recommendationOf(group, run, info)).filter((item) => item !== undefined);
  const [schedule] = groups
    .map((group) => conceptOf(group, loinc.schedule, run, info))
    .filter((item) => item !== undefined);
  return {
    ...(schedule !== undefined && { authority: { display: displayOf(schedule) } }),
    // R4 requires a recommendation; a forecast of nothing is one of an unknown vaccine.
    recommendation: recommendation.length > 0 ? recommendation : [{ vaccineCode: [unknown], forecastStatus: unknown }],
  };
}
const unknown = { extension: [{ url: dataAbsentReasonUrl, valueCode: 'unknown' }] };

function recommendationOf(group: Group, run: Run, info: RuleInfo): Element | undefined {
  const vaccine = conceptOf(group, loinc.vaccineDue, run, info) ?? conceptOf(group, loinc.vaccineType, run, info);
  const dateCriterion = dateCriteria.flatMap(([code, display]) => {
    const value = dateOf(group, code, run);
    return value === undefined ? [] : [{ code: { coding: [{ system: 'http://loinc.org', code, display }] }, value }];
  });
  if (vaccine === undefined && dateCriterion.length === 0) return undefined;
  const series = textOf(group, loinc.series);
  const reason = conceptOf(group, loinc.reason, run, info);
  return {
    vaccineCode: [vaccine ?? unknown],
    forecastStatus: forecastStatus(conceptOf(group, loinc.status, run, info)),
    ...(reason !== undefined && { forecastReason: [reason] }),
    ...(dateCriterion.length > 0 && { dateCriterion }),
    ...(series !== undefined && { series }),
    ...choice('doseNumber', textOf(group, loinc.doseNumber)),
    ...choice('seriesDoses', textOf(group, loinc.seriesDoses)),
  };
}

/** LOINC answers to 59783-1 as R4's statuses; the sender's coding stays beside. */
const statuses: Readonly<Record<string, string>> = {
  'LA13421-5': 'complete',
  'LA13422-3': 'due',
  'LA13423-1': 'overdue',
  'LA27183-5': 'immune',
};

function forecastStatus(sent: CodeableConcept | undefined): CodeableConcept | typeof unknown {
  const code = sent?.coding?.map((coding) => statuses[coding.code ?? '']).find((status) => status !== undefined);
  if (code === undefined) return sent ?? unknown;
  const system = 'http://terminology.hl7.org/CodeSystem/immunization-recommendation-status';
  return { ...sent, coding: [{ system, code }, ...(sent?.coding ?? [])] };
}

function valueOf(group: Group, code: string) {
  const [part] = group.get(code)?.reader.parts(5) ?? [];
  return part === undefined || part.value.isNull ? undefined : part;
}

function textOf(group: Group, code: string): string | undefined {
  const part = valueOf(group, code);
  return part?.peek(2) || part?.peek(1) || undefined;
}

function dateOf(group: Group, code: string, run: Run): string | undefined {
  const value = run.dateTime(valueOf(group, code)?.peek(1) ?? '');
  return typeof value === 'string' ? value : undefined;
}

function conceptOf(group: Group, code: string, run: Run, info: RuleInfo): CodeableConcept | undefined {
  const part = valueOf(group, code);
  return part && toConcept(part, run, { ...info, vocabulary: undefined });
}

function displayOf({ text, coding }: CodeableConcept): string | undefined {
  return text ?? coding?.[0]?.display ?? coding?.[0]?.code;
}

/** `doseNumberPositiveInt`, or `doseNumberString` for what is no number. */
function choice(name: string, text: string | undefined): Element | undefined {
  if (text === undefined) return undefined;
  const isNumber = /^[1-9]\d{0,5}$/.test(text);
  return isNumber ? { [`${name}PositiveInt`]: Number(text) } : { [`${name}String`]: text };
}
