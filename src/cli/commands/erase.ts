/** The tables of `hub erase` and `hub hold ...`. */
import type { Command } from 'commander';

export function addEraseCommand(program: Command, environment: NodeJS.ProcessEnv): void {
  program
    .command('erase')
    .argument('<patient>', 'Patient/ID')
    .description('erase what the hub holds of a person, all their records, history included; ends when it is done')
    .requiredOption('--reason <text>', 'why: on record')
    .action(async (patient: string, { reason }: { reason: string }) =>
      (await import('../erase.ts')).runErase(patient, reason, environment),
    );
}

export function addHoldCommands(program: Command, environment: NodeJS.ProcessEnv): void {
  const command = program.command('hold').description('who must keep records here by law');
  const load = () => import('../erase.ts');
  command
    .command('add')
    .argument('<organization>', 'Organization/x')
    .description('erasure leaves what it sent, seen by it and by the person alone')
    .requiredOption('--reason <text>', 'the law')
    .requiredOption('--by <name>', 'who decides')
    .action(async (organization: string, options: { reason: string; by: string }) =>
      (await load()).runHoldAdd(organization, options, environment),
    );
  command
    .command('remove')
    .argument('<organization>', 'Organization/x')
    .description('what erasures left of it goes now')
    .action(async (organization: string) => (await load()).runHoldRemove(organization, environment));
  command
    .command('list')
    .description('one line of JSON each')
    .action(async () => (await load()).runHoldList(environment));
}
