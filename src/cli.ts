/**
 * The doors of the hub for people: one table of commands, in the order of `hub --help`. Each command's code is imported when it runs, so
 * that `hub convert` starts without loading a server. The arguments are checked in cli/commands/; what a command does is in cli/.
 */
import { Command, CommanderError } from 'commander';
import { addBreakGlassCommands, addProxyCommands } from './cli/commands/access.ts';
import { addAccountCommands } from './cli/commands/account.ts';
import { addAlertCommands } from './cli/commands/alert.ts';
import { addAuditCommands } from './cli/commands/audit.ts';
import { addClientCommands } from './cli/commands/client.ts';
import { addDemoCommand } from './cli/commands/demo.ts';
import { addDeviceCommands } from './cli/commands/device.ts';
import { addEraseCommand, addHoldCommands } from './cli/commands/erase.ts';
import { addKeyCommands, addSecretCommands } from './cli/commands/keys.ts';
import { addMapCommands } from './cli/commands/map.ts';
import { addConvertCommand, addMessageCommands, addUnmappedCommand } from './cli/commands/messages.ts';
import { addOutboundCommands } from './cli/commands/outbound.ts';
import { addStartCommands } from './cli/commands/start.ts';
import { addTokenCommand } from './cli/commands/token.ts';
import { addUpkeepCommands } from './cli/commands/upkeep.ts';
import { addProfileCommands, addTerminologyCommands } from './cli/commands/vocabulary.ts';
import { addEndpointCommands } from './cli/endpoint/commands.ts';
import { addSimulateCommands } from './cli/simulate/program.ts';
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

/** The table of commands. @param environmentHelp what follows the help of `serve` */
export function buildProgram(environmentHelp: string): Command {
  const program = new Command('hub')
    // A part of a command may have options of the same names as the command.
    .enablePositionalOptions()
    .description('FHIR R4 integration hub: HL7v2 and FHIR in, one consent-gated record store, a FHIR REST facade out')
    .helpCommand(false)
    .showHelpAfterError('(hub --help lists the commands)')
    .exitOverride();
  const environment = process.env;
  addStartCommands(program, environment, environmentHelp);
  addConvertCommand(program, environment);
  addEndpointCommands(program.command('endpoint').description('the registry of sources'), environment);
  addAccountCommands(program, environment);
  addClientCommands(program, environment);
  addProxyCommands(program, environment);
  addKeyCommands(program, environment);
  addEraseCommand(program, environment);
  addHoldCommands(program, environment);
  addSecretCommands(program, environment);
  addAlertCommands(program, environment);
  addBreakGlassCommands(program, environment);
  addMessageCommands(program, environment);
  addOutboundCommands(program, environment);
  addMapCommands(program, environment);
  addTerminologyCommands(program, environment);
  addProfileCommands(program, environment);
  addUpkeepCommands(program, environment);
  addUnmappedCommand(program, environment);
  addTokenCommand(program, environment);
  addDeviceCommands(program, environment);
  addSimulateCommands(program.command('simulate'), environment);
  addAuditCommands(program, environment);
  addDemoCommand(program);
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
