/** The tables of `hub keys ...` and `hub secrets ...`. */
import type { Command } from 'commander';
import type { RotateCommandOptions } from '../secrets.ts';

export function addKeyCommands(program: Command, environment: NodeJS.ProcessEnv): void {
  const command = program.command('keys').description("the signing keys of the hub's own issuer");
  const load = () => import('../keys.ts');
  command
    .command('list')
    .description('one line of JSON each; the first signs, all verify')
    .action(async () => (await load()).runKeysList(environment));
  command
    .command('rotate')
    .description('sign with a new key from now on; tokens of the former ones stay good until they expire')
    .action(async () => (await load()).runKeysRotate(environment));
  command
    .command('revoke')
    .argument('<kid>')
    .description('refuse every token this key signed, in every process, within a second')
    .action(async (kid: string) => (await load()).runKeysRevoke(kid, environment));
}

export function addSecretCommands(program: Command, environment: NodeJS.ProcessEnv): void {
  const command = program.command('secrets').description('the keys that seal what is secret at rest');
  const load = () => import('../secrets.ts');
  command
    .command('list')
    .description('one line of JSON each: its id, and how much it has sealed; the first seals, all open')
    .action(async () => (await load()).runSecretsList(environment));
  command
    .command('rotate')
    .description(
      'seal all with a new key while the hub runs, and forget the former one; goes on with what was cut short',
    )
    .option('--settle <seconds>', 'until nothing is under way that the former key sealed [60]')
    .action(async (options: RotateCommandOptions) => (await load()).runSecretsRotate(options, environment));
}
