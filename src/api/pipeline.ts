/**
 * A request from its first header to its answer, in the order that keeps records safe: who asks is known before the body
 * is read, what is asked is checked before the database is bothered, every row passes the caller's visibility inside the
 * statement, and the trail is on disk before a byte of the answer leaves.
 */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { auditEntries, type AuditContext, type AuditEntry } from '../access/audit.ts';
import { idPattern } from '../fhir/ids.ts';
import { Problem } from '../fhir/problem.ts';
import { typeCode } from '../fhir/types.ts';
import { incomingOf } from './incoming.ts';
import type { Call, Facade, Interaction, Plan, Result } from './interaction.ts';
import { answerInParts } from './parts.ts';
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
    const principal = await facade.authenticator.authenticate(incoming.headers.authorization);
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
    asked = contextOf(interaction, call);
    plan = await interaction.prepare(call);
    const result = await execute(facade, plan);
    if (result.parts !== undefined) {
      const [context, planned] = [asked, plan];
      return await answerInParts(result.answer, result.parts, {
        record: ({ shown }) => facade.audit.record(entriesOf(context, planned, { ...result, shown })),
        failed: (error) => facade.report.failed(error, correlationId),
      });
    }
    await facade.audit.record(entriesOf(asked, plan, result));
    return result.answer;
  } catch (error) {
    const problem = asked === undefined ? error : await recordRefusal(facade, asked, plan, error);
    return answerError(facade, interaction, problem, correlationId);
  }
}

function execute({ database }: Facade, { run, isTransaction, isSnapshot }: Plan): Promise<Result> {
  if (isTransaction) return database.inTransaction(run);
  return isSnapshot ? database.inSnapshot(run) : run(database);
}

function answerError(facade: Facade, { isWrite }: Interaction, error: unknown, correlationId: string): Answer {
  if (!(error instanceof Problem) || error.code === 'exception') facade.report.failed(error, correlationId);
  return answerOf(error, isWrite, correlationId);
}

export function contextOf(
  interaction: Interaction,
  { facade, principal, incoming, correlationId }: Call,
): AuditContext {
  const { type, id } = incoming;
  return {
    principal,
    interaction: interaction.recordedAs ?? interaction.code,
    ...(type === '' ? {} : { type }),
    // What cannot be an id names nothing, and may not even be text that the database takes.
    ...(idPattern.test(id) ? { id } : {}),
    correlationId,
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
  const context = { ...asked, query: plan.query, id: asked.id ?? result.id };
  const rows = result.shown.map(({ patient = null, otherPatients, decidedBy = null }) => ({
    patient,
    otherPatients,
    decidedBy,
  }));
  return auditEntries(context, rows, plan.askedFor);
}

/** Who tried and was refused is kept as well. @returns the problem to answer with */
export async function recordRefusal(
  facade: Facade,
  asked: AuditContext,
  plan: Trail | undefined,
  error: unknown,
): Promise<unknown> {
  const isRefusal = error instanceof Problem && ['not-found', 'deleted', 'forbidden'].includes(error.code);
  if (!isRefusal) return error;
  try {
    await facade.audit.record(auditEntries({ ...asked, query: plan?.query }, [], plan?.askedFor));
    return error;
  } catch (problem) {
    return problem;
  }
}
