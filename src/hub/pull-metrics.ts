/** Metrics of the sources that this process asks. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

export interface PullMetrics {
  observeStart(lagSeconds: number): void;
  countTaken(endpoint: string, received: number, unchanged: number): void;
  observeEnd(endpoint: string, outcome: string, seconds: number): void;
  /** Asked for when metrics are rendered. */
  watchRunning(count: () => number): void;
}

export function openPullMetrics(registry: Registry): PullMetrics {
  const runs = new Counter({
    name: 'hub_pull_runs_total',
    help: 'Runs of pulled endpoints by how they ended: done, more, failed, stopped, lost',
    // Endpoints are registered by an operator: some thousands, not a value of a message.
    labelNames: ['endpoint', 'outcome'],
    registers: [registry],
  });
  const resources = new Counter({
    name: 'hub_pull_resources_total',
    help: 'Resources that sources sent: received, or unchanged and left out',
    labelNames: ['endpoint', 'result'],
    registers: [registry],
  });
  const lag = new Histogram({
    name: 'hub_pull_lag_seconds',
    help: 'Time from when a source was due to when it was asked, in seconds',
    buckets: [0.5, 1, 2, 5, 10, 30, 60, 300, 1_800],
    registers: [registry],
  });
  const seconds = new Histogram({
    name: 'hub_pull_run_seconds',
    help: 'How long runs took, in seconds',
    buckets: [0.1, 0.5, 1, 5, 10, 30, 60, 300, 600],
    registers: [registry],
  });
  let countRunning = (): number => 0;
  const running: Gauge = new Gauge({
    name: 'hub_pull_running',
    help: 'Runs of pulled endpoints under way in this process',
    registers: [registry],
    collect: () => running.set(countRunning()),
  });
  return {
    observeStart: (lagSeconds) => lag.observe(lagSeconds),
    countTaken: (endpoint, received, unchanged) => {
      if (received > 0) resources.inc({ endpoint, result: 'received' }, received);
      if (unchanged > 0) resources.inc({ endpoint, result: 'unchanged' }, unchanged);
    },
    observeEnd: (endpoint, outcome, took) => {
      runs.inc({ endpoint, outcome });
      seconds.observe(took);
    },
    watchRunning: (count) => {
      countRunning = count;
    },
  };
}
