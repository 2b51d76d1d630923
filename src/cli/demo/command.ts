/**
 * `hub demo`: the main job end to end on this machine, in a database of its own that is gone afterwards. The hub is the
 * real one in a process of its own; the demo is its hospitals, its services and its patient.
 */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { issueToken, type Claims } from '../../access/token/issue.ts';
import { loadIssuerKeys } from '../../access/token/keys.ts';
import { Problem } from '../../fhir/problem.ts';
import { connectMllp } from '../../hub/mllp-client.ts';
import { addEndpoint } from '../../ingest/registry/change.ts';
import { withRegistrar } from '../endpoint/registry.ts';
import { enrolPatient, type DemoAccount } from './account.ts';
import { castOf, type Cast } from './cast.ts';
import { choosePlace, startHub, type HubProcess } from './hub-process.ts';
import { tellStory, type Ending } from './story.ts';
import { openTeller, type Teller } from './teller.ts';

export interface DemoOptions {
  /** End after the story instead of staying up. */
  readonly exit?: boolean;
}

/** The shell's number for a program that Ctrl-C ended before its time. */
const exitInterrupted = 130;
/** Within a second: the hub is on this machine and known to be up. */
const connectAttemptsMax = 4;

export async function runDemo(options: DemoOptions): Promise<void> {
  const teller = openTeller(
    (line) => console.log(line),
    () => performance.now(),
  );
  // The terminal may be closed while the hub stops: that must not keep the demo from cleaning up.
  process.stdout.on('error', () => undefined);
  teller.say('A day in the hub: three hospitals, one patient, and two services that want to know');
  const stopAsked = nextSignal();
  const place = await choosePlace(process.env);
  for (const note of place.notes) teller.say(note);
  const dataDir = await mkdtemp(join(tmpdir(), 'health-record-hub-demo-'));
  const hub = startHub(place, dataDir);
  try {
    const ending = await Promise.race([play(teller, hub), stopAsked, ended(hub)]);
    if (ending === undefined) {
      process.exitCode = exitInterrupted;
      return;
    }
    teller.say();
    teller.say('Every step was checked against what the hub answered; all of them hold.');
    if (options.exit === true) return;
    invite(teller, hub, ending, await enrolPatient(ending.patient, hub.url, hub.environment));
    await Promise.race([stopAsked, ended(hub)]);
    teller.say();
    teller.say('Stopping; the data of the demo is removed.');
  } catch (error) {
    const words = hub.lastWords();
    if (words !== '') teller.say(`\nThe end of the hub's log:\n${words}\n`);
    throw error;
  } finally {
    await hub.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}

async function play(teller: Teller, hub: HubProcess): Promise<Ending> {
  const { host, port, mllpPort } = hub.place;
  const cast = castOf(new Date());
  teller.chapter('The hub');
  await teller.step(async () => {
    await hub.untilReady();
    return `The hub is up with a PostgreSQL of its own: HTTP on ${host}:${port}, MLLP on ${host}:${mllpPort}`;
  });
  await teller.step(() => registerHospitals(cast, hub.environment));
  return tellStory({
    teller,
    cast,
    fhirBase: `${hub.url}/fhir/R4`,
    opsBase: `${hub.url}/ops`,
    now: () => new Date(),
    connect: () => connectMllp({ host, port: mllpPort, attemptsMax: connectAttemptsMax }),
    tokenFor: await tokensOf(hub),
  });
}

/** What `hub token` does. */
async function tokensOf({ dataDir, url }: HubProcess): Promise<(claims: Claims) => Promise<string>> {
  const keys = await loadIssuerKeys(dataDir);
  return (claims) =>
    issueToken(keys, claims, {
      issuer: url,
      audience: `${url}/fhir/R4`,
      jti: randomUUID(),
      now: Math.trunc(Date.now() / 1000),
    });
}

/** @throws Problem exception when the hub ends while it is needed; a Ctrl-C that reaches both is seen here first */
async function ended(hub: HubProcess): Promise<never> {
  await hub.exited;
  throw new Problem('exception', 'the hub ended');
}

/** What `hub endpoint add` does, once for each hospital. */
async function registerHospitals(cast: Cast, environment: NodeJS.ProcessEnv): Promise<string> {
  await withRegistrar(environment, async ({ database, options }) => {
    for (const { organization, facility, zone, name: organizationName } of cast.hospitals) {
      const name = organization.slice('Organization/'.length);
      const config = { organizationName };
      const wanted = { name, kind: 'hl7v2-mllp', organization, facilities: [facility], zone, config } as const;
      await addEndpoint(database, wanted, options({ by: 'hub demo' }));
    }
  });
  const facilities = cast.hospitals.map(({ facility }) => facility).join(', ');
  return `Three hospitals are registered, each bound to its own name in MSH-4: ${facilities}`;
}

/** So many sign-ins without an app; the rest is in the app's key. */
const codesShown = 5;

function invite(teller: Teller, { url }: HubProcess, { patient, tokens }: Ending, account: DemoAccount): void {
  teller.chapter('Have a look yourself');
  teller.say(`  The patient's portal   ${url}/portal/`);
  teller.say(`      name               ${account.login}`);
  teller.say(`      password           ${account.password}`);
  teller.say(`      code               ${account.codes.slice(0, codesShown).join(' ')}  (each good once)`);
  teller.say(`      or from an app     with the key ${account.totpKey}`);
  teller.say();
  teller.say(`  Operations console     ${url}/console#token=${tokens.operator}`);
  teller.chapter('Three things to try in another terminal (the tokens hold for an hour)');
  teller.say(`  PATIENT=${tokens.patient}`);
  teller.say(`  AI=${tokens.ai}`);
  teller.say(`  PAYMENT=${tokens.payment}`);
  teller.say();
  const curl = (token: string, path: string): string =>
    `  curl -s -H "Authorization: Bearer $${token}" '${url}/fhir/R4${path}'`;
  teller.say('  # what the patient sees: the newest result of their own record');
  teller.say(curl('PATIENT', `/Observation?patient=${patient}&_sort=-date&_count=1`));
  teller.say('  # what the AI sees: nothing, until you allow it in the portal');
  teller.say(curl('AI', `/Observation?patient=${patient}`));
  teller.say('  # what payment sees: insurance');
  teller.say(curl('PAYMENT', `/Coverage?patient=${patient}`));
  teller.say();
  teller.say('The hub stays up until you press Ctrl-C.');
}

/** Resolves with undefined at the first SIGINT or SIGTERM; the process then ends in its own order. */
function nextSignal(): Promise<undefined> {
  return new Promise((resolve) => {
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => resolve(undefined));
  });
}
