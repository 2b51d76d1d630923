/**
 * ServiceRequest -> ORM^O01: one ORC and OBR for each request of one patient.
 *
 * @see https://www.hl7.eu/HL7v2x/v251/std251/ch04.html HL7 v2.5.1 section 4.4.1
 */
import type { Identifier, Reference, Resource, ServiceRequest } from '@medplum/fhirtypes';
import { Problem } from '../../fhir/problem.ts';
import { cwe, dtm, ei, xcn, type Person } from './datatypes.ts';
import type { Outgoing } from './message.ts';
import { notes } from './note.ts';
import { pid, pv1 } from './patient.ts';
import { one, segment, type Field, type Segment } from './segment.ts';
import type { Source } from './source.ts';

/** ORC-1 (HL70119) and ORC-5 (HL70038), from request-status. */
const controls: Readonly<Record<string, readonly [control: string, status: string]>> = {
  draft: ['NW', ''],
  active: ['NW', 'IP'],
  'on-hold': ['HD', 'HD'],
  revoked: ['CA', 'CA'],
  completed: ['SC', 'CM'],
  'entered-in-error': ['CA', 'ER'],
};

/** OBR-5, OBR-27.6 and TQ1-9 (HL70485), from request-priority. */
const priorities: Readonly<Record<string, string>> = { stat: 'S', asap: 'A', urgent: 'A', routine: 'R' };

export function buildOrm(source: Source, _outgoing: Outgoing): Segment[] {
  const requests = source.all('ServiceRequest');
  const [first] = requests;
  if (first === undefined) throw new Problem('required', 'the message needs the resource ServiceRequest');
  return [
    ...patientAndVisit(source, first, first.subject, first.encounter),
    ...requests.flatMap((request, index) => orderOf(source, request, index + 1)),
  ];
}

export function patientAndVisit(source: Source, holder: Resource, subject?: Reference, visit?: Reference): Segment[] {
  const patient = source.find(subject, 'Patient', holder);
  if (patient === undefined) {
    throw new Problem('required', 'the message needs its Patient', {
      expression: `${holder.resourceType}.subject`,
      hint: 'Put the Patient that is the subject into the Bundle.',
    });
  }
  const encounter = source.find(visit, 'Encounter', holder);
  return [pid(patient), ...(encounter === undefined ? [] : [pv1(encounter, source)])];
}

function orderOf(source: Source, request: ServiceRequest, position: number): Segment[] {
  const { placer, filler } = orderNumbers(request.identifier);
  const [control, status] = controls[request.status ?? ''] ?? ['NW', ''];
  const requester = personField(source, request, request.requester);
  const start = dtm(request.occurrenceDateTime ?? request.occurrencePeriod?.start);
  const priority = priorities[request.priority ?? ''] ?? '';
  const numbers = { 2: one(ei(placer)), 3: one(ei(filler)) };
  return [
    segment('ORC', {
      1: control,
      ...numbers,
      4: one(ei(request.requisition)),
      5: status,
      7: one(['', '', '', start, dtm(request.occurrencePeriod?.end), priority]),
      9: dtm(request.authoredOn),
      12: requester,
    }),
    segment('OBR', {
      1: String(position),
      ...numbers,
      4: one(cwe(request.code)),
      16: requester,
      27: one(['', '', '', start, dtm(request.occurrencePeriod?.end), priority]),
      31: request.reasonCode?.map((reason) => cwe(reason) ?? []),
    }),
    ...notes((request.note ?? []).map(({ text }) => ({ text }))),
  ];
}

/** By type (HL70203 PLAC, FILL); a number without either is the placer's: an order is named by who places it. */
export function orderNumbers(identifiers: readonly Identifier[] = []): { placer?: Identifier; filler?: Identifier } {
  const isFiller = ({ type }: Identifier): boolean => type?.coding?.some(({ code }) => code === 'FILL') ?? false;
  return { placer: identifiers.find((one) => !isFiller(one)), filler: identifiers.find(isFiller) };
}

export function personField(source: Source, holder: Resource, reference: Reference | undefined): Field {
  const role = source.find(reference, 'PractitionerRole', holder);
  const person: Person | undefined = source.find(role?.practitioner ?? reference, 'Practitioner', role ?? holder);
  return person && one(xcn(person));
}
