/** The sources that are asked, as the registry has them: each gets its row, and a change of its settings is known to the claim. */
import type { Tx } from '../../db.ts';
import { sql } from '../../db/sql.ts';
import { Problem } from '../../fhir/problem.ts';
import type { Endpoint } from '../contract.ts';
import { slotAfter } from './calendar.ts';
import { readPullSettings, type PullSettings } from './settings.ts';

export interface Registered {
  readonly endpoint: Pick<Endpoint, 'id'>;
  readonly settings: PullSettings;
}

/**
 * A new source is due at once; one whose interval was changed at the first of its new slots, unless it is due before.
 * @param at now, by the database's clock
 */
export async function registerPulls(tx: Tx, endpoints: readonly Registered[], at: Date): Promise<void> {
  if (endpoints.length === 0) return;
  const rows = sql`unnest(
      ${endpoints.map(({ endpoint }) => endpoint.id)}::int[],
      ${endpoints.map(({ settings }) => settings.everyMs)}::bigint[],
      ${endpoints.map(({ settings }) => settings.network ?? null)}::text[],
      ${endpoints.map(({ settings }) => settings.networkMax)}::int[],
      ${endpoints.map(({ endpoint, settings }) => slotAfter(endpoint.id, settings.everyMs, at))}::timestamptz[]
    ) as i (endpoint_id, every_ms, network, network_max, slot_at)`;
  await tx.query(sql`
    update pull p set every_ms = i.every_ms, network = i.network, network_max = i.network_max,
      due_at = case when p.every_ms <> i.every_ms and p.worker is null and p.failures = 0
        then least(p.due_at, i.slot_at) else p.due_at end,
      slot_at = case when p.every_ms <> i.every_ms and p.worker is null and p.failures = 0 and i.slot_at < p.due_at
        then i.slot_at else p.slot_at end
    from ${rows}
    where p.endpoint_id = i.endpoint_id
      and (p.every_ms, p.network, p.network_max) is distinct from (i.every_ms, i.network, i.network_max)`);
  await tx.query(sql`
    insert into pull (endpoint_id, due_at, slot_at, decided_at, every_ms, network, network_max)
    select i.endpoint_id, ${at}, ${at}, ${at}, i.every_ms, i.network, i.network_max from ${rows}
    order by i.endpoint_id
    on conflict (endpoint_id) do nothing`);
}

/**
 * A person wants it asked now: whatever its slot, window or breaker says, by whichever process is first.
 * @param at now, by the database's clock
 * @throws Problem business-rule when it is not in use
 */
export async function askPull(
  tx: Tx,
  endpoint: Pick<Endpoint, 'id' | 'name' | 'isEnabled' | 'config'>,
  at: Date,
): Promise<void> {
  if (!endpoint.isEnabled) {
    throw new Problem('business-rule', `the endpoint ${endpoint.name} is not in use`, { hint: 'Resume it first.' });
  }
  await registerPulls(tx, [{ endpoint, settings: readPullSettings(endpoint.config) }], at);
  await tx.query(
    sql`update pull set is_asked = true, due_at = least(due_at, ${at}) where endpoint_id = ${endpoint.id}`,
  );
}
