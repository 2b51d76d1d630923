/**
 * Who is refused again and again before saying who they are: guesses at codes, tickets, clients and their signatures. Counted by
 * address, because nothing else is known of them, and only what was refused: a service that gets its tokens is never in the way of
 * those behind the same address, and one that is misconfigured for a minute at most.
 *
 * As all limits (rates.ts): each process counts by itself, in memory, bounded.
 */
import { createRequire } from 'node:module';
import type * as limiters from 'rate-limiter-flexible';
import { Throttled } from './rates.ts';

const RateLimiterMemory = createRequire(import.meta.url)(
  'rate-limiter-flexible/lib/RateLimiterMemory.js',
) as typeof limiters.RateLimiterMemory;

export interface Refusals {
  /** @throws Throttled */
  admit(address: string | undefined): void;
  /** A request from there was refused. */
  count(address: string | undefined): void;
}

const windowSeconds = 60;
/** Addresses that are over the limit at once; the first of them is let in again when there are more. */
const blockedMax = 10_000;

/** @param limit refusals of one address in a minute; 0: no limit */
export function openRefusals(limit: number, now: () => number = Date.now): Refusals {
  const limiter = limit === 0 ? undefined : new RateLimiterMemory({ points: limit, duration: windowSeconds });
  const blockedUntil = new Map<string, number>();
  return {
    admit: (address = '') => {
      const until = blockedUntil.get(address);
      if (until === undefined) return;
      if (until > now()) throw new Throttled('refusals', until - now());
      blockedUntil.delete(address);
    },
    count: (address = '') => {
      limiter?.consume(address).catch((over: limiters.RateLimiterRes) => {
        blockedUntil.set(address, now() + over.msBeforeNext);
        if (blockedUntil.size > blockedMax) blockedUntil.delete(blockedUntil.keys().next().value as string);
      });
    },
  };
}
