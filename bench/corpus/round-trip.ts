/**
 * The FHIR corpus through a running hub: each resource is written as it was published and read back equal, element by element
 * and digit by digit. `meta.versionId`, `meta.lastUpdated` and the labels of the labelling service (counted: they are added,
 * and nothing else may be) are the hub's; in a transaction also ids, and the references that become them.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isRawNumber, parseJson } from '../../src/fhir/json.ts';
import { localReference } from '../../src/fhir/reference.ts';
import { markedLabels, withoutLabels } from '../../src/fhir/sensitivity/mark.ts';
import type { AnyResource } from '../../src/fhir/types.ts';
import { knownInvalid } from './fhir.ts';

/** Sends a body to a path below the FHIR base, as a hospital or as a patient. */
export type Send = (
  method: 'GET' | 'PUT' | 'POST',
  path: string,
  options?: { body?: string; patient?: string },
) => Promise<{ status: number; text: string }>;

export interface RoundTrip {
  /** Resources written, of which examples, summaries and records. */
  readonly written: Readonly<Record<'r4-examples' | 'ips' | 'synthea', number>>;
  /** Leaf values that were compared. */
  readonly values: number;
  /** References that a transaction turned into those of what it wrote, or of what a condition found. */
  readonly resolved: number;
  /** Resources that came back with labels of the labelling service. */
  readonly labelled: number;
  /** Not accepted, for the reason that is listed. */
  readonly refused: Readonly<Record<string, string>>;
  readonly unexpected: readonly string[];
  readonly differences: readonly string[];
}

/** As what an example is refused: code and place of the first issue. Beside these, those that break a rule of R4 (knownInvalid). */
const notTaken: Readonly<Record<string, { readonly rule: string; readonly reason: string }>> = {
  ...Object.fromEntries(
    ['AuditEvent/example-logout', 'AuditEvent/example-pixQuery'].map((name) => [
      name,
      { rule: 'not-supported ', reason: 'the trail is the hub’s own: nobody writes into it' },
    ]),
  ),
  ...Object.fromEntries(
    ['Out', 'basic', 'notTime'].map((name) => [
      `Consent/consent-example-${name}`,
      {
        rule: 'business-rule Consent.provision.type',
        reason: 'what a Consent says must be enforceable: no permit, no deny',
      },
    ]),
  ),
  'Consent/consent-example-notThis': {
    rule: 'business-rule Consent.provision.data[0].meaning',
    reason: 'what a Consent says must be enforceable: data that depends on other data',
  },
  'Consent/consent-example-notOrg': {
    rule: 'business-rule Consent.provision.action[1]',
    reason: 'what a Consent says must be enforceable: no Consent is asked for writing',
  },
  'Subscription/example': {
    rule: 'business-rule Subscription.criteria',
    reason: 'a Subscription is to one of the topics, not to a search',
  },
};

export interface RoundTripOptions {
  /** Every nth example, and of the records the first two Bundles and as many as there are in so many. */
  readonly every?: number;
}

export async function runRoundTrip(
  folder: string,
  send: Send,
  { every = 1 }: RoundTripOptions = {},
): Promise<RoundTrip> {
  const trip = new Trip(send);
  for (const part of ['r4-examples', 'ips'] as const) {
    const names = readdirSync(join(folder, part)).filter((_, at) => part === 'ips' || at % every === 0);
    const files = names.map((file) => readFileSync(join(folder, part, file), 'utf8'));
    // What refers to a Patient is written after it; a Patient of whom nothing was published is a bare one.
    await trip.introducePatients(files);
    for (const text of files.toSorted((a, b) => rank(a) - rank(b))) await trip.putAlone(part, text);
  }
  // In the order of their names: hospitals and practitioners first, because records refer to them by condition.
  const records = readdirSync(join(folder, 'synthea')).sort();
  for (const file of records.filter((_, at) => at < 2 || (at - 2) % every === 0)) {
    await trip.postBundle(file, readFileSync(join(folder, 'synthea', file), 'utf8'));
  }
  return trip.report();
}

/** Patients first; last what takes effect on who may read. */
function rank(text: string): number {
  const type = /"resourceType"\s*:\s*"(\w+)"/.exec(text)?.[1];
  return type === 'Patient' ? 0 : type === 'Consent' ? 2 : 1;
}

/** Resources that are read back at a time. */
const readers = 16;

class Trip {
  readonly #send: Send;
  readonly #written = { 'r4-examples': 0, ips: 0, synthea: 0 };
  #values = 0;
  #resolved = 0;
  #labelled = 0;
  readonly #refused: Record<string, string> = {};
  readonly #unexpected: string[] = [];
  readonly #differences: string[] = [];

  constructor(send: Send) {
    this.#send = send;
  }

  async introducePatients(files: readonly string[]): Promise<void> {
    const ids = new Set(files.flatMap((text) => [...referencedPatients(parseJson(text))]));
    for (const id of ids) {
      const { status } = await this.#send('GET', `Patient/${id}`);
      if (status === 404)
        await this.#send('PUT', `Patient/${id}`, { body: JSON.stringify({ resourceType: 'Patient', id }) });
    }
  }

  async putAlone(part: 'r4-examples' | 'ips', text: string): Promise<void> {
    const sent = parseJson(text) as AnyResource;
    const name = `${sent.resourceType}/${sent.id}`;
    // A Consent is written by the patient it is of.
    const patient = sent.resourceType === 'Consent' ? localReference(sent['patient'])?.id : undefined;
    const as = patient === undefined ? {} : { patient };
    const { status, text: answer } = await this.#send('PUT', name, { body: text, ...as });
    if (status === 200 || status === 201) {
      this.#written[part]++;
      return this.#compare(name, sent, new Map(), as);
    }
    const [listed, found] = [notTaken[name] ?? { rule: knownInvalid[name], reason: 'breaks R4' }, ruleOf(answer)];
    if (listed.rule === found) this.#refused[name] = `${listed.reason}: ${found}`;
    else this.#unexpected.push(`${name}: ${status} ${found}`);
  }

  async postBundle(file: string, text: string): Promise<void> {
    const bundle = parseJson(text) as AnyResource & { entry: { fullUrl?: string; resource: AnyResource }[] };
    const { status, text: answer } = await this.#send('POST', '', { body: text });
    if (status !== 200) {
      this.#unexpected.push(`${file}: ${status} ${ruleOf(answer)}`);
      return;
    }
    const answered = (JSON.parse(answer) as { entry: { response: { status: string; location?: string } }[] }).entry;
    const names = answered.map(
      ({ response }) => /^(?:.*\/)?(\w+\/[^/]+)\/_history\//.exec(response.location ?? '')?.[1],
    );
    const links = new Map(
      bundle.entry.flatMap(({ fullUrl }, at) =>
        fullUrl === undefined || names[at] === undefined ? [] : [[fullUrl, names[at]] as const],
      ),
    );
    const waiting = [...bundle.entry.entries()];
    const read = async (): Promise<void> => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        const [at, { resource }] = next;
        const name = names[at];
        if (name === undefined) {
          this.#unexpected.push(`${file} entry ${at}: ${answered[at]?.response.status}`);
          continue;
        }
        this.#written.synthea++;
        await this.#compare(name, { ...resource, id: name.split('/')[1] }, links);
      }
    };
    await Promise.all(Array.from({ length: readers }, read));
  }

  async #compare(
    name: string,
    sent: AnyResource,
    links: ReadonlyMap<string, string>,
    as: { patient?: string } = {},
  ): Promise<void> {
    const { status, text } = await this.#send('GET', name, as);
    if (status !== 200) {
      this.#unexpected.push(`${name}: ${status} on reading it back`);
      return;
    }
    const read = parseJson(text) as AnyResource;
    const [before, after] = [leavesOf(withoutStoreMeta(sent)), leavesOf(withoutStoreMeta(withoutLabels(read)))];
    if (markedLabels(read) !== 0) this.#labelled++;
    for (const [path, value] of before) {
      this.#values++;
      const found = after.get(path);
      if (found === value) continue;
      if (this.#isResolved(value, found, links)) this.#resolved++;
      else this.#differences.push(`${name} ${path}: ${value} ${found ?? 'is missing'}`);
    }
    for (const path of after.keys()) if (!before.has(path)) this.#differences.push(`${name} ${path}: added`);
  }

  /** FHIR R4 http.html#trules: a link to an entry is its new address, a search what it found. */
  #isResolved(value: string, found: string | undefined, links: ReadonlyMap<string, string>): boolean {
    if (found === undefined) return false;
    const text = JSON.parse(value) as unknown;
    if (typeof text !== 'string') return false;
    const search = /^([A-Z]\w+)\?/.exec(text)?.[1];
    if (search !== undefined) return found.startsWith(`"${search}/`);
    return found === JSON.stringify(text.replace(/urn:uuid:[0-9a-f-]{36}/g, (link) => links.get(link) ?? link));
  }

  report(): RoundTrip {
    return {
      written: this.#written,
      values: this.#values,
      resolved: this.#resolved,
      labelled: this.#labelled,
      refused: this.#refused,
      unexpected: this.#unexpected,
      differences: this.#differences,
    };
  }
}

/** Code and place of the first issue of an outcome. */
function ruleOf(answer: string): string {
  const [issue] = (JSON.parse(answer) as { issue?: { code: string; expression?: string[] }[] }).issue ?? [];
  return `${issue?.code} ${issue?.expression?.join() ?? ''}`;
}

function* referencedPatients(value: unknown): Generator<string> {
  if (typeof value !== 'object' || value === null || isRawNumber(value)) return;
  const target = localReference(value);
  if (target?.type === 'Patient') yield target.id;
  for (const held of Object.values(value)) yield* referencedPatients(held);
}

function withoutStoreMeta(resource: AnyResource): AnyResource {
  const { meta, ...others } = resource;
  const { versionId: _, lastUpdated: __, ...own } = meta ?? {};
  return Object.keys(own).length === 0 ? others : { ...others, meta: own };
}

/** Every leaf by its path, as JSON with the digits it has. */
function leavesOf(value: unknown, path = '', into = new Map<string, string>()): Map<string, string> {
  if (typeof value !== 'object' || value === null || isRawNumber(value)) into.set(path, JSON.stringify(value));
  else if (Array.isArray(value)) value.forEach((item, at) => leavesOf(item, `${path}[${at}]`, into));
  else for (const [name, held] of Object.entries(value)) leavesOf(held, `${path}.${name}`, into);
  return into;
}
