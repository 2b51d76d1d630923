/**
 * Known vulnerabilities of what runs in production, high or critical, fail the build (`npm run audit`). A registry without
 * advisories, or none that answers, is said in one line: a build must not depend on it, and must not be silent about it either.
 */
import { spawnSync } from 'node:child_process';

interface Report {
  readonly auditReportVersion?: number;
  readonly vulnerabilities?: Readonly<Record<string, { readonly severity: string; readonly range: string }>>;
}

export interface Verdict {
  readonly code: 0 | 1;
  readonly text: string;
}

const failing = new Set(['high', 'critical']);

/** @param output of `npm audit --json` */
export function judge(output: string): Verdict {
  const report = parse(output);
  if (report?.auditReportVersion === undefined || report.vulnerabilities === undefined) {
    return {
      code: 0,
      text: 'Audit skipped: the registry offers no advisories here. Run `npm run audit` where it does.',
    };
  }
  const found = Object.entries(report.vulnerabilities).filter(([, { severity }]) => failing.has(severity));
  if (found.length === 0) return { code: 0, text: 'Audit: no known vulnerability, high or critical, of what runs.' };
  const lines = found.map(([name, { severity, range }]) => `  ${severity}  ${name} ${range}`);
  return { code: 1, text: `Audit: known vulnerabilities of what runs:\n${lines.join('\n')}` };
}

function parse(output: string): Report | undefined {
  try {
    return JSON.parse(output) as Report;
  } catch {
    return undefined;
  }
}

/** A registry that does not answer by then is none. */
const auditMs = 120_000;

if (import.meta.main) {
  const { stdout } = spawnSync('npm', ['audit', '--omit=dev', '--json'], { encoding: 'utf8', timeout: auditMs });
  const { code, text } = judge(stdout ?? '');
  process.stdout.write(`${text}\n`);
  process.exitCode = code;
}
