/**
 * What an adapter and the hub say to each other: which connection a message came on, which endpoint it belongs to, and
 * what became of it. Adapters know this file and the vocabulary of fhir/, nothing else.
 */
import type { Problem } from '../fhir/problem.ts';

export type { Draft, MappedMessage } from '../mapping/message/draft.ts';
export type { Hl7Message, Hl7Segment, Hl7Value } from '../mapping/message.ts';

/** How a source speaks, and who begins: `fhir-rest` and `fhir-bulk` are asked by the hub (`Puller`), the others come by themselves. */
export type EndpointKind = Hl7Kind | PullKind | 'fhir-push' | 'device-http';
export type Hl7Kind = 'hl7v2-mllp' | 'hl7v2-http' | 'hl7v2-folder';
export const pullKinds = ['fhir-rest', 'fhir-bulk'] as const;
export type PullKind = (typeof pullKinds)[number];

/**
 * - `draft`: being described; nothing comes in.
 * - `testing`: what comes is accepted, and held until the endpoint is live.
 * - `live`: what comes is processed.
 * - `paused`: nothing comes in; what came is processed. `retired`: the same, for good.
 */
export type EndpointState = 'draft' | 'testing' | 'live' | 'paused' | 'retired';

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
  readonly state: EndpointState;
  /** `testing` or `live`: something may come in. */
  readonly isEnabled: boolean;
  /** What its kind needs beside: checked by the schema of its adapter (`Puller.config`). No secrets. */
  readonly config: Readonly<Record<string, unknown>>;
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

/**
 * A message, or a resource of a source that speaks FHIR: each is kept as it came, processed in the order of its lane, quarantined and
 * replayed alike. Of a resource the control id is `Type/id/version`, the type `Patient`, or `Patient:delete` when it is gone.
 */
export interface Inbound {
  readonly endpoint: Endpoint;
  readonly envelope: Envelope;
  /** As it came, without framing. */
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

/** What became of an accepted message: `waiting` is not processed yet, `held` waits behind a quarantined one of its lane, or for its endpoint to be live. */
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

/** A resource as its source has it now, or that it is gone there. */
export interface Pulled {
  readonly type: string;
  /** The source's own id. */
  readonly id: string;
  /** `meta.versionId`, where the source gives it. */
  readonly version?: string;
  /** `meta.lastUpdated`: an older state than the hub has taken is left out. */
  readonly updatedAt?: Date;
  readonly isDeleted?: boolean;
  /** The source's id of the patient whose record it is in; undefined outside of any. Keeps the order of one record. */
  readonly patient?: string;
  /** JSON as it came; of a deletion, `{"resourceType":"X","id":"y"}`. */
  readonly bytes: Uint8Array;
}

/** What became of a page: `received` are on disk and will be processed; the rest was known as it is, or newer. */
export interface Taken {
  readonly received: number;
  readonly unchanged: number;
}

/**
 * Where a pull goes on the next time: the adapter's own, kept by the hub as JSON. One element is read by others: of the last runs, oldest
 * first, the seconds that the source's clock was ahead of ours.
 */
export type Watermark = Readonly<Record<string, unknown>> & { readonly aheadSeconds?: readonly number[] };

/** One run of one endpoint. There is never another one of the same endpoint at the same time. */
export interface PullRun {
  readonly endpoint: Endpoint;
  /** By name, as the adapter's `secrets` says. */
  readonly secrets: Readonly<Record<string, string>>;
  /** As the last page that was taken left it; undefined: nothing was ever taken. */
  readonly watermark: Watermark | undefined;
  /** Aborted when the run must end: out of time, taken over by another process, the hub stops. What was taken stays. */
  readonly signal: AbortSignal;
  readonly now: () => Date;
  /** Of this run; when it is used up the run ends with `isMore`, and goes on a few seconds later. */
  readonly budget: { readonly resources: number; readonly bytes: number };
  /**
   * Writes the resources and the watermark in one transaction, under the fence of the run. A watermark alone is a step of a longer run
   * (a bulk export that was asked for), kept in the same way.
   * @throws Problem lock-error when another process has taken over, transient when nothing was stored
   */
  take(page: readonly Pulled[], watermark: Watermark): Promise<Taken>;
  /** Of a page, what `take` would receive: new states, compared and not taken. */
  news(page: readonly Pulled[]): Promise<readonly Pulled[]>;
  /** Ids of these that the hub holds of this source. */
  held(type: string, ids: readonly string[]): Promise<ReadonlySet<string>>;
  /** What the hub holds of this source: what a full pass does not find again is gone there. */
  known(type: string): AsyncIterable<{ readonly id: string; readonly version?: string }>;
}

export interface PullEnd {
  /** The budget was used up: there is more. */
  readonly isMore?: boolean;
  /** In the words of an operator, without patient data: `no _lastUpdated: compared by content`. */
  readonly notes?: readonly string[];
  /** Do not ask again before this (Retry-After), though the slot comes earlier. */
  readonly notBefore?: Date;
}

/** One thing that was tried, for whoever connects an endpoint. */
export interface Check {
  readonly name: string;
  readonly isOk: boolean;
  readonly detail: string;
}

/** An adapter that asks. A failure of the source is a Problem: `transient` is tried again, others wait for a person. */
export interface Puller {
  readonly kind: PullKind;
  /** @throws Problem value with the `expression` of what is wrong */
  readConfig(config: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>>;
  /** Names of secrets that this configuration needs. */
  secrets(config: Readonly<Record<string, unknown>>): readonly string[];
  /** Reaches the source without taking anything: what works, and what does not. */
  test(run: Pick<PullRun, 'endpoint' | 'secrets' | 'signal' | 'now'>): Promise<readonly Check[]>;
  run(run: PullRun): Promise<PullEnd>;
}
