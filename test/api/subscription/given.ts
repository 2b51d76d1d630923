/** Subscriptions of the tests: plain but valid, each element to be left out or changed. */
import type { AnyResource } from '../../../src/fhir/types.ts';

/** What was received, of which a test knows the shape. */
export type Json = Record<string, any>; // eslint-disable-line typescript/no-explicit-any

const guide = 'http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition';
export const topics = 'https://health-record-hub.example/fhir/SubscriptionTopic';

export interface GivenSubscription {
  readonly topic?: string;
  readonly filters?: readonly string[];
  readonly content?: string;
  /** A URL makes it a rest-hook, none a websocket. */
  readonly endpoint?: string;
  readonly header?: readonly string[];
  readonly heartbeat?: number;
  readonly maxCount?: number;
  readonly timeout?: number;
  readonly end?: string;
  readonly status?: string;
}

export function givenSubscription(given: GivenSubscription = {}): AnyResource {
  const { topic = 'resource-changed', filters = ['Observation?'], content = 'id-only', endpoint, header } = given;
  const pace = Object.entries({
    'backport-heartbeat-period': given.heartbeat,
    'backport-timeout': given.timeout,
    'backport-max-count': given.maxCount,
  })
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => ({
      url: `${guide}/${name}`,
      [name === 'backport-max-count' ? 'valuePositiveInt' : 'valueUnsignedInt']: value,
    }));
  return {
    resourceType: 'Subscription',
    status: given.status ?? 'requested',
    reason: 'to know what is new',
    criteria: topic.includes('?') ? topic : `${topics}/${topic}`,
    ...(topic.includes('?') || filters.length === 0
      ? {}
      : {
          _criteria: {
            extension: filters.map((valueString) => ({ url: `${guide}/backport-filter-criteria`, valueString })),
          },
        }),
    ...(given.end === undefined ? {} : { end: given.end }),
    channel: {
      ...(pace.length === 0 ? {} : { extension: pace }),
      type: endpoint === undefined ? 'websocket' : 'rest-hook',
      ...(endpoint === undefined ? {} : { endpoint }),
      payload: 'application/fhir+json',
      _payload: { extension: [{ url: `${guide}/backport-payload-content`, valueCode: content }] },
      ...(header === undefined ? {} : { header }),
    },
  };
}

/** Values of a notification's status, by name. */
export function statusOf(bundle: Json): Json & { events: Json[] } {
  // eslint-disable-line typescript/no-explicit-any
  const [first] = bundle['entry'] as { resource: { parameter: Record<string, unknown>[] } }[];
  const parameters = first?.resource.parameter ?? [];
  const valuesOf = (list: readonly Record<string, unknown>[]): Record<string, unknown> =>
    Object.fromEntries(
      list.map((one) => [String(one['name']), Object.entries(one).find(([key]) => key.startsWith('value'))?.[1]]),
    );
  return {
    ...valuesOf(parameters.filter(({ name }) => name !== 'notification-event')),
    events: parameters
      .filter(({ name }) => name === 'notification-event')
      .map(({ part }) => valuesOf(part as Record<string, unknown>[])),
  };
}
