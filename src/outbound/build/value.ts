/** Observation.value[x] as OBX-2, OBX-5 and OBX-6. @see https://www.hl7.eu/HL7v2x/v251/std251/ch07.html OBX-5 */
import type { Observation, ObservationComponent, Quantity } from '@medplum/fhirtypes';
import { isRawNumber } from '../../fhir/json.ts';
import { codingSystemName, cwe, dtm } from './datatypes.ts';
import { one, type Field } from './segment.ts';

export interface ResultValue {
  /** HL70125. */
  readonly type: string;
  readonly field: Field;
  readonly unit?: Field;
}

/** A number with the digits it came with. */
export function digits(value: unknown): string {
  return isRawNumber(value) ? value.rawJSON : String(value);
}

export function valueOf(result: Observation | ObservationComponent): ResultValue | undefined {
  if (result.valueQuantity !== undefined) return quantity(result.valueQuantity);
  if (result.valueCodeableConcept !== undefined) return { type: 'CWE', field: one(cwe(result.valueCodeableConcept)) };
  if (result.valueString !== undefined) {
    return { type: result.valueString.includes('\n') ? 'FT' : 'ST', field: result.valueString };
  }
  if (result.valueInteger !== undefined) return { type: 'NM', field: digits(result.valueInteger) };
  if (result.valueBoolean !== undefined) return { type: 'ID', field: result.valueBoolean ? 'Y' : 'N' };
  if (result.valueDateTime !== undefined) {
    const isDate = !result.valueDateTime.includes('T');
    return { type: isDate ? 'DT' : 'DTM', field: dtm(result.valueDateTime) };
  }
  if (result.valueTime !== undefined) return { type: 'TM', field: result.valueTime.replaceAll(':', '') };
  if (result.valuePeriod !== undefined) {
    return { type: 'DR', field: one([dtm(result.valuePeriod.start), dtm(result.valuePeriod.end)]) };
  }
  const { valueRange: range, valueRatio: ratio } = result;
  if (range?.low !== undefined && range.high !== undefined) return structured(range.low, '-', range.high);
  if (ratio?.numerator !== undefined && ratio.denominator !== undefined) {
    return structured(ratio.numerator, ':', ratio.denominator);
  }
  return undefined;
}

function quantity(value: Quantity): ResultValue {
  const unit = unitOf(value);
  if (value.comparator === undefined) return { type: 'NM', field: digits(value.value), unit };
  return { type: 'SN', field: one([value.comparator, digits(value.value)]), unit };
}

/** SN: comparator, first number, separator, second number. */
function structured(first: Quantity, separator: string, second: Quantity): ResultValue {
  return {
    type: 'SN',
    field: one(['', digits(first.value), separator, digits(second.value)]),
    unit: unitOf(first) ?? unitOf(second),
  };
}

/** The code with its system, the unit as people read it beside; a unit without code stands alone. */
function unitOf({ unit, code, system }: Quantity): Field {
  if (code === undefined) return unit;
  return one([code, unit === code ? '' : (unit ?? ''), codingSystemName(system)]);
}
