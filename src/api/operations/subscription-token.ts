/**
 * Subscription/$get-ws-binding-token: what a client shows on the websocket to be told what its subscriptions tell.
 *
 * @see https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/OperationDefinition-backport-subscription-get-ws-binding-token.html
 */
import { creatorOf } from '../../access/predicate/creator.ts';
import { requireScope } from '../../access/principal/scope.ts';
import { standingOf } from '../../feeds/subscription/subscription.ts';
import { issueBindingToken } from '../../feeds/subscription/token.ts';
import { Problem } from '../../fhir/problem.ts';
import { websocketUrl } from '../subscription/address.ts';
import { readInput } from './input.ts';
import type { OperationInteraction } from './operation.ts';
import { idsAsked, nobody, requireFound } from './subscription-status.ts';

export const subscriptionToken: OperationInteraction = {
  code: 'operation',
  operation: {
    name: 'get-ws-binding-token',
    definition:
      'http://hl7.org/fhir/uv/subscriptions-backport/OperationDefinition/backport-subscription-get-ws-binding-token',
    levels: ['type', 'instance'],
    types: ['Subscription'],
  },
  isWrite: false,
  prepare: async (call) => {
    const { facade, principal, incoming } = call;
    requireScope(principal, 'Subscription', 'r');
    const input = await readInput(call, { allowed: ['id'] });
    return {
      isTransaction: true,
      query: input.namesOf('get-ws-binding-token'),
      run: async (tx) => {
        const creator = creatorOf(principal);
        const asked = idsAsked(incoming, input.list('id'));
        const found = await standingOf(tx, creator, asked);
        if (asked !== undefined && found.length < new Set(asked).size) requireFound([]);
        const bound = found.filter(({ status, request }) => status !== 'off' && request.channel === 'websocket');
        if (bound.length === 0 || (asked !== undefined && bound.length < found.length)) {
          throw new Problem('business-rule', 'there is no Subscription for a websocket that is not off', {
            hint: 'Create one with the channel websocket.',
          });
        }
        const ids = bound.map(({ id }) => id);
        const at = facade.now();
        const issued = await issueBindingToken(tx, { creator, subscriptions: ids, at, until: principal.expiresAt });
        const body = JSON.stringify({
          resourceType: 'Parameters',
          parameter: [
            { name: 'token', valueString: issued.token },
            { name: 'expiration', valueDateTime: new Date(issued.expiresAt).toISOString() },
            ...ids.map((id) => ({ name: 'subscription', valueString: id })),
            { name: 'websocket-url', valueUrl: websocketUrl(facade.base) },
          ],
        });
        return { answer: { status: 200, body }, shown: [nobody] };
      },
    };
  },
};
