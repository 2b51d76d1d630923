/** `hub terminology load | list | remove`: code systems, value sets and maps that everybody is served from. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { parse } from 'csv-parse';
import iconv from 'iconv-lite';
import type { Tx } from '../db.ts';
import { parseJson } from '../fhir/json.ts';
import { Problem } from '../fhir/problem.ts';
import type { Concept } from '../fhir/terminology.ts';
import type { AnyResource } from '../fhir/types.ts';
import { listLoaded, loadCodeList, loadResource, removeLoaded, type Loaded } from '../store/terminology/load.ts';
import { print, withDatabase } from './database.ts';
import { assertReadable } from './files.ts';

export interface LoadOptions {
  readonly system?: string;
  readonly version?: string;
  readonly title?: string;
  readonly caseSensitive?: true;
  readonly charset: string;
  readonly code: string;
  readonly display: string;
  readonly parent: string;
  readonly property: readonly string[];
  readonly designation: readonly string[];
}

export async function runTerminologyLoad(
  files: readonly string[],
  options: LoadOptions,
  environment: NodeJS.ProcessEnv,
): Promise<void> {
  files.forEach(assertReadable);
  await withDatabase(environment, async (database) => {
    // A file is all or nothing.
    for (const file of files) print(await database.inTransaction((tx) => loadFile(tx, file, options)));
  });
}

export async function runTerminologyList(environment: NodeJS.ProcessEnv): Promise<void> {
  await withDatabase(environment, async (database) => print(await listLoaded(database)));
}

export async function runTerminologyRemove(name: string, environment: NodeJS.ProcessEnv): Promise<void> {
  await withDatabase(environment, async (database) =>
    print(await database.inTransaction((tx) => removeLoaded(tx, name, new Date()))),
  );
}

async function loadFile(tx: Tx, file: string, options: LoadOptions): Promise<Loaded[]> {
  const at = new Date();
  if (/\.[ct]sv$/i.test(file)) return [await loadList(tx, file, options, at)];
  const loaded: Loaded[] = [];
  for await (const resource of resourcesOf(file)) loaded.push(await loadResource(tx, resource, at));
  return loaded;
}

/** A resource, the resources of a Bundle, or one a line. @throws Problem structure */
async function* resourcesOf(file: string): AsyncGenerator<AnyResource> {
  if (/\.ndjson$/i.test(file)) {
    for await (const line of createInterface({ input: createReadStream(file) })) {
      if (line.trim() !== '') yield parseJson(line) as AnyResource;
    }
    return;
  }
  const content = parseJson(await readFile(file, 'utf8')) as AnyResource & { entry?: { resource?: AnyResource }[] };
  if (content.resourceType !== 'Bundle') yield content;
  else for (const { resource } of content.entry ?? []) if (resource !== undefined) yield resource;
}

async function loadList(tx: Tx, file: string, options: LoadOptions, at: Date): Promise<Loaded> {
  const { system, version, title } = options;
  if (system === undefined) {
    throw new Problem('required', 'a code list does not name its code system', {
      expression: '--system',
      hint: 'For instance --system http://hl7.org/fhir/sid/icd-10 --version 2019.',
    });
  }
  if (!iconv.encodingExists(options.charset)) {
    throw new Problem('value', 'there is no such charset', { expression: '--charset', hint: 'utf-8, gb18030, ...' });
  }
  const digest = createHash('sha256').update(JSON.stringify(options));
  for await (const chunk of createReadStream(file)) digest.update(chunk as Buffer);
  return loadCodeList(
    tx,
    {
      url: system,
      ...(version === undefined ? {} : { version }),
      ...(title === undefined ? {} : { title }),
      isCaseSensitive: options.caseSensitive === true,
      digest: digest.digest('base64url'),
      concepts: () => conceptsIn(file, options),
    },
    at,
  );
}

/** Row by row: the list is never held whole. */
async function* conceptsIn(file: string, options: LoadOptions): AsyncGenerator<Concept> {
  const rows = createReadStream(file)
    .pipe(iconv.decodeStream(options.charset))
    .pipe(parse({ columns: true, bom: true, skip_empty_lines: true, delimiter: /\.tsv$/i.test(file) ? '\t' : ',' }));
  const designations = options.designation.map((text) => text.split('=') as [string, string?]);
  let line = 1;
  for await (const row of rows as AsyncIterable<Record<string, string>>) {
    line++;
    const code = row[options.code]?.trim();
    if (code === undefined) throw missing(options.code, Object.keys(row));
    if (code === '') throw new Problem('required', `row ${line} has no code`, { expression: options.code });
    const display = row[options.display]?.trim();
    yield {
      code,
      ...(display === undefined || display === '' ? {} : { display }),
      designations: designations.flatMap(([language, column = '']) => {
        const value = row[column]?.trim();
        return value === undefined || value === '' ? [] : [{ language, value }];
      }),
      properties: options.property.flatMap((column) => {
        const valueString = row[column]?.trim();
        return valueString === undefined || valueString === '' ? [] : [{ code: column, valueString }];
      }),
      // Several parents are separated by a bar.
      parents: (row[options.parent] ?? '')
        .split('|')
        .filter((parent) => parent.trim() !== '')
        .map((parent) => parent.trim()),
    };
  }
}

function missing(column: string, columns: readonly string[]): Problem {
  return new Problem('required', `the list has no column ${column}`, {
    expression: '--code',
    hint: `It has ${columns.join(', ')}.`,
  });
}
