/**
 * The doors of the hub for people: one table of commands. Each command's code is imported when it runs, so that
 * `hub convert` starts without loading a server. The arguments are checked here; what a command does is in cli/.
 */
import { Command, CommanderError } from 'commander';
import { Problem } from './fhir/problem.ts';

/** Runs one command; the exit code is set, never forced, so that output is written out first. */
export async function runCli(args: readonly string[]): Promise<void> {
  exitWithLauncher();
  // Only help needs the table of variables, and with it the checking library.
  const wantsHelp = args.includes('--help') || args.includes('-h');
  const program = buildProgram(wantsHelp ? (await import('./config.ts')).describeVariables() : '');
  try {
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    process.exitCode = explain(error);
  }
}

function buildProgram(environmentHelp: string): Command {
  const program = new Command('hub')
    .description('FHIR R4 integration hub: HL7v2 and FHIR in, one consent-gated record store, a FHIR REST facade out')
    .helpCommand(false)
    .showHelpAfterError('(hub --help lists the commands)')
    .exitOverride();

  program
    .command('serve')
    .description('run the hub until SIGTERM or SIGINT')
    .addHelpText('after', () => environmentHelp)
    .action(async () => (await import('./main.ts')).serve(process.env));

  program
    .command('migrate')
    .description('bring the database schema up to date and exit; safe to run by several processes at once')
    .action(async () => (await import('./cli/migrate.ts')).runMigrate(process.env));

  return program;
}

/** One line for a person, on stderr; the stack only for what is our bug. @returns the exit code */
function explain(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode;
  if (error instanceof Problem) {
    const where = error.expression.length > 0 ? ` (${error.expression.join(', ')})` : '';
    process.stderr.write(`${error.message}${where}\n${error.hint === undefined ? '' : `${error.hint}\n`}`);
    return 1;
  }
  if (error instanceof Error && error.name === 'ConfigError') {
    process.stderr.write(`${error.message}\n`);
    return 2;
  }
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  return 1;
}

/** Started by the launcher of an older Node: when that is killed, this process must not live on with the ports. */
function exitWithLauncher(): void {
  if (process.channel === undefined) return;
  process.once('disconnect', () => process.exit(1));
  process.channel?.unref();
}
