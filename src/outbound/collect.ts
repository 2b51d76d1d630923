/**
 * From the store: a resource and what it refers to, as far as the receiving organization may see it. The same predicate as
 * for its own reads, for treatment: being sent something is being shown it.
 */
import type { Resource } from '@medplum/fhirtypes';
import { visibility } from '../access/predicate/predicate.ts';
import type { Principal } from '../access/principal/principal.ts';
import { purpose } from '../access/principal/purpose.ts';
import { parseScopes } from '../access/principal/scope.ts';
import type { Tx } from '../db.ts';
import { parseJson } from '../fhir/json.ts';
import { Problem } from '../fhir/problem.ts';
import { localReference } from '../fhir/reference.ts';
import { readRow } from '../store/read.ts';
import type { Row } from '../store/row.ts';
import type { Entry } from './build/source.ts';

/** An order with its patient, visit, people, places and results; more is no message. */
const rowsMax = 200;
/** Appointment -> PractitionerRole -> Practitioner, Location -> Location. */
const depthMax = 3;

export interface Collected {
  readonly entries: readonly Entry[];
  readonly rows: readonly Row[];
}

/** Who is shown what is sent. @param operator who sends it, for the audit trail */
export function recipientOf(organization: string, operator: string, at: Date): Principal {
  return {
    issuer: 'hub',
    subject: operator,
    clientId: operator,
    jti: '',
    expiresAt: at.getTime(),
    scopes: parseScopes('system/*.rs'),
    isOperator: false,
    organization,
    purposes: purpose.treatment,
  };
}

/**
 * @param reference `Type/id`
 * @throws Problem not-found when the resource is unknown or hidden from the recipient; what it refers to is left out then
 */
export async function collect(db: Tx, recipient: Principal, reference: string): Promise<Collected> {
  const visible = visibility(recipient, { interaction: 'r' });
  const rows = new Map<string, Row>();
  const entries: Entry[] = [];
  let wanted = [reference];
  for (let depth = 0; depth <= depthMax && wanted.length > 0; depth++) {
    const found = new Set<string>();
    for (const url of wanted) {
      const target = localReference({ reference: url });
      const row = target && (await readRow(db, visible, target.type, target.id));
      if (row === undefined || row.isDeleted) continue;
      if (rows.size >= rowsMax)
        throw new Problem('too-costly', `the message would need more than ${rowsMax} resources`);
      rows.set(url, row);
      const resource = parseJson(row.body) as Resource;
      entries.push({ resource });
      for (const next of referencesIn(resource)) if (!rows.has(next)) found.add(next);
    }
    wanted = [...found];
  }
  if (rows.size === 0) {
    throw new Problem('not-found', 'the resource is unknown, or hidden from the receiving organization');
  }
  return { entries, rows: [...rows.values()] };
}

function* referencesIn(value: unknown): Generator<string> {
  if (typeof value !== 'object' || value === null) return;
  const target = localReference(value);
  if (target !== undefined) yield `${target.type}/${target.id}`;
  for (const held of Object.values(value)) yield* referencesIn(held);
}
