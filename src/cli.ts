/**
 * The doors of the hub for people: one table of commands. Each command's code is imported when it runs, so that
 * `hub convert` starts without loading a server. The arguments are checked here; what a command does is in cli/.
 */
import { Command, CommanderError } from 'commander';
import type { ConvertOptions } from './cli/convert.ts';
import type { ClientOptions } from './cli/client.ts';
import type { DemoOptions } from './cli/demo/command.ts';
import type { EndpointOptions } from './cli/endpoint.ts';
import type { ApplyOptions, DiffOptions, ExplainOptions, RollbackOptions } from './cli/map.ts';
import type { ReindexOptions } from './cli/reindex.ts';
import type { AddOptions } from './cli/profile.ts';
import type { ReplayOptions } from './cli/replay.ts';
import type { OutboundListOptions, SendCommandOptions } from './cli/send.ts';
import type { SimulateOptions } from './cli/simulate/command.ts';
import type { LoadOptions } from './cli/terminology.ts';
import type { TokenOptions } from './cli/token.ts';
import { Problem } from './fhir/problem.ts';

/** Runs one command; the exit code is set, never forced, so that output is written out first. */
export async function runCli(args: readonly string[]): Promise<void> {
  exitWithLauncher();
  // Only help needs the table of variables, and with it the checking library.
  const wantsHelp = args.includes('--help') || args.includes('-h');
  const program = buildProgram(wantsHelp ? (await import('./config.ts')).describeVariables() : '');
  try {
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    process.exitCode = explain(error);
  }
}

function buildProgram(environmentHelp: string): Command {
  const program = new Command('hub')
    .description('FHIR R4 integration hub: HL7v2 and FHIR in, one consent-gated record store, a FHIR REST facade out')
    .helpCommand(false)
    .showHelpAfterError('(hub --help lists the commands)')
    .exitOverride();
  const environment = process.env;

  program
    .command('serve')
    .description('run the hub until SIGTERM or SIGINT')
    .addHelpText('after', environmentHelp)
    .action(async () => (await import('./main.ts')).serve(environment));

  program
    .command('migrate')
    .description('bring the database schema up to date and exit; safe to run by several processes at once')
    .action(async () => (await import('./cli/migrate.ts')).runMigrate(environment));

  program
    .command('convert')
    .description('HL7v2 on stdin, the FHIR Bundle it becomes on stdout; a batch gives one Bundle a line (NDJSON)')
    .option('--endpoint <name>', 'with the overlay, charset and zone of this endpoint')
    .option('--report', 'on stderr, what is not as the HL7 standard prints it: never a reason to refuse')
    .action(async (options: ConvertOptions) => (await import('./cli/convert.ts')).runConvert(options, environment));

  addEndpointCommands(program.command('endpoint').description('the registry of sources'), environment);

  addClientCommands(program.command('client').description('services that get tokens of this hub'), environment);

  withFilter(program.command('messages').description('the fate of messages, one line of JSON each')).action(
    async (options: ReplayOptions) => (await import('./cli/messages.ts')).runMessages(options, environment),
  );

  withFilter(program.command('replay').description('process messages again, in source order, under the maps in force'))
    .option('--all', 'every message')
    .option('--unmapped <what>', 'that leave this of the work list: a position (ZPI-3), a code, or both')
    .option('--endpoint <name>', 'the same as --source')
    .action(async (options: ReplayOptions) => (await import('./cli/replay.ts')).runReplay(options, environment));

  addOutboundCommands(program, environment);

  addMapCommands(program.command('map').description('overlays: what an endpoint sends otherwise'), environment);

  addTerminologyCommands(program.command('terminology').description('code systems, value sets and maps'), environment);

  addProfileCommands(program.command('profile').description('what resources are validated by, beside R4'), environment);

  program
    .command('reindex')
    .description('index stored resources again, while the hub runs; it does so by itself when what is indexed changes')
    .option('--type <type...>', 'of these resource types')
    .option('--status', 'only say how far it is: one line of JSON for each change of the index')
    .action(async (options: ReindexOptions) => (await import('./cli/reindex.ts')).runReindex(options, environment));

  program
    .command('unmapped')
    .description('the work list: what no mapping rule took, by messages and patients, one line of JSON each')
    .option('--endpoint <name>', 'of this endpoint')
    .action(async (options: { endpoint?: string }) =>
      (await import('./cli/unmapped.ts')).runUnmapped(options, environment),
    );

  program
    .command('token')
    .description("print an access token of the hub's own issuer, for local use; needs HUB_DATA_DIR alone")
    .option('--preset <name>', 'the usual claims of a kind of caller: ai, payment, hospital, patient or operator')
    .option('--client <id>', 'client_id')
    .option('--scope <scope>', 'SMART v2 scopes, separated by spaces')
    .option('--organization <ref>', 'Organization/x the client belongs to')
    .option('--purpose <code...>', 'purpose of use (HL7 v3 PurposeOfUse)')
    .option('--patient <id>', 'launch context; with the preset patient, the patient who asks')
    .option('--fhir-user <ref>', 'who the user is: Patient/x, Practitioner/y')
    .option('--expires <seconds>', 'lifetime [3600]')
    .action(async (options: TokenOptions) => (await import('./cli/token.ts')).runToken(options, environment));

  program
    .command('simulate')
    .description(
      'synthetic hospitals that send to a running hub over MLLP; ends with 1 unless every message was accepted',
    )
    .option('--hospitals <number>', 'how many, a connection each', '3')
    .option('--rate <number>', 'messages a second of all together; 0: as fast as they are answered', '0')
    .option('--count <number>', 'messages of all together', '1000')
    .option('--seed <number>', 'the same seed gives the same messages', '1')
    .option('--host <name>', 'where the hub listens', '127.0.0.1')
    .option('--port <number>', 'its MLLP port', environment['HUB_MLLP_PORT'] ?? '2575')
    .action(async (options: SimulateOptions) => (await import('./cli/simulate/command.ts')).runSimulate(options));

  program
    .command('audit')
    .description('the audit trail')
    .command('verify')
    .description('walk every hash chain; ends with 1 when one is broken')
    .action(async () => (await import('./cli/audit.ts')).runAuditVerify(environment));

  program
    .command('demo')
    .description('the main job end to end on this machine, in a database of its own that is gone afterwards')
    .option('--exit', 'end after the story, with 0 when every step of it held')
    .action(async (options: DemoOptions) => (await import('./cli/demo/command.ts')).runDemo(options));

  return program;
}

function addEndpointCommands(command: Command, environment: NodeJS.ProcessEnv): void {
  command
    .command('add')
    .argument('<name>', 'letters, digits, dot, dash and underscore')
    .description('register a source, or a destination; a running hub knows it within a second')
    .requiredOption('--kind <kind>', 'hl7v2-mllp, hl7v2-http or hl7v2-folder; hl7v2-mllp-out for a destination')
    .requiredOption('--organization <ref>', 'Organization/x, the owner of what it sends, or who receives')
    .requiredOption(
      '--facility <value>',
      "a value of MSH-4 it may name; repeat for more, '*' for any; of a destination: MSH-6",
      collect,
      [],
    )
    .option('--port <number>', 'a listener of its own instead of the shared one; of a destination: where it listens')
    .option('--host <name>', 'of a destination: where it is')
    .option('--tls', 'of a destination: over TLS, its certificate checked')
    .option('--hl7-version <version>', 'of a destination: MSH-12 [2.5.1]')
    .option('--application <name>', 'of a destination: MSH-5 [its facility]')
    .option('--sender <application^facility>', 'of a destination: MSH-3 and MSH-4 [HUB^HUB]')
    .option('--refusal <policy>', 'of a destination: after AE or AR it waits for a person (stop) or goes on (park)')
    .option('--folder <directory>', 'the directory to watch, for hl7v2-folder')
    .option('--batch-ack <mode>', 'a batch is answered by an acknowledgment for each message (messages) or one (batch)')
    .option('--charset <name>', 'of messages without MSH-18; of a destination: MSH-18 [UNICODE UTF-8]')
    .option('--zone <zone>', 'of times sent without one: Asia/Shanghai, +08:00')
    .option('--ack <mode>', 'auto (MSH-15/16), original or enhanced')
    .option('--poison <policy>', 'after a message that cannot be processed its lane goes on (continue) or waits (hold)')
    .option('--certificate <fingerprint>', 'SHA-256 of the client certificate that alone may use it')
    .option('--address <ip>', 'client address that alone may use it; repeat for more', collect, [])
    .action(async (name: string, options: EndpointOptions) =>
      (await import('./cli/endpoint.ts')).runEndpointAdd(name, options, environment),
    );
  command
    .command('list')
    .description('one line of JSON each')
    .action(async () => (await import('./cli/endpoint.ts')).runEndpointList(environment));
}

function addClientCommands(command: Command, environment: NodeJS.ProcessEnv): void {
  const load = () => import('./cli/client.ts');
  command
    .command('add')
    .argument('<id>', 'client_id: letters, digits, dots and dashes')
    .description('register a backend service, or replace its registration; in force at once')
    .requiredOption('--kind <kind>', 'ai, payment or hospital')
    .requiredOption('--organization <ref>', 'Organization/x it acts for; patients consent to this one')
    .requiredOption('--purpose <code...>', 'purposes of use it may name (HL7 v3 PurposeOfUse): TREAT, HPAYMT')
    .requiredOption('--scope <scopes>', 'SMART v2 scopes it may be granted, separated by spaces: "system/*.rs"')
    .requiredOption('--jwks <file>', "its public keys, a JWKS with a kid each; '-' reads stdin")
    .action(async (id: string, options: ClientOptions) => (await load()).runClientAdd(id, options, environment));
  command
    .command('list')
    .description('one line of JSON each')
    .action(async () => (await load()).runClientList(environment));
  command
    .command('show')
    .argument('<id>')
    .description('as JSON, its keys by kid')
    .action(async (id: string) => (await load()).runClientShow(id, environment));
  command
    .command('disable')
    .argument('<id>')
    .description('it gets no token from now on, and those it has end within a second; add brings it back')
    .action(async (id: string) => (await load()).runClientDisable(id, environment));
}

function addOutboundCommands(program: Command, environment: NodeJS.ProcessEnv): void {
  program
    .command('send')
    .argument('<destination>', 'the name of an endpoint of kind hl7v2-mllp-out')
    .argument('<message>', 'SIU^S12, SRM^S01, ORM^O01, ORU^R01 and their like; SIU_S12 is the same')
    .description('queue an HL7v2 message built from a FHIR Bundle on stdin; it is sent until it is answered')
    .option('--resource <reference>', 'from the store instead: Appointment/x and what the receiver may see around it')
    .action(async (destination: string, message: string, options: SendCommandOptions) =>
      (await import('./cli/send.ts')).runSend(destination, message, options, environment),
    );
  const outbound = program.command('outbound').description('what was sent, and what became of it');
  outbound
    .command('list')
    .description('one line of JSON each')
    .option('--destination <name>', 'to this one')
    .option('--status <status>', 'waiting, accepted, refused, parked or dropped')
    .action(async (options: OutboundListOptions) =>
      (await import('./cli/send.ts')).runOutboundList(options, environment),
    );
  for (const [name, status, what] of [
    ['retry', 'waiting', 'send a refused message again, in its old place'],
    ['drop', 'dropped', 'give a refused message up, so that the next ones pass'],
  ] as const) {
    outbound
      .command(name)
      .argument('<id>', 'as the list shows it')
      .description(what)
      .action(async (id: string) => (await import('./cli/send.ts')).runOutboundDecide(id, status, environment));
  }
}

function addMapCommands(command: Command, environment: NodeJS.ProcessEnv): void {
  const load = () => import('./cli/map.ts');
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

function addTerminologyCommands(command: Command, environment: NodeJS.ProcessEnv): void {
  const load = () => import('./cli/terminology.ts');
  command
    .command('load')
    .argument(
      '<files...>',
      'CodeSystem, ValueSet, ConceptMap or a Bundle of them (.json, .ndjson), or a code list (.csv, .tsv)',
    )
    .description(
      'put them in force for everybody; the same again is nothing to do, another state replaces the one before',
    )
    .option('--system <url>', 'of a code list: the URL of its code system')
    .option('--version <version>', 'of a code list: the version of its code system')
    .option('--title <text>', 'of a code list: the name of its code system')
    .option('--case-sensitive', 'of a code list: codes that differ in case are different codes')
    .option('--charset <name>', 'of a code list', 'utf-8')
    .option('--code <column>', 'of a code list: where the code is', 'code')
    .option('--display <column>', 'of a code list: where its display is', 'display')
    .option('--parent <column>', 'of a code list: the code it stands under, or several separated by |', 'parent')
    .option('--property <column>', 'of a code list: a column that is a property; repeat for more', collect, [])
    .option('--designation <language=column>', 'of a code list: its name in a language; repeat for more', collect, [])
    .action(async (files: string[], options: LoadOptions) =>
      (await load()).runTerminologyLoad(files, options, environment),
    );
  command
    .command('list')
    .description('what is loaded, one line of JSON each')
    .action(async () => (await load()).runTerminologyList(environment));
  command
    .command('remove')
    .argument('<name>', 'url, url|version or Type/id')
    .description('take it out of force; its history stays')
    .action(async (name: string) => (await load()).runTerminologyRemove(name, environment));
}

function addProfileCommands(command: Command, environment: NodeJS.ProcessEnv): void {
  const load = () => import('./cli/profile.ts');
  command
    .command('add')
    .argument('<source>', 'a package (.tgz), a directory of definitions, or one StructureDefinition or Bundle (.json)')
    .description(
      'put profiles, extensions and their value sets in force, in place of the version before; within a second',
    )
    .option('--name <name>', 'of the package [its own, or that of the file]')
    .option('--version <version>', 'of the package [its own]')
    .option('--by <name>', 'who [the user of this process]')
    .action(async (source: string, options: AddOptions) => (await load()).runProfileAdd(source, options, environment));
  command
    .command('list')
    .description('the packages in force, one line of JSON each')
    .option('--all', 'also those that were')
    .action(async ({ all = false }: { all?: boolean }) => (await load()).runProfileList(all, environment));
  command
    .command('remove')
    .argument('<name>', 'of the package')
    .description('take it out of force; what it was stays on record')
    .action(async (name: string) => (await load()).runProfileRemove(name, environment));
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

/** An option that may be repeated. */
function collect(value: string, before: readonly string[]): string[] {
  return [...before, value];
}

/** One line for a person, on stderr; the stack only for what is our bug. @returns the exit code */
function explain(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode;
  if (error instanceof Problem) {
    const where = error.expression.length > 0 ? ` (${error.expression.join(', ')})` : '';
    process.stderr.write(`${error.message}${where}\n${error.hint === undefined ? '' : `${error.hint}\n`}`);
    return 1;
  }
  if (error instanceof Error && error.name === 'ConfigError') {
    process.stderr.write(`${error.message}\n`);
    return 2;
  }
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  return 1;
}

/** Started by the launcher of an older Node: when that is killed, this process must not live on with the ports. */
function exitWithLauncher(): void {
  if (process.channel === undefined) return;
  process.once('disconnect', () => process.exit(1));
  process.channel?.unref();
}
