/**
 * The onboarding check: what the samples of a hospital show, how each would be answered and what it would become, a first overlay, and
 * what is missing until the connection is ready. Nothing is stored, and nothing of a patient is in the report.
 */
import { splitMessages } from '../../../adapters/hl7v2/batch.ts';
import type { Database, Tx } from '../../db.ts';
import { sql } from '../../db/sql.ts';
import { Problem } from '../../fhir/problem.ts';
import type { Check, Endpoint } from '../../ingest/contract.ts';
import { reachOf } from '../../ingest/endpoint.ts';
import { isHl7 } from '../../ingest/registry/description.ts';
import { judgeAsked, missingSecrets } from '../../ingest/registry/plan.ts';
import { findEndpoint, listEndpoints } from '../../ingest/registry/rows.ts';
import { readSecrets, secretNames, type Secrets } from '../../ingest/registry/secrets.ts';
import { forAdapter } from '../../ingest/registry/settings.ts';
import { isOpen } from '../../ingest/registry/states.ts';
import { unknownEndpoint } from '../../ingest/registry/versions.ts';
import { readOverlayText } from '../../ingest/overlays.ts';
import { parseOverlay, type Maps } from '../../mapping/maps.ts';
import { shippedOverlay } from '../../mapping/tables/overlay.ts';
import type { Register } from '../endpoints.ts';
import { kindRules, pullerOf } from '../kinds.ts';
import { judgeSamples } from './judge-samples.ts';
import { countParts, draftOverlay, type DraftedOverlay } from './overlay.ts';
import { judge, type Readiness, type ReadinessCheck } from './readiness.ts';
import { readSample, type GivenSample, type ReadSample, type Sample } from './sample.ts';

export interface OnboardingOptions {
  readonly database: Database;
  /** The shipped ones: what is applied is read from the database. */
  readonly maps: () => Maps | Promise<Maps>;
  readonly register: Register;
  readonly now: () => Date;
}

export interface OnboardingReport {
  readonly endpoint: string;
  readonly kind: Endpoint['kind'];
  readonly state: Endpoint['state'];
  readonly readiness: Readiness;
  readonly samples: readonly Sample[];
  /** What no rule takes, by samples. */
  readonly unmapped: readonly { kind: 'field' | 'code'; position: string; code?: string; messages: number }[];
  /** Undefined when there is nothing to map. */
  readonly overlay?: DraftedOverlay;
}

/** A day's worth of one ward; more says nothing new. */
export const samplesMax = 100;
/** Fields and their parts of all of them: each is mapped again for each rule that is tried. A long document is one. */
export const samplePartsMax = 200_000;
/** An adapter reaches out, and a source may never answer. */
const reachMs = 30_000;

/** @throws Problem not-found, too-costly for more samples than {@link samplesMax} */
export async function checkOnboarding(
  options: OnboardingOptions,
  name: string,
  given: readonly GivenSample[],
): Promise<OnboardingReport> {
  const { database } = options;
  const endpoint = await findEndpoint(database, name);
  if (endpoint === undefined) throw unknownEndpoint(name);
  const own = isHl7(endpoint.kind) ? await checkSamples(options, endpoint, splitAll(given)) : undefined;
  const checks = [
    ...(await checkSettings(options, endpoint)),
    ...(own === undefined ? [] : judgeSamples(endpoint, own.read)),
    ...(await checkUse(database, endpoint)),
  ];
  const samples = own?.read.map(({ sample }) => sample) ?? [];
  return {
    endpoint: endpoint.name,
    kind: endpoint.kind,
    state: endpoint.state,
    readiness: judge(checks),
    samples,
    unmapped: countUnmapped(samples),
    ...(own?.overlay !== undefined && { overlay: own.overlay }),
  };
}

function splitAll(given: readonly GivenSample[]): GivenSample[] {
  const samples = given.flatMap(({ name, bytes }) => {
    const parts = splitMessages(bytes);
    // What is no message at all is a sample too: of how it would be refused.
    if (parts.length <= 1) return [{ name, bytes: Buffer.from(parts[0] ?? bytes) }];
    return parts.map((part, index) => ({ name: `${name}#${index + 1}`, bytes: Buffer.from(part) }));
  });
  if (samples.length <= samplesMax) return samples;
  throw new Problem('too-costly', `at most ${samplesMax} samples are looked at`, {
    hint: 'Some of each kind are enough.',
  });
}

async function checkSamples(
  { database, maps: open, now }: OnboardingOptions,
  endpoint: Endpoint,
  samples: readonly GivenSample[],
): Promise<{ read: ReadSample[]; overlay: DraftedOverlay | undefined }> {
  const maps = await open();
  const inForce = await readOverlayText(database, endpoint.name);
  const map = () =>
    inForce === undefined ? maps.shipped(endpoint.name) : maps.compile(parseOverlay(inForce.text, inForce.name));
  const others = await listEndpoints(database);
  const reach = reachOf(
    others.map((other) => (other.id === endpoint.id ? { ...other, isEnabled: true } : other)),
    connectionOf(endpoint),
  );
  const reaches = (facility: string): boolean => reach.find(facility)?.id === endpoint.id;
  const read = samples.map((sample) => readSample(sample, endpoint, { map, reaches, now: now() }));
  const messages = read.flatMap(({ message }) => message ?? []);
  if (countParts(messages) > samplePartsMax) {
    throw new Problem('too-costly', `samples have at most ${samplePartsMax} fields and parts of fields together`, {
      hint: 'Some of each kind are enough.',
    });
  }
  // Of an endpoint that a shipped file names, that file is the place to change.
  const isShipped = inForce === undefined && shippedOverlay(maps.library, endpoint.name) !== undefined;
  const overlay = isShipped ? undefined : draftOverlay({ source: endpoint, maps, messages, inForce: inForce?.text });
  return { read, overlay };
}

/** As its own sender connects. */
function connectionOf({ kind, port, folder, certificate, addresses, organization }: Endpoint) {
  return { kind, port, folder, certificate, organization, address: addresses[0] ?? 'unknown' };
}

async function checkSettings(options: OnboardingOptions, endpoint: Endpoint): Promise<ReadinessCheck[]> {
  const { database } = options;
  const checks: ReadinessCheck[] = [checkConfig(endpoint)];
  const names = await secretNames(database, endpoint.id);
  const needed = checks[0]?.isOk === true ? missingSecrets(endpoint, [], { kinds: kindRules }) : [];
  const missing = needed.filter((name) => !names.includes(name));
  if (needed.length > 0) {
    checks.push({
      name: 'secrets',
      isNeeded: true,
      isOk: missing.length === 0,
      detail: missing.length === 0 ? `there: ${needed.join(', ')}` : `missing: ${missing.join(', ')}`,
      ...(missing.length > 0 && { fix: `hub endpoint set ${endpoint.name} --secret ${missing[0]} < FILE` }),
    });
  }
  if (checks[0]?.isOk === true && kindRules(endpoint.kind).asks(endpoint.config) !== undefined) {
    const wrong = await judgeAsked(database, endpoint, kindRules);
    checks.push({
      name: 'asked',
      isNeeded: true,
      isOk: wrong === undefined,
      detail: wrong?.message ?? 'what it is only told of is asked for',
      ...(wrong !== undefined && { fix: `hub endpoint set ${endpoint.name} --set pull=NAME` }),
    });
  }
  const puller = pullerOf(endpoint.kind);
  if (puller === undefined || checks.some(({ isOk }) => !isOk)) return checks;
  const { sealer } = options.register({ by: 'test', at: options.now() });
  const secrets: Secrets = sealer === undefined ? {} : await readSecrets(database, sealer, endpoint.id);
  return [...checks, ...(await reachOut(options, endpoint, secrets))];
}

function checkConfig(endpoint: Endpoint): ReadinessCheck {
  const check = { name: 'settings', isNeeded: true };
  try {
    kindRules(endpoint.kind).readConfig(endpoint.config);
    return { ...check, isOk: true, detail: 'complete' };
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const { message, expression, hint } = error;
    const detail = `${message} (${expression.join(', ')})`;
    return {
      ...check,
      isOk: false,
      detail,
      fix: `hub endpoint set ${endpoint.name} --set NAME=VALUE   # ${hint ?? ''}`,
    };
  }
}

async function reachOut({ now }: OnboardingOptions, endpoint: Endpoint, secrets: Secrets): Promise<ReadinessCheck[]> {
  const signal = AbortSignal.timeout(reachMs);
  const tried = await pullerOf(endpoint.kind)
    ?.test({ endpoint: forAdapter(endpoint), secrets, signal, now })
    .catch((error: unknown): Check[] => {
      if (!(error instanceof Problem)) throw error;
      return [{ name: 'reached', isOk: false, detail: `${error.code}: ${error.message}` }];
    });
  return (tried ?? []).map((check) => ({ ...check, isNeeded: true }));
}

/** What is good to have of any endpoint, and whether it is used. */
async function checkUse(db: Tx, endpoint: Endpoint): Promise<ReadinessCheck[]> {
  const { name, kind, certificate, addresses, state } = endpoint;
  const set = `hub endpoint set ${name}`;
  const isBound = certificate !== undefined || addresses.length > 0;
  const hasContact = typeof endpoint.config['contact'] === 'string';
  const [message] = await db.query(sql`select from message where endpoint_id = ${endpoint.id} limit 1`);
  return [
    ...(kind === 'hl7v2-mllp'
      ? [
          {
            name: 'bound',
            isNeeded: false,
            isOk: isBound,
            detail: isBound ? 'to its certificate or address' : 'whoever reaches the port may speak for its facilities',
            ...(!isBound && { fix: `${set} --certificate FINGERPRINT   # or --address IP` }),
          },
        ]
      : []),
    {
      name: 'contact',
      isNeeded: false,
      isOk: hasContact,
      detail: hasContact ? 'somebody to call' : 'nobody to call when it is silent',
      ...(!hasContact && { fix: `${set} --set contact=it@hospital.example` }),
    },
    {
      name: 'heard',
      isNeeded: false,
      isOk: message !== undefined,
      detail:
        message === undefined ? 'nothing has come over the real connection yet' : 'it came over the real connection',
      ...(message === undefined && !isOpen(state) && { fix: `${set} --state testing   # accepted and held` }),
    },
    {
      name: 'live',
      isNeeded: false,
      isOk: state === 'live',
      detail: `it is ${state}`,
      ...(state !== 'live' && state !== 'retired' && { fix: `hub endpoint resume ${name}` }),
    },
  ];
}

function countUnmapped(samples: readonly Sample[]): OnboardingReport['unmapped'] {
  const counts = new Map<number, OnboardingReport['unmapped'][number]>();
  for (const { unmapped } of samples) {
    for (const { hash, kind, position, code } of unmapped) {
      const messages = (counts.get(hash)?.messages ?? 0) + 1;
      counts.set(hash, { kind, position, ...(code !== '' && { code }), messages });
    }
  }
  return [...counts.values()].toSorted((a, b) => b.messages - a.messages || (a.position < b.position ? -1 : 1));
}
