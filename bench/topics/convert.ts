/** Conversion HL7v2 -> Bundle on one core, without database or socket. */
export { measure } from '../convert.ts';
