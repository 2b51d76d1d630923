/** The tables of `hub proxy ...` and `hub break-glass ...`: who may act for a patient, and who opened a record. */
import type { Command } from 'commander';
import type { BreakGlassOptions } from '../break-glass.ts';

export function addProxyCommands(program: Command, environment: NodeJS.ProcessEnv): void {
  const command = program.command('proxy').description('who may act for patients: parents, guardians, caregivers');
  const load = () => import('../proxy.ts');
  command
    .command('list')
    .description('one line of JSON each, with who vouches for it')
    .option('--patient <id>', 'for this patient')
    .action(async (options: { patient?: string }) => (await load()).runProxyList(options, environment));
  for (const [name, isConfirmed, description] of [
    [
      'confirm',
      true,
      'vouch for what a RelatedPerson says now; written again by the same source, it needs another word',
    ],
    ['refuse', false, 'it gives nothing from the next request on, whatever its source writes later'],
  ] as const) {
    command
      .command(name)
      .argument('<reference>', 'RelatedPerson/x')
      .description(description)
      .requiredOption('--by <name>', 'who decides')
      .action(async (reference: string, { by }: { by: string }) =>
        (await load()).runProxyDecide(reference, { by, isConfirmed }, environment),
      );
  }
}

export function addBreakGlassCommands(program: Command, environment: NodeJS.ProcessEnv): void {
  const command = program.command('break-glass').description('emergency access to records');
  const load = () => import('../break-glass.ts');
  command
    .command('list')
    .description('the report: who opened which record, why, until when, and how often it was used; newest first')
    .option('--open', 'only what is open now')
    .option('--since <time>', 'opened since then')
    .action(async (options: BreakGlassOptions) => (await load()).runBreakGlassList(options, environment));
  command
    .command('close')
    .argument('<id>', 'of the window')
    .description('end it from the next request on')
    .requiredOption('--by <name>', 'who decides')
    .action(async (id: string, { by }: { by: string }) => (await load()).runBreakGlassClose(id, by, environment));
}
