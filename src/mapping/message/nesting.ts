/**
 * A message is a flat list of segments; its structure is in their order. Nesting rebuilds it by position alone, so that
 * a missing or unexpected segment never makes a message unreadable: an order belongs to the patient before it, a result
 * to the order before it, a note (and a Z segment) to the segment before it.
 *
 * @see HL7 v2.5.1 section 7.3.1 (ORU^R01) and 3.3.1 (ADT^A01)
 */
import type { Hl7Message } from '../message.ts';
import { SegmentReader } from './part.ts';
import type { DraftBuilder } from './state.ts';

/** Some parts of a key as one text, and whether any of them was sent. */
export interface KeyText {
  readonly key: string;
  readonly isAny: boolean;
}

const none: readonly DraftBuilder[] = [];

export class Node {
  readonly name: string;
  readonly reader: SegmentReader;
  /** 1-based place in the message. */
  readonly position: number;
  readonly parent: Node | undefined;
  /** MSH. */
  readonly root: Node;
  /** The event of the message; only of the root. */
  event = '';
  readonly children: Node[] = [];
  /** The ORC of an OBR (or RXE, RXA ...), and that of the ORC: the same order, in another segment. */
  companion: Node | undefined;
  /** The drafts made for this segment, first the one that its other values belong to. */
  drafts: readonly DraftBuilder[] = none;
  #found: Map<string, Node | undefined> | undefined;
  #texts: Map<object, KeyText | null> | undefined;
  #around: Map<string, DraftBuilder | null> | undefined;
  #inside: Map<string, DraftBuilder[]> | undefined;
  #noneBeside: Map<string, number> | undefined;

  constructor(reader: SegmentReader, parent: Node | undefined) {
    this.name = reader.name;
    this.reader = reader;
    this.position = reader.segment.position;
    this.parent = parent;
    this.root = parent === undefined ? this : parent.root;
    parent?.children.push(this);
  }

  add(draft: DraftBuilder): void {
    this.drafts = this.drafts.length === 0 ? [draft] : [...this.drafts, draft];
  }

  /** What was found around this node (null: nothing), and inside it, by type: for linking, when all drafts are made. */
  get around(): Map<string, DraftBuilder | null> {
    return (this.#around ??= new Map());
  }

  get inside(): Map<string, DraftBuilder[]> {
    return (this.#inside ??= new Map());
  }

  /** Types of which nothing was below this node when the message had so many drafts. */
  get noneBeside(): Map<string, number> {
    return (this.#noneBeside ??= new Map());
  }

  /** True when the segment of this name is this one, its companion, or below one of these; never one around. */
  has(name: string): boolean {
    return holds(this, name) || (this.companion !== undefined && holds(this.companion, name));
  }

  /** The segment of this name that a rule on this node means: itself, its companion, below it, or around it. */
  find(name: string): Node | undefined {
    if (this.name === name) return this;
    if (this.companion?.name === name) return this.companion;
    for (const child of this.children) if (child.name === name) return child;
    return this.parent?.findAround(name);
  }

  /** As `find`, for what is at this node or further out; its children ask for the same, so the answer is kept. */
  findAround(name: string): Node | undefined {
    const found = (this.#found ??= new Map());
    if (!found.has(name)) found.set(name, this.find(name));
    return found.get(name);
  }

  /** What the parts of keys became that the children of this node have in common (keys.ts); null for those it has not. */
  get texts(): Map<object, KeyText | null> {
    return (this.#texts ??= new Map());
  }

  /** Nothing of its own but its fields: what it finds of other names, its siblings find as well. */
  get isLeaf(): boolean {
    return this.children.length === 0 && this.companion === undefined;
  }
}

function holds(node: Node, name: string): boolean {
  return node.name === name || node.children.some((child) => child.name === name);
}

/** Segments of an order that say what is ordered, given or observed; the ORC before says the rest of the same order. */
const details = ['OBR', 'RXO', 'RXE', 'RXD', 'RXA', 'RXG', 'ODS', 'ODT', 'RQD', 'BPO', 'BPX'];
const medications = ['RXE', 'RXD', 'RXA', 'RXG', 'RXO'];

const inMessage = ['MSH'];
const inPatient = ['PID'];

/**
 * The segments that each may nest in: the one that was opened last of these is meant. All others (notes,
 * participations, Z segments) follow the segment before them.
 */
const parents: Readonly<Record<string, readonly string[]>> = {
  ...each(['EVN', 'SFT', 'UAC', 'MSA', 'ERR', 'QAK', 'QPD', 'QRD', 'QRF', 'DSC', 'PID', 'PRD', 'RF1'], inMessage),
  ...each(['SCH', 'ARQ', 'RGS', 'MFI', 'MFE', 'EQU', 'INV'], inMessage),
  ...each(
    ['PD1', 'NK1', 'ARV', 'PV1', 'DB1', 'AL1', 'IAM', 'DRG', 'GT1', 'IN1', 'ACC', 'UB1', 'UB2', 'PDA'],
    inPatient,
  ),
  ...each(['MRG', 'OH1', 'OH2', 'OH3', 'OH4', 'PRB'], inPatient),
  PV2: ['PV1', 'PID'],
  // A role after a visit is of that visit, before it the patient's.
  ROL: ['PV1', 'PR1', 'IN1', 'PRB', 'GOL', 'PTH', 'PID'],
  VAR: ['PRB', 'GOL', 'PTH', 'PID'],
  // Of a referral, or of a procedure in it.
  AUT: ['RF1', 'PR1', 'IN1', 'PID', 'MSH'],
  DG1: [...details, 'PID'],
  PR1: ['FT1', 'PID'],
  IN2: ['IN1', 'PID'],
  IN3: ['IN1', 'PID'],
  ...each(['ORC', ...details, 'TXA'], ['PID', 'MSH']),
  TQ1: [...details, 'ORC', 'PID', 'SCH', 'ARQ'],
  TQ2: [...details, 'ORC', 'PID'],
  ...each(['RXR', 'RXC', 'RXV'], medications),
  CTD: ['OBR', 'PRD', 'PID'],
  FT1: [...details, 'ORC', 'PID'],
  CTI: [...details, 'PID'],
  BLG: [...details, 'ORC', 'PID'],
  SPM: ['OBR', 'PID', 'MSH'],
  SAC: ['SPM', 'OBR', 'PID', 'MSH'],
  // A result after a specimen belongs to that specimen, else to the order; an admission's observation to the patient.
  OBX: ['SPM', ...details, 'TXA', 'PRB', 'GOL', 'PTH', 'PID', 'MSH'],
  CON: ['TXA', 'PID'],
  GOL: ['PRB', 'PID'],
  PTH: ['PRB', 'GOL', 'PID'],
  ...each(['AIS', 'AIG', 'AIL', 'AIP'], ['RGS', 'MSH']),
  ...each(['STF', 'LOC', 'OM1', 'CDM', 'PRC', 'IIM'], ['MFE', 'MSH']),
  ...each(['PRA', 'ORG', 'AFF', 'LAN', 'EDU', 'CER'], ['STF', 'MSH']),
  ...each(['LCH', 'LRL', 'LDP'], ['LOC', 'MSH']),
  LCC: ['LDP', 'LOC', 'MSH'],
};

function each(names: readonly string[], candidates: readonly string[]): Record<string, readonly string[]> {
  return Object.fromEntries(names.map((name) => [name, candidates]));
}

const inOrder = ['SPM', 'SAC'];

/** Opening a segment ends the groups named here: what follows belongs to the new one. */
const closedBy: Readonly<Record<string, readonly string[]>> = {
  PID: ['PV1', 'IN1', 'ORC', ...details, ...inOrder, 'TXA', 'PRB', 'GOL', 'PTH', 'FT1'],
  ORC: [...details, ...inOrder, 'FT1'],
  ...each(details, [...details, ...inOrder]),
  FT1: ['PR1'],
  PRB: ['ORC', ...details, ...inOrder, 'GOL', 'PTH'],
  GOL: ['ORC', ...details, ...inOrder, 'PTH'],
  MFE: ['STF', 'LOC', 'LDP'],
  LOC: ['LDP'],
};

/** What the tables above say of a segment name. */
interface Place {
  readonly parents: ReadonlySet<string> | undefined;
  readonly closes: ReadonlySet<string>;
  readonly isDetail: boolean;
}

function placeOf(name: string): Place {
  const candidates = Object.hasOwn(parents, name) ? parents[name] : undefined;
  return {
    parents: candidates === undefined ? undefined : new Set(candidates),
    // A segment also ends the one of its own name before it.
    closes: new Set([name, ...(Object.hasOwn(closedBy, name) ? (closedBy[name] ?? []) : [])]),
    isDetail: details.includes(name),
  };
}
const places = new Map([...Object.keys(parents), ...Object.keys(closedBy)].map((name) => [name, placeOf(name)]));

/**
 * Every segment as a node, in the order sent; the first is the root (MSH).
 * @param nesting where the message map knows better than the table above
 */
export function nest(message: Hl7Message, nesting: Readonly<Record<string, readonly string[]>> = {}): Node[] {
  const nodes: Node[] = [];
  // The open groups, that which was opened last at the end.
  const open: Node[] = [];
  let previous: Node | undefined;
  let anchor: Node | undefined;
  for (const segment of message.segments) {
    const reader = new SegmentReader(segment);
    const place = places.get(reader.name);
    const own = nesting[reader.name];
    const candidates = own === undefined ? place?.parents : new Set(own);
    // A note, a participation or a Z segment says more about the segment before it; it never nests in another such.
    const parent =
      candidates === undefined
        ? (anchor ?? previous)
        : // Nothing was opened since one of the same name: results of an order, above all.
          anchor?.name === reader.name
          ? anchor.parent
          : latestOf(candidates, open);
    const node: Node = new Node(reader, parent);
    if (place?.isDetail === true) adoptOrderControl(node, anchor);
    openGroup(node, place, open);
    nodes.push(node);
    previous = node;
    // PD1 says more of the patient: a note after it is the patient's, as one after PID is.
    if (candidates !== undefined) anchor = node.name === 'PD1' ? (node.parent ?? node) : node;
    if (anchor === undefined) anchor = node;
  }
  return nodes;
}

function latestOf(candidates: ReadonlySet<string>, open: readonly Node[]): Node | undefined {
  for (let index = open.length - 1; index >= 0; index--) {
    const node = open[index] as Node;
    if (candidates.has(node.name)) return node;
  }
  return open.findLast(({ name }) => name === 'MSH');
}

/** An ORC directly before (only its timing, or another detail of the same order, between) is the same order. */
function adoptOrderControl(detail: Node, anchor: Node | undefined): void {
  for (let node = anchor; node !== undefined; node = node.parent) {
    const control = node.name === 'ORC' ? node : node.companion;
    if (control?.name === 'ORC' && (node === control || medications.includes(detail.name))) {
      detail.companion = control;
      control.companion ??= detail;
      return;
    }
    if (!between.has(node.name)) return;
  }
}
const between = new Set(['TQ1', 'TQ2', 'RXR', 'RXC', 'RXV', 'RXO']);

function openGroup(node: Node, place: Place | undefined, open: Node[]): void {
  let kept = 0;
  for (const group of open) {
    if (group.name !== node.name && place?.closes.has(group.name) !== true) open[kept++] = group;
  }
  // Not by setting `length`, which leaves compiled code.
  while (open.length > kept) open.pop();
  open.push(node);
}
