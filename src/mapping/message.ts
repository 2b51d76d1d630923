/**
 * An HL7v2 message as the mapping reads it. The parser lives in `adapters/hl7v2/message.ts`; the mapping knows only this
 * shape, so it never sees bytes, charsets or sockets. Positions are 1-based, as printed in the standard: `PID-3`, `OBX-5.1`.
 */
export interface Hl7Message {
  readonly segments: readonly Hl7Segment[];
  /** First segment of this name, or undefined. */
  first(name: string): Hl7Segment | undefined;
}

export interface Hl7Segment {
  readonly name: string;
  /** 1-based position of the segment in the message. */
  readonly position: number;
  /** Highest field number that was sent (MSH-1 is the field separator, MSH-2 the encoding characters). */
  readonly fieldCount: number;
  /** Fields that hold any text, as a mask: bit 1 to 30 for a field each. */
  readonly present: number;
  /** The same for the fields 31 to 60 (bit 1 is field 31), and bit 0 for any beyond: PV1 has 54 fields, IN1 55. */
  readonly presentBeyond: number;
  /** Repetitions of a field, without trailing empty ones; empty when the field is absent or empty. */
  field(field: number): readonly Hl7Value[];
  /** Text of the field's first repetition's first component, unescaped; '' when absent. The common case, kept cheap. */
  text(field: number): string;
  /** The field as sent when it has one repetition, '' when absent, undefined when it has several. */
  single(field: number): string | undefined;
  /** The field when it is one text that nothing divides or escapes, '' when absent, undefined when it is more. */
  plain(field: number): string | undefined;
  /** A whole component of the first repetition, unescaped, with its subcomponents as one text; '' when absent. */
  component(field: number, component: number): string;
  /** The segment as sent, decoded, not unescaped. */
  readonly raw: string;
}

/** One repetition of a field. */
export interface Hl7Value {
  /** As sent, decoded, not unescaped. */
  readonly raw: string;
  /** True for `""`: the sender says the value is to be removed (HL7 v2.5.1 section 2.5.3). */
  readonly isNull: boolean;
  readonly componentCount: number;
  /** A component, or one of its subcomponents (default the first), unescaped; '' when absent. */
  get(component: number, subcomponent?: number): string;
  /** The whole component unescaped, its subcomponents as one text with `&` between them. */
  whole(component: number): string;
  subcomponentCount(component: number): number;
}
