/** Before all that the authorization server answers: whoever was refused too often from an address waits (access/rate/refusals.ts). */
import type { BlockList } from 'node:net';
import type { RequestHandler } from 'express';
import { addressOf } from '../../access/client/network.ts';
import { Throttled, type Limit } from '../../access/rate/rates.ts';
import type { Refusals } from '../../access/rate/refusals.ts';
import { respond } from '../respond.ts';
import { json } from './form.ts';

/** What a guess gets: of clients and signatures 401, of codes, tickets and requests 400, elsewhere 403. */
const refused = new Set([400, 401, 403]);

export interface StrangerOptions {
  readonly refusals: Refusals;
  /** Whose X-Forwarded-For is believed. */
  readonly proxies: BlockList;
  readonly countThrottled: (limit: Limit) => void;
}

export function slowStrangers({ refusals, proxies, countThrottled }: StrangerOptions): RequestHandler {
  return (request, response, next) => {
    const address = addressOf(request, proxies);
    try {
      refusals.admit(address);
    } catch (problem) {
      if (!(problem instanceof Throttled)) throw problem;
      countThrottled(problem.limit);
      const { retrySeconds } = problem;
      const answer = json(429, { error: 'temporarily_unavailable', error_description: 'too many refused requests' });
      return respond(response, { ...answer, headers: { ...answer.headers, 'retry-after': String(retrySeconds) } });
    }
    response.once('finish', () => {
      if (refused.has(response.statusCode)) refusals.count(address);
    });
    next();
  };
}
