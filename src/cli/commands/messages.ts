/** What a message becomes, what became of those that came, what runs again, and what no rule took. */
import type { Command } from 'commander';
import type { ConvertOptions } from '../convert.ts';
import type { ReplayOptions } from '../replay.ts';

export function addConvertCommand(program: Command, environment: NodeJS.ProcessEnv): void {
  program
    .command('convert')
    .description('HL7v2 on stdin, the FHIR Bundle it becomes on stdout; a batch gives one Bundle a line (NDJSON)')
    .option('--endpoint <name>', 'with the overlay, charset and zone of this endpoint')
    .option('--report', 'on stderr, what is not as the HL7 standard prints it: never a reason to refuse')
    .action(async (options: ConvertOptions) => (await import('../convert.ts')).runConvert(options, environment));
}

export function addMessageCommands(program: Command, environment: NodeJS.ProcessEnv): void {
  withFilter(program.command('messages').description('the fate of messages, one line of JSON each')).action(
    async (options: ReplayOptions) => (await import('../messages.ts')).runMessages(options, environment),
  );
  withFilter(program.command('replay').description('process messages again, in source order, under the maps in force'))
    .option('--all', 'every message')
    .option('--unmapped <what>', 'that leave this of the work list: a position (ZPI-3), a code, or both')
    .option('--endpoint <name>', 'the same as --source')
    .option('--preview', 'only count what would run again, by endpoint and lane')
    .option('--rate <number>', 'messages a second: a running hub does it in the background')
    .action(async (options: ReplayOptions) => (await import('../replay.ts')).runReplay(options, environment));
}

export function addUnmappedCommand(program: Command, environment: NodeJS.ProcessEnv): void {
  program
    .command('unmapped')
    .description('the work list: what no mapping rule took, by messages and patients, one line of JSON each')
    .option('--endpoint <name>', 'of this endpoint')
    .action(async (options: { endpoint?: string }) =>
      (await import('../unmapped.ts')).runUnmapped(options, environment),
    );
}

function withFilter(command: Command): Command {
  return command
    .option('--source <name>', 'of this endpoint')
    .option('--control-id <id>', 'with this MSH-10')
    .option('--status <status>', 'waiting, processed, quarantined or held')
    .option('--type <type>', 'MSH-9: ADT or ADT^A01')
    .option('--since <instant>', 'received at or after')
    .option('--until <instant>', 'received before');
}
