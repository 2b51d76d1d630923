/** Start the hub, bring its schema up to date, copy it and put the copy back. */
import type { Command } from 'commander';

/** @param environmentHelp its variables, for `hub serve --help` */
export function addStartCommands(program: Command, environment: NodeJS.ProcessEnv, environmentHelp: string): void {
  program
    .command('serve')
    .description('run the hub until SIGTERM or SIGINT')
    .addHelpText('after', environmentHelp)
    .action(async () => (await import('../../main.ts')).serve(environment));
  program
    .command('migrate')
    .description('bring the database schema up to date and exit; safe to run by several processes at once')
    .action(async () => (await import('../migrate.ts')).runMigrate(environment));
  program
    .command('backup')
    .argument('<directory>', 'a new one')
    .description('copy the embedded database and the keys while the hub runs')
    .action(async (directory: string) => (await import('../backup.ts')).runBackup(directory, environment));
  program
    .command('restore')
    .argument('<directory>', 'as hub backup made it')
    .description('put a backup into an empty HUB_DATA_DIR; then start the hub')
    .action(async (directory: string) => (await import('../backup.ts')).runRestore(directory, environment));
}
