/** In place of src/access/audit/audit.ts: nothing is recorded. */
import type { Audit } from '../../../src/access/audit/audit.ts';

export * from '../../../src/access/audit/audit.ts';

export function openAudit(): Audit {
  return {
    record: () => Promise.resolve(),
    inTransaction: (database, work) => database.inTransaction(async (tx) => (await work(tx)).value),
    close: () => Promise.resolve(),
  };
}
