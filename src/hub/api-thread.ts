/** One API thread: the facade on the hub's port, everything else passed on to the main thread. */
import { parentPort, workerData } from 'node:worker_threads';
import { Registry } from 'prom-client';
import { openAudit } from '../access/audit/audit.ts';
import { isFhir } from '../api/fhir.ts';
import { listenHttp, stopGraceMs } from '../api/server.ts';
import { openDatabase } from '../db.ts';
import { followIndex } from '../store/index-revision.ts';
import { followLabels } from '../store/labels/current.ts';
import { followProfiles } from '../store/profiles.ts';
import type { ApiOrder, ApiReport, ApiThreadData } from './api-threads.ts';
import { openFacade } from './facade.ts';
import { openLog } from './log.ts';
import { openRequestMetrics } from './metrics.ts';
import { passOn, passUpgradeOn } from './pass-on.ts';

const { config, addresses, url, port, doorway } = workerData as ApiThreadData;
const report = (message: ApiReport): void => parentPort?.postMessage(message);

const database = openDatabase({ url, applicationName: 'hub-api' });
const auditDatabase = openDatabase({ url, poolMax: 1, pipelines: 1, applicationName: 'hub-audit' });
const [index, labels] = await Promise.all([followIndex(database), followLabels(database)]);
const counted = new Registry();
const metrics = openRequestMetrics(counted);
const audit = openAudit(auditDatabase, { observe: metrics.observeAudit });
const log = openLog(config.logLevel);
const profiles = await followProfiles(database, (error) => log.error({ error }, 'profiles not read'));
const facade = await openFacade({
  config,
  addresses,
  database,
  audit,
  log,
  profiles,
  metrics,
});
const elsewhere = passOn(doorway);
const listener = await listenHttp({
  host: config.host,
  port,
  isShared: true,
  handler: (request, response) => (isFhir(request.url ?? '') ? facade.listener : elsewhere)(request, response),
  upgrade: passUpgradeOn(doorway),
});

async function close(): Promise<void> {
  await listener.close(stopGraceMs);
  profiles.close();
  await audit.close();
  index.close();
  labels.close();
  await Promise.all([database.close(), auditDatabase.close()]);
  parentPort?.close();
}

parentPort?.on('message', (order: ApiOrder) => {
  if (order.kind === 'close') void close();
  else void counted.getMetricsAsJSON().then((snapshot) => report({ kind: 'snapshot', id: order.id, snapshot }));
});
report({ kind: 'ready' });
