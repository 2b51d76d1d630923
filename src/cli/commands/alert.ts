/** The table of `hub alert ...`. */
import type { Command } from 'commander';
import type { AlertAckOptions, AlertListOptions } from '../alert.ts';

export function addAlertCommands(program: Command, environment: NodeJS.ProcessEnv): void {
  const command = program.command('alert').description('what is wrong, and who is told');
  const load = () => import('../alert.ts');
  command
    .command('list')
    .description('what is wrong now, newest first, one line of JSON each')
    .option('--all', 'also what has ended')
    .option('--state <state>', 'new, acknowledged or ended')
    .option('--kind <kind>', 'silence, failing, held, backlog, outbound, clock, pull, certificate, storage')
    .option('--group <id>', 'what belongs to this one of many')
    .action(async (options: AlertListOptions) => (await load()).runAlertList(options, environment));
  command
    .command('ack')
    .argument('<id>')
    .description('somebody has it in hand')
    .requiredOption('--by <name>', 'who')
    .option('--note <text>', 'what is being done')
    .option('--expected', 'a silence that is as it should be: its length is learned')
    .action(async (id: string, options: AlertAckOptions) => (await load()).runAlertAck(id, options, environment));
  command
    .command('test')
    .description('tell everybody who would be told; ends with 1 when one of them cannot be')
    .action(async () => (await load()).runAlertTest(environment));
}
