/**
 * One FHIR data type to one of HL7v2, component by component: the tables of mappings/hl7v2/datatypes read backwards.
 * Where HL7v2 has no place for a part, it is left out here; where only the destination's version has none, write.ts says so.
 *
 * @see https://www.hl7.eu/HL7v2x/v251/std251/ch02a.html HL7 v2.5.1 chapter 2A
 */
import type { Address, CodeableConcept, Coding, ContactPoint, HumanName, Identifier, Period } from '@medplum/fhirtypes';
import type { Component, Value } from './segment.ts';

/** Names of HL70396 for systems that receivers know; any other system goes by its OID or URI. */
const codingSystems: Readonly<Record<string, string>> = {
  'http://loinc.org': 'LN',
  'http://snomed.info/sct': 'SCT',
  'http://unitsofmeasure.org': 'UCUM',
  'http://hl7.org/fhir/sid/icd-9-cm': 'I9C',
  'http://hl7.org/fhir/sid/icd-10': 'I10',
  'http://hl7.org/fhir/sid/icd-10-cm': 'I10C',
  'http://www.ama-assn.org/go/cpt': 'C4',
  'http://hl7.org/fhir/sid/cvx': 'CVX',
  'http://hl7.org/fhir/sid/ndc': 'NDC',
  'http://www.nlm.nih.gov/research/umls/rxnorm': 'RXNORM',
  'http://www.whocc.no/atc': 'ATC',
};

export function codingSystemName(system: string | undefined): string {
  if (system === undefined) return '';
  const table = /^http:\/\/terminology\.hl7\.org\/CodeSystem\/v2-(\d{4})$/.exec(system)?.[1];
  if (table !== undefined) return `HL7${table}`;
  return codingSystems[system] ?? system.replace(/^urn:oid:/, '');
}

/**
 * CodeableConcept as CWE: two codings (the table has a place for a third only since 2.7) and the text as the original
 * text. Where CE has no ninth component, write.ts finds another place for it.
 */
export function cwe(concept: CodeableConcept | undefined): Value | undefined {
  if (concept === undefined) return undefined;
  const [first, second] = (concept.coding ?? []).map(tripletOf);
  const [code = '', display = '', system = '', version = ''] = first ?? [];
  const [code2 = '', display2 = '', system2 = '', version2 = ''] = second ?? [];
  const text = concept.text === display ? '' : (concept.text ?? '');
  return [code, display, system, code2, display2, system2, version, version2, text];
}

function tripletOf({ code = '', display = '', system, version = '' }: Coding): readonly string[] {
  return [code, display, codingSystemName(system), version];
}

/** The code of the first coding of one of these systems, for fields that hold a code of a table. */
export function codeOf(concept: CodeableConcept | undefined, ...systems: readonly string[]): string {
  return concept?.coding?.find(({ system }) => system !== undefined && systems.includes(system))?.code ?? '';
}

/** HD: namespace, universal id and its type. */
export function hd(identifier: Pick<Identifier, 'system' | 'assigner'>): readonly [string, string, string] {
  const { system = '', assigner } = identifier;
  const namespace = assigner?.display ?? '';
  const [, kind, value] = /^urn:(oid|uuid):(.+)$/.exec(system) ?? [];
  if (kind !== undefined && value !== undefined) return [namespace, value, kind === 'oid' ? 'ISO' : 'UUID'];
  return [namespace, system, system === '' ? '' : 'URI'];
}

export function ei(identifier: Identifier | undefined): Value | undefined {
  return identifier?.value === undefined ? undefined : [identifier.value, ...hd(identifier)];
}

export function cx(identifier: Identifier): Value {
  const { value = '', type, period } = identifier;
  const [start, end] = bounds(period);
  return [value, '', '', hd(identifier), type?.coding?.[0]?.code ?? type?.text ?? '', '', start, end];
}

/** HL70200. */
const nameTypes: Readonly<Record<string, string>> = {
  official: 'L',
  usual: 'D',
  nickname: 'N',
  maiden: 'M',
  anonymous: 'S',
  temp: 'TEMP',
  old: 'BAD',
};

/** A name of one piece (hanzi, often) stands whole in the first component. */
export function xpn(name: HumanName): Value {
  const [given = '', ...others] = name.given ?? [];
  const family = name.family ?? (name.given === undefined ? (name.text ?? '') : '');
  const [start, end] = bounds(name.period);
  const type = nameTypes[name.use ?? ''] ?? '';
  const [suffix, prefix] = [(name.suffix ?? []).join(' '), (name.prefix ?? []).join(' ')];
  return [[family], given, others.join(' '), suffix, prefix, '', type, '', '', '', '', start, end];
}

/** HL70190. */
const addressTypes: Readonly<Record<string, string>> = { home: 'H', work: 'B', temp: 'C', old: 'BA', billing: 'BI' };

export function xad(address: Address): Value {
  const [street = '', ...others] = address.line ?? (address.text === undefined ? [] : [address.text]);
  const { city = '', state = '', postalCode = '', country = '', district = '' } = address;
  const type = address.type === 'postal' ? 'M' : (addressTypes[address.use ?? ''] ?? '');
  const [start, end] = bounds(address.period);
  return [[street], others.join(', '), city, state, postalCode, country, type, '', district, '', '', '', start, end];
}

/** HL70201 and HL70202. */
const telecomUses: Readonly<Record<string, string>> = { home: 'PRN', work: 'WPN', mobile: 'PRS' };
const equipment: Readonly<Record<string, string>> = { phone: 'PH', fax: 'FX', pager: 'BP', sms: 'CP' };

/** XTN.1 was withdrawn in 2.7, and receivers of 2.7 still read it; XTN.12 is where 2.6 and later look first. */
export function xtn({ system, value = '', use }: ContactPoint): Value {
  if (system === 'email') return ['', 'NET', 'Internet', value];
  const kind = use === 'mobile' ? 'CP' : (equipment[system ?? 'phone'] ?? '');
  return [value, telecomUses[use ?? ''] ?? '', kind, '', '', '', '', '', '', '', '', value];
}

/** A person with an identifier: XCN, or the CNN of a result's interpreter. */
export interface Person {
  readonly identifier?: readonly Identifier[];
  readonly name?: readonly HumanName[];
}

export function xcn({ identifier, name }: Person): Value {
  const [id] = identifier ?? [];
  const [first] = name ?? [];
  const [family, given, others, suffix, prefix] = first === undefined ? [] : xpn(first);
  const names: Component[] = [family ?? '', given ?? '', others ?? '', suffix ?? '', prefix ?? ''];
  const authority: Component = id === undefined ? '' : hd(id);
  const type = nameTypes[first?.use ?? ''] ?? '';
  return [id?.value ?? '', ...names, '', '', authority, type, '', '', id?.type?.coding?.[0]?.code ?? ''];
}

function bounds(period: Period | undefined): [string, string] {
  return [dtm(period?.start), dtm(period?.end)];
}

/** FHIR date, dateTime or instant as DTM: the same digits, precision and offset; `Z` is `+0000`. */
export function dtm(text: string | undefined): string {
  if (text === undefined) return '';
  const [, date = '', time = '', zone = ''] = /^([\d-]+)(?:T([\d:.]+)(Z|[+-]\d\d:\d\d)?)?$/.exec(text) ?? [];
  const offset = zone === 'Z' ? '+0000' : zone.replace(':', '');
  return date.replaceAll('-', '') + time.replaceAll(':', '') + offset;
}
