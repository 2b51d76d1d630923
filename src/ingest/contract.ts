/**
 * What an adapter and the hub say to each other: which connection a message came on, which endpoint it belongs to, and
 * what became of it. Adapters know this file and the vocabulary of fhir/, nothing else.
 */
import type { Problem } from '../fhir/problem.ts';

export type { Hl7Message, Hl7Segment, Hl7Value } from '../mapping/message.ts';

export type EndpointKind = 'hl7v2-mllp' | 'hl7v2-http' | 'hl7v2-folder';

/** A registered source of messages. What it sends is owned by `organization`, whatever the message says. */
export interface Endpoint {
  readonly id: number;
  readonly name: string;
  readonly kind: EndpointKind;
  /** `Organization/x`: the owner of every resource that comes from here. */
  readonly organization: string;
  /** The values of MSH-4 that may be named here; `*` takes any. */
  readonly facilities: readonly string[];
  /** A listener of its own; undefined: the shared one. */
  readonly port?: number;
  /** The directory that is watched, of an endpoint of kind `hl7v2-folder`. */
  readonly folder?: string;
  /** How a batch is answered: an acknowledgment for each message, or one batch of them. */
  readonly batchAck: BatchAck;
  /** Charset of messages without MSH-18, as a name of HL70211 or of the IANA registry. */
  readonly charset?: string;
  /** IANA zone or `+08:00` of times sent without one. */
  readonly zone?: string;
  readonly ackMode: AckMode;
  readonly poisonPolicy: PoisonPolicy;
  /** SHA-256 of the client certificate (hex, lower case) that alone may use this endpoint. */
  readonly certificate?: string;
  /** Client addresses that alone may use this endpoint; empty: any. */
  readonly addresses: readonly string[];
  readonly isEnabled: boolean;
}

/** `auto` follows MSH-15/16 of each message (HL7 v2.5.1 section 2.9.2); `original` and `enhanced` overrule it. */
export type AckMode = 'auto' | 'original' | 'enhanced';

export type BatchAck = 'messages' | 'batch';

/** What a lane does after a message that cannot be processed: `continue` with the next, or `hold` until a person decides. */
export type PoisonPolicy = 'continue' | 'hold';

/** Where a message came in: facts the transport vouches for, not the message. */
export interface Connection {
  readonly kind: EndpointKind;
  /** Local port of the listener; undefined: the shared one. */
  readonly port?: number;
  readonly address: string;
  /** SHA-256 of the verified client certificate, hex in lower case. */
  readonly certificate?: string;
  /** The watched directory that a file was found in. */
  readonly folder?: string;
  /** Organization of the caller's token, where the transport has one (HTTP). */
  readonly organization?: string;
}

/** What the hub reads from a message before it stores it. */
export interface Envelope {
  /** MSH-10, unescaped. */
  readonly controlId: string;
  /** MSH-9 as `ADT^A01`. */
  readonly type: string;
  /** MSH-4.1, or MSH-4.2 when only the universal id was sent. */
  readonly facility: string;
  /** Whose record it is about, so that messages about one patient keep their order: authority and id of PID-3. */
  readonly patientKey: string;
}

export interface Inbound {
  readonly endpoint: Endpoint;
  readonly envelope: Envelope;
  /** The message as it came, without framing. */
  readonly bytes: Uint8Array;
}

/** The hub's promise that a message is on disk, made only after the commit. */
export interface Receipt {
  readonly messageId: number;
  /** The same bytes came before: nothing was stored again. */
  readonly isDuplicate: boolean;
  /** Another message with this control id and other bytes is stored; both are kept. */
  readonly isConflict: boolean;
}

/** What became of an accepted message: `waiting` is not processed yet, `held` waits behind a quarantined one of its lane. */
export type MessageStatus = 'waiting' | 'processed' | 'quarantined' | 'held';

export interface Outcome {
  readonly status: MessageStatus;
  /** Why it was quarantined. */
  readonly problem?: Problem;
}

/** The endpoints that a connection may speak for. */
export interface Reach {
  /** The endpoint that takes this facility, or undefined when none may. */
  find(facility: string): Endpoint | undefined;
  /** Charset defaults of the reachable endpoints: candidates when MSH-18 is missing. */
  readonly charsets: readonly string[];
}

/** What an adapter calls. `receive` resolves after the commit. @throws Problem transient when nothing was stored. */
export interface Door {
  /** Ports of endpoints with a listener of their own. */
  ports(): readonly number[];
  /** Directories that are watched. */
  folders(): readonly string[];
  reach(connection: Connection): Reach;
  /** Reads the registry again, so that an endpoint added a moment ago is known. Cheap when called often. */
  refresh(): Promise<void>;
  receive(inbound: Inbound): Promise<Receipt>;
  /** Resolves when the message is processed or quarantined, or with what it is after the wait the hub allows. */
  outcome(messageId: number): Promise<Outcome>;
}

/** A running door to the outside. `close` stops accepting, answers what is open and then ends the connections. */
export interface Listener {
  readonly port: number;
  close(): Promise<void>;
}
