/**
 * A message is a flat list of segments; its structure is in their order. Nesting rebuilds it by position alone, so that
 * a missing or unexpected segment never makes a message unreadable: an order belongs to the patient before it, a result
 * to the order before it, a note (and a Z segment) to the segment before it.
 *
 * @see HL7 v2.5.1 section 7.3.1 (ORU^R01) and 3.3.1 (ADT^A01)
 */
import type { Hl7Message } from './message.ts';
import { SegmentReader } from './part.ts';
import type { DraftBuilder } from './state.ts';

export class Node {
  readonly name: string;
  readonly reader: SegmentReader;
  readonly parent: Node | undefined;
  readonly children: Node[] = [];
  /** The ORC of an OBR: the same order, in another segment. */
  companion: Node | undefined;
  /** The drafts made for this segment, first the one that its other values belong to. */
  readonly drafts: DraftBuilder[] = [];
  #around: Map<string, DraftBuilder> | undefined;
  #inside: Map<string, DraftBuilder[]> | undefined;

  constructor(reader: SegmentReader, parent: Node | undefined) {
    this.name = reader.name;
    this.reader = reader;
    this.parent = parent;
    parent?.children.push(this);
  }

  /** What was found around this node, and inside it, by type: for linking, when all drafts are made. */
  get around(): Map<string, DraftBuilder> {
    return (this.#around ??= new Map());
  }

  get inside(): Map<string, DraftBuilder[]> {
    return (this.#inside ??= new Map());
  }

  /** The segment of this name that a rule on this node means: itself, its companion, below it, or around it. */
  find(name: string): Node | undefined {
    if (this.name === name) return this;
    if (this.companion?.name === name) return this.companion;
    for (const child of this.children) if (child.name === name) return child;
    for (let node = this.parent; node !== undefined; node = node.parent) {
      if (node.name === name) return node;
      if (node.companion?.name === name) return node.companion;
      for (const child of node.children) if (child.name === name) return child;
    }
    return undefined;
  }
}

/** Segments that open a group inside the segment named here; all others follow the segment before them. */
const parents: Readonly<Record<string, readonly string[]>> = {
  EVN: ['MSH'],
  SFT: ['MSH'],
  UAC: ['MSH'],
  MSA: ['MSH'],
  ERR: ['MSH'],
  PID: ['MSH'],
  PD1: ['PID'],
  NK1: ['PID'],
  ARV: ['PID'],
  PV1: ['PID'],
  PV2: ['PV1', 'PID'],
  DB1: ['PID'],
  AL1: ['PID'],
  IAM: ['PID'],
  DG1: ['PID'],
  DRG: ['PID'],
  PR1: ['PID'],
  GT1: ['PID'],
  IN1: ['PID'],
  IN2: ['IN1', 'PID'],
  IN3: ['IN1', 'PID'],
  ACC: ['PID'],
  UB1: ['PID'],
  UB2: ['PID'],
  PDA: ['PID'],
  ORC: ['PID', 'MSH'],
  OBR: ['PID', 'MSH'],
  TQ1: ['OBR', 'ORC', 'PID'],
  TQ2: ['OBR', 'ORC', 'PID'],
  CTD: ['OBR', 'PID'],
  FT1: ['OBR', 'PID'],
  CTI: ['OBR', 'PID'],
  SPM: ['OBR', 'PID'],
  // A result after a specimen belongs to that specimen, else to the order; an admission's observation to the patient.
  OBX: ['SPM', 'OBR', 'PID', 'MSH'],
};

/** Every segment as a node, in the order sent; the first is the root (MSH). */
export function nest(message: Hl7Message): Node[] {
  const nodes: Node[] = [];
  // The open group of each kind; opening one closes those that it contains.
  const open = new Map<string, Node>();
  let previous: Node | undefined;
  let anchor: Node | undefined;
  for (const segment of message.segments) {
    const reader = new SegmentReader(segment);
    const parent = parentOf(segment.name, open, previous, anchor);
    const node: Node = new Node(reader, parent);
    if (segment.name === 'OBR' && previous !== undefined) adoptOrderControl(node, anchor);
    openGroup(node, open);
    nodes.push(node);
    previous = node;
    if (segment.name !== 'NTE' && parents[segment.name] !== undefined) anchor = node;
    if (anchor === undefined) anchor = node;
  }
  return nodes;
}

function parentOf(name: string, open: Map<string, Node>, previous?: Node, anchor?: Node): Node | undefined {
  const candidates = parents[name];
  // A note, a participation or a Z segment says more about the segment before it; it never nests in another such.
  if (candidates === undefined) return anchor ?? previous;
  for (const candidate of candidates) {
    const node = open.get(candidate);
    if (node !== undefined) return node;
  }
  return open.get('MSH');
}

/** An ORC directly before (only its own notes and timing between) is the same order as this OBR. */
function adoptOrderControl(order: Node, anchor: Node | undefined): void {
  for (let node = anchor; node !== undefined; node = node.parent) {
    if (node.name === 'ORC') {
      order.companion = node;
      return;
    }
    if (node.name !== 'TQ1' && node.name !== 'TQ2') return;
  }
}

function openGroup(node: Node, open: Map<string, Node>): void {
  const closes = closedBy[node.name];
  if (closes !== undefined) for (const name of closes) open.delete(name);
  open.set(node.name, node);
}
const closedBy: Readonly<Record<string, readonly string[]>> = {
  PID: ['PV1', 'IN1', 'ORC', 'OBR', 'SPM', 'OBX'],
  ORC: ['OBR', 'SPM', 'OBX'],
  OBR: ['SPM', 'OBX'],
};
