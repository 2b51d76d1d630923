/** One API thread: the facade on the hub's port, everything else passed on to the main thread. */
import { parentPort, workerData } from 'node:worker_threads';
import { Registry } from 'prom-client';
import { openAudit } from '../access/audit.ts';
import { isFhir } from '../api/fhir.ts';
import { listenHttp, stopGraceMs } from '../api/server.ts';
import { openDatabase } from '../db.ts';
import { followIndex } from '../store/index-revision.ts';
import { followProfiles } from '../store/profiles.ts';
import type { ApiOrder, ApiReport, ApiThreadData } from './api-threads.ts';
import { openFacade } from './facade.ts';
import { openLog } from './log.ts';
import { openRequestMetrics } from './metrics.ts';
import { passOn } from './pass-on.ts';

const { config, addresses, url, port, doorway } = workerData as ApiThreadData;
const report = (message: ApiReport): void => parentPort?.postMessage(message);

const database = openDatabase({ url, applicationName: 'hub-api' });
const auditDatabase = openDatabase({ url, poolMax: 1, pipelines: 1, applicationName: 'hub-audit' });
const index = await followIndex(database);
const audit = openAudit(auditDatabase);
const counted = new Registry();
const { observeRequest } = openRequestMetrics(counted);
const log = openLog(config.logLevel);
const profiles = await followProfiles(database, (error) => log.error({ error }, 'profiles not read'));
const facade = await openFacade({
  config,
  addresses,
  database,
  audit,
  log,
  profiles,
  observe: observeRequest,
});
const elsewhere = passOn(doorway);
const listener = await listenHttp({
  host: config.host,
  port,
  isShared: true,
  handler: (request, response) => (isFhir(request.url ?? '') ? facade.listener : elsewhere)(request, response),
});

async function close(): Promise<void> {
  await listener.close(stopGraceMs);
  profiles.close();
  await audit.close();
  index.close();
  await Promise.all([database.close(), auditDatabase.close()]);
  parentPort?.close();
}

parentPort?.on('message', (order: ApiOrder) => {
  if (order.kind === 'close') void close();
  else void counted.getMetricsAsJSON().then((snapshot) => report({ kind: 'snapshot', id: order.id, snapshot }));
});
report({ kind: 'ready' });
