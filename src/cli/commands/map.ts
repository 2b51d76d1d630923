/** The table of `hub map ...`. */
import type { Command } from 'commander';
import type { ApplyOptions, DiffOptions, ExplainOptions, RollbackOptions } from '../map.ts';
import { collect } from './options.ts';

export function addMapCommands(program: Command, environment: NodeJS.ProcessEnv): void {
  const command = program.command('map').description('overlays: what an endpoint sends otherwise');
  const load = () => import('../map.ts');
  const signed = (one: Command): Command =>
    one.option('--note <text>', 'why').option('--by <name>', 'who [the user of this process]');
  command
    .command('check')
    .argument('<file>')
    .description('every error of an overlay with file and line; ends with 1 when there is one')
    .action(async (file: string) => (await load()).runMapCheck(file));
  command
    .command('diff')
    .argument('<files...>', "two overlays (or 'shipped'), or one to compare with what is in force at --endpoint")
    .description('which rules say otherwise and, with messages to try, which results come out otherwise')
    .option('--endpoint <name>', 'an endpoint: its map, charset and zone')
    .option('--messages <folder>', 'messages to try both maps on')
    .option('--stored <number>', "so many of the endpoint's latest messages to try both maps on")
    .action(async (files: string[], options: DiffOptions) => (await load()).runMapDiff(files, options, environment));
  command
    .command('explain')
    .argument('<message.hl7>')
    .description('for each element the rule and the field that made it; for each field where it went, or why not')
    .option('--endpoint <name>', 'with the map, charset and zone of this endpoint')
    .option('--overlay <file>', 'with an overlay that is not applied yet')
    .option('--json', 'as JSON')
    .action(async (file: string, options: ExplainOptions) => (await load()).runMapExplain(file, options, environment));
  signed(command.command('apply'))
    .argument('<file>')
    .description('put an overlay in force, whole, with the next message; its text is kept with who, when and why')
    .option('--endpoint <name>', 'where; repeat for more [those the file names]', collect, [])
    .action(async (file: string, options: ApplyOptions) => (await load()).runMapApply(file, options, environment));
  signed(command.command('rollback'))
    .description('put in force again what was before')
    .requiredOption('--endpoint <name>', 'where')
    .option('--to <version>', 'that version; 0: as shipped')
    .action(async (options: RollbackOptions) => (await load()).runMapRollback(options, environment));
  command
    .command('list')
    .description('what is in force at each endpoint that has had an overlay, one line of JSON each')
    .action(async () => (await load()).runMapList(undefined, environment));
  command
    .command('history')
    .description('the versions of an endpoint, newest first, one line of JSON each')
    .requiredOption('--endpoint <name>', 'of this endpoint')
    .action(async ({ endpoint }: { endpoint: string }) => (await load()).runMapList(endpoint, environment));
  command
    .command('show')
    .description('an overlay as it was written')
    .requiredOption('--endpoint <name>', 'of this endpoint')
    .option('--version <number>', 'that version [the one in force]')
    .action(async ({ endpoint, version }: { endpoint: string; version?: string }) =>
      (await load()).runMapShow(endpoint, version, environment),
    );
  command
    .command('schema')
    .description('the JSON Schema of overlays, for editors')
    .action(async () => (await load()).runMapSchema());
}
