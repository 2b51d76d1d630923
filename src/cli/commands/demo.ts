/** `hub demo`. */
import type { Command } from 'commander';
import type { DemoOptions } from '../demo/command.ts';

export function addDemoCommand(program: Command): void {
  program
    .command('demo')
    .description('the main job end to end on this machine, in a database of its own that is gone afterwards')
    .option('--exit', 'end after the story, with 0 when every step of it held')
    .action(async (options: DemoOptions) => (await import('../demo/command.ts')).runDemo(options));
}
