/** Liveness, readiness and metrics: open to anybody who reaches the port, so they say nothing about data. */
import type { Application } from 'express';
import type { Database } from '../db.ts';
import { sql } from '../db/sql.ts';

export interface Health {
  readonly database: Database;
  /** False once a stop began: a load balancer then sends no more. */
  readonly isAccepting: () => boolean;
  metrics(): Promise<{ contentType: string; text: string }>;
}

/** A database that takes longer to say `1` is no database to send callers to. */
const probeMs = 2_000;

export function mountHealth(app: Application, health: Health): void {
  app.get('/healthz', (_request, response) => {
    response.set('cache-control', 'no-store').json({ status: 'ok' });
  });
  app.get('/readyz', async (_request, response) => {
    const isReady = health.isAccepting() && (await answers(health.database));
    response
      .status(isReady ? 200 : 503)
      .set('cache-control', 'no-store')
      .json({ status: isReady ? 'ready' : 'not ready' });
  });
  app.get('/metrics', async (_request, response) => {
    const { contentType, text } = await health.metrics();
    response.set('cache-control', 'no-store').set('content-type', contentType).send(text);
  });
}

async function answers(database: Database): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(resolve, probeMs, false);
  });
  const probe = database.query(sql`select 1`).then(
    () => true,
    () => false,
  );
  return Promise.race([probe, late]).finally(() => clearTimeout(timer));
}
