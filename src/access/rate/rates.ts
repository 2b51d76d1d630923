/**
 * How much one client may ask: in a second, about one patient in a minute, and in vain. In vain counts different questions that
 * show nothing (unknown or hidden, nobody knows which): who goes through ids or identifiers has many, who asks again for what is
 * gone has one.
 *
 * Whether a request is over a limit never depends on what is hidden: a limit by patient counts what was asked by name and what is
 * shown, and whoever asked too much in vain is refused everything alike (LEAKS 21).
 *
 * Each process, and each thread of one, counts by itself, in memory: a shared counter would cost a statement a request. Counting
 * goes on beside the request, and a client that is over a limit is refused from its next request on. Measured (bench/rate.ts).
 */
import { createRequire } from 'node:module';
import type * as limiters from 'rate-limiter-flexible';
import { Problem } from '../../fhir/problem.ts';
import type { Principal } from '../principal/principal.ts';
import { mix, PairCounts } from './pairs.ts';

/** This one file of the library: all of it, with its stores for a dozen databases, is 86 ms and 6 MB more in each thread. */
const RateLimiterMemory = createRequire(import.meta.url)(
  'rate-limiter-flexible/lib/RateLimiterMemory.js',
) as typeof limiters.RateLimiterMemory;

export interface RateLimits {
  /** Requests of one client in a second. 0 (here and below): no limit. */
  readonly client: number;
  /** Requests of one client about one patient in a minute. */
  readonly patient: number;
  /** Requests of one person in their own name (or a patient's, by proxy) in a minute. */
  readonly self: number;
  /** Different questions of one client in ten minutes that showed nothing. */
  readonly misses: number;
}

/** What was over its limit: a label of a metric. */
export type Limit = keyof RateLimits | 'refusals';

/** 429, with the seconds after which it is worth asking again. */
export class Throttled extends Problem {
  readonly limit: Limit;
  readonly retrySeconds: number;
  constructor(limit: Limit, waitMs: number) {
    super('throttled', 'too many requests', { hint: 'Wait as long as Retry-After says.' });
    this.limit = limit;
    this.retrySeconds = Math.max(1, Math.ceil(waitMs / 1000));
  }
}

export interface Rates {
  /** Counts a request. @throws Throttled */
  admit(principal: Principal): void;
  /** Counts that patients were asked about, or shown. @throws Throttled */
  meet(principal: Principal, patients: Iterable<string | null | undefined>): void;
  /**
   * Counts a question that showed nothing.
   * @returns true when this is the one that was too many: the client is refused until the window ends, and somebody should know
   */
  miss(principal: Principal, question: string): boolean;
}

const secondMs = 1_000;
const minuteMs = 60_000;
const missWindowMs = 600_000;
/** Clients that are remembered; the one not heard of for longest is forgotten. Registered ones are some thousands. */
const clientsMax = 20_000;

interface ClientState {
  readonly key: string;
  /** Told apart from others in {@link PairCounts}. */
  readonly seed: number;
  blocked: Limit | undefined;
  blockedUntil: number;
  /** Hashes of what was asked in vain. */
  readonly missed: Set<number>;
  missesUntil: number;
}

export function openRates(limits: RateLimits, now: () => number = Date.now): Rates {
  const clients = new Map<string, ClientState>();
  /** A token's principal is one object as long as it is remembered, which spares making the key. */
  const known = new WeakMap<Principal, { client: ClientState; self: ClientState | undefined }>();
  const pairs = new PairCounts(minuteMs);
  const limiterOf = (points: number, seconds: number): limiters.RateLimiterMemory | undefined =>
    points === 0 ? undefined : new RateLimiterMemory({ points, duration: seconds });
  const perClient = limiterOf(limits.client, 1);
  const perSelf = limiterOf(limits.self, minuteMs / secondMs);

  const stateOf = (key: string): ClientState => {
    const state = clients.get(key) ?? {
      key,
      seed: mix(0, key),
      blocked: undefined,
      blockedUntil: 0,
      missed: new Set<number>(),
      missesUntil: 0,
    };
    clients.delete(key);
    clients.set(key, state);
    if (clients.size > clientsMax) clients.delete(clients.keys().next().value as string);
    return state;
  };

  const statesOf = (principal: Principal): { client: ClientState; self: ClientState | undefined } => {
    const found = known.get(principal);
    if (found !== undefined) return found;
    const { issuer, clientId, fhirUser, self } = principal;
    const states = {
      client: stateOf(`${issuer} ${clientId}`),
      // A person of their own, whichever app they use.
      self: self === undefined ? undefined : stateOf(`${issuer} ${fhirUser ?? self} ${self}`),
    };
    known.set(principal, states);
    return states;
  };

  const block = (state: ClientState, limit: Limit, until: number): void => {
    state.blocked = limit;
    state.blockedUntil = until;
  };
  const requireOpen = ({ blocked, blockedUntil }: ClientState, at: number): void => {
    if (blocked !== undefined && blockedUntil > at) throw new Throttled(blocked, blockedUntil - at);
  };
  const count = (limiter: limiters.RateLimiterMemory | undefined, state: ClientState, limit: Limit): void => {
    limiter?.consume(state.key).catch((over: limiters.RateLimiterRes) => {
      if (state.blockedUntil <= now()) block(state, limit, now() + over.msBeforeNext);
    });
  };

  return {
    admit: (principal) => {
      const { client, self } = statesOf(principal);
      const at = now();
      requireOpen(client, at);
      count(perClient, client, 'client');
      if (self === undefined) return;
      requireOpen(self, at);
      count(perSelf, self, 'self');
    },
    meet: (principal, patients) => {
      // A person asks about one patient all the time.
      if (limits.patient === 0 || principal.self !== undefined) return;
      const { client } = statesOf(principal);
      const at = now();
      let last: string | undefined;
      for (const patient of patients) {
        // Rows of a page are mostly of one patient.
        if (patient === null || patient === undefined || patient === last) continue;
        last = patient;
        const { count: met, endsAt } = pairs.add(client.seed, patient, at);
        if (met > limits.patient) throw new Throttled('patient', endsAt - at);
      }
    },
    miss: (principal, question) => {
      if (limits.misses === 0) return false;
      const { client: program, self } = statesOf(principal);
      // An app is shared by many people: what one of them tries is not the others' to pay.
      const client = self ?? program;
      const at = now();
      if (at >= client.missesUntil) {
        client.missed.clear();
        client.missesUntil = at + missWindowMs;
      }
      // Two hashes side by side: of 20,000 questions hardly two are taken for one.
      client.missed.add(mix(client.seed, question) * 0x10_0000 + (mix(~client.seed, question) & 0xf_ffff));
      if (client.missed.size <= limits.misses || (client.blocked === 'misses' && client.blockedUntil > at))
        return false;
      block(client, 'misses', client.missesUntil);
      return true;
    },
  };
}
