/**
 * Patient/[id]/$export-me: everything about a person, for them to take away (GDPR articles 15 and 20, PIPL article 45): every version of
 * every resource of all their records, their Consents among them, who saw what, and which apps hold tokens. NDJSON, a resource a line,
 * sent while it is read.
 *
 * An operation of the hub's own: $everything gives what is current, as R4 has it.
 */
import { renderAuditEvent } from '../../access/audit/event.ts';
import { countMax as logCountMax, readLog, type LogPosition } from '../../access/audit/log.ts';
import { readGrantsOn } from '../../access/oauth/own-grants.ts';
import { visibility } from '../../access/predicate/predicate.ts';
import { basisOf } from '../../access/principal/principal.ts';
import { requireScope } from '../../access/principal/scope.ts';
import type { Tx } from '../../db.ts';
import { Problem } from '../../fhir/problem.ts';
import { countMax } from '../../fhir/search.ts';
import { samePerson } from '../../identity/link.ts';
import { hubOperation } from '../../mapping/values/extensions.ts';
import { selectHistory } from '../../store/history.ts';
import { readRow } from '../../store/read.ts';
import { cursorBinding } from '../cursor.ts';
import type { Call, Part } from '../interaction.ts';
import { bodyFor } from '../read.ts';
import { parametersOf } from './consent-parts.ts';
import { readInput } from './input.ts';
import type { OperationInteraction } from './operation.ts';

const ndjson = 'application/fhir+ndjson';

export const exportMe: OperationInteraction = {
  code: 'operation',
  operation: { name: 'export-me', definition: hubOperation('export-me'), levels: ['instance'], types: ['Patient'] },
  isWrite: false,
  accepts: [ndjson],
  prepare: async (call) => {
    const { principal, incoming } = call;
    if (principal.self === undefined) {
      throw new Problem('forbidden', 'the patient and those who act for them take the record away');
    }
    requireScope(principal, 'Patient', 'r');
    const input = await readInput(call, { allowed: [] });
    return {
      query: input.namesOf('export-me'),
      askedFor: [incoming.id],
      run: async (tx) => {
        const visible = visibility(principal, { interaction: 'r', types: ['Patient'] });
        const row = await readRow(tx, visible, 'Patient', incoming.id);
        if (row === undefined || row.isDeleted) throw new Problem('not-found', 'unknown or hidden');
        const patients = await samePerson(tx, incoming.id);
        return {
          answer: {
            status: 200,
            contentType: ndjson,
            headers: { 'content-disposition': 'attachment; filename="my-record.ndjson"' },
          },
          shown: [],
          parts: lines(tx, call, patients),
        };
      },
    };
  },
};

async function* lines(tx: Tx, call: Call, patients: readonly string[]): AsyncGenerator<Part, undefined> {
  yield await manifest(tx, call, patients);
  yield* versions(tx, call, patients);
  yield* accesses(tx, call);
  return undefined;
}

/** What is not a resource: whose records these are, and which apps may still ask for them. */
async function manifest(tx: Tx, { facade, principal }: Call, patients: readonly string[]): Promise<Part> {
  // A proxy learns of the patient's apps nothing: they are the account's that allowed them.
  const grants = principal.proxy === undefined ? await readGrantsOn(tx, patients) : [];
  const text = parametersOf([
    { name: 'time', valueInstant: new Date(facade.now()).toISOString() },
    ...patients.map((id) => ({ name: 'patient', valueReference: { reference: `Patient/${id}` } })),
    ...grants.map(({ name, scopes, grantedAt }) => ({
      name: 'app',
      part: [
        { name: 'name', valueString: name },
        { name: 'scope', valueString: scopes.join(' ') },
        { name: 'since', valueInstant: grantedAt.toISOString() },
      ],
    })),
  ]);
  return { text: `${text}\n`, shown: [{ patient: principal.self, decidedBy: basisOf(principal) }] };
}

/** Newest first, as a history is. That a resource was deleted is in the log; what it was stands before it. */
async function* versions(
  tx: Tx,
  { facade, principal, incoming }: Call,
  patients: readonly string[],
): AsyncGenerator<Part> {
  const visible = visibility(principal, { interaction: 'r' });
  const seal = { key: facade.cursorKey, boundTo: cursorBinding(principal, `Patient/${incoming.id}/$export-me`, []) };
  let cursor: string | undefined;
  do {
    const page = await selectHistory(
      tx,
      visible,
      { count: countMax, parts: {}, parameters: [], ...(cursor && { cursor }) },
      { patients, types: undefined },
      seal,
    );
    const rows = page.rows.filter(({ isDeleted }) => !isDeleted);
    yield { text: rows.map((row) => `${bodyFor(principal, row)}\n`).join(''), shown: rows };
    cursor = page.next;
  } while (cursor !== undefined);
}

async function* accesses(tx: Tx, { facade, principal }: Call): AsyncGenerator<Part> {
  let after: LogPosition | undefined;
  do {
    const page = await readLog(tx, principal, { count: logCountMax, after });
    yield {
      text: page.rows.map((row) => `${JSON.stringify(renderAuditEvent(row, facade.base))}\n`).join(''),
      shown: page.rows.length === 0 ? [] : [{ patient: principal.self, decidedBy: basisOf(principal) }],
    };
    after = page.next;
  } while (after !== undefined);
}
