/** What the hub itself reads of a pulled endpoint's settings; the rest is its adapter's. */
import { Problem } from '../../fhir/problem.ts';
import { readWindow, type Window } from './calendar.ts';

export interface PullSettings {
  readonly everyMs: number;
  /** When it is not asked. */
  readonly blackout: readonly Window[];
  /** What shares a line or a gateway; undefined: no limit. */
  readonly network: string | undefined;
  /** So many of the network at a time. */
  readonly networkMax: number;
  readonly budget: PullBudget;
}

/** Of one run: when it is used up the run ends, and goes on soon. */
export interface PullBudget {
  readonly resources: number;
  readonly bytes: number;
  readonly timeMs: number;
}

/** Names of settings that adapters leave to the hub. */
export const pullSettings = ['every', 'blackout', 'network', 'networkMax', 'budget'] as const;

const everyMsDefault = 15 * 60_000;
/** More often a source is not asked: what must be known sooner is pushed. */
const everyMsMin = 1_000;
const everyMsMax = 31 * 86_400_000;
/** Many hospitals behind one gateway, as a vendor's cloud: enough to be fast, and none is overrun. */
const networkMaxDefault = 16;
/** A run that takes longer than a day takes too much at a time. */
const timeMsMax = 86_400_000;
const budgetDefault: PullBudget = { resources: 50_000, bytes: 512 * 1024 * 1024, timeMs: 10 * 60_000 };

type Config = Readonly<Record<string, unknown>>;

/** @throws Problem value with the `expression` of what is wrong */
export function readPullSettings(config: Config): PullSettings {
  const everyMs = config['every'] === undefined ? everyMsDefault : readDuration(config['every'], 'every');
  if (everyMs < everyMsMin || everyMs > everyMsMax) throw wrong('every', 'Give a time from 1s to 31d.');
  const network = readNetwork(config);
  return {
    everyMs,
    blackout: readWindows(config['blackout']),
    network,
    networkMax: readCount(config['networkMax'], 'networkMax') ?? networkMaxDefault,
    budget: readBudget(config['budget']),
  };
}

const units: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `15m`, `90s`, `1d`. @returns milliseconds */
function readDuration(value: unknown, expression: string): number {
  const [, count, unit = ''] = (typeof value === 'string' && /^(\d{1,9})(ms|s|m|h|d)$/.exec(value)) || [];
  if (count === undefined) throw wrong(expression, 'Give a number and ms, s, m, h or d: 15m.');
  return Number(count) * (units[unit] as number);
}

/** A list, or one text with commas. */
function readWindows(value: unknown): Window[] {
  if (value === undefined) return [];
  const texts: unknown[] = Array.isArray(value) ? value : typeof value === 'string' ? value.split(',') : [value];
  if (texts.length > windowsMax) throw wrong('blackout', `Give at most ${windowsMax} windows.`);
  return texts.map((text, index) => {
    const window = typeof text === 'string' ? readWindow(text.trim()) : undefined;
    if (window === undefined) throw wrong(`blackout[${index}]`, 'Write a window as 22:00-02:00 Asia/Shanghai.');
    return window;
  });
}
const windowsMax = 20;

/** Without a name, the host. Loopback is no network: what is there is a gateway or a test, and has limits of its own. */
function readNetwork(config: Config): string | undefined {
  const { network, base } = config;
  if (typeof network === 'string' && network !== '') return network;
  if (network !== undefined) throw wrong('network', 'Give a name.');
  if (typeof base !== 'string' || !URL.canParse(base)) return undefined;
  const { hostname } = new URL(base);
  return hostname === 'localhost' || hostname === '[::1]' || hostname.startsWith('127.') ? undefined : hostname;
}

function readBudget(value: unknown): PullBudget {
  if (value === undefined) return budgetDefault;
  if (typeof value !== 'object' || value === null) throw wrong('budget', 'Give resources, bytes or time.');
  const { resources, bytes, time } = value as Config;
  const timeMs = time === undefined ? budgetDefault.timeMs : readDuration(time, 'budget.time');
  if (timeMs < 1_000 || timeMs > timeMsMax) throw wrong('budget.time', 'Give a time from 1s to 1d.');
  return {
    resources: readCount(resources, 'budget.resources') ?? budgetDefault.resources,
    bytes: readCount(bytes, 'budget.bytes') ?? budgetDefault.bytes,
    timeMs,
  };
}

function readCount(value: unknown, expression: string): number | undefined {
  if (value === undefined) return undefined;
  // Settings may have been written on a command line.
  const count = typeof value === 'string' ? Number(value) : value;
  if (!Number.isSafeInteger(count) || (count as number) < 1) throw wrong(expression, 'Give a number from 1 on.');
  return count as number;
}

function wrong(expression: string, hint: string): Problem {
  return new Problem('value', `the setting ${expression} is not valid`, { expression: `config.${expression}`, hint });
}
