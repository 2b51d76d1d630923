/** Prometheus metrics of this process. @see https://prometheus.io/docs/instrumenting/exposition_formats/ */
import { AggregatorRegistry, collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

export type ObserveRequest = (interaction: string, status: number, seconds: number) => void;
/** A registry as plain data. */
export type Snapshot = Awaited<ReturnType<Registry['getMetricsAsJSON']>>;

/** Requests of the facade: what an API thread counts by itself. */
export function openRequestMetrics(registry: Registry): { readonly observeRequest: ObserveRequest } {
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
  return {
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
  /** What other threads counted is added to what is rendered. */
  gatherFrom(ask: () => Promise<Snapshot[]>): void;
  observeMessage(message: { endpoint: string; status: string; lagSeconds: number; unmapped: number }): void;
  countMllp(event: string): void;
  countOutbound(destination: string, outcome: string): void;
  countFolder(event: string): void;
  setDatabase(isUp: boolean): void;
}

export function openMetrics(): Metrics {
  const registry = new Registry();
  let askOthers = async (): Promise<Snapshot[]> => [];
  collectDefaultMetrics({ register: registry, prefix: 'hub_' });
  const { observeRequest } = openRequestMetrics(registry);
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
  const database = new Gauge({ name: 'hub_database_up', help: '1 when the database answers', registers: [registry] });
  return {
    contentType: registry.contentType,
    render: async () => {
      const others = await askOthers();
      if (others.length === 0) return registry.metrics();
      return AggregatorRegistry.aggregate([await registry.getMetricsAsJSON(), ...others]).metrics();
    },
    observeRequest,
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
    setDatabase: (isUp) => database.set(isUp ? 1 : 0),
  };
}
