/** The tables of `hub send` and `hub outbound ...`. */
import type { Command } from 'commander';
import type { OutboundListOptions, SendCommandOptions } from '../send.ts';

export function addOutboundCommands(program: Command, environment: NodeJS.ProcessEnv): void {
  program
    .command('send')
    .argument('<destination>', 'the name of an endpoint of kind hl7v2-mllp-out')
    .argument('<message>', 'SIU^S12, SRM^S01, ORM^O01, ORU^R01 and their like; SIU_S12 is the same')
    .description('queue an HL7v2 message built from a FHIR Bundle on stdin; it is sent until it is answered')
    .option('--resource <reference>', 'from the store instead: Appointment/x and what the receiver may see around it')
    .action(async (destination: string, message: string, options: SendCommandOptions) =>
      (await import('../send.ts')).runSend(destination, message, options, environment),
    );
  const outbound = program.command('outbound').description('what was sent, and what became of it');
  outbound
    .command('list')
    .description('one line of JSON each')
    .option('--destination <name>', 'to this one')
    .option('--status <status>', 'waiting, accepted, refused, parked or dropped')
    .action(async (options: OutboundListOptions) => (await import('../send.ts')).runOutboundList(options, environment));
  for (const [name, status, what] of [
    ['retry', 'waiting', 'send a refused message again, in its old place'],
    ['drop', 'dropped', 'give a refused message up, so that the next ones pass'],
  ] as const) {
    outbound
      .command(name)
      .argument('<id>', 'as the list shows it')
      .description(what)
      .action(async (id: string) => (await import('../send.ts')).runOutboundDecide(id, status, environment));
  }
}
