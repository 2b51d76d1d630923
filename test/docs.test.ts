/**
 * The documents can be read as they stand: each relative link leads to a file, and to a heading where it names one; each
 * document is found from README.md, and each decision in the list of decisions.
 */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, normalize, dirname } from 'node:path';

const root = join(import.meta.dirname, '..');
const pagesIn = (folder: string): string[] =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(folder, name));
const pages = ['.', 'docs', 'docs/decisions', 'bench'].flatMap(pagesIn);

/** A page without its examples: what stands in code is no link and no heading. */
function prose(page: string): string {
  return readFileSync(join(root, page), 'utf8').replaceAll(/^ *```[^]*?^ *```/gm, '');
}

interface Link {
  readonly written: string;
  /** From the root; the page itself when only a heading is named. */
  readonly file: string;
  readonly heading: string;
}

function linksOf(page: string): Link[] {
  return [
    ...prose(page)
      .replaceAll(/`[^`\n]*`/g, 'code')
      .matchAll(/\]\(([^)\s]+)\)/g),
  ]
    .map(([, written = '']) => written)
    .filter((written) => !/^[a-z]+:/.test(written))
    .map((written) => {
      const [path = '', heading = ''] = written.split('#', 2);
      return { written, heading, file: path === '' ? page : normalize(join(dirname(page), path)) };
    });
}

/** As GitHub makes anchors of headings: lower case, punctuation left out, a hyphen for each space. */
function anchorsOf(page: string): Set<string> {
  return new Set(
    [...prose(page).matchAll(/^#+ (.*)$/gm)].map(([, text = '']) =>
      text
        .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
        .trim()
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}_\- ]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}

/** What is reached from a page, over any number of links. */
function reachedFrom(start: string): Set<string> {
  const reached = new Set([start]);
  for (const page of reached)
    for (const { file } of page.endsWith('.md') ? linksOf(page) : [])
      if (existsSync(join(root, file))) reached.add(file);
  return reached;
}

describe('the documents', () => {
  it('given any page, then each relative link leads to a file, and to a heading of it', () => {
    const broken = pages.flatMap((page) =>
      linksOf(page)
        .filter(
          ({ file, heading }) =>
            !existsSync(join(root, file)) || (heading !== '' && file.endsWith('.md') && !anchorsOf(file).has(heading)),
        )
        .map(({ written }) => `${page}: ${written}`),
    );
    assert.deepEqual(broken, []);
  });

  it('given a page of docs/, then README.md leads to it', () => {
    const reached = reachedFrom('README.md');
    assert.deepEqual(
      [...pagesIn('docs'), ...pagesIn('docs/decisions')].filter((page) => !reached.has(page)),
      [],
    );
  });

  it('given a page with a broken link, or a heading, then both are seen as such', () => {
    assert.deepEqual(
      linksOf('docs/operations.md').some(({ file }) => file === 'docs/audit.md'),
      true,
    );
    assert.ok(anchorsOf('docs/operations.md').has('connecting-a-hospital'));
    assert.ok(!anchorsOf('docs/operations.md').has('connecting-a-clinic'));
  });
});
