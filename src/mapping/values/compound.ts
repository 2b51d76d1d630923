/**
 * RXC: a medication that is made of several, as a Medication contained in what is prescribed. It has no life outside its
 * prescription, so it is no resource of its own; what is a code alone stays `medicationCodeableConcept`, by which it is searched.
 *
 * @see HL7 v2.5.1 section 4.14.3 (RXC) and https://hl7.org/fhir/R4/medication.html
 */
import { toConcept } from './concepts.ts';
import { dataAbsentReasonUrl, hubExtension } from './extensions.ts';
import type { RuleInfo } from '../functions.ts';
import type { Node } from '../message/nesting.ts';
import { numeric } from './number.ts';
import { unitOf } from './observation.ts';
import type { Element, Run } from '../message/state.ts';

/** Where a prescription has its medication and the form of it. */
const fieldsOf: Readonly<Record<string, readonly [code: number, form: number]>> = {
  RXE: [2, 6],
  RXO: [1, 5],
  RXD: [2, 6],
  RXG: [4, 8],
};

/** The contained Medication and the reference to it; undefined without RXC. */
export function compound(node: Node, run: Run, info: RuleInfo): Element | undefined {
  const components = [...node.children, ...(node.companion?.children ?? [])].filter(({ name }) => name === 'RXC');
  const fields = fieldsOf[node.name];
  if (components.length === 0 || fields === undefined) return undefined;
  const [code, form] = fields.map((field) => conceptIn(node, field, run, info));
  const medication: Element = {
    resourceType: 'Medication',
    id: 'compound',
    ...(code !== undefined && { code }),
    ...(form !== undefined && { form }),
    ingredient: components.map((component) => ingredientOf(component, run, info)),
  };
  return { contained: [medication], medicationReference: { reference: '#compound' } };
}

function ingredientOf(node: Node, run: Run, info: RuleInfo): Element {
  const amount = quantityIn(node, 3, 4, run);
  const strength = quantityIn(node, 5, 6, run);
  const volume = quantityIn(node, 8, 9, run);
  const kind = node.reader.peek(1);
  if (kind !== '') node.reader.take(1);
  const extension = [
    ...(kind === '' ? [] : [{ url: hubExtension('component-type'), valueCode: kind }]),
    ...(strength === undefined
      ? []
      : [{ url: hubExtension('component-strength'), valueRatio: { numerator: strength, denominator: volume ?? one } }]),
  ];
  return {
    ...(extension.length > 0 && { extension }),
    itemCodeableConcept: conceptIn(node, 2, run, info) ?? unknown,
    // HL70166: the base carries, the additives act.
    ...(kind === 'A' || kind === 'B' ? { isActive: kind === 'A' } : undefined),
    ...(amount !== undefined && { strength: { numerator: amount, denominator: one } }),
  };
}
const unknown = { extension: [{ url: dataAbsentReasonUrl, valueCode: 'unknown' }] };
/** The amount is that in one of what is prescribed. */
const one = { value: 1 };

function conceptIn(node: Node, field: number, run: Run, info: RuleInfo) {
  const [part] = node.reader.parts(field);
  return part === undefined || part.value.isNull ? undefined : toConcept(part, run, { ...info, vocabulary: undefined });
}

function quantityIn(node: Node, field: number, unitField: number, run: Run): Element | undefined {
  const [part] = node.reader.parts(field);
  const value = part && numeric(part.peek(1));
  if (value === undefined) return undefined;
  part?.take(1);
  const [unit] = node.reader.parts(unitField);
  return { value, ...(unit !== undefined && !unit.value.isNull && unitOf(unit, run)) };
}
