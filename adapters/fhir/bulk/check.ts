/** Whether a source can export: what a run relies on is tried, and nothing is begun. */
import { Problem } from '../../../src/fhir/problem.ts';
import type { Check } from '../../../src/ingest/contract.ts';
import type { FhirSource } from '../ask.ts';
import { checkRelease } from '../versions/agree.ts';
import type { BulkSettings } from './settings.ts';

interface Statement {
  readonly fhirVersion?: unknown;
  readonly instantiates?: unknown;
  readonly rest?: readonly {
    readonly operation?: readonly Operation[];
    readonly resource?: readonly { readonly type?: unknown; readonly operation?: readonly Operation[] }[];
  }[];
}
interface Operation {
  readonly name?: unknown;
  readonly definition?: unknown;
}

export async function checkExport(source: FhirSource, settings: BulkSettings): Promise<readonly Check[]> {
  let statement: Statement;
  try {
    statement = JSON.parse((await source.read('metadata')).text) as Statement;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return [{ name: 'CapabilityStatement', isOk: false, detail: detailOf(error) }];
  }
  return [
    { name: 'CapabilityStatement', isOk: true, detail: 'answers' },
    checkVersion(statement, settings),
    checkOperation(statement, settings),
  ];
}

function checkVersion({ fhirVersion }: Statement, { version }: BulkSettings): Check {
  const spoken = typeof fhirVersion === 'string' ? fhirVersion : undefined;
  try {
    checkRelease(spoken, version);
    return { name: 'version', isOk: true, detail: `FHIR ${spoken ?? '(not said)'}` };
  } catch (error) {
    return { name: 'version', isOk: false, detail: detailOf(error as Problem) };
  }
}

/** Servers that export and do not say so exist: told, and left to the first run. */
function checkOperation({ rest = [] }: Statement, { level }: BulkSettings): Check {
  const types = { system: undefined, patient: 'Patient', group: 'Group' };
  const operations = rest.flatMap(({ operation = [], resource = [] }) =>
    level === 'system'
      ? operation
      : resource.flatMap((one) => (one.type === types[level] ? (one.operation ?? []) : [])),
  );
  const all = [...operations, ...rest.flatMap(({ operation = [] }) => operation)];
  const isSaid = all.some(
    ({ name, definition }) => String(name).endsWith('export') || /\/(group-|patient-)?export$/.test(String(definition)),
  );
  return {
    name: 'export',
    isOk: isSaid,
    detail: isSaid ? `${level} level` : `the source names no $export at ${level} level; it may have one all the same`,
  };
}

function detailOf({ code, message, hint }: Problem): string {
  return `${code}: ${message}${hint === undefined ? '' : ` ${hint}`}`;
}
