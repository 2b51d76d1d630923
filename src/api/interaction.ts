/**
 * What an interaction is: it parses and checks without the database (`prepare`), then reads or writes (`run`), and says
 * what it showed of whom. The order of the steps around it, the transaction and the audit belong to pipeline.ts.
 */
import type { KeyObject } from 'node:crypto';
import type { Audit, AuditEntry } from '../access/audit/audit.ts';
import type { MinorAges } from '../access/proxy/minor.ts';
import type { Strangers } from '../access/audit/strangers.ts';
import type { Principal } from '../access/principal/principal.ts';
import type { Limit, Rates } from '../access/rate/rates.ts';
import type { Authenticator } from '../access/token/token.ts';
import type { Database, Tx } from '../db.ts';
import type { SystemInteraction, TypeInteraction } from '../fhir/capability.ts';
import type { Profiles } from '../fhir/validate.ts';
import type { GroupCommit } from '../store/group-commit.ts';
import type { Incoming } from './incoming.ts';
import type { Intent } from './write/intent.ts';
import type { Match } from './match.ts';
import type { Answer } from './respond.ts';
import type { SubscriptionPolicy } from './subscription/settle.ts';

/** What every interaction may use; built once by hub.ts. */
export interface Facade {
  readonly database: Database;
  readonly authenticator: Authenticator;
  readonly audit: Audit;
  readonly strangers: Strangers;
  /** Writes that need no transaction of their own share one. */
  readonly writer: GroupCommit<AuditEntry>;
  /** Seals the cursors of `next` links; 32 bytes, the same in every process. */
  readonly cursorKey: KeyObject;
  /** FHIR base URL of links, without a slash at the end: configured, never taken from a request's Host. */
  readonly base: string;
  readonly now: () => number;
  /** Definitions loaded beside R4's own, as they are at this moment. */
  readonly profiles: Profiles;
  /** Where notifications may go, and the key of what they are sent with. */
  readonly subscriptions: SubscriptionPolicy;
  readonly report: Reporter;
  readonly rates: Rates;
  /** From which ages on a child decides, and is of age. */
  readonly minorAges: MinorAges;
  /** The route table. */
  readonly match: Match;
}

export interface Reporter {
  /** An error that is ours; `correlationId` is what the caller was told. */
  failed(error: unknown, correlationId: string): void;
  /** A request was over a limit. */
  throttled(limit: Limit): void;
  /** A client asked too many different questions in vain. */
  enumerating(clientId: string): void;
}

export interface Call {
  readonly facade: Facade;
  readonly principal: Principal;
  readonly incoming: Incoming;
  /** Names the request in log and trail. */
  readonly correlationId: string;
  /** Of an entry of a batch: what decided its entries, for the receipt of the whole (receipt.ts). */
  readonly decided?: Set<string>;
}

/** A row that was shown or written: what the audit trail keeps of it. */
export interface Shown {
  readonly patient: string | undefined;
  readonly otherPatients?: readonly string[] | undefined;
  readonly decidedBy: string | undefined;
}

/** A piece of an answer that is made while it leaves. */
export interface Part {
  readonly text: string;
  readonly shown: readonly Shown[];
}

export interface Result {
  readonly answer: Answer;
  readonly shown: readonly Shown[];
  /** The body of an answer that may not fit in memory. What a part shows is on record before it is sent. */
  readonly parts?: AsyncIterator<Part>;
  /** Of a Bundle: what its entries did, each for itself. Kept instead of `shown`. */
  readonly entries?: readonly AuditEntry[];
  /** What decided them. */
  readonly decided?: Set<string>;
  /** The resource an answer is about, when the URL does not name it. */
  readonly id?: string;
  /** The version that a write made. */
  readonly version?: number;
  /** What it did is on record already: it was committed together with it. */
  readonly isRecorded?: true;
}

/** What is kept of a result. */
export type EntriesOf = (result: Result) => readonly AuditEntry[];

export interface Plan {
  /** A write that shares a transaction with others puts what is kept of it into that transaction. */
  readonly run: (tx: Tx, entriesOf: EntriesOf) => Promise<Result>;
  /** `run` is all or nothing, in one transaction, and what is kept of it is part of it. */
  readonly isTransaction?: boolean;
  /** `run` reads by several statements, or by one that may take long: see `Database.inSnapshot`. */
  readonly isSnapshot?: boolean;
  /** Patients the caller asked for by id: their log says so even when nothing was shown. */
  readonly askedFor?: readonly string[];
  /** Names of the search parameters, joined by `&`. */
  readonly query?: string;
  /** Of a search: the same text for the same question, however it was sent. Never kept. */
  readonly question?: string;
}

/** @see https://hl7.org/fhir/R4/valueset-type-restful-interaction.html */
export type InteractionCode = TypeInteraction | SystemInteraction | 'operation';

/**
 * `[base]/$x`, `[base]/[type]/$x`, `[base]/[type]/[id]/$x`, and of a past version `[base]/[type]/[id]/_history/[vid]/$x`.
 * @see https://hl7.org/fhir/R4/operations.html#executing
 */
export type Level = 'system' | 'type' | 'instance' | 'version';

/** An interaction with a name. Its routes and its entry in the CapabilityStatement follow from this. */
export interface Operation {
  /** Without the `$`. */
  readonly name: string;
  /** Canonical URL of the OperationDefinition. */
  readonly definition: string;
  readonly levels: readonly Level[];
  /** At type and instance level; absent: every resource type. */
  readonly types?: readonly string[];
  /** It changes something: POST alone, as R4 has it. Every other operation takes GET as well. */
  readonly affectsState?: boolean;
}

export interface Interaction {
  readonly code: InteractionCode;
  /** With the code `operation`: which. */
  readonly operation?: Operation;
  /** Its body is a resource. */
  readonly isWrite: boolean;
  /** The code the trail keeps, when an operation is in effect another interaction: $meta-add is a patch. */
  readonly recordedAs?:
    | InteractionCode
    | 'break-glass'
    | 'break-glass-end'
    | 'consent-request'
    | 'consent-decline'
    | 'erase'
    | 'erase-cancel'
    | 'erase-lift';
  /** Media types it answers in, beside JSON. */
  readonly accepts?: readonly string[];
  /** @throws Problem for whatever can be refused without asking the database */
  prepare(call: Call): Promise<Plan>;
  /** Of a write: what it means, not yet validated, for a transaction that commits it together with others. @throws Problem */
  intend?(call: Call): Promise<Intent>;
  /** It takes a condition in the place of an id. */
  readonly isConditional?: boolean;
  /** What else the same route serves, by what its body says. */
  readonly also?: readonly InteractionCode[];
}
