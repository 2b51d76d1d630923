/**
 * A Subscription as the hub carries it out: R4 with the extensions of the Subscriptions R5 Backport guide. What it asks for and
 * the hub does not do is refused with the element's path; nothing is taken and ignored.
 *
 * @see https://hl7.org/fhir/R4/subscription.html
 * @see https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/StructureDefinition-backport-subscription.html
 */
import { readDate } from '../dates.ts';
import { Problem } from '../problem.ts';
import type { AnyResource } from '../types.ts';
import { readHeaders, type Header } from './headers.ts';
import { resourceChanged, topicOf } from './topics.ts';
import { readTrigger, type Trigger, type TriggerOptions } from './trigger.ts';

const backport = 'http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition';
export const backportProfile = `${backport}/backport-subscription`;
const filterUrl = `${backport}/backport-filter-criteria`;
const contentUrl = `${backport}/backport-payload-content`;
const heartbeatUrl = `${backport}/backport-heartbeat-period`;
const timeoutUrl = `${backport}/backport-timeout`;
const maxCountUrl = `${backport}/backport-max-count`;

export type PayloadContent = 'empty' | 'id-only' | 'full-resource';
export const payloadContents: readonly PayloadContent[] = ['empty', 'id-only', 'full-resource'];

export interface SubscriptionRequest {
  /** Canonical URL; absent for the R4 form. */
  readonly topic?: string;
  /** A change counts that one of them covers. */
  readonly triggers: readonly Trigger[];
  readonly becomes?: readonly string[];
  readonly channel: 'rest-hook' | 'websocket';
  /** Of a rest-hook. */
  readonly endpoint?: string;
  readonly content: PayloadContent;
  readonly contentType: string;
  readonly heartbeatSeconds?: number;
  /** How long a receiver may take to answer. */
  readonly timeoutSeconds: number;
  /** Events of one notification. */
  readonly maxCount: number;
  /** Epoch milliseconds. */
  readonly end?: number;
}

/** More filters than a person oversees; each is a part of every statement. */
const filtersMax = 10;
/** Below it, heartbeats would cost more than events. */
const heartbeatSecondsMin = 5;
const secondsMax = 86_400;
const timeoutSecondsDefault = 10;
/** A receiver that takes longer holds a connection and a place among those that are served. */
const timeoutSecondsMax = 30;
const eventsDefault = 20;
const eventsMax = 100;
const mediaTypes = new Set(['application/fhir+json', 'application/json']);

export interface ReadSubscription {
  readonly request: SubscriptionRequest;
  readonly headers: readonly Header[];
  /** The sender wants it not to run. */
  readonly isOff: boolean;
}

/** @throws Problem business-rule, value, not-supported, required: all 422 for a body, each with the path */
export function readSubscription(resource: AnyResource, options: TriggerOptions): ReadSubscription {
  refuseElements(resource, ['contained', 'modifierExtension', 'extension'], 'Subscription');
  const channel = resource['channel'] as Element;
  // Their types are those of R4: validated before.
  const { criteria, end: endText } = resource as unknown as { criteria: string; end?: string };
  const filters = extensionsOf(resource['_criteria'], [filterUrl], 'Subscription.criteria').map(({ value }, index) =>
    text(value['valueString'], `Subscription.criteria.extension[${index}].value`),
  );
  const { topic, triggers, becomes } = readCriteria(criteria, filters, options);
  const end = endText === undefined ? undefined : readDate(endText)?.low;
  return {
    isOff: resource['status'] === 'off',
    headers: readHeaders(channel['header']),
    request: {
      ...(topic === undefined ? {} : { topic }),
      triggers,
      ...(becomes === undefined ? {} : { becomes }),
      ...readChannel(channel),
      ...readPace(channel),
      ...(end === undefined ? {} : { end }),
    },
  };
}

type Element = Readonly<Record<string, unknown>>;

function readCriteria(
  criteria: string,
  filters: readonly string[],
  options: TriggerOptions,
): Pick<SubscriptionRequest, 'topic' | 'triggers' | 'becomes'> {
  if (filters.length > filtersMax) throw refused('Subscription.criteria', `at most ${filtersMax} filters`);
  const topic = topicOf(criteria);
  if (topic === undefined) {
    if (criteria.includes('://')) {
      throw refused(
        'Subscription.criteria',
        'the hub does not have this topic',
        'The CapabilityStatement lists those it has.',
      );
    }
    if (filters.length > 0) {
      throw refused('Subscription.criteria', 'a filter needs a topic', `The topic is ${resourceChanged.url}.`);
    }
    return { triggers: [readTrigger(criteria, resourceChanged, options, 'Subscription.criteria')] };
  }
  const texts = filters.length === 0 && topic.resource !== undefined ? [`${topic.resource}?`] : filters;
  if (texts.length === 0) {
    throw refused(
      'Subscription.criteria',
      'this topic needs a filter that names a type',
      'For example Observation?patient=1.',
    );
  }
  return {
    topic: topic.url,
    triggers: texts.map((one, index) =>
      readTrigger(one, topic, options, `Subscription.criteria.extension[${index}].value`),
    ),
    ...(topic.becomes === undefined ? {} : { becomes: topic.becomes }),
  };
}

function readChannel(channel: Element): Pick<SubscriptionRequest, 'channel' | 'endpoint' | 'content' | 'contentType'> {
  const path = 'Subscription.channel';
  refuseElements(channel, ['modifierExtension', '_type', '_endpoint', '_header'], path);
  const { type, endpoint, payload } = channel as { type?: string; endpoint?: string; payload?: string };
  if (type !== 'rest-hook' && type !== 'websocket') {
    throw refused(`${path}.type`, 'the hub does not have this channel', 'It has rest-hook and websocket.');
  }
  if (type === 'rest-hook' && endpoint === undefined) {
    throw new Problem('required', 'a rest-hook has an endpoint', { expression: `${path}.endpoint` });
  }
  if (type === 'websocket' && endpoint !== undefined) {
    throw refused(
      `${path}.endpoint`,
      'a websocket has no endpoint',
      'The client connects, with $get-ws-binding-token.',
    );
  }
  if (type === 'websocket' && channel['header'] !== undefined) {
    throw refused(`${path}.header`, 'a websocket sends no headers');
  }
  if (payload !== undefined && !mediaTypes.has(payload)) {
    throw refused(`${path}.payload`, 'notifications are JSON', 'application/fhir+json');
  }
  const [content, ...more] = extensionsOf(channel['_payload'], [contentUrl], `${path}.payload`).map(
    ({ value }) => value['valueCode'],
  );
  const known = payloadContents.find((one) => one === content);
  if (known === undefined || more.length > 0) {
    // R4's own form would send the resource by itself, without a word of which event it is and whether one was missed.
    throw new Problem('required', 'the Subscription says how much a notification holds', {
      expression: `${path}.payload`,
      hint: `Add the extension ${contentUrl} to payload, with a valueCode of ${payloadContents.join(', ')}.`,
    });
  }
  return {
    channel: type,
    ...(endpoint === undefined ? {} : { endpoint }),
    content: known,
    contentType: payload ?? 'application/fhir+json',
  };
}

/** @see https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/StructureDefinition-backport-heartbeat-period.html */
function readPace(channel: Element): Pick<SubscriptionRequest, 'heartbeatSeconds' | 'timeoutSeconds' | 'maxCount'> {
  const path = 'Subscription.channel';
  const given = new Map<string, number>();
  for (const { url, value, index } of extensionsOf(channel, [heartbeatUrl, timeoutUrl, maxCountUrl], path)) {
    const number = value['valueUnsignedInt'] ?? value['valuePositiveInt'];
    if (typeof number !== 'number' || given.has(url)) {
      throw refused(`${path}.extension[${index}]`, 'the extension has one whole number, and stands once');
    }
    given.set(url, number);
  }
  const heartbeat = given.get(heartbeatUrl) ?? 0;
  if (heartbeat !== 0 && (heartbeat < heartbeatSecondsMin || heartbeat > secondsMax)) {
    throw refused(path, `a heartbeat comes every ${heartbeatSecondsMin} to ${secondsMax} seconds`);
  }
  return {
    ...(heartbeat === 0 ? {} : { heartbeatSeconds: heartbeat }),
    // Bounds, not wishes: the guide has them as the most that a client takes.
    timeoutSeconds: Math.min(given.get(timeoutUrl) || timeoutSecondsDefault, timeoutSecondsMax),
    maxCount: Math.min(given.get(maxCountUrl) || eventsDefault, eventsMax),
  };
}

interface Found {
  readonly url: string;
  readonly value: Element;
  readonly index: number;
}

/** @throws Problem for an extension that the hub would ignore */
function extensionsOf(element: unknown, known: readonly string[], path: string): Found[] {
  const { extension = [] } = (element ?? {}) as { extension?: Element[] };
  return extension.map((value, index): Found => {
    const url = String(value['url']);
    if (!known.includes(url)) throw refused(`${path}.extension[${index}]`, 'the hub does not know this extension here');
    return { url, value, index };
  });
}

function refuseElements(element: Element, names: readonly string[], path: string): void {
  const found = names.find((name) => element[name] !== undefined);
  if (found === undefined) return;
  throw refused(`${path}.${found.replace(/^_/, '')}`, 'the hub would ignore this, so it does not take it');
}

function text(value: unknown, path: string): string {
  if (typeof value === 'string' && value !== '') return value;
  throw new Problem('required', 'the filter is a text', { expression: path });
}

function refused(expression: string, diagnostics: string, hint?: string): Problem {
  return new Problem('business-rule', diagnostics, { expression, ...(hint === undefined ? {} : { hint }) });
}
