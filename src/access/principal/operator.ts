/**
 * What operators may do. `hub/ops` opens the console; the role says what for. Nobody sees the content of a message by running the hub: that
 * is an analyst's, for a reason that is on record and that the patient reads.
 *
 * | role | looks | mends (maps, replay) | changes the hub | sees content |
 * |---|---|---|---|---|
 * | operator (or none) | yes | yes | yes | no |
 * | analyst | yes | yes | no | for a stated reason |
 * | auditor | yes | no | no | no |
 */
import type { Tx } from '../../db.ts';
import { sql } from '../../db/sql.ts';
import { Problem } from '../../fhir/problem.ts';
import type { Principal } from './principal.ts';

export const operatorRoles = ['operator', 'analyst', 'auditor'] as const;
export type OperatorRole = (typeof operatorRoles)[number];

export type OperatorAct = 'view' | 'mend' | 'change' | 'content';

const acts: Readonly<Record<OperatorRole, ReadonlySet<OperatorAct>>> = {
  operator: new Set(['view', 'mend', 'change']),
  analyst: new Set(['view', 'mend', 'content']),
  auditor: new Set(['view']),
};

/** Undefined: it is none. */
export function readOperatorRole(text: unknown): OperatorRole | undefined {
  return operatorRoles.find((role) => role === text);
}

/** @throws Problem value with the roles that there are */
export function parseOperatorRole(text: string, expression: string): OperatorRole {
  const role = readOperatorRole(text);
  if (role !== undefined) return role;
  throw new Problem('value', 'there is no such role of operators', {
    expression,
    hint: `One of ${operatorRoles.join(', ')}.`,
  });
}

/** @throws Problem forbidden unless the token is an operator's (`hub/ops`) whose role covers this */
export function requireOperator(principal: Principal, act: OperatorAct = 'view'): void {
  if (!principal.isOperator) {
    throw new Problem('forbidden', 'the operations console needs the scope hub/ops', {
      hint: 'Ask for the scope hub/ops.',
    });
  }
  if (acts[principal.operatorRole ?? 'operator'].has(act)) return;
  const able = operatorRoles.filter((role) => acts[role].has(act));
  throw new Problem('forbidden', 'the role of this operator does not cover that', {
    hint: `It is for the role ${able.join(' or ')}.`,
  });
}

/**
 * What a registered client is for, whatever its tokens claim; in force within a second. `operator` is what a client without a role is.
 * @throws Problem not-found
 */
export async function setClientRole(
  db: Tx,
  { issuer, id, role }: { readonly issuer: string; readonly id: string; readonly role: OperatorRole },
): Promise<void> {
  const rows = await db.query(sql`
    update client set ops_role = ${role}, updated_at = now() where issuer = ${issuer} and id = ${id} returning id`);
  if (rows.length === 0) {
    throw new Problem('not-found', 'there is no such client of this issuer', { hint: 'hub client list names them.' });
  }
}
