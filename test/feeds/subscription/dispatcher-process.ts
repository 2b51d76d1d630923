/** A process that tells subscriptions, to be killed: `node dispatcher-process.ts DATABASE_URL ALLOW KEY LEASE_MS`. */
import { createSecretKey } from 'node:crypto';
import { openAudit } from '../../../src/access/audit/audit.ts';
import { openSealer } from '../../../src/access/secrets/seal.ts';
import { openDatabase } from '../../../src/db.ts';
import { readAllowList } from '../../../src/feeds/subscription/allow.ts';
import { startDispatching } from '../../../src/feeds/subscription/dispatch.ts';
import { openRestHook } from '../../../src/feeds/subscription/rest-hook.ts';

const [url = '', allow = '', key = '', leaseMs = ''] = process.argv.slice(2);
const sealingKey = createSecretKey(Buffer.from(key, 'base64'));
const sealer = openSealer(() => [sealingKey]);
const database = openDatabase({ url });
startDispatching({
  database,
  audit: openAudit(openDatabase({ url, poolMax: 1, pipelines: 1 })),
  base: 'http://hub.test/fhir/R4',
  channels: {
    'rest-hook': openRestHook({ allow: readAllowList([allow]), sealer }),
  },
  isWorker: true,
  leaseMs: Number(leaseMs),
});
// Nothing else keeps it alive.
setInterval(() => undefined, 60_000);
