/** The table of `hub account ...`. */
import type { Command } from 'commander';
import type { InviteOptions } from '../account.ts';

export function addAccountCommands(program: Command, environment: NodeJS.ProcessEnv): void {
  const command = program.command('account').description('people who sign in to this hub');
  const load = () => import('../account.ts');
  const hours = ['--hours <number>', 'how long the code is good', '72'] as const;
  command
    .command('invite')
    .argument('<who>', 'Patient/ID, RelatedPerson/ID, Practitioner/ID; operator, analyst or auditor')
    .description('print a code, good once, with which the person sets up how they sign in')
    .option(...hours)
    .action(async (who: string, options: InviteOptions) => (await load()).runAccountInvite(who, options, environment));
  command
    .command('list')
    .description('one line of JSON each')
    .action(async () => (await load()).runAccountList(environment));
  command
    .command('disable')
    .argument('<account>', 'its id, login name or whose it is')
    .description('nobody signs in with it any more; its sessions and their tokens end')
    .action(async (name: string) => (await load()).runAccountDisable(name, environment));
  command
    .command('reset')
    .argument('<account>', 'its id, login name or whose it is')
    .description('take password and second factor away, end its sessions, and print a code to set it up anew')
    .option(...hours)
    .action(async (name: string, options: InviteOptions) => (await load()).runAccountReset(name, options, environment));
}
