/**
 * What a person says of an endpoint, and the rules it keeps. The same words in `hub endpoint add`, in YAML and over HTTP.
 * What a kind asks of its settings is the adapter's (`KindRules`).
 */
import { isAbsolute } from 'node:path';
import { Problem } from '../../fhir/problem.ts';
import {
  pullKinds,
  type AckMode,
  type BatchAck,
  type Endpoint,
  type EndpointKind,
  type EndpointState,
  type Hl7Kind,
  type PoisonPolicy,
  type PullKind,
} from '../contract.ts';
import { states } from './states.ts';

/** A new endpoint, as a person describes it. */
export interface NewEndpoint {
  readonly name: string;
  readonly kind: EndpointKind;
  readonly organization: string;
  readonly facilities?: readonly string[];
  readonly port?: number;
  readonly folder?: string;
  readonly batchAck?: BatchAck;
  readonly charset?: string;
  readonly zone?: string;
  readonly ackMode?: AckMode;
  readonly poisonPolicy?: PoisonPolicy;
  /** SHA-256 of the client certificate, hex, colons allowed. */
  readonly certificate?: string;
  readonly addresses?: readonly string[];
  /** Undefined: live at once. */
  readonly state?: EndpointState;
  readonly config?: Readonly<Record<string, unknown>>;
}

/** All that is said of an endpoint, with what was left out filled in. */
export type Description = Omit<Endpoint, 'id' | 'isEnabled'>;

/** What a kind asks of its settings, from its adapter. */
export interface KindRules {
  /** @throws Problem value with the `expression` of what is wrong */
  readConfig(config: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>>;
  /** Names of the secrets that these settings need. */
  secrets(config: Readonly<Record<string, unknown>>): readonly string[];
  /** The endpoint that is asked for what this one was only told of. */
  asks(config: Readonly<Record<string, unknown>>): string | undefined;
}

/** @throws Problem not-supported for a kind that no adapter has */
export type Kinds = (kind: EndpointKind) => KindRules;

export const hl7Kinds: readonly Hl7Kind[] = ['hl7v2-mllp', 'hl7v2-http', 'hl7v2-folder'];
export const kinds: readonly EndpointKind[] = [...hl7Kinds, ...pullKinds, 'fhir-push', 'device-http'];
export const ackModes: readonly AckMode[] = ['auto', 'original', 'enhanced'];
export const batchAcks: readonly BatchAck[] = ['messages', 'batch'];
export const poisonPolicies: readonly PoisonPolicy[] = ['continue', 'hold'];

export function isHl7(kind: EndpointKind): kind is Hl7Kind {
  return hl7Kinds.some((one) => one === kind);
}

export function isPulled(kind: EndpointKind): kind is PullKind {
  return pullKinds.some((one) => one === kind);
}

/** The migration has the same bound. */
const facilitiesMax = 1_000;
/** A hospital's sending hosts; each connection is compared with all of them. */
const addressesMax = 1_000;
/** Settings are some lines; they are read with every look at the registry. */
const configCharsMax = 65_536;

/** @throws Problem value with the `expression` of what breaks a rule */
export function checkDescription(wanted: NewEndpoint, kindsOf?: Kinds): Description {
  const { name, kind, organization, facilities = [], port, folder, zone, addresses = [], state = 'live' } = wanted;
  const { ackMode = 'auto', batchAck = 'messages', poisonPolicy = 'continue', config = {} } = wanted;
  const rules: [boolean, string, string][] = [
    [/^[A-Za-z0-9][\w.-]{0,63}$/.test(name), 'name', 'letters, digits, dot, dash and underscore, at most 64'],
    [kinds.includes(kind), 'kind', `one of ${kinds.join(', ')}`],
    [/^Organization\/[A-Za-z0-9.-]{1,64}$/.test(organization), 'organization', 'Organization/<id>'],
    [
      (facilities.length > 0 || !isHl7(kind)) && facilities.length <= facilitiesMax && facilities.every(isFilled),
      'facility',
      'at least one value of MSH-4',
    ],
    [port === undefined || (Number.isInteger(port) && port > 0 && port < 65_536), 'port', 'a number from 1 to 65535'],
    [
      (kind === 'hl7v2-folder') === (folder !== undefined) && (folder === undefined || isAbsolute(folder)),
      'folder',
      'the absolute path of the directory to watch, for the kind hl7v2-folder and no other',
    ],
    [zone === undefined || isZone(zone), 'zone', 'an IANA zone such as Asia/Shanghai, or +08:00'],
    [addresses.length <= addressesMax && addresses.every(isFilled), 'addresses', 'addresses of clients'],
    [ackModes.includes(ackMode), 'ackMode', `one of ${ackModes.join(', ')}`],
    [batchAcks.includes(batchAck), 'batchAck', `one of ${batchAcks.join(', ')}`],
    [poisonPolicies.includes(poisonPolicy), 'poisonPolicy', `one of ${poisonPolicies.join(', ')}`],
    [states.includes(state), 'state', `one of ${states.join(', ')}`],
    [JSON.stringify(config).length <= configCharsMax, 'config', `at most ${configCharsMax} characters of settings`],
  ];
  for (const [isMet, expression, rule] of rules) {
    if (!isMet) throw new Problem('value', `the ${expression} is not valid`, { expression, hint: `Give ${rule}.` });
  }
  return {
    name,
    kind,
    organization,
    facilities,
    port,
    folder,
    batchAck,
    charset: wanted.charset,
    zone,
    ackMode,
    poisonPolicy,
    certificate: fingerprintOf(wanted.certificate),
    addresses,
    state,
    // A draft is being written: what is missing is said when it is tried.
    config: kindsOf === undefined || state === 'draft' ? config : kindsOf(kind).readConfig(config),
  };
}

const isFilled = (text: unknown): boolean => typeof text === 'string' && text !== '';

function fingerprintOf(certificate: string | undefined): string | undefined {
  const fingerprint = certificate?.replaceAll(':', '').toLowerCase();
  if (fingerprint === undefined || /^[0-9a-f]{64}$/.test(fingerprint)) return fingerprint;
  throw new Problem('value', 'the certificate is not a fingerprint', {
    expression: 'certificate',
    hint: 'Give the SHA-256 fingerprint: openssl x509 -noout -fingerprint -sha256 -in client.pem',
  });
}

function isZone(zone: string): boolean {
  if (/^[+-](0\d|1[0-4]):[0-5]\d$/.test(zone) || knownZones.has(zone)) return true;
  try {
    const isThere = new Intl.DateTimeFormat('en', { timeZone: zone }).resolvedOptions().timeZone !== undefined;
    if (isThere && knownZones.size < knownZonesMax) knownZones.add(zone);
    return isThere;
  } catch {
    return false;
  }
}

/** Half a millisecond to find out, and a country has a few. */
const knownZones = new Set<string>();
/** All there are, in one way of writing each. */
const knownZonesMax = 600;

/** As people write it down: what is as it would be anyway is left out. */
export function describe(endpoint: Description): Record<string, unknown> {
  const { name, kind, organization, facilities, port, folder, charset, zone, certificate, addresses, state, config } =
    endpoint;
  const said: Record<string, unknown> = {
    name,
    kind,
    organization,
    state,
    facilities: facilities.length === 0 ? undefined : facilities,
    port,
    folder,
    charset,
    zone,
    batchAck: endpoint.batchAck === 'messages' ? undefined : endpoint.batchAck,
    ackMode: endpoint.ackMode === 'auto' ? undefined : endpoint.ackMode,
    poisonPolicy: endpoint.poisonPolicy === 'continue' ? undefined : endpoint.poisonPolicy,
    certificate,
    addresses: addresses.length === 0 ? undefined : addresses,
    config: Object.keys(config).length === 0 ? undefined : config,
  };
  return Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined));
}
