/** `hub audit verify`: walks every hash chain of the audit trail; ends with 1 when one is broken. */
import { verifyAudit } from '../access/audit-chain.ts';
import { readConfig } from '../config.ts';
import { openStorage } from '../hub/storage.ts';

export async function runAuditVerify(environment: NodeJS.ProcessEnv): Promise<void> {
  const storage = await openStorage(readConfig(environment));
  try {
    const report = await verifyAudit(storage.database);
    for (const shard of report.shards) console.log(JSON.stringify(shard));
    console.log(report.isIntact ? 'The audit trail is intact.' : 'The audit trail is NOT intact.');
    if (!report.isIntact) process.exitCode = 1;
  } finally {
    await storage.close();
  }
}
