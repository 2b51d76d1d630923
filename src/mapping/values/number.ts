import { decimal, decimalLengthMax, type RawNumber, simpleDecimal } from '../../fhir/json.ts';

/** NM: an optional sign, digits, an optional point. The digits stay; only what JSON forbids (`+5`, `007`, `.5`) is rewritten. */
export function numeric(value: string): RawNumber | number | undefined {
  const simple = simpleDecimal(value);
  if (simple !== undefined) return simple;
  // Longer than a FHIR decimal may be, it is kept as a text.
  const match = value.length > decimalLengthMax ? null : numberPattern.exec(value);
  if (match === null) return undefined;
  const [, sign = '', digits = '', fraction = ''] = match;
  if (digits === '' && fraction.length < 2) return undefined;
  const isNegative = sign === '-';
  const whole = digits.replace(/^0+(?=\d)/, '') || '0';
  return decimal(`${isNegative ? '-' : ''}${whole}${fraction === '.' ? '' : fraction}`);
}
const numberPattern = /^\s*([+-]?)(\d*)(\.\d*)?\s*$/;
