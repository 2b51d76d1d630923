/** `hub token`. */
import type { Command } from 'commander';
import type { TokenOptions } from '../token.ts';

export function addTokenCommand(program: Command, environment: NodeJS.ProcessEnv): void {
  program
    .command('token')
    .description("print an access token of the hub's own issuer, for local use; needs HUB_DATA_DIR alone")
    .option('--preset <name>', 'the usual claims of a kind of caller: ai, payment, hospital, patient or operator')
    .option('--client <id>', 'client_id')
    .option('--scope <scope>', 'SMART v2 scopes, separated by spaces')
    .option('--organization <ref>', 'Organization/x the client belongs to')
    .option('--purpose <code...>', 'purpose of use (HL7 v3 PurposeOfUse)')
    .option('--patient <id>', 'launch context; with the preset patient, the patient who asks')
    .option('--fhir-user <ref>', 'who the user is: Patient/x, Practitioner/y, RelatedPerson/z with --patient')
    .option('--role <name>', 'of operators: operator, analyst (content, for a reason) or auditor (looks alone)')
    .option('--expires <seconds>', 'lifetime [3600]')
    .action(async (options: TokenOptions) => (await import('../token.ts')).runToken(options, environment));
}
