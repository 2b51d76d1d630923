/**
 * What another system sends by itself: notifications of its subscriptions, or resources one by one. A notification that brings resources is
 * taken as it is; one that only says that something is there asks for a pull.
 *
 * @see https://hl7.org/fhir/R4/subscription.html#channels rest-hook
 * @see https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/notifications.html
 */
import { z } from 'zod';
import { idPattern } from '../../src/fhir/ids.ts';
import { Problem } from '../../src/fhir/problem.ts';
import type { Pulled } from '../../src/ingest/contract.ts';
import { deletionOf, pulledOf, readPage, type Page, type PageEntry } from './bundle.ts';
import { connectionShape, contentShape, keptSettings, readSettings } from './settings.ts';

const pushShape = {
  /** By which the source's ids are told from those of others: its base URL, the same as of an endpoint that pulls it. */
  source: connectionShape.source,
  aliases: connectionShape.aliases,
  version: connectionShape.version,
  /** The endpoint of kind `fhir-rest` that is asked when a notification brings no resources. */
  pull: z.string().min(1).max(64).optional(),
  /** As that endpoint has it: whether it fetches the content of documents. */
  attachments: contentShape.attachments,
};

/** @throws Problem value */
export function checkPushSettings(config: Readonly<Record<string, unknown>>): void {
  keptSettings(pushShape, config);
}

export function pullOf(config: Readonly<Record<string, unknown>>): string | undefined {
  return readSettings(pushShape, config).pull;
}

/** What came by HTTP. */
export interface Push {
  readonly method: string;
  /** What the path names below the endpoint: a type, and an id. */
  readonly type?: string;
  readonly id?: string;
  readonly text: string;
}

export interface Pushed {
  readonly page: readonly Pulled[];
  /** There is more at the source than came with it. */
  readonly isAsked: boolean;
}

/** Resources of one request: as many as a page that is pulled may have. */
const entriesMax = 1_000;

/** @throws Problem structure, required, value, too-costly */
export function readPush({ method, type, id, text }: Push): Pushed {
  checkAddress(type, id);
  if (method === 'DELETE') {
    if (type === undefined || id === undefined) throw new Problem('required', 'a deletion names a type and an id');
    return { page: [deletionOf(type, id)], isAsked: false };
  }
  // R4: "if the payload element is left empty, the server sends a POST with no body".
  if (text.trim() === '') return { page: [], isAsked: true };
  const page = bundleOf(text);
  if (page !== undefined) return readEntries(page);
  return { page: [single(text, type, id)], isAsked: false };
}

function checkAddress(type: string | undefined, id: string | undefined): void {
  const isOk = (type === undefined || /^[A-Z][A-Za-z]{1,63}$/.test(type)) && (id === undefined || idPattern.test(id));
  if (!isOk) throw new Problem('value', 'the path names no resource', { hint: 'Send to /fhir-push/NAME/Type/id.' });
}

function single(text: string, type: string | undefined, id: string | undefined): Pulled {
  const pulled = resourceOf(text, 'resource');
  const isNamed = (type === undefined || pulled.type === type) && (id === undefined || pulled.id === id);
  if (isNamed) return pulled;
  throw new Problem('value', 'the path names another resource than the body', { expression: 'resource.id' });
}

/** A Bundle of several resources; undefined for anything else, a document among it, which is one resource. */
function bundleOf(text: string): Page | undefined {
  let value: { resourceType?: unknown; type?: unknown };
  try {
    value = JSON.parse(text) as typeof value;
  } catch {
    throw new Problem('structure', 'the body is not valid JSON', { hint: 'Send FHIR in JSON.' });
  }
  if (value?.resourceType !== 'Bundle' || value.type === 'document') return undefined;
  return readPage(text);
}

function readEntries({ entries }: Page): Pushed {
  if (entries.length > entriesMax) throw new Problem('too-costly', `at most ${entriesMax} entries at a time`);
  const page: Pulled[] = [];
  let isAsked = false;
  for (const [index, entry] of entries.entries()) {
    const said = statusOf(entry);
    if (said === undefined) {
      const pulled = entryOf(entry, index);
      if (pulled === undefined) isAsked = true;
      else page.push(pulled);
    } else if (said === 'event-notification' && entries.length === 1) isAsked = true;
  }
  return { page, isAsked };
}

/** undefined for one that is only named. */
function entryOf({ text, method, url, fullUrl, etag, lastModified }: PageEntry, index: number): Pulled | undefined {
  if (text !== undefined && method?.toUpperCase() !== 'DELETE')
    return resourceOf(text, `Bundle.entry[${index}].resource`);
  const [, type, id] =
    /(?:^|\/)([A-Z][A-Za-z]+)\/([A-Za-z0-9\-.]{1,64})(?:\/_history\/[^/]+)?$/.exec(url ?? fullUrl ?? '') ?? [];
  if (type === undefined || id === undefined) {
    throw new Problem('required', 'the entry names no resource', { expression: `Bundle.entry[${index}]` });
  }
  if (method?.toUpperCase() !== 'DELETE') return undefined;
  return deletionOf(type, id, { version: /"(.+)"/.exec(etag ?? '')?.[1], updatedAt: lastModified });
}

function resourceOf(text: string, expression: string): Pulled {
  const pulled = pulledOf(text);
  if (pulled !== undefined) return pulled;
  throw new Problem('required', 'the resource has no type or no id', {
    expression,
    hint: 'Each resource comes under the id that it has at its source.',
  });
}

/** The type of a notification, where the entry is its status: R4 has it as Parameters, R4B and R5 as SubscriptionStatus. */
function statusOf({ text }: PageEntry): string | undefined {
  if (text === undefined || !/"(Parameters|SubscriptionStatus)"/.test(text.slice(0, statusCharsMax))) return undefined;
  const status = JSON.parse(text) as {
    resourceType?: string;
    type?: string;
    parameter?: readonly { name?: string; valueCode?: string }[];
  };
  if (status.resourceType === 'SubscriptionStatus') return status.type ?? '';
  if (status.resourceType !== 'Parameters') return undefined;
  return status.parameter?.find(({ name }) => name === 'type')?.valueCode ?? '';
}
/** Where the type of a resource stands as servers write it; one that hides it is a resource without an id, and refused. */
const statusCharsMax = 2_000;
