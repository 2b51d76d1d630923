/**
 * Where the chains of the audit trail end, signed on a schedule and when the process stops: into the table, then into the file beside
 * it. The log names each statement's digest, so that logs kept elsewhere are a witness too. In processes with the role `scheduler`.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { appendToFile, digestOf, signHeads } from '../access/audit/heads.ts';
import { loadAuditKeys } from '../access/token/keys.ts';
import type { Config } from '../config.ts';
import type { Database } from '../db.ts';
import type { Logger } from './log.ts';

export interface SigningOptions {
  readonly config: Pick<Config, 'dataDir' | 'auditStatements' | 'auditSignSeconds'>;
  readonly database: Database;
  readonly log: Pick<Logger, 'info' | 'error'>;
  /** Told when everything that was on record at this moment is signed. */
  readonly observe: (at: Date) => void;
}

export interface Signing {
  /** Signs what there is by now. */
  close(): Promise<void>;
}

export async function startSigning({ config, database, log, observe }: SigningOptions): Promise<Signing> {
  const keys = await loadAuditKeys(config.dataDir);
  const sign = async (): Promise<void> => {
    try {
      const at = new Date();
      const signed = await signHeads(database, keys, at);
      if (signed !== undefined) {
        await appendToFile(config.auditStatements, signed);
        log.info({ number: signed.number, digest: digestOf(signed.statement) }, 'audit statement signed');
      }
      observe(at);
    } catch (error) {
      // The trail is written all the same; the next statement covers what this one would have.
      log.error({ error }, 'audit statement not signed');
    }
  };
  const closing = new AbortController();
  const running = (async () => {
    while (!closing.signal.aborted) {
      await sleep(config.auditSignSeconds * 1_000, undefined, { signal: closing.signal, ref: false }).catch(
        () => undefined,
      );
      await sign();
    }
  })();
  return {
    close: async () => {
      closing.abort();
      await running;
    },
  };
}
