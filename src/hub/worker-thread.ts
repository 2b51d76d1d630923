/** One worker: conversion and commit of accepted messages, in a thread of its own so that the API never waits for it. */
import { parentPort, workerData } from 'node:worker_threads';
import { openDatabase } from '../db.ts';
import { openRegistry } from '../ingest/endpoint.ts';
import { openMark } from '../ingest/marks.ts';
import { startProcessing } from '../ingest/ingest.ts';
import { followOverlays } from '../ingest/overlays.ts';
import { Problem } from '../fhir/problem.ts';
import { followIndex } from '../store/index-revision.ts';
import { followLabels } from '../store/labels/current.ts';
import { applyMessages } from './apply.ts';
import { openConversion, openShippedMaps } from './conversion.ts';
import { identifyPatient } from './identify.ts';
import type { WorkerData, WorkerOrder, WorkerReport } from './workers.ts';

const { url, name, concurrency, markKey } = workerData as WorkerData;
const report = (message: WorkerReport): void => parentPort?.postMessage(message);

// A connection for each batch under way, one to renew the leases; single statements share a pipeline.
const database = openDatabase({ url, poolMax: concurrency + 1, pipelines: 1, applicationName: name });
const [index, labels] = await Promise.all([followIndex(database), followLabels(database)]);
const registry = await openRegistry(database);
const maps = openShippedMaps();
const overlays = await followOverlays(database, maps, (endpoint, problem) =>
  report({ kind: 'failed', code: problem.code, diagnostics: `the map of ${endpoint}: ${problem.message}` }),
);
const convert = openConversion(maps);
const processing = await startProcessing({
  database,
  registry,
  worker: name,
  concurrency,
  catchUp: (mapRevision) => overlays.refresh(mapRevision),
  convert,
  mark: openMark(markKey),
  identify: identifyPatient,
  apply: (tx, messages) => applyMessages(tx, messages, new Date()),
  onProcessed: ({ endpoint, status, lagSeconds, unmapped }) =>
    report({ kind: 'processed', endpoint: endpoint.name, status, lagSeconds, unmapped: unmapped.length }),
  onError: (error, messageId) => report({ kind: 'failed', messageId, ...describe(error) }),
});
report({ kind: 'ready' });

parentPort?.on('message', (order: WorkerOrder) => {
  if (order === 'wake') processing.wake();
  else void close();
});

async function close(): Promise<void> {
  await processing.close().catch((error: unknown) => report({ kind: 'failed', ...describe(error) }));
  overlays.close();
  index.close();
  labels.close();
  registry.close();
  await database.close();
  parentPort?.close();
}

/** What may leave the thread: the text of anything but a Problem may quote a record. */
function describe(error: unknown): { code: string; diagnostics?: string; stack?: string[] } {
  if (error instanceof Problem) return { code: error.code, diagnostics: error.message };
  const frames = error instanceof Error ? error.stack?.split('\n').filter((line) => /^\s+at /.test(line)) : undefined;
  return { code: error instanceof Error ? error.name : typeof error, stack: frames?.map((line) => line.trim()) };
}
