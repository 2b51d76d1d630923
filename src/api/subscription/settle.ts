/**
 * A Subscription on its way into the store: read and refused before anything is written, then stored without its secrets and in
 * the state that the hub gives it. What it asks for is held against the token that asks.
 */
import { creatorOf } from '../../access/predicate/creator.ts';
import type { Principal } from '../../access/principal/principal.ts';
import { requireScope, requireScopeOfAny, scopesFor } from '../../access/principal/scope.ts';
import type { Tx } from '../../db.ts';
import { requireAllowed, type AllowList } from '../../feeds/subscription/allow.ts';
import { deleteSubscription, saveSubscription, type SaveOptions } from '../../feeds/subscription/subscription.ts';
import { Problem } from '../../fhir/problem.ts';
import { withoutSecrets } from '../../fhir/subscription/headers.ts';
import { readSubscription, type SubscriptionRequest } from '../../fhir/subscription/request.ts';
import { parseTrigger, type Trigger, type TriggerOptions } from '../../fhir/subscription/trigger.ts';
import type { AnyResource } from '../../fhir/types.ts';
import { patientsOf } from '../../store/place.ts';
import type { Written } from '../../store/row.ts';
import { requireParams } from '../search-rights.ts';

/** What the hub is told of subscriptions by its operator. */
export interface SubscriptionPolicy {
  readonly allow: AllowList;
  readonly sealer: SaveOptions['sealer'];
}

interface Asked extends TriggerOptions {
  readonly principal: Principal;
  readonly policy: SubscriptionPolicy;
}

/** The resource as it is stored. @throws Problem with the path of what is refused */
export function settleSubscription(resource: AnyResource, asked: Asked): AnyResource {
  const { principal, policy } = asked;
  const { request, headers, isOff } = readSubscription(resource, asked);
  if (principal.purposes === 0) {
    throw new Problem('forbidden', 'a Subscription needs a purpose of use', {
      hint: 'Use a token with purpose_of_use: what it may see decides what is told.',
    });
  }
  if (patientsOf(resource).patient !== undefined) {
    throw new Problem('business-rule', 'a Subscription refers to no Patient', {
      expression: 'Subscription',
      hint: 'Name the patient in the filter.',
    });
  }
  if (request.endpoint !== undefined) requireAllowed(request.endpoint, policy.allow, request.content);
  for (const trigger of request.triggers) requireRights(trigger, request, asked);
  const { error: _error, ...rest } = resource;
  return withoutSecrets({ ...rest, resourceType: 'Subscription', status: isOff ? 'off' : 'requested' }, headers);
}

/** What is told is found by a search; what is sent whole is read as well. */
function requireRights(trigger: Trigger, { content }: SubscriptionRequest, asked: Asked): void {
  const { principal } = asked;
  for (const interaction of content === 'full-resource' ? (['s', 'r'] as const) : (['s'] as const)) {
    if (trigger.kind === 'search') requireScope(principal, trigger.type, interaction);
    else if (trigger.types !== undefined) requireScopeOfAny(principal, trigger.types, interaction);
    else if (scopesFor(principal, interaction).length === 0) requireScope(principal, '*', interaction);
  }
  if (trigger.kind === 'search') requireParams(principal, parseTrigger(trigger, asked));
}

/** In the transaction that has written it. @param sent with the values that are not stored in it */
export async function applySubscription(
  tx: Tx,
  { principal, policy, base, now }: Asked,
  { id, isDeleted }: Written,
  sent: AnyResource,
): Promise<void> {
  if (isDeleted) return deleteSubscription(tx, id);
  const wanted = { ...readSubscription(sent, { base, now }), id, creator: creatorOf(principal), principal };
  return saveSubscription(tx, wanted, { base, now, sealer: policy.sealer });
}
