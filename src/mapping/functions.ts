/**
 * The named functions that a rule's `as` may call: what a table of positions cannot say. Each is pure and gives undefined
 * for a text it cannot use, which then stays as an extension.
 */
import {
  accountCoverage,
  chargeUrl,
  coverageClass,
  coverageGroup,
  guarantor,
  guarantorEmployer,
  guarantorName,
  insuredEmployer,
  insurer,
  policyHolder,
  selfPay,
} from './values/billing.ts';
import { checkNationalId, identifierTypeSystem, nationalIdSystem } from '../fhir/identifiers.ts';
import type { Vocabulary } from './compile.ts';
import { codeToConcept, codingSystem, toCode, toCoding, toConcept } from './values/concepts.ts';
import { Extended, original } from './values/extensions.ts';
import type { Node } from './message/nesting.ts';
import { authorityOrType, hanziAddress, hanziNames } from './values/hanzi.ts';
import { numeric } from './values/number.ts';
import { observationValue, unitOf } from './values/observation.ts';
import { referenceRange } from './values/reference-range.ts';
import type { Part } from './message/part.ts';
import {
  authorityIdentifier,
  authorityName,
  authoritySystem,
  conceptOrganization,
  entityIdentifier,
  facilityLocation,
  location,
  namedLocation,
  namedPractitioner,
  organization,
  practitioner,
} from './values/parties.ts';
import {
  absent,
  activity,
  messageEntity,
  note,
  ownerAgent,
  participation,
  performingOrganization,
  softwareAgent,
  specimenSource,
} from './values/segments.ts';
import {
  appointmentNotes,
  appointmentPriority,
  appointmentSlot,
  appointmentStatus,
  appointmentTimes,
  responseTimes,
} from './values/appointments.ts';
import { compound } from './values/compound.ts';
import { addressLines, familyName, telecom } from './values/contact.ts';
import { appointmentActor, appointmentContacts, appointmentService } from './values/participants.ts';
import { authenticationInstant, documentContent, documentParent } from './values/documents.ts';
import {
  administrationLocation,
  amount,
  codeAbsent,
  conceptText,
  dose,
  unitCode,
  unitSystem,
  unitText,
  unsignedInt,
  wasSubstituted,
} from './values/medication.ts';
import {
  ethnicity,
  financialClass,
  jobCode,
  race,
  wholeText,
  activeFlag,
  allergyStatus,
  allergyVerification,
  emailAddress,
  valueIdentifier,
} from './values/records.ts';
import { facts } from './values/facts.ts';
import { procedurePerformer, roleReference, teamParticipant, visitParticipant } from './values/roles.ts';
import { encounterDiagnosis, eventStatus, performed, reopened } from './values/visit.ts';
import { boundConcept, payor, problemStatus, providerOrganization } from './values/care.ts';
import { certificate, education, languageSkill, specialty } from './values/staff.ts';
import type { Element, Run } from './message/state.ts';
import { parseDtm } from './values/time.ts';
import { timing, timingQuantity } from './values/timing.ts';
import { vaccineDetails, vaccineForecast } from './values/vaccination.ts';

/** What a rule says beside the value. */
export interface RuleInfo {
  /** Where the value stands, e.g. `PID-8`. */
  readonly position: string;
  readonly vocabulary: Vocabulary | undefined;
}

/**
 * `first`: the first component; `whole`: the whole text; `part`: a data type; `segment`: the segment itself.
 * `isKept`: what a text became is kept for the next messages (source.ts): for what senders repeat, codes and staff and places.
 */
export type Converter =
  | { readonly takes: 'first' | 'whole'; readonly convert: (text: string, run: Run, info: RuleInfo) => unknown }
  | {
      readonly takes: 'part';
      readonly isKept?: true;
      /** What it makes of a text that nothing divides, where that takes less than reading parts. */
      readonly plain?: (text: string) => unknown;
      readonly convert: (part: Part, run: Run, info: RuleInfo) => unknown;
    }
  | { readonly takes: 'segment'; readonly convert: (node: Node, run: Run, info: RuleInfo) => unknown };

/** ST, TX, FT. R4 string: not empty, not only white space. */
function text(value: string): string | undefined {
  return value.trim() === '' ? undefined : value;
}

/** DT or DTM as FHIR date: the date as sent, whatever the zone. */
function date(value: string): string | undefined {
  return parseDtm(value)?.date;
}

/** PID-7: the date never shifts; a time of birth stands beside it. @see HL7 v2-to-FHIR, PID[Patient] PID-7 */
function birthDate(value: string, run: Run): string | Extended | undefined {
  const dtm = parseDtm(value);
  if (dtm?.time === undefined) return dtm?.date;
  const time = run.dateTime(value);
  if (time instanceof Extended || time === undefined) return new Extended(dtm.date, [original(value)]);
  return new Extended(dtm.date, [
    { url: 'http://hl7.org/fhir/StructureDefinition/patient-birthTime', valueDateTime: time },
  ]);
}

/** HL70136, and what systems send in its place. */
function boolean(value: string): boolean | undefined {
  if (value === 'Y' || value === '1' || value === 'T') return true;
  return value === 'N' || value === '0' || value === 'F' ? false : undefined;
}

function positiveInt(value: string): number | undefined {
  return /^0*[1-9]\d{0,8}$/.test(value) ? Number(value) : undefined;
}

/** CX or ST that is a valid resident identity number, whatever authority was sent with it. @see GB 11643 */
function nationalId(part: Part, run: Run): Element | undefined {
  const value = part.peek(1);
  if (value.length < nationalIdChars) return undefined;
  const sent = part.peek(5);
  const kind = identifierType(sent, run);
  // 15 digits carry no check character: only with a type that says so (HL70203 NI, or NNxxx with the country).
  if (value.length !== 18 && kind !== 'NI' && kind !== 'NNCHN') return undefined;
  const number = checkNationalId(value);
  if (number === undefined) return undefined;
  part.take(1);
  part.take(5);
  const type: Element = {
    coding: [{ system: identifierTypeSystem, code: 'NI', display: 'National unique individual identifier' }],
  };
  if (sent !== '' && sent !== 'NI') type['text'] = sent;
  const authority = part.child(4);
  if (`urn:oid:${authority.peek(2)}` === nationalIdSystem) authority.takeAll();
  const element: Element = { use: 'official', type, system: nationalIdSystem, value: number };
  if (number !== value) element['_value'] = { extension: [original(value)] };
  return element;
}

/** Of the form of before 1999; the newer one is longer. */
const nationalIdChars = 15;

/** HL70203, also where the sender has a code of its own for it. */
function identifierType(code: string, run: Run): string {
  return run.map.vocabularies.get('identifier-type')?.entries.get(code)?.code ?? code;
}

/** PID-19: in the United States' form its system is certain. @see https://hl7.org/fhir/R4/identifier-registry.html */
function socialSecurityNumber(part: Part): Element | undefined {
  const value = part.peek(1);
  if (value === '' || checkNationalId(value) !== undefined) return undefined;
  part.take(1);
  return /^\d{3}-?\d{2}-?\d{4}$/.test(value) ? { system: 'http://hl7.org/fhir/sid/us-ssn', value } : { value };
}

/** CWE as the code inside a complex extension (patient-citizenship, patient-nationality). */
function codeExtension(part: Part, run: Run, info: RuleInfo): Element | undefined {
  const concept = toConcept(part, run, info);
  return concept && { extension: [{ url: 'code', valueCodeableConcept: concept }] };
}

/** CQ: a quantity with its unit. @see HL7 v2-to-FHIR, CQ[Quantity] */
function quantity(part: Part, run: Run): Element | undefined {
  const value = numeric(part.peek(1));
  if (value === undefined) return undefined;
  part.take(1);
  return { value, ...unitOf(part.child(2), run) };
}

/** CWE as Identifier (IN1-2): the code is the number, its coding system the system. @see HL7 v2-to-FHIR, CWE[Identifier] */
function conceptIdentifier(part: Part, run: Run): Element | undefined {
  const value = part.get(1);
  if (value === '' || value === '""') return undefined;
  const name = part.get(3);
  return name === '' ? { value } : { system: codingSystem(name, run), value };
}

/** XPN or XON where FHIR has only a text. */
function nameText(part: Part): string | undefined {
  const value = part.peekAll().replaceAll(/[&^]+/g, ' ').trim();
  if (value === '') return undefined;
  part.takeAll();
  return value;
}

/** XPN whose first component is the whole name, as hanzi names are often sent: no part of it is guessed. */
function fullName(part: Part, run: Run, { position }: RuleInfo): Element | undefined {
  const name = run.map.datatypes.get('XPN')?.(part, run, position);
  const family = name?.['family'];
  if (name === undefined || name['given'] !== undefined || typeof family !== 'string') return name;
  const { family: _, ...rest } = name;
  return { ...rest, text: family };
}

/** The names that tables may use. */
export const functions: Readonly<Record<string, Converter>> = {
  string: { takes: 'whole', convert: text },
  text: { takes: 'first', convert: text },
  code: { takes: 'first', convert: toCode },
  boolean: { takes: 'first', convert: boolean },
  positiveInt: { takes: 'first', convert: positiveInt },
  decimal: { takes: 'first', convert: numeric },
  date: { takes: 'first', convert: date },
  birthDate: { takes: 'first', convert: birthDate },
  dateTime: { takes: 'first', convert: (value, run) => run.dateTime(value) },
  instant: { takes: 'first', convert: (value, run) => run.instant(value) },
  concept: { takes: 'part', isKept: true, convert: toConcept },
  coding: { takes: 'part', isKept: true, convert: toCoding },
  codeConcept: { takes: 'first', convert: codeToConcept },
  codeExtension: { takes: 'part', isKept: true, convert: codeExtension },
  nationalId: { takes: 'part', convert: nationalId },
  socialSecurityNumber: { takes: 'part', convert: socialSecurityNumber },
  entityIdentifier: { takes: 'part', convert: entityIdentifier, plain: (value) => ({ value }) },
  conceptIdentifier: { takes: 'part', convert: conceptIdentifier },
  nameText: { takes: 'part', convert: nameText },
  authority: { takes: 'part', convert: authoritySystem },
  authorityName: { takes: 'part', convert: authorityName },
  facilityName: { takes: 'part', convert: wholeText },
  representation: { takes: 'first', convert: toCode },
  fullName: { takes: 'part', convert: fullName },
  hanziNames: { takes: 'part', convert: hanziNames },
  hanziAddress: { takes: 'part', convert: hanziAddress },
  authorityOrType: { takes: 'part', convert: authorityOrType },
  familyName: { takes: 'part', convert: familyName },
  addressLines: { takes: 'part', convert: addressLines },
  telecom: { takes: 'part', convert: telecom },
  quantity: { takes: 'part', convert: quantity },
  practitioner: { takes: 'part', isKept: true, convert: practitioner },
  organization: { takes: 'part', isKept: true, convert: organization },
  conceptOrganization: { takes: 'part', isKept: true, convert: conceptOrganization },
  namedPractitioner: { takes: 'part', convert: namedPractitioner },
  location: { takes: 'part', isKept: true, convert: location },
  dischargeLocation: { takes: 'part', isKept: true, convert: namedLocation },
  facilityLocation: { takes: 'part', isKept: true, convert: facilityLocation },
  authorityIdentifier: { takes: 'part', convert: authorityIdentifier },
  specimenSource: { takes: 'part', convert: specimenSource },
  unitText: { takes: 'part', convert: unitText },
  unitSystem: { takes: 'part', convert: unitSystem },
  unitCode: { takes: 'part', convert: unitCode },
  vaccineDetails: { takes: 'segment', convert: vaccineDetails },
  vaccineForecast: { takes: 'segment', convert: vaccineForecast },
  dose: { takes: 'segment', convert: dose },
  compound: { takes: 'segment', convert: compound },
  timing: { takes: 'segment', convert: timing },
  timingQuantity: { takes: 'part', convert: timingQuantity },
  conceptText: { takes: 'part', convert: conceptText },
  wasSubstituted: { takes: 'first', convert: wasSubstituted },
  race: { takes: 'part', isKept: true, convert: race },
  ethnicity: { takes: 'part', isKept: true, convert: ethnicity },
  financialClass: { takes: 'part', isKept: true, convert: financialClass },
  jobCode: { takes: 'part', convert: jobCode },
  wholeText: { takes: 'part', convert: wholeText },
  orderingFacility: { takes: 'part', isKept: true, convert: organization },
  softwareAgent: { takes: 'segment', convert: softwareAgent },
  participation: { takes: 'segment', convert: participation },
  count: { takes: 'first', convert: unsignedInt },
  administrationLocation: { takes: 'part', convert: administrationLocation },
  namedPlace: { takes: 'part', convert: namedLocation },
  amount: { takes: 'part', convert: amount },
  allergyStatus: { takes: 'first', convert: allergyStatus },
  allergyVerification: { takes: 'first', convert: allergyVerification },
  valueIdentifier: { takes: 'part', convert: valueIdentifier },
  activeFlag: { takes: 'first', convert: activeFlag },
  emailAddress: { takes: 'first', convert: emailAddress },
  appointmentPriority: { takes: 'first', convert: appointmentPriority },
  documentParent: { takes: 'part', convert: documentParent },
  authenticationInstant: { takes: 'part', convert: authenticationInstant },
  codeAbsent: { takes: 'segment', convert: codeAbsent },
  roleReference: { takes: 'segment', convert: roleReference },
  visitParticipant: { takes: 'segment', convert: visitParticipant },
  teamParticipant: { takes: 'segment', convert: teamParticipant },
  procedurePerformer: { takes: 'segment', convert: procedurePerformer },
  facts: { takes: 'segment', convert: facts },
  appointmentStatus: { takes: 'segment', convert: appointmentStatus },
  appointmentTimes: { takes: 'segment', convert: appointmentTimes },
  appointmentActor: { takes: 'segment', convert: appointmentActor },
  appointmentContacts: { takes: 'segment', convert: appointmentContacts },
  appointmentNotes: { takes: 'segment', convert: appointmentNotes },
  appointmentService: { takes: 'segment', convert: appointmentService },
  appointmentSlot: { takes: 'segment', convert: appointmentSlot },
  responseTimes: { takes: 'segment', convert: responseTimes },
  documentContent: { takes: 'segment', convert: documentContent },
  education: { takes: 'segment', convert: education },
  certificate: { takes: 'segment', convert: certificate },
  specialty: { takes: 'part', convert: specialty },
  languageSkill: { takes: 'segment', convert: languageSkill },
  boundConcept: { takes: 'part', convert: boundConcept },
  problemStatus: { takes: 'segment', convert: problemStatus },
  providerOrganization: { takes: 'segment', convert: providerOrganization },
  payor: { takes: 'segment', convert: payor },
  absent: { takes: 'segment', convert: absent },
  eventStatus: { takes: 'segment', convert: eventStatus },
  reopened: { takes: 'segment', convert: reopened },
  performed: { takes: 'segment', convert: performed },
  insurer: { takes: 'segment', convert: insurer },
  policyHolder: { takes: 'segment', convert: policyHolder },
  coverageGroup: { takes: 'segment', convert: coverageGroup },
  coverageClass: { takes: 'part', convert: coverageClass },
  insuredEmployer: { takes: 'segment', convert: insuredEmployer },
  guarantorEmployer: { takes: 'segment', convert: guarantorEmployer },
  guarantorName: { takes: 'part', convert: guarantorName },
  guarantor: { takes: 'segment', convert: guarantor },
  selfPay: { takes: 'segment', convert: selfPay },
  chargeUrl: { takes: 'part', convert: chargeUrl },
  accountCoverage: { takes: 'segment', convert: accountCoverage },
  performingOrganization: { takes: 'segment', convert: performingOrganization },
  referenceRange: { takes: 'segment', convert: referenceRange },
  observationValue: { takes: 'segment', convert: observationValue },
  encounterDiagnosis: { takes: 'segment', convert: encounterDiagnosis },
  note: { takes: 'segment', convert: note },
  activity: { takes: 'segment', convert: activity },
  messageEntity: { takes: 'segment', convert: messageEntity },
  ownerAgent: { takes: 'segment', convert: ownerAgent },
};
