/** What is stored looked at again: for the index, for the sensitivity sets. */
import type { Command } from 'commander';
import type { ReindexOptions } from '../reindex.ts';
import type { RelabelOptions } from '../relabel.ts';

export function addUpkeepCommands(program: Command, environment: NodeJS.ProcessEnv): void {
  program
    .command('reindex')
    .description('index stored resources again, while the hub runs; it does so by itself when what is indexed changes')
    .option('--type <type...>', 'of these resource types')
    .option('--status', 'only say how far it is: one line of JSON for each change of the index')
    .action(async (options: ReindexOptions) => (await import('../reindex.ts')).runReindex(options, environment));
  program
    .command('relabel')
    .description(
      'put the sensitivity sets of this host in force and look at stored resources again, while the hub runs',
    )
    .option('--status', 'only say how far it is: one line of JSON for each change of the sets')
    .option('--check', 'only read the files: what is wrong, with file and line')
    .action(async (options: RelabelOptions) => (await import('../relabel.ts')).runRelabel(options, environment));
}
