/**
 * The links between the entries of a transaction: which text means which entry, and what stands there once ids are known.
 *
 * @see https://hl7.org/fhir/R4/http.html#trules
 * @see https://hl7.org/fhir/R4/bundle.html#references
 */
import { randomBytes } from 'node:crypto';
import { auditEntries } from '../access/audit.ts';
import { linksOf, type Link } from '../fhir/links.ts';
import { isDescribed } from '../store/described.ts';
import { mintId } from '../store/place.ts';
import type { FoundRow } from '../store/select.ts';
import { matchVisible, matchWritten, namesOf, readCondition, tooMany, type Condition } from './condition.ts';
import { inEntry } from './entry.ts';
import type { Intent } from './intent.ts';
import type { Call, Facade } from './interaction.ts';
import { inParallel } from './parallel.ts';
import { HttpProblem } from './respond.ts';

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
  readonly to: { readonly write: number } | { readonly condition: string };
}

export class Links {
  readonly #writes: readonly Linked[];
  readonly #resolved: readonly Resolved[];
  /** By the text of the reference. */
  readonly #conditions = new Map<string, { readonly condition: Condition; readonly index: number }>();
  readonly #described = new Map<string, { readonly write: number } | { readonly id: string }>();

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
    for (const { sent, fullUrl, index } of writes) {
      if (sent === undefined) continue;
      const root = rootOf(fullUrl);
      const find = (text: string): number | undefined =>
        byUrl.get(withoutBase(text, base)) ?? byUrl.get(`${root}${text}`);
      for (const link of linksOf(sent, (text) => find(text) !== undefined || conditional.test(text))) {
        const write = find(link.text);
        if (write !== undefined) resolved.push({ link, to: { write } });
        else if (link.isReference) {
          this.#addCondition(link.text, index, server);
          resolved.push({ link, to: { condition: link.text } });
        }
      }
    }
    this.#resolved = resolved;
  }

  #addCondition(text: string, index: number, server: Pick<Facade, 'base' | 'now' | 'cursorKey'>): void {
    if (this.#conditions.has(text)) return;
    const mark = text.indexOf('?');
    try {
      this.#conditions.set(text, {
        condition: readCondition(text.slice(0, mark), text.slice(mark + 1), server),
        index,
      });
    } catch (error) {
      throw inEntry(index, error);
    }
  }

  /**
   * Finds what each conditional reference describes: one resource that the caller wrote, else one that the caller may see, or one
   * that this transaction writes.
   * @throws HttpProblem 412 for none and for several, as "there is no match, or more than one: the server SHALL return an error"
   */
  async find(call: Call): Promise<void> {
    await inParallel([...this.#conditions], searchesMax, async ([text, { condition, index }]) => {
      try {
        this.#described.set(text, await this.#findOne(call, condition));
      } catch (error) {
        throw inEntry(index, error);
      }
    });
  }

  async #findOne(call: Call, condition: Condition): Promise<{ write: number } | { id: string }> {
    const { database } = call.facade;
    const matching = { ...call, condition, limit: 1 };
    const [
      {
        intent: { owner },
      },
    ] = this.#writes as [Linked];
    let ids = await matchWritten(database, owner, matching);
    if (ids.length === 0) {
      const rows = await matchVisible(database, matching);
      await recordSearch(call, condition, rows);
      ids = rows.map(({ id }) => id);
    }
    const made = this.#writes.flatMap(({ intent: { resource } }, at) =>
      resource !== undefined && isDescribed(resource, condition.request) ? [at] : [],
    );
    // What is there and written anew here is one resource, not two.
    const others = ids.filter((id) => !made.some((at) => this.#writes[at]?.intent.id === id));
    if (others.length + made.length > 1) throw tooMany();
    const [at] = made;
    if (at !== undefined) return { write: at };
    const [id] = others;
    if (id !== undefined) return { id };
    throw new HttpProblem(412, 'not-found', 'a conditional reference describes no resource', {
      hint: 'Create what it describes first, or in the same transaction.',
    });
  }

  /** Addresses that are valid but mean nothing yet, so that the resources can be validated before the database is asked. */
  fillProvisionally(): void {
    this.#fill(() => 'unresolved');
  }

  /** Ids for what has none, each in the bucket of its patient, and every link to what it leads to. */
  settle(known: readonly (string | undefined)[]): (string | undefined)[] {
    const ids = [...known];
    const bytes = randomBytes(16 * ids.length);
    const mint = (isNow: (type: string) => boolean): void => {
      for (const [
        at,
        {
          intent: { resource, type },
        },
      ] of this.#writes.entries()) {
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
      const found = 'write' in to ? to : this.#described.get(to.condition);
      if (found !== undefined && 'id' in found) link.replace(`${typeIn(link.text)}/${found.id}`);
      else if (found === undefined) link.replace(`${typeIn(link.text)}/unresolved`);
      else {
        const id = idOf(found.write);
        if (id !== undefined) link.replace(`${this.#writes[found.write]?.intent.type}/${id}`);
      }
    }
  }
}

/** Whoever is described by a reference was looked for, whatever becomes of the transaction. */
async function recordSearch(call: Call, condition: Condition, rows: readonly FoundRow[]): Promise<void> {
  if (rows.length === 0) return;
  const { facade, principal, correlationId } = call;
  const context = {
    principal,
    interaction: 'search-type',
    type: condition.request.type,
    query: namesOf(condition),
    correlationId,
    at: facade.now(),
  };
  const shown = rows.map(({ patient = null, decidedBy }) => ({ patient, decidedBy }));
  await facade.audit.record(auditEntries(context, shown));
}

/** Searches of one transaction at the same time: others use the same connections. */
const searchesMax = 16;

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
