/** Whether a source can be pulled: each thing that a run relies on is tried, and nothing is taken. */
import { Problem } from '../../../src/fhir/problem.ts';
import type { Check } from '../../../src/ingest/contract.ts';
import type { FhirSource } from '../ask.ts';
import { matchesOf } from '../bundle.ts';
import { pulledTypes } from '../taken-types.ts';
import { checkRelease } from '../versions/agree.ts';
import type { ServerMark } from './mark.ts';
import { askPage } from './pages.ts';
import { askServer } from './server.ts';
import { namesOf, type RestSettings } from './settings.ts';

export async function checkSource(source: FhirSource, settings: RestSettings, now: Date): Promise<readonly Check[]> {
  const checks: Check[] = [];
  const attempt = async (name: string, work: () => Promise<string>): Promise<boolean> => {
    try {
      checks.push({ name, isOk: true, detail: await work() });
      return true;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      const { code, message, hint } = error;
      checks.push({ name, isOk: false, detail: `${code}: ${message}${hint === undefined ? '' : ` ${hint}`}` });
      return false;
    }
  };
  let server: ServerMark | undefined;
  const isThere = await attempt('CapabilityStatement', async () => {
    server = await askServer(source, undefined, now);
    return `FHIR ${server.fhirVersion ?? '(not said)'}, ${server.types.length} types are searched`;
  });
  if (!isThere || server === undefined) return checks;
  checks.push(checkClock(source), checkVersion(server, settings));
  const types = settings.types ?? pulledTypes(server.types, namesOf(settings));
  checks.push({ name: 'types', isOk: types.length > 0, detail: types.length > 0 ? types.join(', ') : 'none to pull' });
  for (const type of types) await attempt(type, () => tryType(source, settings, type));
  return checks;
}

/** By a page of one, and by the time of what is in it. */
async function tryType(source: FhirSource, { filters }: RestSettings, type: string): Promise<string> {
  const filter = filters[type] === undefined ? '' : `${filters[type]}&`;
  const [newest] = matchesOf(await askPage(source, `${type}?${filter}_sort=-_lastUpdated&_count=1`, false), type);
  if (newest === undefined) return 'answers; nothing there yet';
  if (newest.updatedAt === undefined) return 'answers; without times: everything is compared each time';
  const after = new Date(newest.updatedAt.getTime() + dayMs).toISOString();
  const later = matchesOf(await askPage(source, `${type}?${filter}_lastUpdated=ge${after}&_count=1`, false), type);
  const isHeeded = later.every(({ updatedAt }) => updatedAt !== undefined && updatedAt.toISOString() >= after);
  return isHeeded
    ? 'answers; heeds _lastUpdated'
    : 'answers; does not heed _lastUpdated: everything is compared each time';
}
const dayMs = 24 * 60 * 60 * 1_000;

/** Assertions of a client are refused by a clock that differs by more than their time. */
const aheadMsMax = 60_000;

function checkClock({ http: { aheadMs } }: FhirSource): Check {
  const seconds = Math.round(aheadMs / 1_000);
  const isOk = Math.abs(aheadMs) <= aheadMsMax;
  return { name: 'clock', isOk, detail: `${Math.abs(seconds)} s ${seconds < 0 ? 'behind' : 'ahead of'} the hub's` };
}

function checkVersion({ fhirVersion }: ServerMark, { version }: RestSettings): Check {
  try {
    checkRelease(fhirVersion, version);
    return { name: 'version', isOk: true, detail: `FHIR ${fhirVersion ?? '(not said)'}` };
  } catch (error) {
    const { message, hint = '' } = error as Problem;
    return { name: 'version', isOk: false, detail: `${message}. ${hint}` };
  }
}
