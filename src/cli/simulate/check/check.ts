/** The hub against the ledger of a simulation: nothing missing, nothing twice, nothing out of order, nothing else. */
import type { Tx } from '../../../db.ts';
import { readLedger } from '../ledger.ts';
import { checkDays, enterDay, type SentDays } from './days.ts';
import { noFindings } from './findings.ts';
import {
  checkMessages,
  enterMessage,
  type MessageCheckOptions,
  type MessageCounts,
  type SentMessages,
} from './messages.ts';
import { checkRecords, enterStatement, nothingSaid, type RecordCounts } from './records.ts';
import { checkSources, enterResource, type ServedResources, type SourceCounts } from './sources.ts';

export interface CheckReport extends MessageCounts, RecordCounts, SourceCounts {
  /** Of watches, that add up. */
  readonly days: number;
  /** Number of differences; 0: the hub is as the ledger says. */
  readonly wrong: number;
  /** In words, some of each kind. */
  readonly findings: readonly string[];
}

/** @throws Problem not-found, structure */
export async function checkLedger(db: Tx, path: string, options: MessageCheckOptions = {}): Promise<CheckReport> {
  const sent: SentMessages = new Map();
  const said = nothingSaid();
  const served: ServedResources = new Map();
  const sentDays: SentDays = new Map();
  for await (const line of readLedger(path)) {
    if (line.what === 'resource') {
      enterResource(served, line);
    } else if (line.what === 'day') {
      enterDay(sentDays, line);
    } else {
      enterMessage(sent, line);
      enterStatement(said, line);
    }
  }
  const findings = noFindings();
  const messages = await checkMessages(db, sent, findings, options);
  const records = await checkRecords(db, said, findings);
  const sources = await checkSources(db, served, findings);
  const days = await checkDays(db, sentDays, findings);
  return { ...messages, ...records, ...sources, days, wrong: findings.count, findings: findings.describe() };
}
