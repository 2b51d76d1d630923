/** Messages of an invented hospital, as its IT would hand them over: Chinese, without MSH-18, without offsets, with Z segments. */
import { encodeMessage } from '../../../adapters/hl7v2/encode.ts';

export interface SampleOptions {
  readonly id?: string;
  readonly facility?: string;
  readonly charset?: string;
  readonly time?: string;
  /** MSH-18. */
  readonly declared?: string;
  readonly patient?: string;
  readonly sex?: string;
  readonly more?: readonly string[];
}

export function givenAdmission(options: SampleOptions = {}): Buffer {
  const { id = 'A1', facility = 'RENJI', charset = 'GB18030', time = '20260301083000', declared = '' } = options;
  const { patient = `4711^^^${facility}^MR`, sex = '1', more = ['ZPV|1|北楼三层|自费'] } = options;
  return encodeMessage(
    [
      `MSH|^~\\&|HIS|${facility}|HUB|REGION|${time}||ADT^A01^ADT_A01|${id}|P|2.4||||||${declared}`,
      `EVN|A01|${time}`,
      `PID|1||${patient}||陈伟||19800101|${sex}`,
      `PV1|1|I|W1^101^1||||||||||||||||V-1^^^${facility}^VN|||||||||||||||||||||||||${time}`,
      ...more,
      '',
    ].join('\r'),
    charset,
  );
}

/** A result, whose notes only this hospital writes so. */
export function givenResult({ id = 'R1', facility = 'RENJI', charset = 'GB18030' }: SampleOptions = {}): Buffer {
  return encodeMessage(
    [
      `MSH|^~\\&|LIS|${facility}|HUB|REGION|20260301100000||ORU^R01^ORU_R01|${id}|P|2.4`,
      `PID|1||4711^^^${facility}^MR||陈伟||19800101|1`,
      `OBR|1|P-1|F-1|CBC^血常规^L|||20260301093000|||||||||||||||20260301095500|||F`,
      'OBX|1|NM|HGB^血红蛋白^L||141|g/L|130-175|N|||F|||20260301095500',
      'ZLB|1|急诊',
      '',
    ].join('\r'),
    charset,
  );
}
