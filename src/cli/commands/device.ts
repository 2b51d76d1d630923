/** The table of `hub device ...`. */
import type { Command } from 'commander';
import type { ImportOptions } from '../device.ts';

export function addDeviceCommands(program: Command, environment: NodeJS.ProcessEnv): void {
  program
    .command('device')
    .description('measurements of devices')
    .command('import')
    .description(
      'a file of a patient: export.xml of Apple Health, or .json of Open mHealth; sent again, nothing is stored twice',
    )
    .argument('<file>')
    .requiredOption('--endpoint <name>', 'an endpoint of kind device-http')
    .requiredOption('--patient <id>', 'whose measurements they are')
    .action(async (file: string, options: ImportOptions) =>
      (await import('../device.ts')).runDeviceImport(file, options, environment),
    );
}
