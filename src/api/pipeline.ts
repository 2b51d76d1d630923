/**
 * A request from its first header to its answer, in the order that keeps records safe: who asks is known before the body
 * is read, what is asked is checked before the database is bothered, every row passes the caller's visibility inside the
 * statement, and the trail is on disk before a byte of the answer leaves: of a write together with what it wrote.
 */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { auditEntries, type AuditContext, type AuditEntry } from '../access/audit/audit.ts';
import { Throttled } from '../access/rate/rates.ts';
import { idPattern } from '../fhir/ids.ts';
import { Problem } from '../fhir/problem.ts';
import { typeCode } from '../fhir/types.ts';
import { readRows } from '../store/read.ts';
import { everything } from '../store/visibility.ts';
import { incomingOf } from './incoming.ts';
import type { Call, EntriesOf, Facade, Interaction, Plan, Result } from './interaction.ts';
import { answerInParts } from './parts.ts';
import { addDecided, receipted } from './receipt.ts';
import { answerOf, HttpProblem, type Answer } from './respond.ts';

/** A request from a socket. */
export async function answer(
  facade: Facade,
  interaction: Interaction,
  request: IncomingMessage,
  params: Readonly<Record<string, string | undefined>>,
): Promise<Answer> {
  const correlationId = randomUUID();
  try {
    const incoming = incomingOf(request, params, interaction.accepts);
    const principal = await facade.authenticator
      .authenticate(incoming.headers.authorization, request)
      .catch((error: unknown) => {
        // A token that does not hold, or one whose client may not ask so, or from there.
        if (error instanceof Problem && (error.code === 'login' || error.code === 'forbidden')) {
          const { type, address } = incoming;
          facade.strangers.refused({ type, address, query: interaction.code, correlationId });
        }
        throw error;
      });
    return await perform(interaction, { facade, principal, incoming, correlationId });
  } catch (error) {
    return answerError(facade, interaction, error, correlationId);
  }
}

/** A request whose sender is known: one from a socket, or an entry of a batch. Every error becomes an answer. */
export async function perform(interaction: Interaction, call: Call): Promise<Answer> {
  const { facade, correlationId } = call;
  let plan: Plan | undefined;
  let asked: AuditContext | undefined;
  try {
    requireType(call.incoming.type);
    facade.rates.admit(call.principal);
    asked = contextOf(interaction, call);
    plan = await interaction.prepare(call);
    if (plan.askedFor !== undefined) facade.rates.meet(call.principal, plan.askedFor);
    const result = await execute(facade, asked, plan);
    if (!interaction.isWrite && result.shown.length > 0) meetShown(call, plan, result);
    else if (isInVain(plan, result)) await countMiss(call, asked, plan.question as string);
    if (result.parts !== undefined) {
      const [context, planned] = [asked, plan];
      return await answerInParts(result.answer, result.parts, {
        decided: call.decided,
        record: ({ shown }) => facade.audit.record(entriesOf(context, planned, { ...result, shown })),
        failed: (error) => facade.report.failed(error, correlationId),
      });
    }
    if (result.isRecorded !== true) await facade.audit.record(entriesOf(asked, plan, result));
    return receipted(result.answer, addDecided(call.decided ?? result.decided, result.shown));
  } catch (error) {
    const problem = asked === undefined ? error : await recordRefusal(call, asked, plan, error);
    if (problem instanceof Throttled) facade.report.throttled(problem.limit);
    return answerError(facade, interaction, problem, correlationId);
  }
}

/** An entry of a transaction that reads is as much as a request of its own: before it is run. @throws Throttled */
export function admitEntry({ facade, principal }: Call, { askedFor }: Plan): void {
  facade.rates.admit(principal);
  if (askedFor !== undefined) facade.rates.meet(principal, askedFor);
}

/** And after it. @throws Throttled */
export async function weighEntry(call: Call, asked: AuditContext, plan: Plan, result: Result): Promise<void> {
  if (result.shown.length > 0) meetShown(call, plan, result);
  else if (isInVain(plan, result)) await countMiss(call, asked, plan.question as string);
}

/** Who is shown counts as asked about; who was named has been counted. @throws Throttled */
function meetShown({ facade, principal }: Call, { askedFor }: Plan, { shown }: Result): void {
  const patients = shown.map(({ patient }) => patient);
  facade.rates.meet(
    principal,
    askedFor === undefined ? patients : patients.filter((one) => !askedFor.includes(one ?? '')),
  );
}

/** A search that shows nothing, whether there is nothing or it is hidden. */
function isInVain({ question }: Plan, { shown, answer }: Result): boolean {
  return question !== undefined && shown.length === 0 && answer.status === 200;
}

/** Once too many, it is on record, and the operator hears of it. */
async function countMiss({ facade, principal }: Call, asked: AuditContext, question: string): Promise<void> {
  if (!facade.rates.miss(principal, question)) return;
  facade.report.enumerating(principal.clientId);
  const { type: _type, id: _id, ...context } = asked;
  await facade.audit.record([
    { context: { ...context, interaction: 'throttled', query: 'misses' }, rows: 0, outcome: 'refused' },
  ]);
}

/** A write and what is kept of it are one commit: neither stands without the other. */
function execute({ database, audit }: Facade, asked: AuditContext, plan: Plan): Promise<Result> {
  const { run, isTransaction, isSnapshot } = plan;
  const keep: EntriesOf = (result) => entriesOf(asked, plan, result);
  if (isTransaction) {
    return audit.inTransaction(database, async (tx) => {
      const result = await run(tx, keep);
      return { value: { ...result, isRecorded: true }, entries: keep(result) };
    });
  }
  return isSnapshot ? database.inSnapshot((tx) => run(tx, keep)) : run(database, keep);
}

function answerError(facade: Facade, { isWrite }: Interaction, error: unknown, correlationId: string): Answer {
  if (!(error instanceof Problem) || error.code === 'exception') facade.report.failed(error, correlationId);
  return answerOf(error, isWrite, correlationId);
}

export function contextOf(
  interaction: Interaction,
  { facade, principal, incoming, correlationId }: Call,
): AuditContext {
  const { type, id, address } = incoming;
  return {
    principal,
    interaction: interaction.recordedAs ?? interaction.code,
    ...(type === '' ? {} : { type }),
    // What cannot be an id names nothing, and may not even be text that the database takes.
    ...(idPattern.test(id) ? { id } : {}),
    correlationId,
    ...(address === undefined ? {} : { address }),
    at: facade.now(),
  };
}

/** @see https://hl7.org/fhir/R4/http.html#read 404 for a type that the server does not have */
export function requireType(type: string): void {
  // Of the whole system: its path names no type.
  if (type === '' || typeCode(type) !== undefined) return;
  throw new HttpProblem(404, 'not-supported', 'R4 has no such resource type', {
    hint: 'The CapabilityStatement lists the types: [base]/metadata.',
  });
}

/** What the trail keeps of a plan. */
export type Trail = Pick<Plan, 'query' | 'askedFor'>;

/** What the trail keeps of an answer. */
export function entriesOf(asked: AuditContext, plan: Trail, result: Result): readonly AuditEntry[] {
  if (result.entries !== undefined) return result.entries;
  const context = { ...asked, query: plan.query, id: asked.id ?? result.id, version: result.version };
  const rows = result.shown.map(({ patient = null, otherPatients, decidedBy = null }) => ({
    patient,
    otherPatients,
    decidedBy,
  }));
  return auditEntries(context, rows, plan.askedFor);
}

/** Who tried and was refused is kept as well. @returns the problem to answer with */
export async function recordRefusal(
  call: Call,
  asked: AuditContext,
  plan: Trail | undefined,
  error: unknown,
): Promise<unknown> {
  const isRefusal = error instanceof Problem && ['not-found', 'deleted', 'forbidden'].includes(error.code);
  if (!isRefusal) return error;
  const { facade } = call;
  try {
    // LEAKS 21: unknown and hidden count alike; what a scope does not cover says nothing of either.
    if (error.code !== 'forbidden') await countMiss(call, asked, `${asked.type}/${asked.id}`);
    const patients = plan?.askedFor ?? (await patientsAt(facade, asked));
    await facade.audit.record(auditEntries({ ...asked, query: plan?.query }, [], patients));
    return error;
  } catch (problem) {
    return problem;
  }
}

/** Whom it was about that was asked for by its id: they see who tried. Asked in the same way when there is nothing (LEAKS 54). */
async function patientsAt({ database }: Facade, { type, id }: AuditContext): Promise<string[]> {
  if (type === undefined || id === undefined) return [];
  const rows = await readRows(database, everything('whose log says that somebody tried'), [{ type, id }]);
  return rows.flatMap(({ patient, otherPatients }) => [...(patient === undefined ? [] : [patient]), ...otherPatients]);
}
