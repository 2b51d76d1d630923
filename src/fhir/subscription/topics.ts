/**
 * What one can subscribe to. R4 has no SubscriptionTopic: a topic is its canonical URL, which the CapabilityStatement lists, and
 * what is said here. Rows, no code: a topic names what it watches, how it may be narrowed, and which change of status counts.
 *
 * @see https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/components.html#subscription-topics-in-r4
 */

export interface SubscriptionTopic {
  /** Canonical URL. */
  readonly url: string;
  readonly title: string;
  readonly description: string;
  /** The type whose changes count; `Resource`: every type of a patient's record; absent: the filter names it. */
  readonly resource?: string;
  /** The filter parameters; absent: every search parameter of the type. */
  readonly filterBy?: readonly string[];
  /** Only a version whose status is one of these, after one whose status was none of them. */
  readonly becomes?: readonly string[];
}

/** A name, not an address: the topics mean the same on every installation. */
const base = 'https://health-record-hub.example/fhir/SubscriptionTopic';

/** What the R4 form of a criteria, `Observation?patient=1`, means too. */
export const resourceChanged: SubscriptionTopic = {
  url: `${base}/resource-changed`,
  title: 'A resource has changed',
  description:
    'A resource of the type that the filter names was created, updated or deleted, and matches the filter now.',
};

export const subscriptionTopics: readonly SubscriptionTopic[] = [
  resourceChanged,
  {
    url: `${base}/record-changed`,
    title: 'A record has changed',
    description: 'Anything in the record of a patient was created, updated or deleted.',
    resource: 'Resource',
    filterBy: ['patient', '_type'],
  },
  {
    url: `${base}/encounter-start`,
    title: 'A visit has begun',
    description: 'The status of an Encounter became arrived, triaged or in-progress.',
    resource: 'Encounter',
    becomes: ['arrived', 'triaged', 'in-progress'],
  },
  {
    url: `${base}/encounter-end`,
    title: 'A visit has ended',
    description: 'The status of an Encounter became finished.',
    resource: 'Encounter',
    becomes: ['finished'],
  },
];

export function topicOf(url: string): SubscriptionTopic | undefined {
  return subscriptionTopics.find((topic) => topic.url === url);
}
