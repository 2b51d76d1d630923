/**
 * When many sources fall silent at once, or cannot be asked, it is one trouble: a network, a shared interface engine, a data centre. It becomes
 * one alert, told once at its start and once at its end; what belongs to it is listed, and nobody is told of each. Pure.
 */
import type { Endpoint } from '../../ingest/contract.ts';
import type { AlertKind } from './condition.ts';

export interface Open {
  readonly id: number;
  readonly kind: AlertKind;
  readonly subject: string;
  readonly startedAt: Date;
  readonly groupId: number | undefined;
  readonly isTold: boolean;
  /** Of a group: how many it had when it started. */
  readonly size?: number;
}

/** Before one is told of, others may follow: each is missed at another moment, by its own rhythm. */
export const groupWaitMs = 120_000;
/** So many of one network are its trouble, and so many of any networks the hub's or everybody's. */
const ofNetworkMin = 5;
const ofAnyMin = 10;
/** A group has ended when no more than this share is left; those are told of one by one. */
const restShare = 0.1;

const manyOf: Partial<Record<AlertKind, AlertKind>> = { silence: 'silence-many', pull: 'pull-many' };
const isGroup = (kind: AlertKind): boolean => Object.values(manyOf).includes(kind);
/** The network of a group of several networks. */
export const several = 'several networks';

export interface NewGroup {
  readonly kind: AlertKind;
  readonly subject: string;
  readonly members: readonly number[];
}

export interface Grouping {
  readonly starts: readonly NewGroup[];
  readonly joins: readonly { readonly id: number; readonly groupId: number }[];
  /** Groups that have ended, and who is left of them. */
  readonly ends: readonly { readonly groupId: number; readonly left: readonly number[] }[];
}

/** @param open all that is open; @param networkOf an endpoint by its name */
export function planGroups(open: readonly Open[], networkOf: (name: string) => string | undefined): Grouping {
  const groups = open.filter(({ kind }) => isGroup(kind));
  const starts: NewGroup[] = [];
  const joins: { id: number; groupId: number }[] = [];
  for (const [kind, many] of Object.entries(manyOf) as [AlertKind, AlertKind][]) {
    const free = open.filter((one) => one.kind === kind && one.groupId === undefined && !one.isTold);
    const alone: Open[] = [];
    for (const one of free) {
      const group = groups.find(
        (g) => g.kind === many && (g.subject === several || g.subject === networkOf(one.subject)),
      );
      if (group === undefined) alone.push(one);
      else joins.push({ id: one.id, groupId: group.id });
    }
    starts.push(...groupsOf(many, alone, networkOf));
  }
  const ends = groups.flatMap((group) => {
    const left = open.filter(({ groupId }) => groupId === group.id).map(({ id }) => id);
    const isJoined = joins.some(({ groupId }) => groupId === group.id);
    return !isJoined && left.length <= restShare * (group.size ?? 0) ? [{ groupId: group.id, left }] : [];
  });
  return { starts, joins, ends };
}

function groupsOf(
  kind: AlertKind,
  alone: readonly Open[],
  networkOf: (name: string) => string | undefined,
): NewGroup[] {
  const starts: NewGroup[] = [];
  const rest: Open[] = [];
  for (const [network, members] of Map.groupBy(alone, ({ subject }) => networkOf(subject))) {
    if (network === undefined || members.length < ofNetworkMin) rest.push(...members);
    else starts.push({ kind, subject: network, members: members.map(({ id }) => id) });
  }
  if (rest.length >= ofAnyMin) starts.push({ kind, subject: several, members: rest.map(({ id }) => id) });
  return starts;
}

/** What an endpoint shares with others: the network it names, else where it is asked, else the /24 it comes from. */
export function networkOf({ config, addresses }: Pick<Endpoint, 'config' | 'addresses'>): string | undefined {
  const { network, base, url } = config;
  if (typeof network === 'string' && network !== '') return network;
  const address = [base, url].find((one) => typeof one === 'string' && URL.canParse(one));
  if (typeof address === 'string') return new URL(address).hostname;
  const [first] = addresses;
  return first === undefined || !first.includes('.') ? undefined : `${first.split('.').slice(0, 3).join('.')}.0/24`;
}
