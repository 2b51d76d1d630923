/** People, organizations and places that a message names: drafts of their own, outside any patient, and a reference. */
import type { RuleInfo } from '../functions.ts';
import type { Part } from '../message/part.ts';
import type { DraftBuilder, Element, Reference, Run } from '../message/state.ts';
import { localUri } from './extensions.ts';

/** XCN as a reference to a Practitioner. @see HL7 v2-to-FHIR, XCN[Practitioner] */
export function practitioner(part: Part, run: Run, { position }: RuleInfo): Reference | undefined {
  return run.mention('XCN', part, () => readPractitioner(part, run, position));
}

function readPractitioner(part: Part, run: Run, position: string): Reference | undefined {
  const id = part.peek(1);
  const family = part.child(2).peek(1);
  const given = part.peek(3);
  if (id === '' && family === '' && given === '') return undefined;
  const authority = authorityText(part, 9, run);
  const key = id === '' ? ['name', family, given, part.peek(4)] : [authority, id];
  const draft = run.share('Practitioner', key, run.map.datatypes.get('xcn-practitioner')?.(part, run, position));
  const display = displayName(family, given);
  return display === '' ? { reference: draft.reference } : { reference: draft.reference, display };
}

const ideographs = /^\p{Script=Han}+$/u;

/** As people of the name's script read it: 郁砚舟, Anna Weber. */
function displayName(family: string, given: string): string {
  if (ideographs.test(family + given)) return family + given;
  return [given, family].filter((name) => name !== '').join(' ');
}

/** XON as a reference to an Organization. @see HL7 v2-to-FHIR, XON[Organization] */
export function organization(part: Part, run: Run, { position }: RuleInfo): Reference | undefined {
  return run.mention('XON', part, () => readOrganization(part, run, position));
}

function readOrganization(part: Part, run: Run, position: string): Reference | undefined {
  const name = part.peek(1);
  const id = part.peek(10) || part.peek(3);
  if (id === '' && name === '') return undefined;
  const key = id === '' ? ['name', name] : [authorityText(part, 6, run), id];
  const draft = run.share('Organization', key, run.map.datatypes.get('xon-organization')?.(part, run, position));
  return name === '' ? { reference: draft.reference } : { reference: draft.reference, display: name };
}

/** CWE as a reference to an Organization (OBX-15, a producer's id). @see HL7 v2-to-FHIR, CWE[Organization] */
export function conceptOrganization(part: Part, run: Run): Reference | undefined {
  const id = part.get(1);
  const name = part.get(2);
  if (id === '' && name === '') return undefined;
  const system = part.peek(3);
  const key = id === '' ? ['name', name] : [system || run.facility, id];
  // The name of the coding system is the authority of the number, as people there say it.
  const assigner = part.get(3);
  const identifier = assigner === '' ? { value: id } : { value: id, assigner: { display: assigner } };
  const element: Element = id === '' ? {} : { identifier: [identifier] };
  // org-1: an organization has a name or an identifier; one of both is certain here.
  const draft = run.share('Organization', key, name === '' ? element : { ...element, name });
  return name === '' ? { reference: draft.reference } : { reference: draft.reference, display: name };
}

function authorityText(part: Part, component: number, run: Run): string {
  const authority = part.child(component);
  return authority.peek(2) || authority.peek(1) || run.facility;
}

/** The address of an organization that another field names (OBX-24 of OBX-23): given to the last one drafted. */
export function addressOf(draft: DraftBuilder | undefined, address: Element | undefined): void {
  if (address !== undefined) draft?.add({ address: [address] });
}

/** Levels of a PL from the widest to the narrowest, with R4's physical types. @see HL7 v2-to-FHIR, PL[Location] */
const levels = [
  level(4, 'si', 'Site'),
  level(7, 'bu', 'Building'),
  level(8, 'lvl', 'Level'),
  level(1, 'wa', 'Ward'),
  level(2, 'ro', 'Room'),
  level(3, 'bd', 'Bed'),
];

function level(component: number, type: string, display: string) {
  const system = 'http://terminology.hl7.org/CodeSystem/location-physical-type';
  return { component, type, physicalType: { coding: [{ system, code: type, display }] } };
}

/** PL as a reference to its narrowest Location; each is part of the wider one. */
export function location(part: Part, run: Run): Reference | undefined {
  return run.mention('PL', part, () => readLocation(part, run));
}

function readLocation(part: Part, run: Run): Reference | undefined {
  const key: string[] = [];
  const names: string[] = [];
  let inner: DraftBuilder | undefined;
  for (const { component, type, physicalType } of levels) {
    const name = part.peek(component);
    if (name === '' || name === '""') continue;
    part.take(component);
    key.push(type, name);
    names.push(name);
    inner = run.share('Location', key, {
      identifier: [{ value: name }],
      name,
      mode: 'instance',
      physicalType,
      ...(inner === undefined ? undefined : { partOf: { reference: inner.reference } }),
    });
  }
  const number = placeIdentifier(part, run);
  if (inner !== undefined && number !== undefined) run.share('Location', key, { identifier: [number] });
  const description = part.get(9);
  const kind = part.get(6);
  if (inner !== undefined && kind !== '') run.share('Location', key, { type: [{ text: kind }] });
  if (inner === undefined && description === '') return undefined;
  if (description !== '') inner = run.share('Location', inner ? key : ['description', description], { description });
  return { reference: (inner as DraftBuilder).reference, display: names.reverse().join(', ') || description };
}

/** PL.10 and PL.11: the place by a number of its own. @see HL7 v2.5.1 section 2.A.53 */
function placeIdentifier(part: Part, run: Run): Element | undefined {
  const number = part.peek(10) === '' ? undefined : entityIdentifier(part.child(10), run);
  if (number === undefined) return undefined;
  const authority = part.child(11);
  const system = number['system'] ?? authoritySystem(authority, run);
  const name = number['assigner'] === undefined ? authorityName(authority) : undefined;
  return {
    ...(system === undefined ? undefined : { system }),
    ...number,
    ...(name === undefined ? undefined : { assigner: { display: name } }),
  };
}

/** NDL: a CNN (person) in its first component; senders also put an XCN there. @see HL7 v2-to-FHIR, CNN[Practitioner] */
export function namedPractitioner(part: Part, run: Run, info: RuleInfo): Reference | undefined {
  const person = part.child(1);
  // NDL.2 is a time; a name there means that the whole is an XCN.
  const isXcn = person.count <= 1 && /[^\d.+-]/.test(part.peek(2));
  if (isXcn) return practitioner(part, run, info);
  const [id, family, given, middle] = [person.get(1), person.get(2), person.get(3), person.get(4)];
  if (id === '' && family === '' && given === '') return undefined;
  const key = id === '' ? ['name', family, given, middle] : [person.peek(9) || run.facility, id];
  const givens = [given, middle].filter((name) => name !== '');
  const draft = run.share('Practitioner', key, {
    ...(id === '' ? undefined : { identifier: [{ value: id }] }),
    ...(family === '' && givens.length === 0
      ? undefined
      : {
          name: [
            { ...(family === '' ? undefined : { family }), ...(givens.length === 0 ? undefined : { given: givens }) },
          ],
        }),
  });
  const display = displayName(family, given);
  return display === '' ? { reference: draft.reference } : { reference: draft.reference, display };
}

/** A place that has only a name or code: DLD.1 (discharged to), EVN-7. @see HL7 v2-to-FHIR, DLD[Location-Discharge] */
export function namedLocation(part: Part, run: Run): Reference | undefined {
  const name = part.child(1).get(1);
  if (name === '') return undefined;
  const draft = run.share('Location', ['name', name], { name });
  return { reference: draft.reference, display: name };
}

/** HD as the place where something happened (EVN-7). @see HL7 v2-to-FHIR, HD[Location] */
export function facilityLocation(part: Part, run: Run): Reference | undefined {
  const [name, universal] = [part.get(1), part.peek(2)];
  const uri = universalUri(universal, part.peek(3));
  const value = uri ?? universal;
  if (name === '' && value === '') return undefined;
  if (value !== '') for (const component of [2, 3]) part.take(component);
  const system = uri === undefined ? part.peek(3) && localUri(run.context.owner, 'authority', part.peek(3)) : rfc3986;
  const draft = run.share('Location', ['name', name || value], {
    ...(name === '' ? undefined : { name }),
    ...(value === '' ? undefined : { identifier: [{ ...(system === '' ? undefined : { system }), value }] }),
  });
  return name === '' ? { reference: draft.reference } : { reference: draft.reference, display: name };
}
/** The system of identifiers that are URIs. @see https://hl7.org/fhir/R4/datatypes.html#Identifier */
const rfc3986 = 'urn:ietf:rfc:3986';

/** HD as an Identifier: of an application, which has no other (MSH-3). @see HL7 v2-to-FHIR, HD[Identifier] */
export function authorityIdentifier(part: Part, run: Run): Element | undefined {
  const [name, universal] = [part.get(1), part.get(2)];
  const uri = universalUri(universal, part.get(3));
  if (uri !== undefined)
    return { system: rfc3986, value: uri, ...(name === '' ? undefined : { assigner: { display: name } }) };
  const value = name || universal;
  return value === '' ? undefined : { system: localUri(run.context.owner, 'authority', 'MSH-3'), value };
}

/** HD as Identifier.system. @see HL7 v2-to-FHIR, HD[uri] */
export function authoritySystem(part: Part, run: Run): string | undefined {
  const [namespace, universal] = [part.peek(1), part.peek(2)];
  const system = systemOf(namespace, universal, part.peek(3), run);
  if (system === undefined) return undefined;
  part.take(universal === '' ? 1 : 2);
  // What kind of id it is, the URI says; a kind that no URI stands for stays beside.
  if (system.startsWith('urn:')) part.take(3);
  return system;
}

/** EI (or one half of an EIP): a value within an authority. @see HL7 v2-to-FHIR, EI[Identifier-Extension] */
export function entityIdentifier(part: Part, run: Run): Element | undefined {
  const value = part.get(1);
  if (value === '' || value === '""') return undefined;
  const [namespace, universal] = [part.get(2), part.get(3)];
  const system = systemOf(namespace, universal, part.get(4), run);
  return {
    ...(system === undefined ? undefined : { system }),
    value,
    ...(namespace === '' ? undefined : { assigner: { display: namespace } }),
  };
}

/** A universal id by its type; what only the sender can resolve gets a URI within its owner. */
function systemOf(namespace: string, universal: string, type: string, run: Run): string | undefined {
  if (namespace === '' && universal === '') return undefined;
  const known = run.map.vocabularies.get('authority')?.entries;
  const entry = known?.get(universal) ?? known?.get(namespace);
  return (
    entry?.code ?? universalUri(universal, type) ?? localUri(run.context.owner, 'authority', universal || namespace)
  );
}

function universalUri(universal: string, type: string): string | undefined {
  if (universal === '') return undefined;
  if ((type === 'ISO' || type === '') && /^[0-2](\.(0|[1-9]\d*))+$/.test(universal)) return `urn:oid:${universal}`;
  if (uuid.test(universal)) return `urn:uuid:${universal.toLowerCase()}`;
  return /^(https?|urn):\S+$/.test(universal) ? universal : undefined;
}

/** HD as the name of an assigner: its namespace, as people there say it. */
export function authorityName(part: Part): string | undefined {
  return part.peek(1) === '' ? undefined : part.get(1);
}
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
