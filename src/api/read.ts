/** read and vread. @see https://hl7.org/fhir/R4/http.html#read */
import { isProjected, project } from '../access/predicate/minimum.ts';
import { visibility } from '../access/predicate/predicate.ts';
import type { Principal } from '../access/principal/principal.ts';
import { requireScope, requireWholeScope } from '../access/principal/scope.ts';
import type { Tx } from '../db.ts';
import { idPattern } from '../fhir/ids.ts';
import { Problem } from '../fhir/problem.ts';
import { securityContexts } from '../store/binary.ts';
import { readRow, readVersion } from '../store/read.ts';
import type { Row } from '../store/row.ts';
import type { Visibility } from '../store/visibility.ts';
import { etagOf, isNotModified } from './incoming.ts';
import type { Call, Interaction, Plan, Result } from './interaction.ts';
import type { Answer } from './respond.ts';
import { partsOf, subsetOf } from './subset.ts';

export const read: Interaction = {
  code: 'read',
  isWrite: false,
  prepare: async (call) => planRead(call, (tx, visible, { type, id }) => readRow(tx, visible, type, id)),
};

export const vread: Interaction = {
  code: 'vread',
  isWrite: false,
  prepare: async (call) => {
    const version = Number(/^[1-9]\d{0,8}$/.exec(call.incoming.version)?.[0]);
    return planRead(call, async (tx, visible, key) =>
      Number.isNaN(version) ? undefined : readVersion(tx, visible, { ...key, version }),
    );
  },
};

type Select = (tx: Tx, visible: Visibility, key: { type: string; id: string }) => Promise<Row | undefined>;

function planRead({ principal, incoming }: Call, select: Select): Plan {
  const { type, id, headers } = incoming;
  if (type === 'Binary') requireWholeScope(principal, type, 'r');
  else requireScope(principal, type, 'r');
  const parts = partsOf(incoming.query);
  return {
    // Their log shows who asked for them, also in vain.
    ...(type === 'Patient' && idPattern.test(id) ? { askedFor: [id] } : {}),
    // LEAKS 54: an id that cannot exist is refused like one that is hidden, without another path through the code.
    run: async (tx) => {
      const visible = visibility(principal, { interaction: 'r', types: typesToRead(type) });
      const row = idPattern.test(id) ? await select(tx, visible, { type, id }) : undefined;
      if (row === undefined) throw new Problem('not-found', 'unknown or hidden');
      if (row.isDeleted) throw new Problem('deleted', 'the resource is deleted');
      // LEAKS 22: the conditional headers are read after the gate, never before.
      const answer = isNotModified(headers, row.version, row.lastUpdated)
        ? { status: 304, headers: versionHeaders(row) }
        : { status: 200, headers: versionHeaders(row), body: subsetOf(parts, bodyFor(principal, row)) };
      return { answer, shown: [row] } satisfies Result;
    },
  };
}

/** A Binary is read as the document that is its security context: the scope must cover both, and of a Binary no query can be asked. */
function typesToRead(type: string): string[] {
  return type === 'Binary' ? [type, ...securityContexts] : [type];
}

/** The stored text; only a minimal Patient for payment is made anew. */
export function bodyFor(principal: Principal, row: { readonly type: string; readonly body: string }): string {
  return isProjected(principal, row.type) ? project(principal, row.body) : row.body;
}

/** @see https://hl7.org/fhir/R4/http.html#versioning */
export function versionHeaders({ version, lastUpdated }: { version: number; lastUpdated: Date }): Answer['headers'] {
  return { etag: etagOf(version), 'last-modified': lastUpdated.toUTCString() };
}
