/**
 * Who and what takes part in an appointment: patients (PID), services, things, places and people (AIS, AIG, AIL, AIP), and those
 * to ask about it (SCH-12 to SCH-22).
 *
 * @see HL7 v2-to-FHIR, AIS/AIG/AIL/AIP[Appointment], SCH[Appointment]
 */
import { lookUp, toConcept } from './concepts.ts';
import { telecom } from './contact.ts';
import { durationOf, laterBy } from './duration.ts';
import { hubExtension, type Extension } from './extensions.ts';
import type { RuleInfo } from '../functions.ts';
import type { Node } from '../message/nesting.ts';
import { numeric } from './number.ts';
import { location, practitioner } from './parties.ts';
import type { Part } from '../message/part.ts';
import type { DraftBuilder, Element, Reference, Run } from '../message/state.ts';

/** Where a resource segment says what of itself; 0: it does not. */
interface Fields {
  readonly kind: number;
  readonly start: number;
  readonly duration: number;
  readonly status: number;
  /** Coded fields without an element in R4, each with the name of its extension; `start` and `duration` have their units. */
  readonly more: readonly (readonly [field: number, name: string])[];
}

const fieldsOf: Readonly<Record<string, Fields>> = {
  AIS: {
    kind: 0,
    start: 4,
    duration: 7,
    status: 10,
    more: [
      [9, 'substitution'],
      [11, 'placer-service-information'],
      [12, 'filler-service-information'],
    ],
  },
  AIG: {
    kind: 4,
    start: 8,
    duration: 11,
    status: 14,
    more: [
      [5, 'resource-group'],
      [13, 'substitution'],
    ],
  },
  AIL: resource('location-group'),
  AIP: resource('personnel-group'),
};

function resource(group: string): Fields {
  return {
    kind: 4,
    start: 6,
    duration: 9,
    status: 12,
    more: [
      [5, group],
      [11, 'substitution'],
    ],
  };
}

/** Segment action code (HL70206): a resource that was deleted takes no part. */
const isDeleted = (node: Node): boolean => node.reader.peek(2) === 'D' && !isCancelling(node.root.event);

/** Events that end the appointment as a whole mark each of its resources as deleted: they are still who was to take part. */
function isCancelling(event: string): boolean {
  return cancelling.has(event);
}
const cancelling = new Set(['S04', 'S05', 'S06', 'S15', 'S16', 'S17']);

/** AIS, AIG, AIL and AIP as participant. */
export function appointmentActor(node: Node, run: Run, { vocabulary }: RuleInfo): Element | undefined {
  const fields = fieldsOf[node.name];
  if (fields === undefined || isDeleted(node)) return undefined;
  const actor = actorOf(node, run);
  if (actor === undefined) return undefined;
  const [kind] = fields.kind === 0 ? [] : node.reader.parts(fields.kind);
  const type = kind && toConcept(kind, run, at(node, fields.kind));
  const extension = extensionsOf(node, fields, run);
  const sent = node.reader.peek(fields.status);
  const answer =
    sent === '' || vocabulary === undefined
      ? undefined
      : lookUp(sent, vocabulary, `${node.name}-${fields.status}`, run);
  const period = periodOf(node, fields, run);
  return {
    ...(extension.length === 0 ? undefined : { extension }),
    ...(type === undefined ? undefined : { type: [type] }),
    actor,
    status: statusAt(node.root.event) ?? answer ?? 'accepted',
    ...(period === undefined ? undefined : { period }),
  };
}

/** AIS-3: what is done. A deleted service is not done. */
export function appointmentService(node: Node, run: Run, info: RuleInfo): Element | undefined {
  const [part] = node.reader.parts(3);
  return part === undefined || isDeleted(node) ? undefined : (toConcept(part, run, info) as Element | undefined);
}

function at(node: Node, field: number): RuleInfo {
  return { position: `${node.name}-${field}`, vocabulary: undefined };
}

function statusAt(event: string): string | undefined {
  return isCancelling(event) ? 'declined' : undefined;
}

function extensionsOf(node: Node, { more, start, duration, status }: Fields, run: Run): Extension[] {
  const found: Extension[] = [];
  const { reader } = node;
  const action = reader.peek(2);
  if (/^[AUDX]$/.test(action)) {
    reader.take(2);
    found.push({ url: hubExtension('resource-action'), valueCode: action });
  }
  if (/^[1-9]\d{0,3}$/.test(reader.peek(1))) {
    found.push({ url: hubExtension('resource-set-id'), valuePositiveInt: Number(reader.peek(1)) });
    reader.take(1);
  }
  for (const [field, name] of [[start + 1, 'start-offset'] as const, [duration, 'resource-duration'] as const]) {
    const value = numeric(reader.peek(field));
    if (value === undefined) continue;
    reader.take(field);
    found.push({ url: hubExtension(name), valueDecimal: value });
  }
  const units = [[start + 2, 'start-offset-unit'] as const, [duration + 1, 'resource-duration-unit'] as const];
  for (const [field, name] of [...more, ...units, [status, 'filler-status'] as const]) {
    for (const part of reader.parts(field)) {
      const concept = toConcept(part, run, at(node, field));
      if (concept !== undefined) found.push({ url: hubExtension(name), valueCodeableConcept: concept });
    }
  }
  return found;
}

function actorOf(node: Node, run: Run): Reference | undefined {
  const [part] = node.reader.parts(3);
  if (part === undefined || part.value.isNull) return undefined;
  if (node.name === 'AIP') return practitioner(part, run, at(node, 3));
  if (node.name === 'AIL') return location(part, run);
  return codedActor(part, node, run);
}

/** A CWE that names a service or a thing; AIG-4 says of what kind the thing is (vocabulary `resource-type`). */
function codedActor(part: Part, node: Node, run: Run): Reference | undefined {
  const words = part.peek(2) || part.peek(1);
  if (words === '') return undefined;
  const type = node.name === 'AIS' ? 'HealthcareService' : typeOf(node, run);
  const [code, authority] = [part.peek(1), part.peek(3)];
  const key = [authority || run.facility, code || words];
  const concept = toConcept(part, run, at(node, 3));
  const identifier = code === '' ? undefined : { identifier: [{ value: code }] };
  const draft = run.share(type, key, { ...identifier, ...contentOf(type, words, concept) });
  return { reference: draft.reference, display: words };
}

function typeOf(node: Node, run: Run): string {
  const kinds = run.map.vocabularies.get('resource-type')?.entries;
  const [kind] = node.reader.parts(4);
  const entry = kinds?.get(kind?.peek(1).toUpperCase() ?? '') ?? kinds?.get(kind?.peek(2).toUpperCase() ?? '');
  return entry?.code ?? 'Device';
}

function contentOf(type: string, words: string, concept: unknown): Element {
  switch (type) {
    case 'HealthcareService':
      return { type: [concept], name: words };
    case 'Location':
      return { name: words, mode: 'instance' };
    case 'Practitioner':
      return { name: [{ text: words }] };
    default:
      return { type: concept, deviceName: [{ name: words, type: 'user-friendly-name' }] };
  }
}

/** When the resource is needed, and how long. */
function periodOf(node: Node, { start: field, duration }: Fields, run: Run): Element | undefined {
  const start = startOf(node, field, run);
  if (start === undefined) return undefined;
  const minutes = durationOf(node, duration, duration + 1);
  return minutes === undefined ? { start } : { start, end: laterBy(start, minutes) };
}

function startOf(node: Node, field: number, run: Run): string | undefined {
  const [part] = node.reader.parts(field);
  const value = part && run.dateTime(part.peek(1));
  if (typeof value !== 'string' || !value.includes('T')) return undefined;
  part?.take(1);
  return value;
}

/** The first start that a resource of the appointment has, and how long that resource is needed. */
export function resourceTimes(run: Run): { start: string; minutes?: number } | undefined {
  for (const name of ['AIS', 'AIP', 'AIL', 'AIG']) {
    const fields = fieldsOf[name] as Fields;
    for (const node of run.nodes.filter((one) => one.name === name)) {
      const value = run.instant(node.reader.peek(fields.start));
      if (typeof value !== 'string') continue;
      return { start: value, minutes: durationOf(node, fields.duration, fields.duration + 1) };
    }
  }
  return undefined;
}

/** Whose time the appointment takes: its people, places and things, in the order sent. */
export function resourceActors(run: Run): Reference[] {
  return run.nodes
    .filter((node) => ['AIG', 'AIL', 'AIP'].includes(node.name) && !isDeleted(node))
    .map((node) => actorOf(node, run))
    .filter((actor) => actor !== undefined);
}

/** Whom to ask: the field of the person, and of how to reach them. */
const contacts: Readonly<Record<string, readonly Contact[]>> = {
  SCH: [
    { role: 'placer contact', person: 12, phone: 13, address: 14, place: 15 },
    { role: 'filler contact', person: 16, phone: 17, address: 18, place: 19 },
    { role: 'enterer', person: 20, phone: 21, address: 0, place: 22 },
  ],
  ARQ: [
    { role: 'placer contact', person: 15, phone: 16, address: 17, place: 18 },
    { role: 'enterer', person: 19, phone: 20, address: 0, place: 21 },
  ],
};

interface Contact {
  readonly role: string;
  readonly person: number;
  readonly phone: number;
  readonly address: number;
  readonly place: number;
}

const terminology = 'http://terminology.hl7.org/CodeSystem';

/** SCH-12, SCH-16, SCH-20 and what stands beside them; ARQ-15 and ARQ-19. */
export function appointmentContacts(node: Node, run: Run): Element[] {
  return (contacts[node.name] ?? []).flatMap((contact) =>
    node.reader.parts(contact.person).flatMap((part, index) => {
      const actor = part.value.isNull ? undefined : practitioner(part, run, at(node, contact.person));
      if (actor === undefined) return [];
      const extension = index === 0 ? reachOf(node, contact, run) : [];
      const system = contact.role === 'enterer' ? 'provenance-participant-type' : 'participant-type';
      return [
        {
          ...(extension.length === 0 ? undefined : { extension }),
          type: [{ coding: [{ system: `${terminology}/${system}`, code: contact.role }] }],
          actor,
          status: 'accepted',
        },
      ];
    }),
  );
}

/** The telephone, address and place belong to the contact of this appointment, not to the person wherever they appear. */
function reachOf(node: Node, { phone, address, place }: Contact, run: Run): Extension[] {
  const { reader } = node;
  const { datatypes } = run.map;
  const found: Extension[] = [];
  for (const part of reader.parts(phone)) {
    const value = telecom(part, run, at(node, phone));
    if (value !== undefined) found.push({ url: hubExtension('contact-phone'), valueContactPoint: value });
  }
  for (const part of address === 0 ? [] : reader.parts(address)) {
    const value = datatypes.get('XAD')?.(part, run, `${node.name}-${address}`);
    if (value !== undefined) found.push({ url: hubExtension('contact-address'), valueAddress: value });
  }
  const [where] = reader.parts(place);
  const reference = where && location(where, run);
  if (reference !== undefined) found.push({ url: hubExtension('contact-location'), valueReference: reference });
  return found;
}

/** The patients take part in it; R4 requires a participant, so an appointment of nobody known has an unknown one. */
export function patientParticipants(node: Node, draft: DraftBuilder, run: Run): readonly Element[] {
  const status = statusAt(node.root.event) ?? 'accepted';
  const patients = run.drafts.filter(({ type }) => type === 'Patient');
  if (patients.length > 0) return patients.map(({ reference }) => ({ actor: { reference }, status }));
  return draft.resource['participant'] === undefined ? [{ type: [{ text: 'unknown' }], status: 'needs-action' }] : [];
}
