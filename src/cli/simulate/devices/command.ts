/** `hub simulate devices`: watches of invented people that send their days to a running hub, some of it late, twice and corrected. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Problem } from '../../../fhir/problem.ts';
import { openLedger, type Ledger } from '../ledger.ts';
import { numberOption } from '../numbers.ts';
import { personAt } from '../people.ts';
import { randomOf } from '../random.ts';
import { openTokens, type Tokens } from '../tokens.ts';
import { summariesOf, uploadOf } from './days.ts';

export interface DevicesCommandOptions {
  readonly people: string;
  readonly days: string;
  readonly seed: string;
  readonly endpoint: string;
  readonly organization: string;
  readonly url: string;
  readonly ledger?: string;
}

export interface DevicesPlan {
  readonly seed: number;
  readonly people: number;
  readonly days: number;
  readonly endpoint: string;
  /** Of the endpoint; the people are its Patients. */
  readonly organization: string;
  readonly url: string;
  readonly tokens: Tokens;
  readonly ledger?: Ledger;
}

const peopleMax = 100_000;
const daysMax = 3_650;
/** Of a hundred uploads: the app does not know whether it arrived, and sends it again. */
const twicePercent = 10;
/** A hub that restarts is waited for. */
const attemptsMax = 6;
const firstWaitMs = 100;
const stream = 61;

export async function runSimulateDevices(
  options: DevicesCommandOptions,
  environment: NodeJS.ProcessEnv,
): Promise<void> {
  const ledger = options.ledger === undefined ? undefined : openLedger(options.ledger);
  try {
    const uploads = await sendDays({
      seed: numberOption(options.seed, '--seed', 0, 2 ** 31 - 1),
      people: numberOption(options.people, '--people', 1, peopleMax),
      days: numberOption(options.days, '--days', 1, daysMax),
      endpoint: options.endpoint,
      organization: options.organization,
      url: options.url,
      tokens: await openTokens(environment),
      ...(ledger && { ledger }),
    });
    console.log(`${uploads} uploads of ${options.people} watches, ${options.days} days each`);
  } finally {
    await ledger?.close();
  }
}

/** Day by day, person by person. @returns how many uploads @throws Problem of what the hub refused */
export async function sendDays(plan: DevicesPlan): Promise<number> {
  const { seed, people, days, ledger } = plan;
  let uploads = 0;
  for (let person = 0; person < people; person++) await putPatient(plan, person);
  for (let day = 0; day < days; day++) {
    for (let person = 0; person < people; person++) {
      const points = JSON.stringify(uploadOf(seed, person, day));
      const isTwice = randomOf(seed, person, day, stream).chance(twicePercent);
      for (let n = 0; n < (isTwice ? 2 : 1); n++, uploads++) {
        const path = `device/${plan.endpoint}?patient=${patientId(seed, person)}`;
        await ask(plan, 'POST', path, 'application/json', points);
      }
      for (const of of day === 0 ? [0] : [day - 1, day]) {
        for (const { metric, date, count, low, high, sum } of summariesOf(seed, person, of, day)) {
          ledger?.write({ what: 'day', patient: patientId(seed, person), metric, date, count, low, high, sum });
        }
      }
    }
  }
  return uploads;
}

function patientId(seed: number, person: number): string {
  return `sim-device-${seed}-${person}`;
}

async function putPatient(plan: DevicesPlan, number: number): Promise<void> {
  const { family, given, sex, birthDate } = personAt(plan.seed, number);
  const id = patientId(plan.seed, number);
  const body = JSON.stringify({
    resourceType: 'Patient',
    id,
    name: [{ family, given: [given] }],
    gender: sex === 'F' ? 'female' : 'male',
    birthDate: birthDate.replace(/(....)(..)(..)/, '$1-$2-$3'),
  });
  await ask(plan, 'PUT', `fhir/R4/Patient/${id}`, 'application/fhir+json', body);
}

async function ask(plan: DevicesPlan, method: string, path: string, type: string, body: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const authorization = `Bearer ${await plan.tokens(plan.organization)}`;
    const headers = { authorization, 'content-type': type };
    const response = await fetch(`${plan.url}/${path}`, { method, headers, body }).catch(() => undefined);
    await response?.arrayBuffer();
    if (response?.ok === true) return;
    const mayPass = response === undefined || response.status === 429 || response.status >= 500;
    if (!mayPass || attempt >= attemptsMax) {
      throw new Problem(
        'transient',
        `the hub answers ${response?.status ?? 'nothing'} to ${method} ${path.split('?')[0]}`,
        {
          hint: `The endpoint is one of kind device-http: hub endpoint add ${plan.endpoint} --kind device-http --organization ${plan.organization}`,
        },
      );
    }
    await sleep(firstWaitMs * 2 ** (attempt - 1));
  }
}
