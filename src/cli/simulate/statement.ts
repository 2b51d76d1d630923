/**
 * What a message says that must stand in the hub afterwards, whatever became of the messages around it: the state of a report, of a
 * visit, of a record number. A ledger keeps it, and `hub simulate check` holds the hub's records against it.
 */
import type { ResultStatus } from './messages.ts';

export type Statement = ReportStatement | VisitStatement | MergeStatement;

export interface ReportStatement {
  readonly is: 'report';
  /** Filler order number (OBR-3). */
  readonly key: string;
  readonly status: ReportStatus;
  /** OBX-5 in the order of the panel, with the digits of the analyser. */
  readonly values: readonly string[];
}

export type ReportStatus = 'preliminary' | 'final' | 'corrected';

export interface VisitStatement {
  readonly is: 'visit';
  /** PV1-19. */
  readonly key: string;
  readonly status: 'in-progress' | 'finished' | 'cancelled';
}

export interface MergeStatement {
  readonly is: 'merge';
  /** The record number that is no longer used (MRG-1). */
  readonly key: string;
}

/** HL70085 -> DiagnosticReport.status. */
export const reportStatuses: Readonly<Record<ResultStatus, ReportStatus>> = {
  P: 'preliminary',
  F: 'final',
  C: 'corrected',
};

const ranks: Readonly<Record<ReportStatus, number>> = { preliminary: 0, final: 1, corrected: 2 };

/** What stands after both: final beats preliminary and corrected beats final, whenever they come; otherwise the later one. */
export function laterOf(before: Statement | undefined, now: Statement): Statement {
  if (before?.is !== 'report' || now.is !== 'report') return now;
  return ranks[now.status] >= ranks[before.status] ? now : before;
}
