/** What one message's mapping carries along: its context, the drafts so far, what could not be mapped. */
import { Problem } from '../../fhir/problem.ts';
import { deriveId, keyPart, ownBucket } from '../../fhir/ids.ts';
import type { AnyResource } from '../../fhir/types.ts';
import type { CompiledMap, Vocabulary } from '../compile.ts';
import type { Command, MapContext, MappingIssue, Snapshot, Unmapped } from './draft.ts';
import { Extended, original } from '../values/extensions.ts';
import type { Node } from './nesting.ts';
import { Part, type SegmentReader } from './part.ts';
import { sourceOf, type Known, type Share, type Source, type Way } from './source.ts';
import { offsetIn, parseDtm, type Dtm } from '../values/time.ts';

/** Any FHIR element under construction. */
export type Element = Record<string, unknown>;

export interface Reference {
  reference?: string;
  display?: string;
}

/** A patient, as the ids of what belongs to it are derived. */
export interface Compartment {
  readonly patient: DraftBuilder;
  readonly id: string;
  readonly bucket: number;
  /** The id as a part of keys. */
  readonly key: string;
}

interface Mention {
  readonly part: Part;
  readonly reference: Reference;
}

/** A resource under construction. */
export class DraftBuilder {
  /** Its own as soon as it has anything to add (`own`); until then it may be one that is kept for all messages (source.ts). */
  resource: AnyResource & { id: string };
  readonly type: string;
  readonly id: string;
  mode: 'merge' | 'replace' | 'delete';
  readonly node: Node | undefined;
  /** Elements removed by `""`, and elements that hold only for want of a better; most drafts have neither. */
  removed: Set<string> | undefined;
  fallback: string[] | undefined;
  /** `Type/id`, as other resources point to it. */
  readonly reference: string;

  constructor(resource: AnyResource & { id: string }, mode: 'merge' | 'replace', node?: Node, reference?: string) {
    const { resourceType, id } = resource;
    this.resource = resource;
    this.type = resourceType;
    this.id = id;
    this.reference = reference ?? `${resourceType}/${id}`;
    this.mode = mode;
    this.node = node;
  }

  /** This draft, to be written to. */
  own(): this {
    if (Object.isFrozen(this.resource)) this.resource = { ...this.resource };
    return this;
  }

  /** A second segment of the same resource (a role that a message states twice) restates what the first one said. */
  dropRepeated(): void {
    const { resource } = this;
    for (const name in resource) {
      const list = resource[name];
      // Values and their extensions stand in two lists by place.
      if (!Array.isArray(list) || name.startsWith('_') || resource[`_${name}`] !== undefined) continue;
      const distinct = union([], list);
      if (distinct.length < list.length) resource[name] = distinct;
    }
  }

  /** Adds what the draft does not say yet: a second mention may know another name, number or address. */
  add(element: Element | undefined): void {
    for (const name in element) {
      const [known, value] = [this.resource[name], element[name]];
      // Not added to in place: the list may be one that is kept for other messages.
      const all = Array.isArray(known) && Array.isArray(value) ? union(known, value) : (known ?? value);
      if (all !== known) this.own().resource[name] = all;
    }
  }
}

/** The items of both lists, each once. */
export function union(known: readonly unknown[], items: readonly unknown[]): readonly unknown[] {
  if (known === items || items.length === 0) return known;
  const texts = new Set(known.map((item) => JSON.stringify(item)));
  const missing = items.filter((item) => {
    const text = JSON.stringify(item);
    return !texts.has(text) && texts.add(text);
  });
  return missing.length === 0 ? known : [...known, ...missing];
}

/** True for elements that say the same, in the same order. */
export function isSame(one: unknown, other: unknown): boolean {
  if (one === other) return true;
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null) return false;
  const [names, others] = [Object.keys(one), Object.keys(other)];
  if (names.length !== others.length || Array.isArray(one) !== Array.isArray(other)) return false;
  for (let index = 0; index < names.length; index++) {
    const name = names[index] as string;
    if (name !== others[index] || !isSame((one as Element)[name], (other as Element)[name])) return false;
  }
  return true;
}

export class Run {
  readonly map: CompiledMap;
  readonly context: MapContext;
  /** Every segment, in the order sent. */
  readonly nodes: readonly [Node, ...Node[]];
  /** The event: `A01`, `R01`. */
  readonly event: string;
  /** Facility and control id: what identifies the message, and so whatever in it has no identifier of its own. */
  readonly messageKey: readonly string[];
  readonly facility: string;
  /** The owner as the first part of keys. */
  readonly ownerKey: string;
  readonly drafts: DraftBuilder[] = [];
  readonly commands: Command[] = [];
  readonly snapshots: Snapshot[] = [];
  readonly unmapped: Unmapped[] = [];
  readonly issues: MappingIssue[] = [];
  /** Segments for a resource that say nothing of which one it is. */
  nobodies = 0;
  /** Of keys that occur more than once in the message: the next number to try. */
  readonly counts = new Map<string, number>();
  readonly #ids = new Map<string, DraftBuilder>();
  readonly #dates = new Map<string, string | Extended>();
  readonly #mentions = new Map<string, Map<string, Mention>>();
  #compartment: Compartment | undefined;
  readonly #zone: string | undefined;
  readonly #source: Source;
  /** An escaped byte means what the message's character set says, so a text with an escape is not kept. */
  readonly #escape: string;
  readonly #number = ++runs;
  #links = 0;
  /** What the text that is being read says of resources outside any patient; undefined when that was said before. */
  #shares: Share[] | undefined;

  /** @param nodes every segment of the message, first its header */
  constructor(map: CompiledMap, context: MapContext, nodes: readonly [Node, ...Node[]]) {
    const [header] = nodes;
    this.map = map;
    this.context = context;
    this.nodes = nodes;
    this.event = header.event;
    this.facility = header.reader.peek(4);
    this.ownerKey = keyPart(context.owner);
    this.messageKey = messageKeyOf(header, this);
    // HL7 v2.5.1 section 2.15.9.7: the offset of MSH-7 is the default of the whole message.
    this.#zone = parseDtm(header.reader.peek(7))?.offset ?? context.zone;
    const separators = header.reader.segment.raw.slice(3, separatorsEnd);
    this.#escape = separators.charAt(3);
    this.#source = sourceOf(map, `${separators} ${this.#zone} ${context.owner} ${this.facility}`);
  }

  /** Starts a draft; a second one with the same id (a practitioner named twice) is the first again. */
  draft(type: string, id: string, mode: 'merge' | 'replace', node?: Node): DraftBuilder {
    const draft = this.#ids.get(id)?.own() ?? this.#start(new DraftBuilder({ resourceType: type, id }, mode, node));
    node?.add(draft);
    return draft;
  }

  #start(draft: DraftBuilder): DraftBuilder {
    this.#ids.set(draft.id, draft);
    this.drafts.push(draft);
    return draft;
  }

  /** Ids are derived with their type, so the id alone tells. */
  isTaken(id: string): boolean {
    return this.#ids.has(id);
  }

  /** The draft of this type that a segment belongs to: its own, or of what it nests in, or beside those. */
  nearest(type: string, from: Node): DraftBuilder | undefined {
    for (let node: Node | undefined = from; node !== undefined; node = node.parent) {
      const own = ofType(node, type);
      if (own !== undefined) return own;
      const beside = this.#beside(node, type);
      if (beside !== undefined) return beside;
    }
    return undefined;
  }

  /** Siblings ask one after the other: what was not there is looked for again only when there are new drafts. */
  #beside(node: Node, type: string): DraftBuilder | undefined {
    if (node.children.length === 0 || node.noneBeside.get(type) === this.drafts.length) return undefined;
    for (const child of node.children) {
      const beside = child.drafts.length === 0 ? undefined : ofType(child, type);
      if (beside !== undefined) return beside;
    }
    node.noneBeside.set(type, this.drafts.length);
    return undefined;
  }

  /** A draft outside any patient (Practitioner, Organization, Location): keyed within its owner, bucket of its own. */
  shared(type: string, key: readonly string[]): DraftBuilder {
    return this.draft(type, sharedId(this.context.owner, type, key), 'merge');
  }

  /** Gives such a draft what a text says of it. */
  share(type: string, key: readonly string[], element: Element | undefined): DraftBuilder {
    const draft = this.shared(type, key);
    draft.add(element);
    const { id, reference } = draft;
    this.#shares?.push({ id, reference, element, resource: { resourceType: type, id, ...element } });
    return draft;
  }

  /** What this text became in an earlier message of the sender, with the drafts it needs; undefined when it is new. */
  recall(way: Way, text: string): unknown {
    const known = this.#source.recall(way, text);
    if (known === undefined) return undefined;
    if (known.run !== this.#number && known.shares.length > 0) this.#takeOver(known);
    return known.value;
  }

  #takeOver(known: Known): void {
    const { shares } = known;
    // By index: going over a frozen list otherwise is several times as slow.
    for (let index = 0; index < shares.length; index++) {
      const { id, reference, element, resource } = shares[index] as Share;
      const named = this.#ids.get(id);
      if (named !== undefined) named.add(element);
      else this.#start(new DraftBuilder(resource as DraftBuilder['resource'], 'merge', undefined, reference));
    }
    known.run = this.#number;
  }

  /** Reads a part, and keeps what it became when that is all that is to be known of it. */
  readAndKeep(way: Way, part: Part, read: (part: Part) => unknown): unknown {
    // What another rule has taken must not count as taken by this one: of an only text, a part of its own tells.
    const own = !part.isUntouched && part.isOneText ? new Part(part.value, part.component) : part;
    const isFresh = own.isUntouched && !own.value.raw.includes(this.#escape);
    const counted = this.unmapped.length;
    this.#shares = [];
    const value = read(own);
    // What was counted is counted in every message, and what is left over is left over in each.
    const shares = this.unmapped.length === counted ? this.#shares : undefined;
    this.#shares = undefined;
    if (own !== part && own.isComplete) part.takeAll();
    if (value !== undefined && isFresh && shares !== undefined && own.isComplete)
      this.#source.keep(way, own.value.raw, value, shares, this.#number);
    return value;
  }

  /** As `readAndKeep`, of what several fields of a segment say together. */
  readAndKeepFields(way: Way, reader: SegmentReader, fields: readonly number[], read: () => unknown): unknown {
    const text = reader.together(fields);
    if (text === undefined) return read();
    const known = this.recall(way, text);
    if (known !== undefined) {
      for (const field of fields) reader.take(field);
      return known;
    }
    const isFresh = fields.every((field) => reader.isUntouched(field)) && !text.includes(this.#escape);
    const counted = this.unmapped.length;
    this.#shares = [];
    const value = read();
    const shares = this.unmapped.length === counted ? this.#shares : undefined;
    this.#shares = undefined;
    if (value !== undefined && isFresh && shares !== undefined && fields.every((field) => reader.isComplete(field)))
      this.#source.keep(way, text, value, shares, this.#number);
    return value;
  }

  /** @throws Problem too-long beyond {@link linksMax} */
  countLinks(count: number): void {
    this.#links += count;
    if (this.#links <= linksMax) return;
    throw new Problem('too-long', `more than ${linksMax} references between resources`, { expression: 'MSH' });
  }

  /** The compartment of a patient; nearly every message has but one. */
  compartmentOf(patient: DraftBuilder): Compartment {
    if (this.#compartment?.patient !== patient) {
      const { id } = patient;
      this.#compartment = { patient, id, bucket: ownBucket(id), key: keyPart(id) };
    }
    return this.#compartment;
  }

  /** A person or organization named again with the same text is the same: read once, and all its values are accounted for. */
  mention(type: string, part: Part, read: () => Reference | undefined): Reference | undefined {
    const mentions = this.#mentionsOf(type);
    // Within a component (a name inside an NDL) the text of the field would not tell which one is meant.
    const key = part.component === 0 ? part.value.raw : `${part.component} ${part.value.raw}`;
    const known = mentions.get(key);
    if (known !== undefined) {
      part.sameAs(known.part);
      this.#shares = undefined;
      return known.reference;
    }
    const reference = read();
    if (reference !== undefined) mentions.set(key, { part, reference });
    return reference;
  }

  #mentionsOf(type: string): Map<string, Mention> {
    let mentions = this.#mentions.get(type);
    if (mentions === undefined) this.#mentions.set(type, (mentions = new Map()));
    return mentions;
  }

  countCode(position: string, vocabulary: Vocabulary, code: string): void {
    this.unmapped.push({ kind: 'code', position: `${position} ${vocabulary.table}`, code });
  }

  /** A DTM as FHIR dateTime; undefined when it is none. */
  dateTime(text: string): string | Extended | undefined {
    const known = this.#dates.get(text);
    if (known !== undefined) return known;
    const dtm = parseDtm(text);
    const value = dtm === undefined ? undefined : this.#dateTimeOf(dtm, text);
    if (value !== undefined) this.#dates.set(text, value);
    return value;
  }

  #dateTimeOf(dtm: Dtm, text: string): string | Extended {
    // An offset beside a bare date has no place in FHIR; it is kept beside.
    if (dtm.time === undefined) return dtm.offset === undefined ? dtm.date : new Extended(dtm.date, [original(text)]);
    const offset = this.#offsetOf(dtm);
    if (offset === undefined) return new Extended(dtm.date, [original(text)]);
    const value = `${dtm.date}T${dtm.time}${offset}`;
    return dtm.isHourOnly ? new Extended(value, [original(text)]) : value;
  }

  /**
   * A DTM as FHIR instant, which must have a time and a zone: where the sender gave none, midnight and UTC stand in and
   * the text stays beside.
   */
  instant(text: string): string | Extended | undefined {
    const dtm = parseDtm(text);
    if (dtm === undefined || dtm.date.length < 10) return undefined;
    const offset = this.#offsetOf({ ...dtm, time: dtm.time ?? '00:00:00' });
    const value = `${dtm.date}T${dtm.time ?? '00:00:00'}${offset ?? 'Z'}`;
    const isWhole = dtm.time !== undefined && offset !== undefined && !dtm.isHourOnly;
    return isWhole ? value : new Extended(value, [original(text)]);
  }

  #offsetOf(dtm: Dtm): string | undefined {
    if (dtm.offset !== undefined) return dtm.offset;
    return this.#zone === undefined ? undefined : offsetIn(this.#zone, dtm.date, dtm.time as string);
  }
}

/** Of each to all (the diagnoses of every referral): a thousand times a thousand would be no message but an attack. */
const linksMax = 500_000;

/** MSH-1 and MSH-2: the same text divided otherwise is another. */
const separatorsEnd = 9;
let runs = 0;

export function ofType(node: Node, type: string): DraftBuilder | undefined {
  for (const draft of node.drafts) if (draft.type === type) return draft;
  return undefined;
}

function messageKeyOf(header: Node, run: Run): readonly string[] {
  const { reader } = header;
  const controlId = reader.peek(10);
  if (controlId !== '') return [run.context.owner, run.facility, controlId];
  run.issues.push({
    severity: 'warning',
    code: 'required',
    position: 'MSH-10',
    diagnostics: 'no control id: the header itself identifies the message',
  });
  return [run.context.owner, run.facility, '', reader.segment.raw];
}

/** The same practitioner, ward or laboratory comes with every message: its id is kept rather than hashed again. */
function sharedId(owner: string, type: string, key: readonly string[]): string {
  const text = `${owner}\u0000${type}\u0000${key.join('\u0000')}`;
  const known = sharedIds.get(text);
  if (known !== undefined) return known;
  const id = deriveId(undefined, [owner, type, ...key]);
  if (text.length > sharedCharsMax) return id;
  if (sharedIds.size >= sharedIdsMax) sharedIds.clear();
  sharedIds.set(text, id);
  return id;
}
const sharedIds = new Map<string, string>();
// A region's staff and wards; about 200 bytes each.
const sharedIdsMax = 50_000;
// A sender may name a doctor by megabytes: that is not kept.
const sharedCharsMax = 400;
