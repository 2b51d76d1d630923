/** `npm run coverage`: docs/coverage.md, written from the rules. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { renderCoverage } from '../mapping/tables/coverage.ts';
import { loadMaps } from '../mapping/table.ts';

const root = join(import.meta.dirname, '..', '..');

writeFileSync(join(root, 'docs', 'coverage.md'), renderCoverage(loadMaps(join(root, 'mappings')).base));
