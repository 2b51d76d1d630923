/** What a record says of itself, read from its versions: whose it is, its labels, classes, codes and time. */
import { elements, type Element, type Shown, type World, type WrittenRecord } from './model.ts';
import { dateOf, spanOf, type Span } from './provisions.ts';

const current = ({ versions }: WrittenRecord): Element => versions.at(-1) as Element;

/** Every object of a resource, itself included. */
function* parts(value: unknown): Generator<Element> {
  if (typeof value !== 'object' || value === null) return;
  if (!Array.isArray(value)) yield value as Element;
  for (const inner of Object.values(value)) yield* parts(inner);
}

/** The record it is in: the patient itself, or whom it is about. */
export function subjectOf(record: WrittenRecord): string | undefined {
  const resource = current(record);
  if (resource['resourceType'] === 'Patient') return String(resource['id']);
  const reference = ['subject', 'patient', 'beneficiary']
    .flatMap((name) => elements(resource, name))
    .map((element) => String(element['reference']))[0];
  return reference?.startsWith('Patient/') ? reference.slice('Patient/'.length) : undefined;
}

/** "A record that refers to several patients needs the permission of each." */
export function patientsIn(versions: readonly Element[]): string[] {
  const found = new Set<string>();
  for (const version of versions) {
    if (version['resourceType'] === 'Patient') found.add(String(version['id']));
    for (const { reference } of parts(version)) {
      if (typeof reference === 'string' && reference.startsWith('Patient/'))
        found.add(reference.slice('Patient/'.length));
    }
  }
  return [...found];
}

const sensitive = ['PSY', 'HIV', 'SDV', 'GDIS', 'R', 'V'];
/** docs/sensitive-data.md: of "HIV: ICD-10 B20-B24", "PSY: F20-F99", "GDIS: E84" one each. */
const labelOfDiagnosis: Readonly<Record<string, string>> = { B20: 'HIV', 'F20.0': 'PSY', 'E84.0': 'GDIS' };

/** "Labels of a row are the union over versions and contained parts"; codes give them, and what a report is made of. */
export function labelsOf(record: WrittenRecord, world: World): string[] {
  const found = new Set<string>();
  for (const version of record.versions) {
    for (const part of parts(version)) {
      for (const coding of elements(part['meta'] as Element | undefined, 'security')) {
        if (sensitive.includes(String(coding['code']))) found.add(String(coding['code']));
      }
      const label = part['system'] === icd10 ? labelOfDiagnosis[String(part['code'])] : undefined;
      if (label !== undefined && version['resourceType'] !== 'Consent') found.add(label);
    }
    // "What refers to something sensitive is as sensitive: a report by its results ... Only rows of one owner and one patient count."
    for (const { reference } of elements(version, 'result')) {
      const result = world.records.find(({ key }) => key === reference);
      const isTheirs =
        result?.owner === record.owner && result !== undefined && subjectOf(result) === subjectOf(record);
      if (isTheirs) for (const label of labelsOf(result, world)) found.add(label);
    }
  }
  return [...found];
}
export const icd10 = 'http://hl7.org/fhir/sid/icd-10';

/** Types of what this version contains of a record. */
export function containedIn({ shown }: Shown): string[] {
  return elements(shown, 'contained').map((one) => String(one['resourceType']));
}

/** Elements that say what a resource is about. */
const aboutElements = ['code', 'type', 'category', 'class'];

export function codesAbout({ shown }: Shown): string[] {
  return aboutElements.flatMap((name) => elements(shown, name)).flatMap(codesOf);
}

/** Everywhere but in a Consent, which speaks of records and is none about the code. */
export function codesMentioned({ shown }: Shown): string[] {
  if (shown.resourceType === 'Consent') return [];
  return [...parts(shown)].flatMap(codesOf);
}

/** As a rule may name them: with their system, or without. */
function codesOf(concept: Element): string[] {
  return elements(concept, 'coding').flatMap(({ system, code }) => [
    `${String(system)}|${String(code)}`,
    `|${String(code)}`,
  ]);
}

/** The hull of the dates of all versions; undefined: undated. Since when somebody is a mother is no clinical date. */
export function timeOf({ versions }: WrittenRecord): Span | undefined {
  if (versions[0]?.['resourceType'] === 'RelatedPerson') return undefined;
  const spans = versions.flatMap((version) => {
    const [date] = ['effectiveDateTime', 'onsetDateTime', 'date', 'dateTime']
      .map((name) => version[name])
      .filter((value) => value !== undefined);
    const span = date === undefined ? spanOf(version['period'] ?? version['effectivePeriod']) : dateOf(date as string);
    return span === undefined ? [] : [span];
  });
  if (spans.length === 0) return undefined;
  return { from: Math.min(...spans.map(({ from }) => from)), to: Math.max(...spans.map(({ to }) => to)) };
}
