/**
 * Subscription/$status: how the caller's subscriptions are, of one or of all.
 *
 * @see https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/OperationDefinition-backport-subscription-status.html
 */
import { randomUUID } from 'node:crypto';
import { creatorOf } from '../../access/predicate/creator.ts';
import { requireScope } from '../../access/principal/scope.ts';
import { standingOf, type Standing } from '../../feeds/subscription/subscription.ts';
import { Problem } from '../../fhir/problem.ts';
import { statusOf } from '../../fhir/subscription/notification.ts';
import type { Call } from '../interaction.ts';
import { searchUrl } from '../bundle.ts';
import { readInput } from './input.ts';
import type { OperationInteraction } from './operation.ts';

export const subscriptionStatus: OperationInteraction = {
  code: 'operation',
  operation: {
    name: 'status',
    definition: 'http://hl7.org/fhir/uv/subscriptions-backport/OperationDefinition/backport-subscription-status',
    levels: ['type', 'instance'],
    types: ['Subscription'],
  },
  isWrite: false,
  prepare: async ({ facade, principal, incoming, ...call }) => {
    requireScope(principal, 'Subscription', 'r');
    const input = await readInput({ facade, principal, incoming, ...call }, { allowed: ['id', 'status'] });
    const statuses = input.list('status');
    return {
      query: input.namesOf('status'),
      run: async (tx) => {
        const found = await standingOf(tx, creatorOf(principal), idsAsked(incoming, input.list('id')));
        if (incoming.id !== '') requireFound(found);
        const shown = found.filter(({ status }) => statuses.length === 0 || statuses.includes(status));
        return { answer: { status: 200, body: searchset(facade.base, shown) }, shown: [nobody] };
      },
    };
  },
};

/** How a subscription is tells nothing of any patient. */
export const nobody = { patient: undefined, decidedBy: 'source' } as const;

/** At the instance level the parameter is ignored; none: all that are the caller's. */
export function idsAsked({ id }: Call['incoming'], ids: readonly string[]): readonly string[] | undefined {
  if (id !== '') return [id];
  return ids.length === 0 ? undefined : ids.map((one) => one.replace(/^Subscription\//, ''));
}

/** @throws Problem not-found for another's, as for none */
export function requireFound<T>(found: readonly T[]): T {
  const [first] = found;
  if (first === undefined) throw new Problem('not-found', 'unknown or hidden');
  return first;
}

function searchset(base: string, found: readonly Standing[]): string {
  return JSON.stringify({
    resourceType: 'Bundle',
    type: 'searchset',
    total: found.length,
    link: [{ relation: 'self', url: searchUrl(base, 'Subscription/$status', []) }],
    ...(found.length === 0 ? {} : { entry: found.map((one) => entryOf(base, one)) }),
  });
}

function entryOf(base: string, standing: Standing): object {
  const id = randomUUID();
  const { content } = standing.request;
  return {
    fullUrl: `urn:uuid:${id}`,
    resource: statusOf(standing, { base, type: 'query-status', content, id }),
    search: { mode: 'match' },
  };
}
