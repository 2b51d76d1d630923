/** `hub simulate` and its parts, as the table of commands has them. */
import type { Command } from 'commander';
import type { CheckOptions } from './check/command.ts';
import type { SimulateOptions } from './command.ts';
import type { DevicesCommandOptions } from './devices/command.ts';
import type { SourcesCommandOptions } from './sources/command.ts';

export function addSimulateCommands(command: Command, environment: NodeJS.ProcessEnv): void {
  command
    // Options of the parts have the names of its own: what stands behind a part is the part's.
    .enablePositionalOptions()
    .description(
      'synthetic hospitals that send to a running hub; ends with 1 unless every message that is whole was accepted',
    )
    .option('--hospitals <number>', 'how many, a connection each', '3')
    .option('--rate <number>', 'messages a second of all together; 0: as fast as they are answered', '0')
    .option('--count <number>', 'messages of all together', '1000')
    .option('--from <number>', 'the first one: to go on where another simulation of the seed ended', '0')
    .option('--seed <number>', 'the same seed gives the same messages', '1')
    .option('--via <way>', 'mllp, http or folder', 'mllp')
    .option('--host <name>', 'mllp: where the hub listens', '127.0.0.1')
    .option('--port <number>', 'mllp: its port', environment['HUB_MLLP_PORT'] ?? '2575')
    .option('--url <url>', 'http: where the hub answers', `http://127.0.0.1:${environment['HUB_PORT'] ?? '8080'}`)
    .option('--organization <ref>', 'http: whose tokens are shown, instead of each hospital its own')
    .option('--folder <directory>', 'folder: files are left in DIRECTORY/SIM0001 and so on')
    .option('--mishaps <percent>', 'sent twice, cut off, overtaken, merged, broken: each in so many of a hundred', '0')
    .option('--clocks-off <percent>', 'hospitals whose clock is up to an hour off', '0')
    .option('--start <instant>', 'time of the first admission, or now [a fixed day, so that bytes repeat]')
    .option('--ledger <file>', 'write down what was sent and how it was answered; appended')
    .action(async (options: SimulateOptions) => (await import('./command.ts')).runSimulate(options, environment));
  command
    .command('sources')
    .description(
      'FHIR servers on loopback, for REST and bulk, until they are stopped; they change, fail and hang as told',
    )
    .option('--sources <number>', 'how many', '10')
    .option('--serve <port>', 'on this port of loopback; 0: a free one', '8090')
    .option('--seed <number>', 'the same seed gives the same sources', '1')
    .option('--patients <number>', 'each has at first; seven resources each', '3')
    .option('--changes <number>', 'a second over all of them: something new, changed or gone', '1')
    .option('--seconds <number>', 'of changes; 0: until SIGINT or SIGTERM', '0')
    .option('--quiet <number>', 'seconds after the last change, in which the hub catches up', '0')
    .option('--hanging <number>', 'accept connections and never answer', '0')
    .option('--flapping <number>', 'are away half of the time: busy, broken, cut off, a page of a proxy', '0')
    .option('--clocks-off <percent>', 'whose clock is up to five minutes off', '10')
    .option('--register <kind>', 'make them endpoints of the hub: fhir-rest, fhir-bulk, or fhir-push: they send')
    .option('--every <time>', 'with --register: time between two pulls', '1m')
    .option('--url <url>', 'fhir-push: where the hub answers', `http://127.0.0.1:${environment['HUB_PORT'] ?? '8080'}`)
    .option('--ledger <file>', 'write down each version of each resource; appended')
    .action(async (_: unknown, given: Command) =>
      (await import('./sources/command.ts')).runSimulateSources(given.opts<SourcesCommandOptions>(), environment),
    );
  command
    .command('devices')
    .description('watches of invented people that send their days to a running hub; some of it late, twice, corrected')
    .option('--people <number>', 'with a watch each', '10')
    .option('--days <number>', 'that each sends, from a fixed day on', '7')
    .option('--seed <number>', 'the same seed gives the same days', '1')
    .option('--endpoint <name>', 'of kind device-http', 'watch')
    .option('--organization <ref>', 'of the endpoint; the people become its Patients', 'Organization/watches')
    .option('--url <url>', 'where the hub answers', `http://127.0.0.1:${environment['HUB_PORT'] ?? '8080'}`)
    .option('--ledger <file>', 'write down what each day adds up to; appended')
    .action(async (_: unknown, given: Command) =>
      (await import('./devices/command.ts')).runSimulateDevices(
        given.optsWithGlobals<DevicesCommandOptions>(),
        environment,
      ),
    );
  command
    .command('check')
    .description('compare the hub with a ledger: nothing missing, twice or out of order; ends with 1 when it differs')
    .requiredOption('--ledger <file>', 'as hub simulate --ledger wrote it')
    .option('--wait <seconds>', 'for what is not processed yet', '60')
    .option('--json', 'as JSON')
    .action(async (_: unknown, given: Command) =>
      (await import('./check/command.ts')).runSimulateCheck(given.opts<CheckOptions>(), environment),
    );
}
