/** A thread that is kept: started, told things, started again when it ends by itself, ended when the process stops. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker, type WorkerOptions } from 'node:worker_threads';
import type { Logger } from './log.ts';

export interface KeptThreadOptions<Order, Report> {
  readonly file: string;
  /** For each start anew. */
  readonly data: () => unknown;
  readonly resourceLimits?: WorkerOptions['resourceLimits'];
  readonly log: Logger;
  readonly take: (report: Report) => void;
  /** After it, the thread ends by itself. */
  readonly closing: Order;
}

const restartPauseMs = 1_000;

export class KeptThread<Order, Report> {
  readonly #options: KeptThreadOptions<Order, Report>;
  #worker: Worker;
  #exited: Promise<void>;
  #isClosing = false;

  constructor(options: KeptThreadOptions<Order, Report>) {
    this.#options = options;
    [this.#worker, this.#exited] = this.#start();
  }

  order(order: Order): void {
    this.#worker.postMessage(order);
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    this.order(this.#options.closing);
    await this.#exited;
  }

  #start(): [Worker, Promise<void>] {
    const { file, data, resourceLimits, log, take } = this.#options;
    const worker = new Worker(new URL(file, import.meta.url), { workerData: data(), resourceLimits });
    worker.on('message', take);
    worker.on('error', (error) => log.error({ error }, 'worker failed'));
    const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve())).then(() => this.#restart());
    return [worker, exited];
  }

  async #restart(): Promise<void> {
    if (this.#isClosing) return;
    await sleep(restartPauseMs);
    if (!this.#isClosing) [this.#worker, this.#exited] = this.#start();
  }
}
