/**
 * Reading a segment while keeping account of what was read: whatever no rule took is still there at the end, and
 * becomes an extension. Positions are as printed (`PID-3.1`); a later repetition is marked with `~`: `PID-3~2.1`.
 */
import type { Hl7Segment, Hl7Value } from '../message.ts';

/** A value that no rule took. */
export interface Leaf {
  readonly position: string;
  readonly text: string;
}

// Components of a data type are taken in one 32-bit mask; no data type of HL7 v2.9 has more than 30 (XCN has 25). Fields are in two.
export const maskBits = 30;
/** The last field that a mask has a bit for; PV1 has 54, IN1 55. */
export const maskedFields = 2 * maskBits;

/** One repetition of a field (`component` 0), or one component of it, whose subcomponents are then read. */
export class Part {
  readonly value: Hl7Value;
  readonly component: number;
  #taken = 0;
  #beyond: Set<number> | undefined;
  #isWhole = false;
  #children: (Part | undefined)[] | undefined;

  constructor(value: Hl7Value, component = 0) {
    this.value = value;
    this.component = component;
  }

  get count(): number {
    return this.component === 0 ? this.value.componentCount : this.value.subcomponentCount(this.component);
  }

  /** The text of a component (or subcomponent) without taking it. */
  peek(index: number): string {
    const text = this.component === 0 ? this.value.whole(index) : this.value.get(this.component, index);
    return isBlank(text) ? '' : text;
  }

  /** The text of a component (or subcomponent), which counts as taken. */
  get(index: number): string {
    this.take(index);
    return this.peek(index);
  }

  /** Everything in it as one text, with the separators of HL7 between what was divided; does not take it. */
  peekAll(): string {
    if (this.component !== 0) return this.value.whole(this.component);
    const count = this.value.componentCount;
    if (count <= 1) return this.value.whole(1);
    let text = this.value.whole(1);
    for (let index = 2; index <= count; index++) text += `^${this.value.whole(index)}`;
    return text;
  }

  take(index: number): void {
    if (index <= maskBits) this.#taken |= 1 << index;
    else (this.#beyond ??= new Set()).add(index);
  }

  isTakenAt(index: number): boolean {
    return this.#isWhole || this.#isTaken(index);
  }

  takeAll(): void {
    this.#isWhole = true;
  }

  /** What was taken of a part with the same text was taken of this one as well. */
  sameAs(other: Part): void {
    if (other.isComplete) this.#isWhole = true;
    else this.#copyAccount(other);
  }

  /** True when nothing divides it. */
  get isOneText(): boolean {
    return this.component === 0 && this.value.componentCount <= 1 && this.value.subcomponentCount(1) <= 1;
  }

  /** True when nobody has taken anything of it yet. */
  get isUntouched(): boolean {
    return this.#taken === 0 && this.#beyond === undefined && !this.#isWhole && this.#children === undefined;
  }

  /** True when nothing of it is left. */
  get isComplete(): boolean {
    if (!this.#isWhole) {
      const left: Leaf[] = [];
      this.collectLeft('', left);
      this.#isWhole = left.length === 0;
    }
    return this.#isWhole;
  }

  #copyAccount(other: Part): void {
    this.#taken = other.#taken;
    this.#beyond = other.#beyond;
    this.#isWhole = other.#isWhole;
    this.#children = other.#children;
  }

  /** A component as a part of its own, for data types within data types (CX.4 is an HD). */
  child(index: number): Part {
    const children = (this.#children ??= []);
    return (children[index] ??= new Part(this.value, index));
  }

  /** True when a component (or the part itself, for index 0) holds any text. */
  has(index: number): boolean {
    return index === 0 ? this.peekAll() !== '' : this.peek(index) !== '';
  }

  #isTaken(index: number): boolean {
    return index <= maskBits ? (this.#taken & (1 << index)) !== 0 : this.#beyond?.has(index) === true;
  }

  /** Adds every leaf that nobody took. */
  collectLeft(position: string, left: Leaf[]): void {
    if (this.#isWhole || this.value.isNull) return;
    const count = this.count;
    for (let index = 1; index <= count; index++) {
      if (this.#isTaken(index) || this.peek(index) === '') continue;
      const at = count === 1 ? position : `${position}.${index}`;
      if (this.component === 0) this.#collectComponent(index, at, left);
      else pushLeaf(at, this.value.get(this.component, index), left);
    }
  }

  #collectComponent(index: number, at: string, left: Leaf[]): void {
    const child = this.#children?.[index];
    if (child !== undefined) child.collectLeft(at, left);
    else if (this.value.subcomponentCount(index) > 1) this.child(index).collectLeft(at, left);
    else pushLeaf(at, this.value.get(index), left);
  }
}

function pushLeaf(position: string, text: string, left: Leaf[]): void {
  // `""` in a component removes nothing that FHIR could hold, and is no value either.
  if (text !== '' && text !== '""' && !isBlank(text)) left.push({ position, text });
}

/** R4 has no string of white space, and HL7v2 no meaning for one. */
export function isBlank(text: string): boolean {
  return text.charCodeAt(0) <= 32 && text.trim() === '';
}

/** `OBX-1`, for every result of every message: the same text, whose hash is known where it is looked up. */
function positionOf(name: string, field: number): string {
  let known = positions.get(name);
  if (known === undefined) {
    if (positions.size >= namesMax) positions.clear();
    positions.set(name, (known = []));
  }
  return field > maskedFields ? `${name}-${field}` : (known[field] ??= `${name}-${field}`);
}
const positions = new Map<string, string[]>();
// Names of segments come from senders; HL7 v2.9 has about 180.
const namesMax = 1_000;

/** The bit of a field after the first mask; the last ones share one. */
export function bitBeyond(field: number): number {
  return field > maskedFields ? 1 : 1 << (field - maskBits);
}

function lowestBit(mask: number): number {
  return 31 - Math.clz32(mask & -mask);
}

const none: readonly Part[] = [];
const nothing: readonly Leaf[] = [];

/**
 * A segment whose fields are read by the rules. A field that is read as one text needs no Part: with Parts only for what
 * is divided, a message takes half the memory.
 */
export class SegmentReader {
  readonly segment: Hl7Segment;
  readonly name: string;
  #fields: (readonly Part[] | undefined)[] | undefined;
  /** Fields that were taken as a whole, as two masks; those beyond them are always read as Parts. */
  #taken = 0;
  #takenBeyond = 0;

  constructor(segment: Hl7Segment) {
    this.segment = segment;
    this.name = segment.name;
  }

  /** The repetitions of a field; empty when it was not sent. */
  parts(field: number): readonly Part[] {
    const known = this.#fields?.[field];
    if (known !== undefined) return known;
    if (this.isAbsent(field)) return none;
    const values = this.segment.field(field);
    if (values.length === 0) return none;
    const parts = values.length === 1 ? [new Part(values[0] as Hl7Value)] : values.map((value) => new Part(value));
    if (this.#isTaken(field)) for (const part of parts) part.takeAll();
    // Of the length it will have: growing one index after the other allocates it anew each time.
    // oxlint-disable-next-line no-new-array
    (this.#fields ??= new Array(this.segment.fieldCount + 1))[field] = parts;
    return parts;
  }

  /** A field that is one text, as sent; '' when absent; undefined when it is to be read as parts. */
  plain(field: number): string | undefined {
    return field > maskedFields || this.#fields?.[field] !== undefined ? undefined : this.segment.plain(field);
  }

  /** A field of one repetition, as sent; '' when absent; undefined when it is to be read as parts. */
  single(field: number): string | undefined {
    return field > maskedFields ? undefined : this.segment.single(field);
  }

  /** The text by which a field identifies something: its first component; '' when it is absent or to be removed. */
  key(field: number): string {
    const text = this.plain(field);
    if (text !== undefined) return text === '""' || isBlank(text) ? '' : text;
    const [part] = this.parts(field);
    return part === undefined || part.value.isNull ? '' : part.peek(1);
  }

  /** Everything in a field's first repetition, without taking it; '' when it is absent or to be removed. */
  whole(field: number): string {
    const text = this.plain(field);
    if (text !== undefined) return text === '""' ? '' : text;
    const [part] = this.parts(field);
    return part === undefined || part.value.isNull ? '' : part.peekAll();
  }

  /** A field that `plain` or `single` gave counts as taken, with everything in it. */
  take(field: number): void {
    if (field <= maskBits) this.#taken |= 1 << field;
    else this.#takenBeyond |= 1 << (field - maskBits);
    const parts = this.#fields?.[field];
    if (parts !== undefined) for (const part of parts) part.takeAll();
  }

  /** Fields as one text; undefined when one of them has several repetitions. */
  together(fields: readonly number[]): string | undefined {
    let text = '';
    for (const field of fields) {
      const one = this.single(field);
      if (one === undefined) return undefined;
      // No field has a line end in it that is not escaped.
      text += `${one}\r`;
    }
    return text;
  }

  /** True when nobody has taken anything of the field yet. */
  isUntouched(field: number): boolean {
    const parts = this.#fields?.[field];
    return !this.#isTaken(field) && (parts === undefined || parts.every((part) => part.isUntouched));
  }

  /** True when nothing of the field is left. */
  isComplete(field: number): boolean {
    return this.isAbsent(field) || this.#isTaken(field) || this.parts(field).every((part) => part.isComplete);
  }

  #isTaken(field: number): boolean {
    if (field <= maskBits) return (this.#taken & (1 << field)) !== 0;
    return field <= maskedFields && (this.#takenBeyond & (1 << (field - maskBits))) !== 0;
  }

  /** First component of the first repetition, without taking it. */
  peek(field: number): string {
    return this.segment.text(field);
  }

  /** True when the field holds no text; of fields beyond the masks, when none of these does. */
  isAbsent(field: number): boolean {
    const { segment } = this;
    return field > maskBits ? (segment.presentBeyond & bitBeyond(field)) === 0 : (segment.present & (1 << field)) === 0;
  }

  /** Every leaf that nobody took. MSH-1 and MSH-2 are delimiters, not values. */
  left(): readonly Leaf[] {
    let open = this.segment.present & ~this.#taken;
    if (this.name === 'MSH') open &= ~0b110;
    const beyond = this.segment.presentBeyond & ~this.#takenBeyond;
    if ((open | beyond) === 0) return nothing;
    const left: Leaf[] = [];
    for (let rest = open; rest !== 0; rest &= rest - 1) this.#leftOf(lowestBit(rest), left);
    for (let rest = beyond & ~1; rest !== 0; rest &= rest - 1) this.#leftOf(maskBits + lowestBit(rest), left);
    const last = (beyond & 1) === 0 ? 0 : this.segment.fieldCount;
    for (let field = maskedFields + 1; field <= last; field++) this.#leftOf(field, left);
    return left;
  }

  #leftOf(field: number, left: Leaf[]): void {
    const text = this.plain(field);
    if (text === undefined) this.#collectLeft(field, left);
    else if (text !== '') pushLeaf(positionOf(this.name, field), text, left);
  }

  #collectLeft(field: number, left: Leaf[]): void {
    const parts = this.parts(field);
    for (let index = 0; index < parts.length; index++) {
      const first = positionOf(this.name, field);
      const position = index === 0 ? first : `${first}~${index + 1}`;
      (parts[index] as Part).collectLeft(position, left);
    }
  }
}
