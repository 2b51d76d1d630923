/**
 * A request from its first header to its answer, in the order that keeps records safe: who asks is known before the body
 * is read, what is asked is checked before the database is bothered, every row passes the caller's visibility inside the
 * statement, and the trail is on disk before a byte of the answer leaves.
 */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { auditEntries, type AuditContext } from '../access/audit.ts';
import type { Principal } from '../access/principal.ts';
import { Problem } from '../fhir/problem.ts';
import { typeCode } from '../fhir/types.ts';
import { incomingOf } from './incoming.ts';
import type { Facade, Interaction, Plan, Result } from './interaction.ts';
import { answerOf, HttpProblem, type Answer } from './respond.ts';

export interface Reporter {
  /** An error that is ours; `correlationId` is what the caller was told. */
  failed(error: unknown, correlationId: string): void;
}

export async function answer(
  facade: Facade & { readonly report: Reporter },
  interaction: Interaction,
  request: IncomingMessage,
  params: Readonly<Record<string, string | undefined>>,
): Promise<Answer> {
  const correlationId = randomUUID();
  let asked: AuditContext | undefined;
  let plan: Plan | undefined;
  try {
    const incoming = incomingOf(request, params);
    const principal = await facade.authenticator.authenticate(incoming.headers.authorization);
    requireType(incoming.type);
    asked = contextOf(facade, interaction, principal, { ...incoming, correlationId });
    plan = await interaction.prepare({ facade, principal, incoming });
    const { run, isTransaction } = plan;
    const result = isTransaction ? await facade.database.inTransaction(run) : await run(facade.database);
    await recordShown(facade, asked, plan, result);
    return result.answer;
  } catch (error) {
    if (!(error instanceof Problem) || error.code === 'exception') facade.report.failed(error, correlationId);
    const problem = asked === undefined ? error : await recordRefusal(facade, asked, plan, error);
    return answerOf(problem, interaction.isWrite, correlationId);
  }
}

function contextOf(
  facade: Facade,
  interaction: Interaction,
  principal: Principal,
  { type, id, correlationId }: { type: string; id: string; correlationId: string },
): AuditContext {
  return {
    principal,
    interaction: interaction.code,
    ...(type === '' ? {} : { type }),
    ...(id === '' ? {} : { id }),
    correlationId,
    at: facade.now(),
  };
}

/** @see https://hl7.org/fhir/R4/http.html#read 404 for a type that the server does not have */
function requireType(type: string): void {
  if (type === '' || typeCode(type) !== undefined) return;
  throw new HttpProblem(404, 'not-supported', 'R4 has no such resource type', {
    hint: 'The CapabilityStatement lists the types: [base]/metadata.',
  });
}

async function recordShown(facade: Facade, asked: AuditContext, plan: Plan, result: Result): Promise<void> {
  const context = { ...asked, query: plan.query, id: asked.id ?? result.id };
  const rows = result.shown.map(({ patient = null, decidedBy = null }) => ({ patient, decidedBy }));
  await facade.audit.record(auditEntries(context, rows, plan.askedFor));
}

/** Who tried and was refused is kept as well. @returns the problem to answer with */
async function recordRefusal(
  facade: Facade,
  asked: AuditContext,
  plan: Plan | undefined,
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
