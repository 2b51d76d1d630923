/**
 * What a simulated FHIR source says of its patients. A resource in one of its versions follows from the seed, the source, its number and
 * the version alone, so a source of thousands keeps no bodies.
 */
import { hash } from 'node:crypto';
import { nationalIdSystem } from '../../../fhir/identifiers.ts';
import { decimal, isRawNumber, parseJson } from '../../../fhir/json.ts';
import { allergens, diagnoses, panels } from '../panels.ts';
import { personAt, type Person } from '../people.ts';
import { randomOf } from '../random.ts';

/** Which resource of which source. */
export interface Place {
  readonly seed: number;
  /** Number of the source. */
  readonly source: number;
  /** Number of the resource within it. */
  readonly index: number;
}

type Body = Record<string, unknown>;

/** A patient's resources, in turn: one Patient, one visit, a problem, an allergy, and results. */
const record = ['Patient', 'Encounter', 'Condition', 'AllergyIntolerance', 'Observation', 'Observation', 'Observation'];
/** Randomness beside that of HL7v2 messages. */
const stream = 31;
const dayMs = 86_400_000;
const firstDay = Date.UTC(2026, 0, 5);
const loinc = 'http://loinc.org';
const ucum = 'http://unitsofmeasure.org';
/** People of one source; another source has others. */
const peopleMax = 100_000;

export const resourcesOfPatient = record.length;

export function typeAt(index: number): string {
  return record[index % record.length] as string;
}

/** As systems name theirs: a letter and a number. */
export function idAt(index: number): string {
  return `${typeAt(index).charAt(0).toLowerCase()}-${index}`;
}

/** Index of the Patient whose record the resource is in. */
export function patientIndexOf(index: number): number {
  return index - (index % record.length);
}

/** JSON, with the digits that the analyser printed. */
export function bodyAt(place: Place, version: number, lastUpdated: string): string {
  return JSON.stringify({
    resourceType: typeAt(place.index),
    id: idAt(place.index),
    meta: { versionId: String(version), lastUpdated },
    ...contentAt(place, version),
  });
}

function contentAt(place: Place, version: number): Body {
  const { seed, source, index } = place;
  const patient = patientIndexOf(index);
  const person = personAt(seed, source * peopleMax + patient);
  const subject = { reference: `Patient/${idAt(patient)}` };
  const random = randomOf(seed, source, patient, stream);
  const at = new Date(firstDay + random.below(300) * dayMs).toISOString();
  const diagnosis = random.pick(diagnoses);
  const allergen = random.pick(allergens);
  const tongue = person.country === 'CHN' ? 'zh' : 'de';
  switch (typeAt(index)) {
    case 'Patient':
      return patientOf(person, `${source}-${patient}`, version);
    case 'Encounter':
      return {
        status: version % 2 === 0 ? 'finished' : 'in-progress',
        class: { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'IMP' },
        subject,
        period: {
          start: at,
          ...(version % 2 === 0 && { end: new Date(Date.parse(at) + version * dayMs).toISOString() }),
        },
      };
    case 'Condition':
      return {
        clinicalStatus: coded('http://terminology.hl7.org/CodeSystem/condition-clinical', 'active'),
        code: { ...coded('http://hl7.org/fhir/sid/icd-10', diagnosis.code), text: diagnosis[tongue] },
        subject,
        encounter: { reference: `Encounter/${idAt(patient + 1)}` },
        recordedDate: at,
        note: [{ text: `${diagnosis[tongue]} ${version}` }],
      };
    case 'AllergyIntolerance':
      return {
        clinicalStatus: coded('http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical', 'active'),
        code: { text: allergen[tongue] },
        patient: subject,
        reaction: [{ manifestation: [{ text: allergen.reaction[tongue] }], description: `${version}` }],
      };
    default:
      return resultOf(place, version, { subject, at, tongue, encounter: `Encounter/${idAt(patient + 1)}` });
  }
}

function patientOf(person: Person, mrn: string, version: number): Body {
  return {
    identifier: [
      { system: 'urn:oid:2.999.7', value: mrn },
      ...(person.residentId === undefined ? [] : [{ system: nationalIdSystem, value: person.residentId }]),
    ],
    name: [{ text: person.family + person.given, family: person.family, given: [person.given] }],
    gender: person.sex === 'F' ? 'female' : 'male',
    birthDate: person.birthDate.replace(/(....)(..)(..)/, '$1-$2-$3'),
    // People move: each version has another house number.
    address: [{ line: [`${person.street} ${version}`], city: person.city, postalCode: person.postalCode }],
    telecom: [{ system: 'phone', value: person.phone }],
  };
}

interface Context {
  readonly subject: Body;
  readonly encounter: string;
  readonly at: string;
  readonly tongue: 'zh' | 'de';
}

function resultOf({ seed, source, index }: Place, version: number, { subject, encounter, at, tongue }: Context): Body {
  const random = randomOf(seed, source, index, stream + 1);
  const analyte = random.pick(random.pick(panels).analytes);
  const value = analyte.low + (randomOf(seed, source, index, version, stream).below(1000) / 1000) * analyte.high;
  return {
    status: version === 1 ? 'final' : 'amended',
    code: { coding: [{ system: loinc, code: analyte.loinc }], text: analyte.label[tongue] },
    subject,
    encounter: { reference: encounter },
    effectiveDateTime: at,
    valueQuantity: {
      value: decimal(value.toFixed(analyte.decimals)),
      unit: analyte.unit,
      system: ucum,
      code: analyte.unit,
    },
    note: [{ text: `${version}` }],
  };
}

function coded(system: string, code: string): Body {
  return { coding: [{ system, code }] };
}

/**
 * SHA-256, hex, of what a resource says, so that the hub's and the source's can be compared: without id, `meta` and the identifier under
 * which the hub keeps the source's id, with references as `rename` gives them, elements in alphabetical order, digits as they are.
 * @param own system of that identifier
 */
export function contentDigest(text: string, own: string, rename: (reference: string) => string): string {
  const { id: _id, meta: _meta, ...content } = parseJson(text) as Body;
  const identifiers = content['identifier'];
  if (Array.isArray(identifiers)) {
    const others = (identifiers as { system?: string }[]).filter(({ system }) => system !== own);
    if (others.length > 0) content['identifier'] = others;
    else delete content['identifier'];
  }
  return hash('sha256', JSON.stringify(ordered(content, rename)), 'hex');
}

function ordered(value: unknown, rename: (reference: string) => string): unknown {
  if (Array.isArray(value)) return value.map((one) => ordered(one, rename));
  if (typeof value !== 'object' || value === null || isRawNumber(value)) return value;
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(
    entries.map(([name, one]) => [
      name,
      name === 'reference' && typeof one === 'string' ? rename(one) : ordered(one, rename),
    ]),
  );
}
