/**
 * What the accepted messages said against the records: each report stands once, with the status and the very digits that were reported
 * last; each visit in its last state; each record number is one Patient, and a merged one is marked so.
 */
import type { Tx } from '../../../db.ts';
import type { MessageEntry } from '../ledger.ts';
import { isAccepted } from '../send.ts';
import { laterOf, type ReportStatement, type Statement } from '../statement.ts';
import type { Findings } from './findings.ts';
import { resourceRows } from './rows.ts';

export interface Said {
  /** By what it is about: `report L1-0-1`. */
  readonly statements: Map<string, Statement>;
  /** `SIM0001|00010000000`. */
  readonly patients: Set<string>;
}

export interface RecordCounts {
  readonly patients: number;
  readonly reports: number;
  readonly observations: number;
  readonly visits: number;
}

export function nothingSaid(): Said {
  return { statements: new Map(), patients: new Set() };
}

export function enterStatement(said: Said, line: MessageEntry): void {
  if (!isAccepted(line.answer) || line.isBroken === true) return;
  said.patients.add(`${line.facility}|${line.mrn}`);
  if (line.statement === undefined) return;
  const key = `${line.statement.is} ${line.statement.key}`;
  said.statements.set(key, laterOf(said.statements.get(key), line.statement));
}

export async function checkRecords(db: Tx, said: Said, findings: Findings): Promise<RecordCounts> {
  const patients = await checkPatients(db, said, findings);
  const visits = await checkVisits(db, said, findings);
  const { reports, observations } = await checkReports(db, said, findings);
  return { patients, reports, observations, visits };
}

interface Body {
  readonly active?: boolean;
  readonly status?: string;
  readonly identifier?: readonly { type?: { coding?: { code?: string }[] }; system?: string; value?: string }[];
  readonly link?: readonly { type?: string }[];
  readonly result?: readonly { reference?: string }[];
}

async function checkPatients(db: Tx, said: Said, findings: Findings): Promise<number> {
  const found = new Set<string>();
  for await (const { body } of resourceRows(db, 'Patient')) {
    const patient = JSON.parse(body) as Body;
    for (const identifier of identifiersOf(patient, 'MR')) {
      const key = `${identifier.system?.split('/').at(-1)}|${identifier.value}`;
      if (!said.patients.has(key)) continue;
      if (found.has(key)) findings.add('record numbers are several Patients', key);
      found.add(key);
      const isMerged = patient.link?.some(({ type }) => type === 'replaced-by') === true && patient.active === false;
      const mustBe = said.statements.has(`merge ${key}`);
      if (isMerged !== mustBe) findings.add(mustBe ? 'merges left no trace' : 'Patients are merged by nobody', key);
    }
  }
  for (const key of said.patients) if (!found.has(key)) findings.add('record numbers have no Patient', key);
  return found.size;
}

async function checkVisits(db: Tx, said: Said, findings: Findings): Promise<number> {
  const left = expected(said, 'visit');
  let count = 0;
  for await (const { body } of resourceRows(db, 'Encounter')) {
    const encounter = JSON.parse(body) as Body;
    const key = identifiersOf(encounter, 'VN')[0]?.value ?? '';
    const statement = said.statements.get(`visit ${key}`);
    if (statement?.is !== 'visit') continue;
    count++;
    if (!left.delete(key)) findings.add('visits are several Encounters', key);
    else if (encounter.status !== statement.status) {
      findings.add('visits are not in their last state', `${key} is ${encounter.status}, not ${statement.status}`);
    }
  }
  for (const key of left) findings.add('visits have no Encounter', key);
  return count;
}

async function checkReports(
  db: Tx,
  said: Said,
  findings: Findings,
): Promise<{ reports: number; observations: number }> {
  const values = new Map<string, { value: string; isFromSimulation: boolean }>();
  const owners = new Map<string, string>();
  for await (const { id, owner, body } of resourceRows(db, 'Observation')) {
    values.set(`Observation/${id}`, { value: digitsOf(body), isFromSimulation: false });
    owners.set(`Observation/${id}`, owner);
  }
  const left = expected(said, 'report');
  const simulated = new Set<string>();
  let [reports, observations] = [0, 0];
  for await (const { body, owner } of resourceRows(db, 'DiagnosticReport')) {
    const report = JSON.parse(body) as Body;
    const key = identifiersOf(report, 'FILL')[0]?.value ?? '';
    const statement = said.statements.get(`report ${key}`);
    if (statement?.is !== 'report') continue;
    simulated.add(owner);
    reports++;
    if (!left.delete(key)) findings.add('reports are several DiagnosticReports', key);
    observations += checkReport(report, statement, values, findings);
  }
  for (const key of left) findings.add('reports have no DiagnosticReport', key);
  for (const [reference, { isFromSimulation }] of values) {
    const isOurs = simulated.has(owners.get(reference) ?? '');
    if (isOurs && !isFromSimulation) findings.add('Observations belong to no report', reference);
  }
  return { reports, observations };
}

function checkReport(
  report: Body,
  { key, status, values }: ReportStatement,
  stored: Map<string, { value: string; isFromSimulation: boolean }>,
  findings: Findings,
): number {
  if (report.status !== status) {
    findings.add('reports are not in their last state', `${key} is ${report.status}, not ${status}`);
  }
  const shown = (report.result ?? []).map(({ reference = '' }) => {
    const observation = stored.get(reference);
    if (observation !== undefined) observation.isFromSimulation = true;
    return observation?.value ?? 'nothing';
  });
  // Each analyte is one Observation, whatever the order in which the hub lists them.
  if (shown.toSorted().join(' ') !== values.toSorted().join(' ')) {
    findings.add('reports have other values', `${key} has ${shown.join(' ')}, not ${values.join(' ')}`);
  }
  return shown.length;
}

/** Of the stored text: as a number, `1.90` and `1.9` are the same. */
function digitsOf(body: string): string {
  return /"valueQuantity":\{[^{}]*?"value":([^,}]+)/.exec(body)?.[1] ?? 'none';
}

/** @param code of HL70203 */
function identifiersOf({ identifier = [] }: Body, code: string): NonNullable<Body['identifier']> {
  return identifier.filter(({ type }) => type?.coding?.some((coding) => coding.code === code));
}

function expected(said: Said, is: Statement['is']): Set<string> {
  return new Set([...said.statements.values()].filter((statement) => statement.is === is).map(({ key }) => key));
}
