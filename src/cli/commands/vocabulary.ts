/** The tables of `hub terminology ...` and `hub profile ...`. */
import type { Command } from 'commander';
import type { AddOptions } from '../profile.ts';
import type { LoadOptions } from '../terminology.ts';
import { collect } from './options.ts';

export function addTerminologyCommands(program: Command, environment: NodeJS.ProcessEnv): void {
  const command = program.command('terminology').description('code systems, value sets and maps');
  const load = () => import('../terminology.ts');
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

export function addProfileCommands(program: Command, environment: NodeJS.ProcessEnv): void {
  const command = program.command('profile').description('what resources are validated by, beside R4');
  const load = () => import('../profile.ts');
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
