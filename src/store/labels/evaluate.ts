/** The labels of stored rows made anew, by the sets in force: what they should be, and making them so. */
import type { Tx } from '../../db.ts';
import { sql } from '../../db/sql.ts';
import { labelBits } from '../../fhir/labels.ts';
import { parseJson } from '../../fhir/json.ts';
import { carriedReferences } from '../../fhir/sensitivity/carry.ts';
import { withLabels, withoutLabels } from '../../fhir/sensitivity/mark.ts';
import { typeCode, typeName, type AnyResource } from '../../fhir/types.ts';
import { writeBody } from '../body.ts';
import { indexColumns } from '../index-columns.ts';
import { IndexColumns } from '../params/columns.ts';
import { keyed, lockRows, readRows, updateRows, type Key } from '../rows.ts';
import { everything } from '../visibility.ts';
import type { State } from '../version.ts';
import { findReferrers, isOfOneRecord, lockCompartments, readOthers, stepsMax } from './carry.ts';
import { currentSensitivity } from './current.ts';

/** A row that is labelled otherwise than it should be. */
interface Suspect {
  readonly state: State;
  /** As it should be: labels, and the body that shows them. */
  readonly due: State;
  readonly resource: AnyResource;
  /** What the service says of the row. */
  readonly said: number;
}

/** Those of the rows that must change. */
export async function evaluate(tx: Tx, keys: readonly Key[]): Promise<Suspect[]> {
  const states = await readRows(tx, keys);
  const found = states.map((state) => {
    const resource = parseJson(state.body) as AnyResource;
    return { state, resource, stated: 0, said: 0, references: new Set<string>() };
  });
  const byName = new Map(found.map((row) => [rowName(row.state), row]));
  const add = (name: string, version: AnyResource): void => {
    const row = byName.get(name);
    if (row === undefined) return;
    row.stated |= labelBits(withoutLabels(version));
    row.said |= currentSensitivity(version);
    for (const name of carriedReferences(version)) row.references.add(name);
  };
  // Of what is deleted the body says nothing.
  for (const { state, resource } of found) if (!state.isDeleted) add(rowName(state), resource);
  await eachPastVersion(tx, keys, (past) => add(rowName(past), parseJson(past.body) as AnyResource));
  const others = await readOthers(tx, [...new Set(found.flatMap((row) => [...row.references]))]);
  return found.flatMap(({ state, resource, stated, said: own, references }) => {
    const carried = [...references].reduce((all, name) => {
      const other = others.get(name);
      return other === undefined || !isOfOneRecord(state, other) ? all : all | other.labels;
    }, 0);
    const said = own | carried;
    const due = { ...state, labels: stated | said };
    if (state.isDeleted) return due.labels === state.labels ? [] : [{ state, due, resource, said }];
    const shown = withLabels(withoutLabels(resource), said);
    const body = writeBody(shown, state.id, state.version, state.lastUpdated);
    if (due.labels === state.labels && body === state.body) return [];
    return [{ state, due: { ...due, body }, resource: shown, said }];
  });
}

const rowName = ({ bucket, type, id }: Key): string => `${bucket}/${type}/${id}`;

/**
 * Makes them so, and what refers to them, as far as references lead. They are looked at again under locks: somebody may have
 * written them.
 * @returns how many rows changed
 */
export async function relabelRows(tx: Tx, suspects: readonly Suspect[]): Promise<number> {
  let count = 0;
  let next: readonly State[] = suspects.map(({ state }) => state);
  for (let step = 0; next.length > 0 && step < stepsMax; step++) {
    await lockCompartments(tx, next);
    await lockRows(tx, next);
    const changing = await evaluate(tx, next);
    await write(tx, changing);
    count += changing.length;
    const keys = await findReferrers(
      tx,
      changing.map(({ state, due, resource }) => ({ state: due, resource, lost: state.labels & ~due.labels })),
    );
    next = await readRows(tx, keys);
  }
  return count;
}

async function write(tx: Tx, changing: readonly Suspect[]): Promise<void> {
  await updateRows(
    tx,
    changing.map(({ due, resource }) => ({
      state: due,
      columns: due.isDeleted ? new IndexColumns() : indexColumns(resource),
    })),
  );
  const said = new Map(changing.map((row) => [rowName(row.state), row.said]));
  const states = changing.map(({ state }) => state);
  await eachPastVersion(tx, states, async (past) => {
    const version = parseJson(past.body) as AnyResource;
    const shown = withLabels(withoutLabels(version), said.get(rowName(past)) ?? 0);
    const body = writeBody(shown, past.id, past.version, past.lastUpdated);
    if (body === past.body) return;
    await tx.query(sql`
      update resource_history set body = ${body}
      where bucket = ${past.bucket} and type = ${typeCode(past.type)} and id = ${past.id} and version = ${past.version}`);
  });
}

interface Past extends Key {
  readonly version: number;
  readonly lastUpdated: Date;
  readonly body: string;
}

/** Versions held at once. */
const pastMax = 100;
const visible = everything('relabel').where('r');

/** All past versions of these rows that have content, whatever their number. */
async function eachPastVersion(tx: Tx, keys: readonly Key[], visit: (past: Past) => unknown): Promise<void> {
  if (keys.length === 0) return;
  for (let after: Past | undefined, isLast = false; !isLast;) {
    const { bucket, type, id, version } = after ?? { bucket: -1, type: undefined, id: '', version: 0 };
    const rows: (Omit<Past, 'type'> & { type: number })[] = await tx.query(sql`
      select h.bucket, h.type, h.id, h.version, h.last_updated as "lastUpdated", h.body
      from ${keyed(keys)}
      join resource r on r.bucket = k.bucket and r.type = k.type and r.id = k.id and ${visible}
      join resource_history h on h.bucket = k.bucket and h.type = k.type and h.id = k.id
      where not h.is_deleted and (h.bucket, h.type, h.id, h.version)
        > (${bucket}, ${type === undefined ? 0 : typeCode(type)}::smallint, ${id}, ${version})
      order by h.bucket, h.type, h.id, h.version limit ${pastMax}`);
    for (const row of rows) {
      after = { ...row, type: typeName(row.type) };
      await visit(after);
    }
    isLast = rows.length < pastMax;
  }
}
