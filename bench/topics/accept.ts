/** MLLP accept to durable acknowledgement: every AA stands for a committed row. The workers rest; what they cost is in `searchable`. */
import type { BenchOptions } from '../run.ts';
import { databaseLimit } from '../lib/database-limit.ts';
import { startHub } from '../lib/hub-process.ts';
import { oruTemplates } from '../lib/messages.ts';
import { mllpLoad } from '../lib/mllp-load.ts';
import { round, type Result } from '../lib/result.ts';

const connections = 64;
const messagesMax = 400_000;

export async function measure({ seconds }: BenchOptions): Promise<Result[]> {
  const hub = await startHub({ HUB_ROLES: 'api,ingest' });
  try {
    await hub.cli(
      'endpoint',
      'add',
      'bench',
      '--kind',
      'hl7v2-mllp',
      '--organization',
      'Organization/bench',
      '--facility',
      '*',
    );
    const messages = oruTemplates(1024);
    const load = { port: hub.mllpPort, connections, messages, messagesMax };
    await mllpLoad({ ...load, depth: 1, secondsMax: 2, idPrefix: 'W' });
    const limitJob = {
      kind: 'insert',
      url: hub.databaseUrl,
      seconds: Math.min(seconds, 5),
      connections,
      body: messages[0] ?? '',
    } as const;
    const results: Result[] = [];
    for (const [depth, target] of [
      [1, 5_000],
      [16, 10_000],
    ] as const) {
      const outcome = await mllpLoad({ ...load, depth, secondsMax: seconds, idPrefix: `D${depth}N` });
      const limit = await databaseLimit(limitJob);
      const others = Object.entries(outcome.codes).filter(([code]) => code !== 'AA');
      results.push({
        work: `MLLP accept to durable ACK, ${connections} connections, depth ${depth}`,
        figure: round(outcome.perSecond, 0),
        unit: 'messages/s',
        target,
        limit,
        p50Ms: outcome.p50Ms,
        p99Ms: outcome.p99Ms,
        ...(others.length > 0 ? { note: `not AA: ${JSON.stringify(Object.fromEntries(others))}` } : {}),
      });
    }
    return results;
  } finally {
    await hub.stop();
  }
}
