/**
 * Notifications: a history Bundle whose first entry says how the subscription is and which events it is about.
 *
 * @see https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/StructureDefinition-backport-subscription-notification-r4.html
 * @see https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/StructureDefinition-backport-subscription-status-r4.html
 */
import type { PayloadContent } from './request.ts';

const profiles = 'http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition';

export type NotificationType = 'handshake' | 'heartbeat' | 'event-notification' | 'query-status' | 'query-event';

export interface SubscriptionState {
  readonly id: string;
  readonly topic?: string;
  readonly status: 'requested' | 'active' | 'error' | 'off';
  /** Numbered events since the start. */
  readonly events: number;
  readonly error?: string;
}

export interface NotifiedEvent {
  readonly number: number;
  readonly at: Date;
  /** Absent: it may not be seen any more. */
  readonly focus?: Focus;
}

export interface Focus {
  readonly type: string;
  readonly id: string;
  readonly version: number;
  readonly lastUpdated: Date;
  readonly isDeleted: boolean;
  /** As its receiver gets it. */
  readonly body: string;
}

export interface NotificationOptions {
  /** FHIR base URL. */
  readonly base: string;
  readonly type: NotificationType;
  readonly content: PayloadContent;
  readonly events?: readonly NotifiedEvent[];
  readonly at: Date;
  /** Of the Bundle and of the status, UUIDs. */
  readonly ids: readonly [string, string];
}

/** @returns JSON: resources stand in it as they are stored */
export function notification(state: SubscriptionState, options: NotificationOptions): string {
  const { base, content, events = [], at, ids } = options;
  const status = {
    fullUrl: `urn:uuid:${ids[1]}`,
    resource: statusOf(state, { ...options, id: ids[1] }),
    request: { method: 'GET', url: `${base}/Subscription/${state.id}/$status` },
    response: { status: '200' },
  };
  const bundle = JSON.stringify({
    resourceType: 'Bundle',
    id: ids[0],
    meta: { profile: [`${profiles}/backport-subscription-notification-r4`] },
    type: 'history',
    timestamp: at.toISOString(),
  });
  const foci = content === 'full-resource' ? events.flatMap(({ focus }) => (focus === undefined ? [] : [focus])) : [];
  const distinct = new Map(foci.map((focus) => [`${focus.type}/${focus.id}`, focus]));
  const entries = [JSON.stringify(status), ...[...distinct.values()].map((focus) => entryOf(base, focus))];
  return `${bundle.slice(0, -1)},"entry":[${entries.join(',')}]}`;
}

interface StatusOptions extends Pick<NotificationOptions, 'base' | 'type' | 'content' | 'events'> {
  readonly id: string;
}

/** Parameters that stand for SubscriptionStatus of R5. */
export function statusOf(state: SubscriptionState, options: StatusOptions): object {
  const { id, topic, status, events, error } = state;
  const { base, type, content, events: told = [] } = options;
  return {
    resourceType: 'Parameters',
    id: options.id,
    meta: { profile: [`${profiles}/backport-subscription-status-r4`] },
    parameter: [
      { name: 'subscription', valueReference: { reference: `${base}/Subscription/${id}` } },
      // "This value SHOULD NOT be present when using `empty` payloads".
      ...(topic === undefined || content === 'empty' ? [] : [{ name: 'topic', valueCanonical: topic }]),
      { name: 'status', valueCode: status },
      { name: 'type', valueCode: type },
      { name: 'events-since-subscription-start', valueString: String(events) },
      ...told.map((event) => ({ name: 'notification-event', part: partsOf(event, base, content) })),
      ...(error === undefined ? [] : [{ name: 'error', valueCodeableConcept: { text: error } }]),
    ],
  };
}

function partsOf({ number, at, focus }: NotifiedEvent, base: string, content: PayloadContent): object[] {
  return [
    { name: 'event-number', valueString: String(number) },
    { name: 'timestamp', valueInstant: at.toISOString() },
    ...(focus === undefined || content === 'empty'
      ? []
      : [{ name: 'focus', valueReference: { reference: `${base}/${focus.type}/${focus.id}` } }]),
  ];
}

/** R4 bundle.html bdl-3, bdl-4: an entry of a history has a request, and a response. */
function entryOf(base: string, { type, id, version, lastUpdated, isDeleted, body }: Focus): string {
  const method = isDeleted ? 'DELETE' : version === 1 ? 'POST' : 'PUT';
  const url = method === 'POST' ? type : `${type}/${id}`;
  const status = isDeleted ? '204' : version === 1 ? '201' : '200';
  const head = JSON.stringify({ fullUrl: `${base}/${type}/${id}` }).slice(0, -1);
  const tail = JSON.stringify({
    request: { method, url },
    response: { status, etag: `W/"${version}"`, lastModified: lastUpdated.toISOString() },
  }).slice(1);
  return isDeleted ? `${head},${tail}` : `${head},"resource":${body},${tail}`;
}
