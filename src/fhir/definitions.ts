/**
 * R4's own definitions, as pruned by `npm run definitions`. Each file is read at first use, so a process that never validates
 * never holds the types.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Definitions, ElementDefinition, TypeDefinition } from './definitions/shape.ts';

export type { ElementDefinition, Invariant, TypeDefinition } from './definitions/shape.ts';

const files: Record<keyof Definitions, string> = {
  types: 'types.json',
  valueSets: 'value-sets.json',
  suggestedValueSets: 'suggested-value-sets.json',
  searchParams: 'search-params.json',
  patientCompartment: 'patient-compartment.json',
};

function lazily<K extends keyof Definitions>(key: K): () => Definitions[K] {
  let value: Definitions[K] | undefined;
  return () => (value ??= JSON.parse(readFileSync(join(import.meta.dirname, 'definitions', files[key]), 'utf8')));
}

/** CodeSystems, ValueSets and ConceptMaps of R4, a line each: read once a database (store/terminology/base.ts). */
export const terminologyDefinitions = join(import.meta.dirname, 'definitions', 'terminology.ndjson');

const types = lazily('types');
const valueSets = lazily('valueSets');
const suggestedValueSets = lazily('suggestedValueSets');
export const searchParamDefinitions = lazily('searchParams');
export const patientCompartment = lazily('patientCompartment');

let otherCompartments: Record<string, Record<string, string[]>> | undefined;

/**
 * For each member type of a compartment the parameters that make a resource a member; undefined for a type without
 * compartments. All but the patient's are transcribed from R4 (compartments.json): the package that the other files are made
 * of has no others.
 *
 * @see https://hl7.org/fhir/R4/compartmentdefinition.html
 */
export function compartmentDefinition(type: string): Readonly<Record<string, readonly string[]>> | undefined {
  if (type === 'Patient') return patientCompartment();
  const file = join(import.meta.dirname, 'definitions', 'compartments.json');
  otherCompartments ??= JSON.parse(readFileSync(file, 'utf8')) as Record<string, Record<string, string[]>>;
  return Object.hasOwn(otherCompartments, type) ? otherCompartments[type] : undefined;
}

export const compartmentTypes: readonly string[] = ['Patient', 'Encounter', 'RelatedPerson', 'Practitioner', 'Device'];

/** A resource type, data type, or inner type by its path (`Observation.component`); undefined for primitives and unknown names. */
export function typeDefinition(name: string): TypeDefinition | undefined {
  const all = types();
  return Object.hasOwn(all, name) ? all[name] : undefined;
}

/** Every type with elements: resources, data types, and their inner types by path. */
export function typeDefinitions(): readonly TypeDefinition[] {
  return Object.values(types());
}

/** The codes of a required value set by system; undefined when R4 binds codes that cannot be listed (MIME types, UCUM, currencies). */
export function valueSet(url: string): Record<string, string[]> | undefined {
  return valueSets()[url];
}

/** The codes of the value set of an extensible or preferred binding. */
export function suggestedValueSet(url: string): Record<string, string[]> | undefined {
  return suggestedValueSets()[url];
}

/** An element as it stands in JSON: a choice has one property per type. */
export interface Property {
  readonly name: string;
  readonly type: string;
  readonly element: ElementDefinition;
  /** Name in the definition: `value[x]` for `valueQuantity`. */
  readonly elementName: string;
}

const properties = new Map<string, ReadonlyMap<string, Property>>();

/** The JSON properties of a type; undefined for primitives and unknown names. */
export function propertiesOf(type: string): ReadonlyMap<string, Property> | undefined {
  let found = properties.get(type);
  if (found !== undefined) return found;
  const definition = typeDefinition(type);
  if (definition === undefined) return undefined;
  found = new Map(
    Object.entries(definition.elements).flatMap(([elementName, element]) =>
      jsonNames(elementName, element).map((property) => [property.name, property] as const),
    ),
  );
  properties.set(type, found);
  return found;
}

/** FHIR R4 json.html#choice: the name ends with the type's name, first letter in capitals. */
export function jsonNames(elementName: string, element: ElementDefinition): Property[] {
  const base = elementName.replace('[x]', '');
  return base === elementName
    ? [{ name: base, type: element.types[0] as string, element, elementName }]
    : allTypes(element.types).map((type) => ({
        name: `${base}${type.charAt(0).toUpperCase()}${type.slice(1)}`,
        type,
        element,
        elementName,
      }));
}

/** FHIR R4 datatypes.html#open: `*` stands for these. */
const openTypes = (
  'base64Binary boolean canonical code date dateTime decimal id instant integer markdown oid positiveInt string time ' +
  'unsignedInt uri url uuid Address Age Annotation Attachment CodeableConcept Coding ContactPoint Count Distance Duration ' +
  'HumanName Identifier Money Period Quantity Range Ratio Reference SampledData Signature Timing ContactDetail ' +
  'Contributor DataRequirement Expression ParameterDefinition RelatedArtifact TriggerDefinition UsageContext Dosage Meta'
).split(' ');

function allTypes(types: readonly string[]): readonly string[] {
  return types[0] === '*' ? openTypes : types;
}
