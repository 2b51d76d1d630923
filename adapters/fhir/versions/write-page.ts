/** `npm run fhir-versions`: the tables of docs/fhir-versions.md, written from mappings/fhir. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { renderPage } from './document.ts';
import { versionTable } from './to-r4.ts';

const path = join(import.meta.dirname, '..', '..', '..', 'docs', 'fhir-versions.md');

writeFileSync(
  path,
  renderPage(readFileSync(path, 'utf8'), [versionTable('dstu2'), versionTable('stu3'), versionTable('r5')]),
);
