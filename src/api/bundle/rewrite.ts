/**
 * The links between the entries of a transaction: which text means which entry, and what stands there once ids are known.
 *
 * @see https://hl7.org/fhir/R4/http.html#trules
 * @see https://hl7.org/fhir/R4/bundle.html#references
 */
import { randomBytes } from 'node:crypto';
import { auditEntries } from '../../access/audit/audit.ts';
import { linksOf, type Link } from '../../fhir/links.ts';
import { atIndex, Problem } from '../../fhir/problem.ts';
import { Drafts } from '../../store/search/described.ts';
import { mintId } from '../../store/place.ts';
import {
  matchVisible,
  matchWritten,
  namesOf,
  readCondition,
  tooMany,
  type Condition,
  type Match,
} from '../write/condition.ts';
import { inEntry } from './entry.ts';
import type { Intent } from '../write/intent.ts';
import type { Call, Facade } from '../interaction.ts';
import { HttpProblem } from '../respond.ts';

/** A write of the transaction with its place in the Bundle. */
export interface Linked {
  /** Of the entry. */
  readonly index: number;
  readonly fullUrl: string | undefined;
  readonly intent: Intent;
  /** What was sent: a resource, or the Parameters of a patch. */
  readonly sent: object | undefined;
}

/** A link, and what it leads to: another write (by its place in the list), or what its condition describes. */
interface Resolved {
  readonly link: Link;
  readonly to: { readonly write: number; readonly id?: undefined } | { readonly condition: string };
}

/** What a condition describes: what this transaction writes, what is there, or both, which must then be one resource. */
interface Described {
  readonly write?: number;
  readonly id?: string;
}

export class Links {
  readonly #writes: readonly Linked[];
  readonly #resolved: readonly Resolved[];
  /** By the text of the reference; with the place in the list of the write that has it first. */
  readonly #conditions = new Map<string, { readonly condition: Condition; readonly at: number }>();
  readonly #described = new Map<string, Described>();

  /** @throws HttpProblem 400 when two entries have one fullUrl; 412 or 400 for a conditional reference that is none */
  constructor(writes: readonly Linked[], server: Pick<Facade, 'base' | 'now' | 'cursorKey'>) {
    this.#writes = writes;
    const { base } = server;
    const byUrl = new Map<string, number>();
    for (const [at, { fullUrl, index }] of writes.entries()) {
      if (fullUrl === undefined) continue;
      const url = withoutBase(fullUrl, base);
      if (byUrl.has(url)) {
        // bdl-7: "FullUrl must be unique in a bundle".
        throw inEntry(
          index,
          new HttpProblem(400, 'duplicate', 'two entries have this fullUrl', { expression: 'Bundle.entry.fullUrl' }),
        );
      }
      byUrl.set(url, at);
    }
    const resolved: Resolved[] = [];
    for (const [at, { sent, fullUrl }] of writes.entries()) {
      if (sent === undefined) continue;
      const root = rootOf(fullUrl);
      const find = (text: string): number | undefined =>
        byUrl.get(withoutBase(text, base)) ?? byUrl.get(`${root}${text}`);
      for (const link of linksOf(sent, (text) => find(text) !== undefined || conditional.test(text))) {
        const write = find(link.text);
        if (write !== undefined) resolved.push({ link, to: { write } });
        else if (link.isReference) {
          this.#addCondition(link.text, at, server);
          resolved.push({ link, to: { condition: link.text } });
        }
      }
    }
    this.#resolved = resolved;
  }

  #addCondition(text: string, at: number, server: Pick<Facade, 'base' | 'now' | 'cursorKey'>): void {
    if (this.#conditions.has(text)) return;
    const mark = text.indexOf('?');
    try {
      if (this.#conditions.size >= conditionsMax) {
        throw new HttpProblem(413, 'too-costly', `a transaction has at most ${conditionsMax} conditional references`, {
          hint: 'Search first and refer by id, or send several Bundles.',
        });
      }
      const condition = readCondition(text.slice(0, mark), text.slice(mark + 1), server);
      this.#conditions.set(text, { condition, at });
    } catch (error) {
      throw this.#inEntry(at, error);
    }
  }

  #inEntry(at: number, error: unknown): unknown {
    return inEntry((this.#writes[at] as Linked).index, error);
  }

  /**
   * Finds what each conditional reference describes: one resource that the caller wrote, else one that the caller may see, or one
   * that this transaction writes.
   * @throws HttpProblem 412 for none and for several
   * @see https://hl7.org/fhir/R4/http.html#trules "If there are no matches, or multiple matches, the transaction fails"
   */
  async find(call: Call): Promise<void> {
    if (this.#conditions.size === 0) return;
    const drafts = new Drafts(this.#writes.map(({ intent }) => intent.resource));
    const asked = [...this.#conditions];
    const conditions = asked.map(([, { condition }]) => condition);
    const stored = await this.#findStored(call, conditions).catch((error: unknown) => {
      const index = error instanceof Problem ? error.index : undefined;
      throw index === undefined ? error : this.#inEntry((asked[index] as (typeof asked)[number])[1].at, error);
    });
    for (const [index, [text, { condition, at }]] of asked.entries()) {
      try {
        this.#described.set(text, onlyOne(drafts.describedBy(condition.request), stored[index] ?? []));
      } catch (error) {
        throw this.#inEntry(error instanceof Problem ? (error.index ?? at) : at, error);
      }
    }
  }

  /** @returns for each condition the ids of what is there */
  async #findStored(call: Call, conditions: readonly Condition[]): Promise<string[][]> {
    const { database } = call.facade;
    const { owner } = (this.#writes[0] as Linked).intent;
    const matches = [...(await matchWritten(database, owner, call, { conditions, limit: 1 }))];
    const others = [...matches.keys()].filter((at) => matches[at]?.length === 0);
    const asked = others.map((at) => conditions[at] as Condition);
    const visible = await matchVisible(database, call, { conditions: asked, limit: 1 }).catch((error: unknown) => {
      const index = error instanceof Problem ? error.index : undefined;
      throw index === undefined ? error : atIndex(others[index] as number, error);
    });
    await recordSearches(call, asked, visible);
    for (const [index, at] of others.entries()) matches[at] = visible[index] ?? [];
    return matches.map((rows) => rows.map(({ id }) => id));
  }

  /** Addresses that are valid but mean nothing yet, so that the resources can be validated before the database is asked. */
  fillProvisionally(): void {
    this.#fill(() => 'unresolved');
  }

  /**
   * Ids for what has none, each in the bucket of its patient, and every link to what it leads to.
   * @throws HttpProblem 412 (with the `index` of the write) when what is written beside what is there is another resource
   */
  settle(known: readonly (string | undefined)[]): (string | undefined)[] {
    for (const [text, { write, id }] of this.#described) {
      if (write === undefined || id === undefined || known[write] === id) continue;
      throw atIndex(this.#conditions.get(text)?.at ?? 0, tooMany());
    }
    const ids = [...known];
    const bytes = randomBytes(16 * ids.length);
    const mint = (isNow: (type: string) => boolean): void => {
      for (const [at, { intent }] of this.#writes.entries()) {
        const { resource, type } = intent;
        if (ids[at] !== undefined || resource === undefined || !isNow(type)) continue;
        ids[at] = mintId(resource, bytes.subarray(16 * at));
      }
      this.#fill((at) => ids[at]);
    };
    // Where a resource lives is decided by its Patient, who must have an id first.
    mint((type) => type === 'Patient');
    mint(() => true);
    return ids;
  }

  #fill(idOf: (at: number) => string | undefined): void {
    for (const { link, to } of this.#resolved) {
      const { write, id = 'unresolved' } = 'write' in to ? to : (this.#described.get(to.condition) ?? {});
      const type = write === undefined ? typeIn(link.text) : this.#writes[write]?.intent.type;
      const found = write === undefined ? id : idOf(write);
      if (found !== undefined) link.replace(`${type}/${found}`);
    }
    for (const finish of new Set(this.#resolved.map(({ link }) => link.finish))) finish?.();
  }
}

/** What a condition describes, which must be one resource: written by the transaction, there, or both. */
function onlyOne([write, ...more]: readonly number[], ids: readonly string[]): Described {
  if (more.length > 0 || ids.length > 1) throw tooMany();
  const [id] = ids;
  if (write === undefined && id === undefined) {
    throw new HttpProblem(412, 'not-found', 'a conditional reference describes no resource', {
      hint: 'Create what it describes first, or in the same transaction.',
    });
  }
  return { ...(write === undefined ? {} : { write }), ...(id === undefined ? {} : { id }) };
}

/** Whoever is described by a reference was looked for, whatever becomes of the transaction. */
async function recordSearches(
  { facade, principal, correlationId }: Call,
  conditions: readonly Condition[],
  matches: readonly (readonly Match[])[],
): Promise<void> {
  const entries = conditions.flatMap((condition, index) => {
    const rows = matches[index] ?? [];
    if (rows.length === 0) return [];
    const context = {
      principal,
      interaction: 'search-type',
      type: condition.request.type,
      query: namesOf(condition),
      correlationId,
      at: facade.now(),
    };
    return auditEntries(
      context,
      rows.map(({ patient = null, otherPatients, decidedBy }) => ({ patient, otherPatients, decidedBy })),
    );
  });
  await facade.audit.record(entries);
}

/** Different ones: each is a search. A record of Synthea has some two hundred. */
export const conditionsMax = 1_000;
/** `Patient?identifier=...` */
const conditional = /^[A-Z][A-Za-z]+\?./;

const typeIn = (text: string): string => text.slice(0, text.indexOf('?'));

function withoutBase(url: string, base: string): string {
  return url.startsWith(`${base}/`) ? url.slice(base.length + 1) : url;
}

/** bundle.html#references: a relative reference is looked up below the root of a RESTful fullUrl. */
function rootOf(fullUrl: string | undefined): string {
  return /^(https?:\/\/.*\/)[A-Z][A-Za-z]+\/[A-Za-z0-9\-.]{1,64}$/.exec(fullUrl ?? '')?.[1] ?? '';
}
