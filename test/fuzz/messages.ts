/**
 * Messages for the fuzzer: made from nothing (with what they must read as), and made from real ones by breaking them. Both shrink:
 * a counterexample is as small as fast-check can make it.
 */
import fc from 'fast-check';
import { escapeText } from '../../adapters/hl7v2/serialise.ts';
import type { Delimiters } from '../../adapters/hl7v2/delimiters.ts';

/** field -> repetition -> component -> subcomponent, as the parser must give them back. */
export type FieldModel = readonly (readonly (readonly string[])[])[];
export interface SegmentModel {
  readonly name: string;
  /** From field 1 on. */
  readonly fields: readonly FieldModel[];
}
export interface MessageModel {
  readonly delimiters: Delimiters;
  readonly header: readonly string[];
  readonly segments: readonly SegmentModel[];
}

const usual: Delimiters = {
  field: '|',
  component: '^',
  repetition: '~',
  escape: '\\',
  subcomponent: '&',
  truncation: undefined,
};

/** The usual separators, nearly always; else any five different signs. */
const delimiters: fc.Arbitrary<Delimiters> = fc.oneof(
  { weight: 9, arbitrary: fc.constant(usual) },
  {
    weight: 1,
    arbitrary: fc
      .shuffledSubarray('| ^ ~ \\ & # * % @ ! $ + = : ; , / ? < >'.split(' '), { minLength: 5, maxLength: 5 })
      .map(([field = '|', component, repetition, escape, subcomponent]) => ({
        field,
        component,
        repetition,
        escape,
        subcomponent,
        truncation: undefined,
      })),
  },
);

const texts = {
  code: fc.constantFrom(
    ...'F M U A I O P C X Y N D R S L LN MR VN 1 0 H LL NM ST CE CWE ED TX SN RP DT TM TS L UCUM'.split(' '),
  ),
  time: fc.constantFrom(
    '2024',
    '202402',
    '20240230',
    '20240229',
    '202402291030',
    '20240229103015.1234+0800',
    '0',
    '99999999',
    '2024022924',
    '1030',
    '20240101-2500',
  ),
  number: fc.constantFrom(
    '0',
    '1',
    '-1',
    '+5',
    '.5',
    '5.',
    '1e400',
    '1E5',
    '00',
    '007',
    '9'.repeat(40),
    '<5',
    '1-2',
    '1:2',
    'NaN',
    '1,5',
  ),
  name: fc.constantFrom(
    'Lin',
    'Müller',
    '王',
    '李小龙',
    'O’Neil',
    'de la Cruz',
    '\u{20000}',
    'e\u0301',
    '\u200f',
    'HOSPA',
    'a b',
    '718-7',
    '2.16.840.1.113883.6.1',
  ),
  odd: fc.constantFrom(
    '""',
    ' ',
    '  x ',
    '\t',
    '__proto__',
    'constructor',
    'toString',
    '{}',
    '[0]',
    '../../x',
    '<script>',
    "';--",
    '%00',
    'http://x',
    'urn:oid:1.2',
    '\ufeff',
    '\ufffd',
    'Patient/1',
  ),
  document: fc.constantFrom(
    'Base64',
    'Hex',
    'A',
    'SGVsbG8=',
    'SGVsbG8',
    '48656C6C6F',
    'AP',
    'application',
    'pdf',
    '{\\rtf1 x}',
  ),
  long: fc
    .tuple(fc.constantFrom(' ', '0', 'x', '中', '.', ' a', '-1', '%'), fc.integer({ min: 1, max: 20_000 }))
    .map(([sign, times]) => sign.repeat(times)),
  any: fc.string({ unit: 'grapheme', maxLength: 12 }),
};
/** No line end: it would be another segment. */
const text = fc
  .oneof(
    { weight: 8, arbitrary: texts.code },
    { weight: 5, arbitrary: texts.name },
    { weight: 4, arbitrary: texts.time },
    { weight: 4, arbitrary: texts.number },
    { weight: 3, arbitrary: texts.any },
    { weight: 2, arbitrary: texts.odd },
    { weight: 2, arbitrary: texts.document },
  )
  .map((value) => value.replace(/[\r\n]/g, ' '));

const list = <T>(of: fc.Arbitrary<T>, maxLength: number): fc.Arbitrary<T[]> =>
  fc.array(of, { minLength: 1, maxLength });
const some = <T>(of: fc.Arbitrary<T>, maxLength: number): fc.Arbitrary<T[]> =>
  fc.oneof({ weight: 4, arbitrary: of.map((one) => [one]) }, { weight: 1, arbitrary: list(of, maxLength) });
const component = some(fc.oneof({ weight: 3, arbitrary: text }, { weight: 1, arbitrary: fc.constant('') }), 4);
const value = fc.oneof(
  { weight: 2, arbitrary: component.map((one) => [one]) },
  { weight: 3, arbitrary: list(component, 9) },
);
const field: fc.Arbitrary<FieldModel> = fc.oneof(
  { weight: 2, arbitrary: fc.constant<FieldModel>([]) },
  { weight: 3, arbitrary: some(value, 4) },
);

/** What a hospital may send, and what it may not. */
const segmentNames =
  'PID PD1 PV1 PV2 NK1 AL1 IAM DG1 PR1 ROL GT1 IN1 IN2 IN3 ACC MRG EVN ORC OBR OBX NTE SPM SAC TQ1 TQ2 PRT CTI RXO RXE RXR RXC RXD RXA RXG FT1 TXA SCH RGS AIS AIG AIL AIP ARQ MFI MFE STF PRA LOC ORG PRB GOL PTH VAR PRD CTD RF1 AUT MSA ERR QPD QAK SFT UAC DSC ZPI ZZZ MSH'.split(
    ' ',
  );
const segment: fc.Arbitrary<SegmentModel> = fc.record({
  name: fc.oneof(
    { weight: 40, arbitrary: fc.constantFrom(...segmentNames) },
    { weight: 1, arbitrary: fc.constantFrom('X', 'ABCD', 'pid', '5.1') },
  ),
  fields: fc.array(field, { maxLength: 30 }),
});

const types =
  'ADT^A01 ADT^A03 ADT^A08 ADT^A40 ADT^A31 ADT^A24 ADT^A60 ORU^R01 ORU^R30 OUL^R22 ORM^O01 OML^O21 OMG^O19 OMP^O09 RDE^O11 RDS^O13 RAS^O17 RGV^O15 VXU^V04 RSP^K11 SIU^S12 SRM^S01 MDM^T02 MDM^T11 DFT^P03 BAR^P01 PPR^PC1 REF^I12 RRI^I12 MFN^M02 MFN^M05 QBP^Q22 ACK ORU ADT_A01 ^ XXX^Y01'.split(
    ' ',
  );
/** MSH-3 to MSH-18. */
const header = fc
  .record({
    type: fc.constantFrom(...types),
    id: fc.constantFrom('M1', '', 'x\\T\\y'),
    version: fc.constantFrom('2.1', '2.3', '2.5.1', '2.8', ''),
    time: fc.constantFrom('20240506103015+0800', '2024', '', 'x'),
  })
  .map(({ type, id, version, time }) => ['APP', 'HOSPA', 'HUB', 'HUB', time, '', type, id, 'P', version]);

/** Most types need a patient first. */
const patient: fc.Arbitrary<SegmentModel> = fc.array(field, { minLength: 3, maxLength: 39 }).map((fields) => ({
  name: 'PID',
  fields: fields.with(2, [[['P1'], [''], [''], ['HOSPA'], ['MR']]]),
}));
const segments = fc.array(segment, { maxLength: 14 });

export const model: fc.Arbitrary<MessageModel> = fc.record({
  delimiters,
  header,
  segments: fc.oneof(
    { weight: 4, arbitrary: fc.tuple(patient, segments).map(([first, rest]) => [first, ...rest]) },
    { weight: 1, arbitrary: segments },
  ),
});

/** The text of a model: what a sender that follows the standard would send. */
export function write({ delimiters: d, header: fields, segments }: MessageModel): string {
  // MSH-9 is written with the sender's separators.
  const heading = fields.map((one, index) =>
    index === 6 ? one.replaceAll('^', d.component ?? '') : escapeText(one, d),
  );
  const declared = `MSH${d.field}${d.component}${d.repetition}${d.escape}${d.subcomponent}`;
  const lines = segments.map(({ name, fields: values }) =>
    [name, ...values.map((one) => writeField(one, d))].join(d.field),
  );
  return `${[[declared, ...heading].join(d.field), ...lines].join('\r')}\r`;
}

function writeField(repetitions: FieldModel, d: Delimiters): string {
  const written = repetitions.map((components) =>
    components.map((parts) => parts.map((part) => escapeText(part, d)).join(d.subcomponent)).join(d.component),
  );
  return written.join(d.repetition);
}

type Mutation =
  | { readonly kind: 'cut' | 'drop' | 'double' | 'swap' | 'repeat'; readonly at: number; readonly size: number }
  | { readonly kind: 'insert' | 'overwrite'; readonly at: number; readonly size: number; readonly bytes: Uint8Array };

const place = { at: fc.double({ min: 0, max: 1, noNaN: true }), size: fc.integer({ min: 1, max: 400 }) };
const signs = fc.constantFrom(
  '|',
  '^',
  '~',
  '\\',
  '&',
  '\r',
  '\n',
  '\0',
  '\x0b',
  '\x1c',
  '\r\rMSH|^~\\&|',
  '\\X',
  '\\E\\',
  '""',
  '|||||',
);
const inserted = fc.oneof(
  signs.map((sign) => Buffer.from(sign)),
  text.map((one) => Buffer.from(one)),
  texts.long.map((one) => Buffer.from(one)),
  fc.uint8Array({ maxLength: 8 }),
);
export const mutations: fc.Arbitrary<Mutation[]> = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constantFrom('cut', 'drop', 'double', 'swap', 'repeat'), ...place }),
    fc.record({ kind: fc.constantFrom('insert', 'overwrite'), ...place, bytes: inserted }),
  ) as fc.Arbitrary<Mutation>,
  { minLength: 1, maxLength: 5 },
);

/** A repeated piece stays within what one run may cost. */
const grownBytesMax = 200_000;

export function mutate(original: Uint8Array, steps: readonly Mutation[]): Buffer {
  let bytes = Buffer.from(original);
  for (const step of steps) bytes = Buffer.from(apply(bytes, step));
  return bytes;
}

function apply(bytes: Buffer, step: Mutation): Uint8Array {
  const at = Math.floor(step.at * bytes.length);
  const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)];
  switch (step.kind) {
    case 'cut':
      return before;
    case 'drop':
      return Buffer.concat([before, after.subarray(step.size)]);
    case 'double':
    case 'swap': {
      const lines = bytes.toString('latin1').split('\r');
      const line = Math.floor(step.at * lines.length);
      const [taken = ''] = step.kind === 'double' ? [lines[line]] : lines.splice(line, 1);
      lines.splice(step.size % (lines.length + 1), 0, taken);
      return Buffer.from(lines.join('\r'), 'latin1');
    }
    case 'repeat': {
      const piece = after.subarray(0, Math.max(1, step.size % 40));
      const times = Math.min(step.size * 20, Math.floor(grownBytesMax / Math.max(1, piece.length)));
      return Buffer.concat([before, ...Array.from({ length: times }, () => piece), after]);
    }
    case 'insert':
      return Buffer.concat([before, step.bytes, after]);
    default:
      return Buffer.concat([before, step.bytes, after.subarray(step.bytes.length)]);
  }
}
