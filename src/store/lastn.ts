/**
 * The newest observations of each code (or documents of each type), in one statement: ranked within each code as it is written, then those few of codes
 * that are one are ranked again. What is among the first n of a whole is among the first n of its part, so nothing is missed.
 *
 * @see https://hl7.org/fhir/R4/observation-operation-lastn.html
 */
import type { Tx } from '../db.ts';
import { sql } from '../db/sql.ts';
import { groupCodes, type Concept } from '../fhir/terminology/code-groups.ts';
import { Problem } from '../fhir/problem.ts';
import type { SearchRequest } from '../fhir/search-request.ts';
import { inCompartments } from './compartment.ts';
import { resolveSearch } from './search/resolve.ts';
import { compileSearch } from './search.ts';
import type { FoundRow, SelectOptions } from './select.ts';
import type { Visibility } from './visibility.ts';

export interface LastOptions
  extends Pick<Required<SelectOptions>, 'aliases' | 'visibilityOf'>, Pick<SelectOptions, 'organization'> {
  /** The source patients whose observations are asked for. */
  readonly patients: readonly string[];
  /** Of each code. */
  readonly max: number;
  /** Which element is the code. */
  readonly element: 'code' | 'type';
}

/** Thousands of codes of one patient, or ties without end, are no answer that anybody reads. */
export const lastRowsMax = 5_000;

interface RankedRow {
  readonly id: string;
  readonly patient: string | null;
  readonly other_patients: string[] | null;
  readonly body: string;
  readonly decided_by: string | null;
  readonly code: string;
  /** Epoch milliseconds, -Infinity for undated. */
  readonly at: number;
}

/** Code by code, the one with the newest observation first; newest first within each. @throws Problem too-costly */
export async function selectLast(
  db: Tx,
  visibility: Visibility,
  request: SearchRequest,
  { patients, max, element, aliases, visibilityOf, organization }: LastOptions,
): Promise<FoundRow[]> {
  const { filters } = await resolveSearch(db, request, { visibilityOf, organization });
  const subject = { type: request.type, alias: 'r', isFound: true, aliases, visibilityOf };
  const decided = visibility.decided('r');
  const rows = await db.query<RankedRow>(sql`
    select b.id, b.patient, b.other_patients, b.body, ranked.decided_by, ranked.code,
      extract(epoch from b.date_low)::float8 * 1000 as at
    from (
      select r.bucket, r.type, r.id, ${decided.decidedBy} as decided_by, concept.code,
        rank() over (partition by concept.code order by r.date_low desc) as place
      from ${inCompartments(patients, 'r')} ${decided.join}
        cross join lateral (select coalesce((r.body::json -> ${element})::text, '{}') as code) concept
      where ${compileSearch(filters, subject)} and ${decided.where}) ranked
    -- The row that was decided on, by its key: the same snapshot.
    join resource b on b.bucket = ranked.bucket and b.type = ranked.type and b.id = ranked.id
    where ranked.place <= ${max}
    order by b.date_low desc, b.id limit ${lastRowsMax + 1}`);
  if (rows.length > lastRowsMax) {
    throw new Problem('too-costly', `more than ${lastRowsMax} resources would be returned`, {
      hint: 'Ask for fewer codes, a shorter time, or a smaller max.',
    });
  }
  return lastOfGroups(rows, max).map(({ id, patient, other_patients, body, decided_by }) => ({
    type: request.type,
    id,
    patient: patient ?? undefined,
    otherPatients: other_patients ?? undefined,
    body,
    decidedBy: decided_by ?? '',
  }));
}

/** R4: "In case of a tie - when the effective times for >1 Observations are equal - both will be returned." */
function lastOfGroups(rows: readonly RankedRow[], max: number): RankedRow[] {
  const groups: RankedRow[][] = [];
  groupCodes(rows.map(({ code }) => JSON.parse(code) as Concept)).forEach((group, index) => {
    (groups[group] ??= []).push(rows[index] as RankedRow);
  });
  return groups.flatMap((group) => {
    const last = group[max - 1];
    return last === undefined ? group : group.filter(({ at }, place) => place < max || at === last.at);
  });
}
