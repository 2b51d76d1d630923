/** The table of `hub audit ...`. */
import type { Command } from 'commander';
import type { ExportCommandOptions, VerifyCommandOptions } from '../audit.ts';

export function addAuditCommands(program: Command, environment: NodeJS.ProcessEnv): void {
  const command = program.command('audit').description('the audit trail');
  const load = () => import('../audit.ts');
  command
    .command('verify')
    .description('check every hash chain and every signed statement; says which row is another, and ends with 1')
    .option('--since <instant>', 'take what a statement up to then covers as checked')
    .option('--keys <file>', 'a JWKS to check statements with, as hub audit keys printed it [of HUB_DATA_DIR]')
    .option('--statements <file>', 'the file beside the table [HUB_AUDIT_STATEMENTS]')
    .option('--json', 'as JSON')
    .action(async (options: VerifyCommandOptions) => (await load()).runAuditVerify(options, environment));
  command
    .command('export')
    .description('AuditEvents of all patients with their places in the chains, NDJSON; that it was done is on record')
    .option('--since <instant>', 'recorded at or after')
    .option('--until <instant>', 'recorded before')
    .action(async (options: ExportCommandOptions) => (await load()).runAuditExport(options, environment));
  command
    .command('keys')
    .description('the public keys of signed statements, a JWKS: keep it elsewhere')
    .action(async () => (await load()).runAuditKeys(environment));
}
