/** The table of `hub endpoint ...`; each command's code is imported when it runs. */
import type { Command } from 'commander';
import { collect } from '../commands/options.ts';
import type { EndpointOptions } from './options.ts';
import type { TestOptions } from './test.ts';

type Environment = NodeJS.ProcessEnv;

export function addEndpointCommands(command: Command, environment: Environment): void {
  withSignature(withDescription(command.command('add').argument('<name>', 'letters, digits, dot, dash and underscore')))
    .description('register a source, or a destination; live at once, and a running hub knows it within a second')
    .requiredOption(
      '--kind <kind>',
      'hl7v2-mllp, hl7v2-http, hl7v2-folder, fhir-rest, fhir-bulk, fhir-push or device-http; hl7v2-mllp-out for a destination',
    )
    .requiredOption('--organization <ref>', 'Organization/x, the owner of what it sends, or who receives')
    .option('--draft', 'not in force yet: nothing comes in, and what is missing is told by hub endpoint test')
    .option('--host <name>', 'of a destination: where it is')
    .option('--tls', 'of a destination: over TLS, its certificate checked')
    .option('--hl7-version <version>', 'of a destination: MSH-12 [2.5.1]')
    .option('--application <name>', 'of a destination: MSH-5 [its facility]')
    .option('--sender <application^facility>', 'of a destination: MSH-3 and MSH-4 [HUB^HUB]')
    .option('--refusal <policy>', 'of a destination: after AE or AR it waits for a person (stop) or goes on (park)')
    .action(async (name: string, options: EndpointOptions) =>
      (await import('./add.ts')).runEndpointAdd(name, options, environment),
    );
  withSignature(withDescription(command.command('set').argument('<name>')))
    .description('change what is given, leave the rest; a list is replaced whole')
    .option('--organization <ref>', 'only of a draft')
    .option('--unset <name>', 'take away what may be left out (zone, port, a setting); repeat for more', collect, [])
    .option('--unset-secret <name>', 'forget a secret; repeat for more', collect, [])
    .action(async (name: string, options: EndpointOptions) =>
      (await import('./change.ts')).runEndpointSet(name, options, environment),
    );
  for (const [step, description] of [
    ['pause', 'nothing comes in until it is resumed; what came is processed'],
    [
      'resume',
      'as it was before the pause; a draft, or one that is tried, becomes live and what was held is processed',
    ],
    ['retire', 'for good: nothing comes in any more, its messages and records stay'],
  ] as const) {
    withSignature(command.command(step).argument('<name>'))
      .description(description)
      .action(async (name: string, options: EndpointOptions) =>
        (await import('./change.ts')).runEndpointStep(name, step, options, environment),
      );
  }
  command
    .command('test')
    .argument('<name>')
    .argument('[messages...]', 'files of sample messages, three or more; of a source that is asked: none')
    .description('try a connection before it is live: how samples would be answered and read, and what is missing')
    .option('--overlay <file>', 'write the draft overlay there')
    .option('--json', 'as JSON')
    .action(async (name: string, files: string[], options: TestOptions) =>
      (await import('./test.ts')).runEndpointTest(name, files, options, environment),
    );
  command
    .command('run')
    .argument('<name>')
    .description('ask a source now, whatever its slot, window or breaker says')
    .action(async (name: string) => (await import('./change.ts')).runEndpointRun(name, environment));
  addViews(command, environment);
  addFiles(command, environment);
}

function addViews(command: Command, environment: Environment): void {
  const load = () => import('./show.ts');
  command
    .command('list')
    .description('one line of JSON each')
    .action(async () => (await load()).runEndpointList(environment));
  command
    .command('health')
    .argument('[name]')
    .description(
      'how sources are doing: rate, lag, errors, last message, and when a silence is too long; a line of JSON each',
    )
    .action(async (name: string | undefined) => (await import('./health.ts')).runEndpointHealth(name, environment));
  command
    .command('silence')
    .argument('<name>')
    .description('how long it may be silent before somebody is told')
    .requiredOption('--allow <time>', '90m, 6h, 3d; `learned` from its own rhythm, or `any`')
    .action(async (name: string, options: { allow: string }) =>
      (await import('./health.ts')).runEndpointSilence(name, options, environment),
    );
  command
    .command('show')
    .argument('<name>')
    .description('as JSON, with the names of its secrets and how much is held')
    .action(async (name: string) => (await load()).runEndpointShow(name, environment));
  command
    .command('history')
    .argument('<name>')
    .description('who changed what, when and why, newest first, one line of JSON each')
    .action(async (name: string) => (await load()).runEndpointHistory(name, environment));
}

function addFiles(command: Command, environment: Environment): void {
  const load = () => import('./yaml.ts');
  command
    .command('export')
    .argument('[names...]', 'of these [all]')
    .description('YAML to keep in git; of secrets the names')
    .action(async (names: string[]) => (await load()).runEndpointExport(names, environment));
  withSignature(command.command('import').argument('<file>', "as export writes it; '-' reads stdin"))
    .description('make the endpoints of the file as it says, all or none; others stay as they are')
    .action(async (file: string, options: EndpointOptions) =>
      (await load()).runEndpointImport(file, options, environment),
    );
}

function withDescription(command: Command): Command {
  return command
    .option(
      '--facility <value>',
      "a value of MSH-4 it may name; repeat for more, '*' for any; of a destination: MSH-6",
      collect,
      [],
    )
    .option('--port <number>', 'a listener of its own instead of the shared one; of a destination: where it listens')
    .option('--folder <directory>', 'the directory to watch, for hl7v2-folder')
    .option('--batch-ack <mode>', 'a batch is answered by an acknowledgment for each message (messages) or one (batch)')
    .option('--charset <name>', 'of messages without MSH-18; of a destination: MSH-18 [UNICODE UTF-8]')
    .option('--zone <zone>', 'of times sent without one: Asia/Shanghai, +08:00')
    .option('--ack <mode>', 'auto (MSH-15/16), original or enhanced')
    .option('--poison <policy>', 'after a message that cannot be processed its lane goes on (continue) or waits (hold)')
    .option('--certificate <fingerprint>', 'SHA-256 of the client certificate that alone may use it')
    .option('--address <ip>', 'client address that alone may use it; repeat for more', collect, [])
    .option(
      '--set <name=value>',
      'a setting of its kind: base=https://..., auth.clientId=hub; repeat for more',
      collect,
      [],
    )
    .option(
      '--secret <name>',
      'a secret of its kind, read from stdin; NAME=@FILE from a file; repeat for more',
      collect,
      [],
    )
    .option('--state <state>', 'draft, testing (accepted and held), live, paused or retired');
}

function withSignature(command: Command): Command {
  return command
    .option('--note <text>', 'why: on record')
    .option('--by <name>', 'who [the user of this process]')
    .option('--dry-run', 'only say what would change, one line of JSON each');
}
