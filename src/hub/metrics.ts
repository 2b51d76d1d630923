/** Prometheus metrics of this process. @see https://prometheus.io/docs/instrumenting/exposition_formats/ */
import type { ObserveAudit } from '../access/audit/audit.ts';
import type { Limit } from '../access/rate/rates.ts';
import { openPullMetrics, type PullMetrics } from './pull-metrics.ts';
import { AggregatorRegistry, collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { openWatchMetrics, type WatchMetrics } from './watch-metrics.ts';

export type ObserveRequest = (interaction: string, status: number, seconds: number) => void;
/** A registry as plain data. */
export type Snapshot = Awaited<ReturnType<Registry['getMetricsAsJSON']>>;

export interface RequestMetrics {
  readonly observeRequest: ObserveRequest;
  readonly observeAudit: ObserveAudit;
  readonly countThrottled: (limit: Limit) => void;
  readonly countEnumeration: () => void;
}

/** Requests of the facade and what they put on record: what an API thread counts by itself. */
export function openRequestMetrics(registry: Registry): RequestMetrics {
  const requests = new Counter({
    name: 'hub_http_requests_total',
    help: 'HTTP requests by interaction and status',
    // Both from fixed lists: a label with a value from a request would grow without bound.
    labelNames: ['interaction', 'status'],
    registers: [registry],
  });
  const duration = new Histogram({
    name: 'hub_http_request_seconds',
    help: 'Time from the request line to the answer, in seconds',
    labelNames: ['interaction'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers: [registry],
  });
  const auditRows = new Counter({
    name: 'hub_audit_rows_total',
    help: 'Rows of the audit trail that were written, and that could not be: then what they were about was refused',
    labelNames: ['outcome'],
    registers: [registry],
  });
  auditRows.inc({ outcome: 'failed' }, 0);
  const throttled = new Counter({
    name: 'hub_throttled_total',
    help: 'Requests refused with 429, by the limit they were over',
    labelNames: ['limit'],
    registers: [registry],
  });
  const enumerations = new Counter({
    name: 'hub_enumeration_total',
    help: 'Clients refused for a while because they asked for much that they are not shown: alert when it grows',
    registers: [registry],
  });
  return {
    countThrottled: (limit) => throttled.inc({ limit }),
    countEnumeration: () => enumerations.inc(),
    observeAudit: (outcome, rows) => auditRows.inc({ outcome }, rows),
    observeRequest: (interaction, status, seconds) => {
      requests.inc({ interaction, status });
      duration.observe({ interaction }, seconds);
    },
  };
}

export interface Metrics {
  readonly contentType: string;
  render(): Promise<string>;
  readonly observeRequest: ObserveRequest;
  readonly observeAudit: ObserveAudit;
  readonly requests: RequestMetrics;
  /** All that was on record then is signed. */
  readonly setAuditSigned: (at: Date) => void;
  /** What other threads counted is added to what is rendered. */
  gatherFrom(ask: () => Promise<Snapshot[]>): void;
  observeMessage(message: { endpoint: string; status: string; lagSeconds: number; unmapped: number }): void;
  countMllp(event: string): void;
  countOutbound(destination: string, outcome: string): void;
  countFolder(event: string): void;
  readonly pull: PullMetrics;
  setDatabase(isUp: boolean): void;
  readonly watch: WatchMetrics;
  /** How far a change of stored rows is. */
  readonly setBackground: (job: string, isRunning: boolean, rowsRead: number) => void;
}

export function openMetrics(): Metrics {
  const registry = new Registry();
  let askOthers = async (): Promise<Snapshot[]> => [];
  collectDefaultMetrics({ register: registry, prefix: 'hub_' });
  const requests = openRequestMetrics(registry);
  const { observeRequest, observeAudit } = requests;
  const messages = new Counter({
    name: 'hub_messages_total',
    help: 'HL7v2 messages by endpoint and what became of them',
    // Endpoints are registered by an operator: some thousands, not a value of a message.
    labelNames: ['endpoint', 'status'],
    registers: [registry],
  });
  const lag = new Histogram({
    name: 'hub_message_lag_seconds',
    help: 'Time from receipt to commit of the resources, in seconds',
    buckets: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600],
    registers: [registry],
  });
  const unmappedFields = new Counter({
    name: 'hub_unmapped_total',
    help: 'Fields and codes that no mapping rule took, by endpoint',
    labelNames: ['endpoint'],
    registers: [registry],
  });
  const mllp = new Counter({
    name: 'hub_mllp_events_total',
    help: 'Connections opened and closed, messages answered and refused, limits met',
    labelNames: ['event'],
    registers: [registry],
  });
  const outbound = new Counter({
    name: 'hub_outbound_total',
    help: 'HL7v2 messages sent, by destination and what came of it',
    labelNames: ['destination', 'outcome'],
    registers: [registry],
  });
  const folders = new Counter({
    name: 'hub_folder_files_total',
    help: 'Files of watched directories: archived, refused, failed',
    labelNames: ['event'],
    registers: [registry],
  });
  const audited = new Gauge({
    name: 'hub_audit_signed_timestamp_seconds',
    help: 'Up to when the audit trail is signed, in seconds since 1970; now less this is what could be rewritten unnoticed',
    registers: [registry],
  });
  const background = new Gauge({
    name: 'hub_background_running',
    help: '1 while this process looks at stored rows again, by job: reindexing, relabelling',
    labelNames: ['job'],
    registers: [registry],
  });
  const backgroundRows = new Gauge({
    name: 'hub_background_rows_read',
    help: 'Rows looked at so far for the last change, by job',
    labelNames: ['job'],
    registers: [registry],
  });
  const watch = openWatchMetrics(registry);
  const database = new Gauge({ name: 'hub_database_up', help: '1 when the database answers', registers: [registry] });
  return {
    contentType: registry.contentType,
    render: async () => {
      const others = await askOthers();
      if (others.length === 0) return registry.metrics();
      return AggregatorRegistry.aggregate([await registry.getMetricsAsJSON(), ...others]).metrics();
    },
    observeRequest,
    observeAudit,
    requests,
    setAuditSigned: (at) => audited.set(at.getTime() / 1_000),
    gatherFrom: (ask) => {
      askOthers = ask;
    },
    observeMessage: ({ endpoint, status, lagSeconds, unmapped }) => {
      messages.inc({ endpoint, status });
      lag.observe(lagSeconds);
      if (unmapped > 0) unmappedFields.inc({ endpoint }, unmapped);
    },
    countMllp: (event) => mllp.inc({ event }),
    countOutbound: (destination, outcome) => outbound.inc({ destination, outcome }),
    countFolder: (event) => folders.inc({ event }),
    setBackground: (job, isRunning, rowsRead) => {
      background.set({ job }, isRunning ? 1 : 0);
      backgroundRows.set({ job }, rowsRead);
    },
    pull: openPullMetrics(registry),
    watch,
    setDatabase: (isUp) => database.set(isUp ? 1 : 0),
  };
}
