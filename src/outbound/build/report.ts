/**
 * DiagnosticReport and its Observations -> ORU^R01.
 *
 * @see https://www.hl7.eu/HL7v2x/v251/std251/ch07.html HL7 v2.5.1 section 7.3.1
 */
import type {
  Attachment,
  CodeableConcept,
  DiagnosticReport,
  Observation,
  ObservationComponent,
  ObservationReferenceRange,
} from '@medplum/fhirtypes';
import { cwe, dtm, xcn } from './datatypes.ts';
import type { Outgoing } from './message.ts';
import { notes } from './note.ts';
import { orderNumbers, patientAndVisit } from './order.ts';
import { ei } from './datatypes.ts';
import { one, segment, type Field, type Segment } from './segment.ts';
import type { Source } from './source.ts';
import { digits, valueOf } from './value.ts';

/** HL70123, from diagnostic-report-status. */
const reportStatuses: Readonly<Record<string, string>> = {
  registered: 'O',
  partial: 'R',
  preliminary: 'P',
  final: 'F',
  amended: 'C',
  corrected: 'C',
  appended: 'C',
  cancelled: 'X',
  'entered-in-error': 'X',
};

/** HL70085, from observation-status. */
const resultStatuses: Readonly<Record<string, string>> = {
  registered: 'I',
  preliminary: 'P',
  final: 'F',
  amended: 'C',
  corrected: 'C',
  cancelled: 'X',
  'entered-in-error': 'W',
};

export function buildOru(source: Source, _outgoing: Outgoing): Segment[] {
  const report = source.only('DiagnosticReport');
  const results = (report.result ?? []).flatMap((reference) => source.find(reference, 'Observation', report) ?? []);
  let position = 0;
  const next = (): string => String(++position);
  return [
    ...patientAndVisit(source, report, report.subject, report.encounter),
    obr(source, report),
    ...notes([{ text: report.conclusion }]),
    ...results.flatMap((result) => observation(source, result, next)),
    ...(report.presentedForm ?? []).map((form) => document(report, form, next())),
  ];
}

function obr(source: Source, report: DiagnosticReport): Segment {
  const { placer, filler } = orderNumbers(report.identifier);
  // The report's own number is the filler's.
  const [order, service] = filler === undefined ? [undefined, placer] : [placer, filler];
  const interpreter = source.find(report.resultsInterpreter?.[0], 'Practitioner', report);
  const section = report.category?.[0]?.coding?.find(({ system }) => system?.endsWith('v2-0074'));
  return segment('OBR', {
    1: '1',
    2: one(ei(order)),
    3: one(ei(service)),
    4: one(cwe(report.code)),
    7: dtm(report.effectiveDateTime ?? report.effectivePeriod?.start),
    8: dtm(report.effectivePeriod?.end),
    22: dtm(report.issued),
    24: section?.code,
    25: reportStatuses[report.status] ?? 'F',
    32: interpreter && one([personName(xcn(interpreter))]),
  });
}

/** NDL.1 is a CNN: the first components of an XCN, as subcomponents. */
function personName(person: ReturnType<typeof xcn>): readonly string[] {
  return person.slice(0, 6).map((component) => (typeof component === 'string' ? component : (component[0] ?? '')));
}

/** An Observation as OBX; its components follow with a sub-id (OBX-4) of their own. */
function observation(source: Source, result: Observation, next: () => string): Segment[] {
  const common: Record<number, Field> = {
    11: resultStatuses[result.status] ?? 'F',
    14: dtm(result.effectiveDateTime ?? result.effectivePeriod?.start ?? result.effectiveInstant),
    16: (result.performer ?? []).flatMap((reference) => {
      const person = source.find(reference, 'Practitioner', result);
      return person === undefined ? [] : [xcn(person)];
    }),
    17: one(cwe(result.method)),
  };
  const subId = result.extension?.find(({ url }) => url === subIdUrl)?.valueString;
  const parts = result.component ?? [];
  const own = valueOf(result) === undefined && parts.length > 0 ? [] : [obx(next(), result, subId, common)];
  return [
    ...own,
    ...parts.map((part, index) => obx(next(), part, [subId, String(index + 1)].filter(Boolean).join('.'), common)),
    ...notes((result.note ?? []).map(({ text }) => ({ text }))),
  ];
}
const subIdUrl = 'http://hl7.org/fhir/StructureDefinition/observation-v2-subid';

function obx(
  position: string,
  result: Observation | ObservationComponent,
  subId: string | undefined,
  common: Record<number, Field>,
): Segment {
  const value = valueOf(result);
  return segment('OBX', {
    1: position,
    2: value?.type,
    3: one(cwe(result.code)),
    4: subId,
    5: value?.field,
    6: value?.unit,
    7: result.referenceRange?.map(rangeText).filter(Boolean).join('; '),
    8: result.interpretation?.map(interpretation),
    ...common,
  });
}

function rangeText({ text, low, high }: ObservationReferenceRange): string {
  if (text !== undefined) return text;
  if (low?.value === undefined) return high?.value === undefined ? '' : `<=${digits(high.value)}`;
  return high?.value === undefined ? `>=${digits(low.value)}` : `${digits(low.value)}-${digits(high.value)}`;
}

/** OBX-8 holds the code of HL70078, which R4's interpretation codes are. */
function interpretation(concept: CodeableConcept): [string] {
  return [concept.coding?.[0]?.code ?? concept.text ?? ''];
}

/** A document as ED: type of data, subtype, encoding and the content. @see HL7 v2.5.1 section 2.A.24 */
function document(report: DiagnosticReport, form: Attachment, position: string): Segment {
  const [type = 'application', subtype = 'octet-stream'] = (form.contentType ?? '').split(';', 1)[0]?.split('/') ?? [];
  const { data } = form;
  const common = { 1: position, 3: one(cwe(report.code)), 11: reportStatuses[report.status] === 'P' ? 'P' : 'F' };
  if (data !== undefined) return segment('OBX', { ...common, 2: 'ED', 5: one(['', type, subtype, 'Base64', data]) });
  return segment('OBX', { ...common, 2: 'RP', 5: one([form.url ?? '', '', type, subtype]) });
}
