/** `hub audit`: the trail checked, printed as AuditEvents, and the keys that its statements are checked with. */
import { readFile } from 'node:fs/promises';
import type { JWK } from 'jose';
import { openAudit } from '../access/audit/audit.ts';
import { exportAudit } from '../access/audit/export.ts';
import { loadAuditKeys } from '../access/token/keys.ts';
import { verifyAudit, type AuditReport } from '../access/audit/verify.ts';
import { addressesOf, readConfig, type Config } from '../config.ts';
import { Problem } from '../fhir/problem.ts';
import { operatorHere, instantOf, printLine, withDatabase } from './database.ts';
import { assertReadable } from './files.ts';

export interface VerifyCommandOptions {
  readonly since?: string;
  readonly keys?: string;
  readonly statements?: string;
  readonly json?: boolean;
}

/** One may be under way, or have failed: the log and a metric tell that. */
const signingsMissedMax = 2;

/** Ends with 1 when anything is not as it was written. */
export async function runAuditVerify(options: VerifyCommandOptions, environment: NodeJS.ProcessEnv): Promise<void> {
  const config = readConfig(environment);
  const keys = await keysOf(config, options.keys);
  const since = options.since === undefined ? {} : { since: instantOf(options.since, '--since') };
  // One that is named and not there would leave the table to vouch for itself.
  if (options.statements !== undefined) assertReadable(options.statements);
  await withDatabase(environment, async (database) => {
    const file = options.statements ?? config.auditStatements;
    const dueBefore = new Date(Date.now() - signingsMissedMax * config.auditSignSeconds * 1_000);
    const report = await verifyAudit(database, { keys, file, dueBefore, ...since });
    for (const line of options.json === true ? [JSON.stringify(report)] : linesOf(report)) console.log(line);
    if (!report.isIntact) process.exitCode = 1;
  });
}

/** The public keys of this data directory, and those of a file: of other machines, or as they were kept elsewhere. */
async function keysOf(config: Config, file: string | undefined): Promise<JWK[]> {
  const { jwks } = await loadAuditKeys(config.dataDir);
  if (file === undefined) return jwks.keys;
  try {
    const { keys } = JSON.parse(await readFile(file, 'utf8')) as { keys: JWK[] };
    // Whoever brings keys trusts those: what lies beside the database may have been put there.
    return [...keys];
  } catch (cause) {
    throw new Problem('value', '--keys names no JWKS', { hint: 'Keep what hub audit keys prints.', cause });
  }
}

function* linesOf({ shards, statements, since, isIntact }: AuditReport): Generator<string> {
  if (since !== undefined) yield `Checked from statement ${since.number} of ${since.at} on.`;
  for (const { shard, rows, seq, head, findings } of shards) {
    const end = findings.length === 0 ? `the chain holds and ends with row ${seq}, ${head.slice(0, 16)}` : 'NOT INTACT';
    yield `shard ${shard}: ${rows} rows, ${end}`;
    for (const { kind, text } of findings) yield `shard ${shard}: ${kind.toUpperCase()}: ${text}`;
  }
  const { count, filed, last } = statements;
  yield last === undefined
    ? 'statements: none'
    : `statements: ${count} signed, ${filed} of them in the file, the last one ${last.number} of ${last.at}`;
  for (const { number, text } of statements.findings) yield `statement ${number}: ${text}`;
  const found = statements.findings.length + shards.reduce((sum, { findings }) => sum + findings.length, 0);
  yield isIntact ? 'The audit trail is intact.' : `The audit trail is NOT intact: ${found} found.`;
}

/** The public keys, as a JWKS: kept where the owner of the database and the data directory cannot write, they are what to check with. */
export async function runAuditKeys(environment: NodeJS.ProcessEnv): Promise<void> {
  const { jwks } = await loadAuditKeys(readConfig(environment).dataDir);
  console.log(JSON.stringify(jwks));
}

export interface ExportCommandOptions {
  readonly since?: string;
  readonly until?: string;
}

/** A line of JSON for each event, as fast as it is read. That it was done is on record before the first line. */
export async function runAuditExport(options: ExportCommandOptions, environment: NodeJS.ProcessEnv): Promise<void> {
  const { fhirBase: base } = addressesOf(readConfig(environment));
  const since = options.since === undefined ? undefined : instantOf(options.since, '--since');
  const until = options.until === undefined ? undefined : instantOf(options.until, '--until');
  await withDatabase(environment, async (database) => {
    const audit = openAudit(database);
    const query = [since && 'since', until && 'until'].filter((name) => name !== undefined).join('&');
    const context = { principal: operatorHere(), interaction: 'audit-export', query, at: Date.now() };
    await audit.record([{ context, rows: 0, outcome: 'success' }]);
    await audit.close();
    for await (const event of exportAudit(database, { base, ...(since && { since }), ...(until && { until }) })) {
      await printLine(JSON.stringify(event));
    }
  });
}
