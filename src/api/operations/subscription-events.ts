/**
 * Subscription/[id]/$events: events by their numbers again. Decided now, with the token that asks: what has been hidden since is
 * left out, whatever was told before.
 *
 * @see https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/OperationDefinition-backport-subscription-events.html
 */
import { randomUUID } from 'node:crypto';
import { creatorOf } from '../../access/predicate/creator.ts';
import { requireScope } from '../../access/principal/scope.ts';
import { evaluate } from '../../feeds/subscription/evaluate.ts';
import { loggedEvents } from '../../feeds/subscription/log.ts';
import { standingOf } from '../../feeds/subscription/subscription.ts';
import { Problem } from '../../fhir/problem.ts';
import { notification } from '../../fhir/subscription/notification.ts';
import { payloadContents, type PayloadContent } from '../../fhir/subscription/request.ts';
import { readInput } from './input.ts';
import type { OperationInteraction } from './operation.ts';
import { requireFound } from './subscription-status.ts';

/** Of one answer; who needs more goes on from the last number. */
const eventsMax = 100;
const numberMax = 999_999_999;

export const subscriptionEvents: OperationInteraction = {
  code: 'operation',
  operation: {
    name: 'events',
    definition: 'http://hl7.org/fhir/uv/subscriptions-backport/OperationDefinition/backport-subscription-events',
    levels: ['instance'],
    types: ['Subscription'],
  },
  isWrite: false,
  prepare: async (call) => {
    const { facade, principal, incoming } = call;
    requireScope(principal, 'Subscription', 'r');
    const input = await readInput(call, { allowed: ['eventsSinceNumber', 'eventsUntilNumber', 'content'] });
    const since = input.number('eventsSinceNumber', { min: 0, max: numberMax }) ?? 0;
    const until = input.number('eventsUntilNumber', { min: 0, max: numberMax }) ?? numberMax;
    const wanted = contentOf(input.text('content'));
    return {
      query: input.namesOf('events'),
      run: async (tx) => {
        const standing = requireFound(await standingOf(tx, creatorOf(principal), [incoming.id]));
        const { request } = standing;
        const content = narrower(wanted ?? request.content, request.content);
        const logged = await loggedEvents(tx, incoming.id, { since, until, limit: eventsMax });
        const { base, now } = facade;
        const told = await evaluate(tx, logged, { principal, request, content, base, now: now() });
        const body = notification(standing, {
          base,
          type: 'query-event',
          content,
          events: logged.flatMap(({ place, number, committed_at }) => {
            const focus = told.get(place)?.focus;
            return focus === undefined ? [] : [{ number, at: committed_at, focus }];
          }),
          at: new Date(now()),
          ids: [randomUUID(), randomUUID()],
        });
        return { answer: { status: 200, body }, shown: [...told.values()] };
      },
    };
  },
};

function contentOf(text: string | undefined): PayloadContent | undefined {
  const known = payloadContents.find((one) => one === text);
  if (text === undefined || known !== undefined) return known;
  throw new Problem('value', `content is one of ${payloadContents.join(', ')}`, { expression: 'content' });
}

/** No more than the subscription itself tells. */
function narrower(one: PayloadContent, other: PayloadContent): PayloadContent {
  return payloadContents.indexOf(one) < payloadContents.indexOf(other) ? one : other;
}
