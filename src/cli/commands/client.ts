/** The table of `hub client ...`. */
import type { Command } from 'commander';
import type { AppOptions, ClientOptions, TicketOptions } from '../client.ts';

export function addClientCommands(program: Command, environment: NodeJS.ProcessEnv): void {
  const command = program.command('client').description('services and apps that get tokens of this hub');
  const load = () => import('../client.ts');
  command
    .command('add')
    .argument('<id>', 'client_id: letters, digits, dots and dashes')
    .description('register a backend service, or replace its registration; in force at once')
    .requiredOption('--kind <kind>', 'ai, payment or hospital')
    .requiredOption('--organization <ref>', 'Organization/x it acts for; patients consent to this one')
    .requiredOption('--purpose <code...>', 'purposes of use it may name (HL7 v3 PurposeOfUse): TREAT, HPAYMT')
    .requiredOption('--scope <scopes>', 'SMART v2 scopes it may be granted, separated by spaces: "system/*.rs"')
    .requiredOption('--jwks <file>', "its public keys, a JWKS with a kid each; '-' reads stdin")
    .option('--network <cidr...>', 'where it may come from (unset: anywhere): 10.1.0.0/16')
    .action(async (id: string, options: ClientOptions) => (await load()).runClientAdd(id, options, environment));
  command
    .command('add-app')
    .argument('<id>', 'client_id: letters, digits, dots and dashes')
    .description('register an app of patients, or replace its registration; in force at once')
    .requiredOption('--name <name>', 'as people read it where they allow it')
    .requiredOption('--redirect-uri <uri...>', 'where people are sent back to; compared as a whole')
    .requiredOption('--scope <scopes>', 'the most it may be granted: "launch/patient openid fhirUser patient/*.rs"')
    .option('--jwks <file>', "its public keys; '-' reads stdin. Without: a public app")
    .option('--dpop', 'it gets tokens bound to a key only (RFC 9449)')
    .action(async (id: string, options: AppOptions) => (await load()).runClientAddApp(id, options, environment));
  command
    .command('ticket')
    .description('a ticket with which a developer registers one app at /oauth/register')
    .requiredOption('--scope <scopes>', 'the most the app may be registered for')
    .option('--hours <number>', 'how long it is good [168]')
    .action(async (options: TicketOptions) => (await load()).runClientTicket(options, environment));
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
    .command('revoke-key')
    .argument('<id>')
    .argument('<kid>')
    .description('take back one key: its assertions are refused, and tokens obtained by it end within a second')
    .action(async (id: string, kid: string) => (await load()).runClientRevokeKey(id, kid, environment));
  command
    .command('role')
    .argument('<id>')
    .argument('<role>', 'operator, analyst or auditor')
    .description('what its tokens with hub/ops are for; in force within a second')
    .action(async (id: string, role: string) => (await load()).runClientRole(id, role, environment));
  command
    .command('disable')
    .argument('<id>')
    .description('it gets no token from now on, and those it has end within a second; add brings it back')
    .action(async (id: string) => (await load()).runClientDisable(id, environment));
}
