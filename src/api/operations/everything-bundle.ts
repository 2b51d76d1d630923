/** The Bundle of $everything, page after page of the database, as text: bodies are JSON already. */
import { visibility } from '../../access/predicate/predicate.ts';
import type { Principal } from '../../access/principal/principal.ts';
import { coversWhole } from '../../access/principal/scope.ts';
import type { Tx } from '../../db.ts';
import { countMax } from '../../fhir/search.ts';
import { sealCursor, type CursorSeal, type Position } from '../../store/search/cursor.ts';
import { selectEverything, selectReferred, type EverythingRequest } from '../../store/everything.ts';
import type { FoundRow } from '../../store/select.ts';
import type { Part } from '../interaction.ts';
import { bodyFor } from '../read.ts';

export interface Everything {
  readonly principal: Principal;
  /** FHIR base URL. */
  readonly base: string;
  /** Below it. */
  readonly path: string;
  readonly parameters: readonly (readonly [string, string])[];
  readonly seal: CursorSeal;
  readonly request: Omit<EverythingRequest, 'count' | 'after'>;
  readonly after: Position | undefined;
  /** Entries of a page that are not references; absent: all in one Bundle. */
  readonly count: number | undefined;
  /** @throws Problem not-found when whom it is about may not be seen */
  readonly requireKnown: () => Promise<void>;
}

/** Of one Bundle; a larger record goes on behind its `next` link. Some 100 MB, sent as it is read. */
export const entriesMax = 50_000;

/** @throws Problem not-found when there is nothing, and nobody, to be seen */
export async function* bundleParts(tx: Tx, everything: Everything): AsyncGenerator<Part, undefined> {
  const { principal, request, count } = everything;
  const { patients, types } = request;
  const own = visibility(principal, { interaction: 's', patients, ...(types && { types }) });
  const any = visibility(principal, { interaction: 's', ...(types && { types }) });
  // A Binary is visible by its document, which says nothing of the scope (LEAKS 52).
  const except = coversWhole(principal, 'Binary', 's') ? [] : ['Binary'];
  const sent = new Set<string>();
  let after = everything.after;
  let entries = 0;
  for (;;) {
    const page = await selectEverything(
      tx,
      { own, any },
      { ...request, count: count ?? countMax, ...(after && { after }) },
    );
    if (page.rows.length === 0 && entries === 0 && after === undefined) await everything.requireKnown();
    const about = { rows: page.rows, ...(types && { types }), except, ...(request.encounter && { within: patients }) };
    const referred = await selectReferred(tx, any, about, sent);
    // Joined at the end: a text that grows by addition is put together again when it is sent.
    const texts: string[] = [];
    const add = (row: FoundRow, mode: string): void => {
      const lead = entries++ === 0 ? ',"entry":[' : ',';
      const body = bodyFor(principal, row);
      const url = `${everything.base}/${row.type}/${row.id}`;
      texts.push(lead, '{"fullUrl":"', url, '","resource":', body, ',"search":{"mode":"', mode, '"}}');
    };
    if (entries === 0) texts.push('{"resourceType":"Bundle","type":"searchset"');
    for (const row of page.rows) add(row, 'match');
    for (const row of referred) add(row, 'include');
    after = page.next;
    const isLast = after === undefined || count !== undefined || entries >= entriesMax;
    // Behind the entries, because only then it is known whether there is a next page.
    if (isLast) texts.push(entries === 0 ? '' : ']', `,"link":[${linksOf(everything, after)}]}`);
    yield { text: texts.join(''), shown: [...page.rows, ...referred] };
    if (isLast) return undefined;
  }
}

function linksOf({ base, path, parameters, seal, after }: Everything, next: Position | undefined): string {
  const link = (relation: string, position: Position | undefined): string => {
    const query = new URLSearchParams(parameters.map(([name, value]): [string, string] => [name, value]));
    if (position !== undefined) query.append('_cursor', sealCursor(position, seal));
    const url = query.size === 0 ? `${base}/${path}` : `${base}/${path}?${query.toString()}`;
    return JSON.stringify({ relation, url });
  };
  return next === undefined ? link('self', after) : `${link('self', after)},${link('next', next)}`;
}
