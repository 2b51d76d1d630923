/** One filter of a Subscription: which resources count, as a search over their type or as a record. */
import { idPattern } from '../ids.ts';
import { Problem } from '../problem.ts';
import { parseSearch, type SearchRequest } from '../search.ts';
import { typeCode } from '../types.ts';
import type { SubscriptionTopic } from './topics.ts';

export type Trigger =
  | { readonly kind: 'search'; readonly type: string; readonly query: string }
  /** Absent: of all patients, of all types. */
  | { readonly kind: 'record'; readonly patient?: string; readonly types?: readonly string[] };

export interface TriggerOptions {
  /** FHIR base URL. */
  readonly base: string;
  /** Epoch milliseconds. */
  readonly now: number;
}

const charsMax = 2_000;
/** What speaks of the access itself, or is not kept, makes no events. */
const silentTypes = new Set(['AuditEvent', 'Subscription', 'Parameters', 'OperationOutcome']);
/** They shape an answer, and there is none. */
const shaping = new Set(['_count', '_sort', '_total', '_summary', '_elements', '_cursor', '_include', '_revinclude']);

/** @throws Problem with the path of the filter */
export function readTrigger(
  text: string,
  topic: SubscriptionTopic,
  options: TriggerOptions,
  expression: string,
): Trigger {
  const refuse = (diagnostics: string, hint?: string): Problem =>
    new Problem('business-rule', diagnostics, { expression, ...(hint === undefined ? {} : { hint }) });
  if (text.length > charsMax) throw refuse(`a filter has at most ${charsMax} characters`);
  const [type, query] = splitAt(text, '?');
  if (topic.resource !== undefined && type !== topic.resource) {
    throw refuse('the filter is of another type than the topic', `Write ${topic.resource}?...`);
  }
  const names = [...new URLSearchParams(query).keys()];
  const unknown = names.find((name) => topic.filterBy !== undefined && !topic.filterBy.includes(name));
  if (unknown !== undefined) throw refuse(`this topic is filtered by ${topic.filterBy?.join(' and ')} alone`);
  if (type === 'Resource') return readRecord(new URLSearchParams(query), refuse);
  if (typeCode(type) === undefined || silentTypes.has(type)) throw refuse('there are no events of this type');
  if (names.some((name) => shaping.has(name.split(':', 1)[0] as string) || name.startsWith('_has'))) {
    throw refuse(
      'a filter chooses resources by what is in them',
      'Leave out _count, _sort, _include, _has and the like.',
    );
  }
  try {
    parseTrigger({ kind: 'search', type, query }, options);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    throw new Problem('business-rule', error.message, { expression, hint: error.hint ?? '', cause: error });
  }
  return { kind: 'search', type, query };
}

export function parseTrigger(
  { type, query }: Extract<Trigger, { kind: 'search' }>,
  options: TriggerOptions,
): SearchRequest {
  return parseSearch(type, query, { ...options, handling: 'strict' });
}

function readRecord(query: URLSearchParams, refuse: (diagnostics: string, hint?: string) => Problem): Trigger {
  const patients = query.getAll('patient');
  const types = query.getAll('_type').flatMap((value) => value.split(','));
  const [patient] = patients.map((value) => value.replace(/^Patient\//, ''));
  if (patients.length > 1 || (patient !== undefined && !idPattern.test(patient))) {
    throw refuse('patient is the id of one patient', 'Write one filter for each.');
  }
  if (types.some((type) => typeCode(type) === undefined || silentTypes.has(type))) {
    throw refuse('_type lists types of resources');
  }
  return {
    kind: 'record',
    ...(patient === undefined ? {} : { patient }),
    ...(types.length === 0 ? {} : { types }),
  };
}

function splitAt(text: string, mark: string): [string, string] {
  const at = text.indexOf(mark);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + mark.length)];
}
