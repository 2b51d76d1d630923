/** What subscriptions cost beside what they tell: the pass through the outbox by how many there are, and deciding what is an event. */
import type { BenchOptions } from '../run.ts';
import { creatorOf } from '../../src/access/predicate/creator.ts';
import type { Principal } from '../../src/access/principal/principal.ts';
import { purposeBit } from '../../src/access/principal/purpose.ts';
import { parseScopes } from '../../src/access/principal/scope.ts';
import { openSealer } from '../../src/access/secrets/seal.ts';
import { openDatabase } from '../../src/db.ts';
import { sql } from '../../src/db/sql.ts';
import { evaluate } from '../../src/feeds/subscription/evaluate.ts';
import { matchOutbox } from '../../src/feeds/subscription/match.ts';
import { nextWaiting } from '../../src/feeds/subscription/progress.ts';
import { saveSubscription } from '../../src/feeds/subscription/subscription.ts';
import type { SubscriptionRequest } from '../../src/fhir/subscription/request.ts';
import { commit } from '../../src/store/commit.ts';
import { generateKeySync } from 'node:crypto';
import { startHub } from '../lib/hub-process.ts';
import { round, type Result } from '../lib/result.ts';

const changes = 1_000;
const commits = 100;
const rounds = 5;
const key = generateKeySync('aes', { length: 256 });
const options = { base: 'http://hub.bench/fhir/R4', now: Date.now(), sealer: openSealer(() => [key]) };

/** Who reads what its own organization wrote. */
const principal: Principal = {
  issuer: 'bench',
  subject: 'bench',
  clientId: 'bench',
  jti: 'bench',
  expiresAt: Date.now() + 86_400_000,
  scopes: parseScopes('system/*.rs'),
  isOperator: false,
  organization: 'Organization/bench',
  purposes: purposeBit('TREAT') ?? 0,
};

export async function measure(_options: BenchOptions): Promise<Result[]> {
  // No worker: what looks through the outbox is here.
  const hub = await startHub({ HUB_ROLES: 'api' });
  const database = openDatabase({ url: hub.databaseUrl });
  try {
    const results: Result[] = [];
    let patients = 0;
    const write = async (): Promise<void> => {
      for (let n = 0; n < commits; n++) {
        const id = `bench-${++patients}`;
        const resources = [
          { resourceType: 'Patient', id },
          ...Array.from({ length: changes / commits - 1 }, (_, m) => ({
            resourceType: 'Observation',
            id: `${id}-${m}`,
            status: 'final',
            code: { coding: [{ system: 'http://loinc.org', code: '718-7' }] },
            subject: { reference: `Patient/${id}` },
          })),
        ];
        const writes = resources.map((resource) => ({
          kind: 'update' as const,
          resource,
          owner: 'Organization/bench',
        }));
        await database.inTransaction((tx) => commit(tx, writes, { at: new Date() }));
      }
    };
    const subscribe = async (id: string, patient?: string): Promise<void> => {
      const request: SubscriptionRequest = {
        triggers: [{ kind: 'search', type: 'Observation', query: patient === undefined ? '' : `patient=${patient}` }],
        channel: 'rest-hook',
        content: 'id-only',
        contentType: 'application/fhir+json',
        timeoutSeconds: 10,
        maxCount: 20,
      };
      const wanted = { request, headers: [], isOff: false, id, creator: creatorOf(principal), principal };
      const limits = { perCreatorMax: 100_000, allMax: 100_000 };
      await database.inTransaction((tx) => saveSubscription(tx, wanted, { ...options, limits }));
    };
    let count = 0;
    for (const size of [1, 1_000, 10_000]) {
      // One that is told everything; the others wait for patients who do not change.
      while (count < size) await subscribe(`s-${count}`, count++ === 0 ? undefined : `quiet-${count}`);
      const times: number[] = [];
      for (let n = 0; n < rounds; n++) {
        await write();
        const started = performance.now();
        const { entries } = await database.inTransaction((tx) => matchOutbox(tx, options));
        times.push(performance.now() - started);
        if (entries !== commits) throw new Error(`${entries} commits were looked at`);
      }
      results.push({
        work: `outbox, ${changes} changes in ${commits} commits, ${size} subscriptions`,
        figure: round(times.toSorted((a, b) => a - b)[2] as number, 1),
        unit: 'ms',
      });
    }
    const waiting = await nextWaiting(database, { id: 's-0', fence: 0 });
    const started = performance.now();
    for (let n = 0; n < 20; n++) {
      await evaluate(database, waiting, {
        ...options,
        principal,
        content: 'id-only',
        request: { triggers: [{ kind: 'search', type: 'Observation', query: 'code=http://loinc.org|718-7' }] },
      });
    }
    results.push({
      work: `what of ${waiting.length} changes is an event`,
      figure: round((performance.now() - started) / 20, 1),
      unit: 'ms',
    });
    await database.query(sql`delete from subscription`);
    return results;
  } finally {
    await database.close();
    await hub.stop();
  }
}
