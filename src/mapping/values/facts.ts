/**
 * Segments about a patient or a visit that R4 has no resource or element for: each becomes one complex extension, so that
 * what belongs together stays together, with every field typed.
 */
import { toConcept } from './concepts.ts';
import { Extended, hubExtension } from './extensions.ts';
import type { Node } from '../message/nesting.ts';
import { numeric } from './number.ts';
import type { Part } from '../message/part.ts';
import { location, practitioner } from './parties.ts';
import type { Element, Run } from '../message/state.ts';

type Kind =
  | 'code'
  | 'concept'
  | 'boolean'
  | 'dateTime'
  | 'identifier'
  | 'practitioner'
  | 'place'
  | 'period'
  | 'decimal';

interface Facts {
  readonly name: string;
  readonly fields: Readonly<Record<number, readonly [name: string, kind: Kind]>>;
}

/** @see HL7 v2.5.1 sections 3.4.11 (DB1), 3.4.12 (PDA) and 6.5.3 (DRG) */
const segments: Readonly<Record<string, Facts>> = {
  DB1: {
    name: 'disability',
    fields: {
      2: ['person', 'code'],
      3: ['identifier', 'identifier'],
      4: ['indicator', 'boolean'],
      5: ['start', 'dateTime'],
      6: ['end', 'dateTime'],
      7: ['return-to-work', 'dateTime'],
      8: ['unable-to-work', 'dateTime'],
    },
  },
  PDA: {
    name: 'death-and-autopsy',
    fields: {
      1: ['cause', 'concept'],
      2: ['location', 'place'],
      3: ['certified', 'boolean'],
      4: ['certificate-signed', 'dateTime'],
      5: ['certified-by', 'practitioner'],
      6: ['autopsy', 'boolean'],
      7: ['autopsy-period', 'period'],
      8: ['autopsy-by', 'practitioner'],
      9: ['coroner', 'boolean'],
    },
  },
  DRG: {
    name: 'diagnosis-related-group',
    fields: {
      1: ['group', 'concept'],
      2: ['assigned', 'dateTime'],
      3: ['approved', 'boolean'],
      4: ['review', 'concept'],
      5: ['outlier-type', 'concept'],
      6: ['outlier-days', 'decimal'],
      8: ['payor', 'concept'],
      10: ['confidential', 'boolean'],
      11: ['transfer-type', 'concept'],
    },
  },
};

/** The segment as one extension; undefined when it says nothing that can be typed. */
export function facts(node: Node, run: Run): Element | undefined {
  const known = segments[node.name];
  if (known === undefined) return undefined;
  const extension: Element[] = [];
  for (const [field, [name, kind]] of Object.entries(known.fields)) {
    for (const part of node.reader.parts(Number(field))) {
      const value = part.value.isNull ? undefined : valueOf(kind, part, run, `${node.name}-${field}`);
      if (value !== undefined) extension.push({ url: name, ...value });
    }
  }
  return extension.length === 0 ? undefined : { url: hubExtension(known.name), extension };
}

/** `value[x]` with its name. */
function valueOf(kind: Kind, part: Part, run: Run, position: string): Element | undefined {
  const info = { position, vocabulary: undefined };
  switch (kind) {
    case 'concept':
      return wrap('CodeableConcept', toConcept(part, run, info));
    case 'identifier':
      return wrap('Identifier', run.map.datatypes.get('CX')?.(part, run, position));
    case 'practitioner':
      return wrap('Reference', practitioner(part, run, info));
    case 'place':
      return wrap('Reference', location(part, run));
    case 'period':
      return wrap('Period', run.map.datatypes.get('DR')?.(part, run, position));
    default:
      return primitiveOf(kind, part, run);
  }
}

function primitiveOf(kind: 'code' | 'boolean' | 'dateTime' | 'decimal', part: Part, run: Run): Element | undefined {
  const text = part.peek(1).trim();
  const found = read(kind, text, run);
  if (found === undefined) return undefined;
  part.take(1);
  return found instanceof Extended
    ? { valueDateTime: found.value, _valueDateTime: { extension: found.extension } }
    : wrap(typeNames[kind], found);
}
const typeNames = { code: 'Code', boolean: 'Boolean', dateTime: 'DateTime', decimal: 'Decimal' } as const;

function read(kind: keyof typeof typeNames, text: string, run: Run): unknown {
  if (text === '') return undefined;
  if (kind === 'dateTime') return run.dateTime(text);
  if (kind === 'decimal') return numeric(text);
  if (kind === 'boolean') return text === 'Y' ? true : text === 'N' ? false : undefined;
  return text;
}

function wrap(type: string, value: unknown): Element | undefined {
  return value === undefined ? undefined : { [`value${type}`]: value };
}
