/** The options of `hub endpoint add --kind hl7v2-mllp-out`: where the hub sends, instead of where it receives from. */
import { Problem } from '../../fhir/problem.ts';
import type { NewDestination } from '../../outbound/destination.ts';
import type { EndpointOptions } from './options.ts';

/** The kind of endpoints that are called, where the others call. */
export const outboundKind = 'hl7v2-mllp-out';

/** @throws Problem required, value */
export function readDestination(name: string, options: EndpointOptions): NewDestination {
  const { organization, host, port, facility = [], charset, ack } = options;
  if (organization === undefined || host === undefined || port === undefined) {
    throw new Problem('required', 'a destination has --organization, --host and --port', { expression: '--host' });
  }
  const [facilityName = '', other] = facility;
  if (other !== undefined) throw new Problem('value', 'a destination has one --facility', { expression: '--facility' });
  const [application = '', senderFacility = application] = options.sender?.split('^') ?? [];
  return {
    name,
    organization,
    host,
    port: Number(port),
    isTls: options.tls === true,
    receiver: { application: options.application ?? facilityName, facility: facilityName },
    ...(options.sender === undefined ? {} : { sender: { application, facility: senderFacility } }),
    ...(options.hl7Version === undefined ? {} : { version: options.hl7Version }),
    ...(charset === undefined ? {} : { charset }),
    ...(ack === undefined ? {} : { ackMode: oneOf(['original', 'enhanced'] as const, ack, '--ack') }),
    ...(options.refusal === undefined
      ? {}
      : { refusalPolicy: oneOf(['stop', 'park'] as const, options.refusal, '--refusal') }),
  };
}

function oneOf<T extends string>(allowed: readonly T[], text: string, option: string): T {
  const found = allowed.find((value) => value === text);
  if (found !== undefined) return found;
  throw new Problem('value', `${option} is not valid`, { expression: option, hint: `One of ${allowed.join(', ')}.` });
}
