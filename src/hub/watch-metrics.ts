/** What the watch finds, as metrics of the process that watches; the others have none of these. */
import { Counter, Gauge, type Registry } from 'prom-client';
import { alertKinds } from '../watch/alerts/condition.ts';
import { skewOf } from '../watch/clock.ts';
import { silenceOf } from '../watch/feed.ts';
import type { ObserveDelivery } from '../watch/tell/deliver.ts';
import type { Seen } from '../watch/watch.ts';

export interface WatchMetrics {
  readonly observe: (seen: Seen | undefined) => void;
  readonly countDelivery: ObserveDelivery;
}

export function openWatchMetrics(registry: Registry): WatchMetrics {
  const gauge = <Label extends string>(name: string, help: string, labelNames: readonly Label[] = []): Gauge<Label> =>
    new Gauge({ name, help, labelNames: [...labelNames], registers: [registry] });
  // Endpoints are registered by an operator: some thousands, not a value of a message.
  const last = gauge('hub_feed_last_message_timestamp_seconds', 'When the last message of an endpoint came', [
    'endpoint',
  ]);
  const silent = gauge('hub_feed_silent', '1 when an endpoint is silent for longer than is usual for it', ['endpoint']);
  const waiting = gauge('hub_feed_waiting', 'Messages of an endpoint that wait to be processed', ['endpoint']);
  const stuck = gauge('hub_feed_quarantined', 'Messages of an endpoint that wait for a person', ['endpoint']);
  const clock = gauge('hub_feed_clock_skew_seconds', 'How far the clock of an endpoint is ahead of ours', ['endpoint']);
  const backlog = gauge('hub_backlog_messages', 'Accepted messages that wait to be processed');
  const oldest = gauge('hub_backlog_oldest_seconds', 'For how long the oldest of them has waited');
  const open = gauge('hub_alerts_open', 'Alerts that are open, those of a group not counted', ['kind']);
  const free = gauge('hub_storage_free_bytes', 'Free on a file system that the hub writes to', ['disk']);
  const size = gauge('hub_storage_size_bytes', 'Size of a file system that the hub writes to', ['disk']);
  const evaluated = gauge('hub_watch_evaluated_timestamp_seconds', 'When the last round of the watch was');
  const deliveries = new Counter({
    name: 'hub_alert_deliveries_total',
    help: 'Times that somebody was told of an alert, by channel and outcome: delivered, failed (tried again), given-up',
    labelNames: ['channel', 'outcome'],
    registers: [registry],
  });
  const gauges: readonly Gauge[] = [last, silent, waiting, stuck, clock, backlog, oldest, open, free, size, evaluated];
  return {
    countDelivery: (channel, outcome) => deliveries.inc({ channel, outcome }),
    observe: (seen) => {
      // Endpoints go, and so does the lease.
      for (const one of gauges) one.reset();
      if (seen === undefined) {
        for (const one of [backlog, oldest, evaluated]) one.remove();
        return;
      }
      let [total, since] = [0, seen.at.getTime()];
      for (const { id, name: endpoint, kind, state } of seen.endpoints) {
        const feed = seen.feeds.get(id);
        if (feed === undefined || state === 'retired') continue;
        if (feed.lastAt !== undefined) last.set({ endpoint }, feed.lastAt.getTime() / 1_000);
        silent.set({ endpoint }, silenceOf(feed, seen.at).state === 'unusual' ? 1 : 0);
        waiting.set({ endpoint }, feed.waiting);
        stuck.set({ endpoint }, feed.quarantined);
        const skew = skewOf({ kind }, feed);
        if (skew !== undefined) clock.set({ endpoint }, skew);
        total += feed.waiting;
        since = Math.min(since, feed.waitingSince?.getTime() ?? since);
      }
      backlog.set(total);
      oldest.set((seen.at.getTime() - since) / 1_000);
      for (const kind of alertKinds)
        open.set({ kind }, seen.open.filter((one) => one.kind === kind && one.groupId === null).length);
      for (const { name: disk, freeBytes, totalBytes } of seen.disks) {
        free.set({ disk }, freeBytes);
        size.set({ disk }, totalBytes);
      }
      evaluated.set(seen.at.getTime() / 1_000);
    },
  };
}
