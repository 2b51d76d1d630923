/** What mapping a message yields: resources to be written, and what became of every field. */
import type { Sample } from '../../fhir/device/sample.ts';
import type { AnyResource } from '../../fhir/types.ts';

export interface Draft {
  /** With its stable id; references to other drafts are already `Type/id`. Decimals may be raw numbers (fhir/json.ts). */
  readonly resource: AnyResource & { id: string };
  /**
   * `merge`: elements the message does not speak of stay as they are (Patient, Encounter: HL7v2 empty means no change).
   * `replace`: the draft is the whole new state (Observation, DiagnosticReport).
   * `delete`: the sender says that the resource is no more; the draft holds what it said of it last.
   */
  readonly mode: 'merge' | 'replace' | 'delete';
  /** Elements the sender removed with `""` (`telecom`, `period.end`); only for `merge`. */
  readonly removed: readonly string[];
  /**
   * Elements that hold only because R4 requires one and the message says nothing better (an Encounter.status under A08);
   * only for `merge`, where a stored value wins over them.
   */
  readonly fallback: readonly string[];
  /** Rank of the status: a lower one never replaces a higher one that is already stored (0 when it has no ranks). */
  readonly precedence: number;
}

/** A field, or a code, that no rule took; it stays in the resource as an extension and is counted per endpoint. */
export interface Unmapped {
  readonly kind: 'field' | 'code';
  /** `PV1-45`, or for a code the position and table: `PID-8 HL70001`. */
  readonly position: string;
  /** The code for kind `code`; never the text of a field, which may be patient data. */
  readonly code?: string;
}

export interface MappingIssue {
  readonly severity: 'error' | 'warning' | 'information';
  /** FHIR IssueType. */
  readonly code: string;
  readonly position: string;
  readonly diagnostics: string;
}

/**
 * What a message says about the identity of patients and visits, beside what it describes. Ids are those of drafts of the
 * same message, so what a command speaks of is stored with it.
 *
 * - `merge`: `patient` is retired, `other` stands for both from now on (A18, A30, A34, A36, A39, A40, A46, A47).
 * - `move`: the record of `patient` was linked to somebody else; it is the person's of `other` (A43).
 * - `link`: two records of one person, both in use (A24). `unlink`: they are not, or no longer (A37).
 * - `renumber`: the visit or account has a new number, under which it goes on (A49, A50, A51).
 *
 * @see HL7 v2.5.1 section 3.6.2
 */
export type Command = PatientCommand | RenumberCommand;

export interface PatientCommand {
  readonly kind: 'merge' | 'move' | 'link' | 'unlink';
  readonly patient: string;
  readonly other: string;
  /** The event, and the message's control id: kept as evidence. */
  readonly event: string;
  readonly controlId: string;
}

export interface RenumberCommand {
  readonly kind: 'renumber';
  readonly type: 'Encounter' | 'Account';
  readonly from: string;
  readonly to: string;
}

/** The whole list of what a sender has of one kind: what it sent of it before and is not named now is no more. */
export interface Snapshot {
  /** The segment that such resources are made from: `AL1`. */
  readonly segment: string;
  readonly type: string;
  /** Id of the patient whose list it is. */
  readonly patient: string;
  /** Id of the Encounter whose list it is; undefined for a list of the patient. */
  readonly visit: string | undefined;
  readonly ids: readonly string[];
}

export interface MappedMessage {
  /** In an order in which every reference points to an earlier draft or is circular; the Patient first. */
  readonly drafts: readonly Draft[];
  readonly commands: readonly Command[];
  readonly snapshots: readonly Snapshot[];
  readonly unmapped: readonly Unmapped[];
  readonly issues: readonly MappingIssue[];
  /** Content hash of the base map and overlays that made this. */
  readonly mapVersion: string;
  /** Ids of patients whom the message speaks for, whoever owns their Patient: they sent it themselves. */
  readonly speaksFor?: readonly string[];
  /** Values that are summed up by hour and day, of one patient. */
  readonly samples?: { readonly patient: string; readonly samples: readonly Sample[] };
}

/** What the mapping must know beside the message. No clock: the same message and context give the same drafts for ever. */
export interface MapContext {
  readonly endpoint: string;
  /** The organization that owns what this endpoint sends: `Organization/x`. Part of every derived id. */
  readonly owner: string;
  /** IANA zone or `+08:00` for times sent without one; undefined: such times are cut to their date. */
  readonly zone?: string;
}
