/**
 * A FHIR server that the hub asks by REST: type by type, what changed since the last time, or everything where that cannot be asked. How
 * far it is stands in the watermark, which moves with each page that is on disk (rest/mark.ts).
 *
 * @see https://hl7.org/fhir/R4/http.html#search
 */
import { Problem } from '../../src/fhir/problem.ts';
import type { Check, PullEnd, Puller, PullRun } from '../../src/ingest/contract.ts';
import { openSource, type FhirSource } from './ask.ts';
import { Progress } from './rest/progress.ts';
import { askServer } from './rest/server.ts';
import { keptRestSettings, namesOf, readRestSettings, type RestSettings } from './rest/settings.ts';
import { checkSource } from './rest/check.ts';
import { pullType } from './rest/window.ts';
import { RetryLater } from './retry-after.ts';
import { secretsOf } from './settings.ts';
import { pulledTypes } from './taken-types.ts';
import { checkRelease } from './versions/agree.ts';

export const fhirRest: Puller = {
  kind: 'fhir-rest',
  readConfig: (config) => keptRestSettings(config),
  secrets: (config) => secretsOf(readRestSettings(config)),
  test: (run) =>
    withSource(run, (source, settings): Promise<readonly Check[]> => checkSource(source, settings, run.now())),
  run: (run) => withSource(run, (source, settings) => pull(new Progress(run, source, settings))),
};

type Asking = Pick<PullRun, 'endpoint' | 'secrets' | 'signal' | 'now'>;

async function withSource<Result>(
  { endpoint, secrets, signal, now }: Asking,
  work: (source: FhirSource, settings: RestSettings) => Promise<Result>,
): Promise<Result> {
  const settings = readRestSettings(endpoint.config);
  const source = openSource({ settings, secrets, signal, now });
  try {
    return await work(source, settings);
  } finally {
    await source.close();
  }
}

async function pull(progress: Progress): Promise<PullEnd> {
  const { source, settings, mark, run } = progress;
  try {
    mark.server = await askServer(source, mark.server, run.now()).catch((error: unknown) => {
      if (settings.types === undefined || !saysNothing(error)) throw error;
      // A server that says nothing of itself is asked for what the endpoint names.
      return { askedAt: progress.now(), types: settings.types, history: [] };
    });
    checkRelease(mark.server.fhirVersion, settings.version);
    await progress.contents.fetch();
    const isMore = await pullTypes(progress, settings.types ?? pulledTypes(mark.server.types, namesOf(settings)));
    return { isMore, notes: progress.told };
  } catch (error) {
    if (!(error instanceof RetryLater)) throw error;
    return { isMore: true, notBefore: error.notBefore, notes: [...progress.told, error.message] };
  }
}

function saysNothing(error: unknown): boolean {
  return error instanceof Problem && ['not-supported', 'not-found', 'invalid', 'forbidden'].includes(error.code);
}

/** Two types after each other that fail in a way that passes: the server is going down, and the others are spared. */
const failuresMax = 2;

/** @returns whether the budget was used up. @throws Problem when no type could be asked, or the server is going down */
async function pullTypes(progress: Progress, types: readonly string[]): Promise<boolean> {
  let [asked, failures]: [number, number] = [0, 0];
  let first: Problem | undefined;
  if (isStopped(progress)) return true;
  for (const type of types) {
    try {
      if ((await pullType(progress, type)) === 'spent' || isStopped(progress)) return true;
      asked++;
      failures = 0;
    } catch (error) {
      if (!(error instanceof Problem) || isOfSource(error) || progress.run.signal.aborted) throw error;
      first ??= error;
      if (mayPass(error) && (asked === 0 || ++failures >= failuresMax)) throw error;
      // What one type answers says nothing of the others.
      progress.notes.add(`${type}: ${error.message}`);
    }
  }
  if (first !== undefined && asked === 0) throw first;
  return false;
}

/** Of content that is left the next run is told by the watermark. */
function isStopped({ isSpent, contents }: Progress): boolean {
  return isSpent && contents.isBehind;
}

/** Of the source as a whole, of our own database, or of the run. */
function isOfSource(error: Problem): boolean {
  return (
    error instanceof RetryLater || error.code === 'login' || error.code === 'lock-error' || error.code === 'required'
  );
}

function mayPass({ code }: Problem): boolean {
  return code === 'transient' || code === 'timeout';
}
