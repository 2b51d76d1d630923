/**
 * Patient/[id]/$access-log: who did what to a record, day by day, in plain words, for the patient and for those who act for them and may see
 * all of it. What AuditEvent tells event by event, grouped by party, purpose, kind of records and ground.
 */
import { openPosition, positionOf, readLog, sealPosition, type LogPosition } from '../../access/audit/log.ts';
import { consentsOf } from '../../access/audit/event.ts';
import { addRow, dayOf, sayAccess, type Access, type SayAccess } from '../../access/audit/summary.ts';
import { readNames } from '../../access/consent/names.ts';
import { visibility } from '../../access/predicate/predicate.ts';
import type { Principal } from '../../access/principal/principal.ts';
import { purposeCodesOf, purposeSystem } from '../../access/principal/purpose.ts';
import { requireScope } from '../../access/principal/scope.ts';
import type { Tx } from '../../db.ts';
import { sql, type Sql } from '../../db/sql.ts';
import { parseJson } from '../../fhir/json.ts';
import { Problem } from '../../fhir/problem.ts';
import type { AnyResource } from '../../fhir/types.ts';
import { samePerson } from '../../identity/link.ts';
import { readRows } from '../../store/read.ts';
import { searchUrl } from '../bundle.ts';
import { cursorBinding } from '../cursor.ts';
import type { Call, Plan } from '../interaction.ts';
import { read } from '../read.ts';
import { parametersOf, wordingOf, wordingParameters, type Part, type Wording } from './consent-parts.ts';
import { dateOf, readInput, type OperationInput } from './input.ts';
import type { OperationInteraction } from './operation.ts';

export const accessLog: OperationInteraction = {
  code: 'operation',
  operation: {
    name: 'access-log',
    definition: 'https://health-record-hub.example/fhir/OperationDefinition/Patient-access-log',
    levels: ['instance'],
    types: ['Patient'],
  },
  isWrite: false,
  prepare: async (call) => {
    const input = await readInput(call, { allowed: ['start', 'end', '_count', 'cursor', ...wordingParameters] });
    return plan(call, input);
  },
};

/** Accesses of a page, which ends with a day: as many as a person reads at a time. */
const countDefault = 50;
const countMax = 200;
/** Rows that are grouped for one page: a day with more is told on several pages. */
const rowsMax = 5_000;
const rowsAtOnce = 1_000;

/** A read of the Patient, so that whoever may not see it learns nothing; then the log. */
async function plan(call: Call, input: OperationInput): Promise<Plan> {
  const { principal, incoming, facade } = call;
  if (principal.self === undefined) {
    throw new Problem('forbidden', 'the patient and those who act for them ask who read the record');
  }
  requireScope(principal, 'AuditEvent', 's');
  const wording = wordingOf(call, input);
  const count = input.number('_count', { min: 1, max: countMax }) ?? countDefault;
  const [start, end] = [dateOf(input, 'start'), dateOf(input, 'end')];
  const path = `Patient/${incoming.id}/$access-log`;
  const parameters = input.pairs().filter(([name]) => name !== 'cursor');
  const seal = { key: facade.cursorKey, boundTo: cursorBinding(principal, path, parameters) };
  const after = openPosition(input.text('cursor'), seal);
  const { 'if-none-match': _match, 'if-modified-since': _since, ...headers } = incoming.headers;
  const reading = await read.prepare({ ...call, incoming: { ...incoming, query: '', headers } });
  return {
    ...reading,
    query: input.namesOf('access-log'),
    run: async (tx, entriesOf) => {
      const result = await reading.run(tx, entriesOf);
      const patients = await samePerson(tx, incoming.id);
      const where = [
        sql`patient = any(${patients}::text[])`,
        ...(start === undefined ? [] : [sql`at >= ${new Date(start.low)}`]),
        ...(end === undefined ? [] : [sql`at < ${new Date(end.high)}`]),
      ];
      const blocks = [
        ...(start === undefined ? [] : [sql`at_to >= ${new Date(start.low)}`]),
        ...(end === undefined ? [] : [sql`at_from < ${new Date(end.high)}`]),
      ];
      const page = await readPage(tx, principal, {
        where,
        blocks,
        count,
        timeZone: wording.timeZone,
        after,
      });
      const saying = {
        names: await readNames(
          tx,
          [],
          page.accesses.map(({ who }) => who),
        ),
        consentDays: await readConsentDays(tx, principal, page.accesses),
        timeZone: wording.timeZone,
      };
      const next = (position: LogPosition): Part => {
        const cursor = sealPosition(position, seal);
        return { name: 'next', valueUri: searchUrl(facade.base, path, [...parameters, ['cursor', cursor]]) };
      };
      const parts = page.accesses.map((access) => accessPart(access, saying, wording));
      return {
        ...result,
        answer: { status: 200, body: parametersOf(page.next === undefined ? parts : [...parts, next(page.next)]) },
      };
    },
  };
}

interface Page {
  readonly accesses: readonly Access[];
  readonly next?: LogPosition;
}

interface PageQuery {
  readonly where: readonly Sql[];
  readonly blocks: readonly Sql[];
  readonly count: number;
  readonly timeZone: string;
  readonly after: LogPosition | undefined;
}

/** Newest first, to the end of a day. */
async function readPage(
  tx: Tx,
  principal: Principal,
  { where, blocks, count, timeZone, ...from }: PageQuery,
): Promise<Page> {
  const accesses = new Map<string, Access>();
  let next = from.after;
  let day: string | undefined;
  for (let [rows, isFull] = [0, true]; isFull && rows < rowsMax;) {
    const page = await readLog(tx, principal, { where, blocks, count: rowsAtOnce, after: next });
    for (const row of page.rows) {
      const current = dayOf(row.at, timeZone);
      if (current !== day && accesses.size >= count) return { accesses: [...accesses.values()], ...(next && { next }) };
      addRow(accesses, row, (day = current));
      next = positionOf(row);
    }
    rows += page.rows.length;
    ({ next } = page);
    // Little was found in much that was looked through: what is left is another page.
    isFull = next !== undefined && page.rows.length === rowsAtOnce;
  }
  return { accesses: [...accesses.values()], ...(next && { next }) };
}

/** When the patient gave what allowed it, as the Consent says. */
async function readConsentDays(
  tx: Tx,
  principal: Principal,
  accesses: readonly Access[],
): Promise<ReadonlyMap<string, number>> {
  const ids = new Set(accesses.flatMap(({ decidedBy }) => consentsOf(decidedBy ?? null).map(({ id }) => id)));
  const visible = visibility(principal, { interaction: 'r', types: ['Consent'] });
  const rows = await readRows(
    tx,
    visible,
    Array.from(ids, (id) => ({ type: 'Consent', id })),
  );
  const days = rows
    .filter(({ isDeleted }) => !isDeleted)
    .map(({ id, body }) => [id, Date.parse(String((parseJson(body) as AnyResource)['dateTime']))] as const);
  return new Map(days.filter(([, at]) => !Number.isNaN(at)));
}

function accessPart(access: Access, saying: SayAccess, { languages }: Wording): Part {
  const { day, who, user, act, type, purposes, decidedBy, records, requests } = access;
  return {
    name: 'access',
    part: [
      { name: 'day', valueDate: day },
      who.includes('/')
        ? { name: 'who', valueReference: { reference: who } }
        : { name: 'who', valueReference: { identifier: { value: who } } },
      ...(user === undefined ? [] : [{ name: 'user', valueReference: { reference: user } }]),
      { name: 'act', valueCode: act },
      ...(type === undefined ? [] : [{ name: 'class', valueCode: type }]),
      { name: 'records', valueInteger: records },
      { name: 'requests', valueInteger: requests },
      ...purposeCodesOf(purposes).map((code) => ({ name: 'purpose', valueCoding: { system: purposeSystem, code } })),
      ...new Set(decidedBy?.split(' ').map((reason) => reason.split(':', 1)[0] as string))
        .values()
        .map((valueCode) => ({ name: 'basis', valueCode })),
      ...consentsOf(decidedBy ?? null).map(({ id, version }) => ({
        name: 'consent',
        valueReference: { reference: `Consent/${id}/_history/${version}` },
      })),
      ...languages.map((language) => ({
        name: 'text',
        part: [
          { name: 'language', valueCode: language },
          { name: 'sentence', valueString: sayAccess(access, language, saying) },
        ],
      })),
    ],
  };
}
