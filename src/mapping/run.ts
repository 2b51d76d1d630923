/** One message through a compiled map. The parent decides the order; what each step means is in the tables. */
import { Problem } from '../fhir/problem.ts';
import type { CompiledBuild, CompiledCommand, CompiledMap, CompiledMessage, CompiledRef } from './compile.ts';
import type { Draft, MapContext, MappedMessage } from './message/draft.ts';
import { unmappedUrl } from './values/extensions.ts';
import type { Hl7Message } from './message.ts';
import { nest, type Node } from './message/nesting.ts';
import type { Leaf } from './message/part.ts';
import { precedenceOf } from './message/precedence.ts';
import { isEmptying, takeSnapshots } from './snapshot.ts';
import { type DraftBuilder, type Element, ofType, Run, type Reference } from './message/state.ts';

/**
 * The resources that a message speaks of, with stable ids, and an account of all that no rule took.
 * @throws Problem structure without MSH, not-supported for a type or event that no table serves, required without a PID that says whose
 *   record it is
 */
export function mapMessage(map: CompiledMap, message: Hl7Message, context: MapContext): MappedMessage {
  const { what, event } = messageMapFor(map, message);
  if (what.patient === 'required' && message.first('PID') === undefined) {
    throw new Problem('required', 'the message names no patient', { expression: 'PID', hint: 'Send a PID segment.' });
  }
  const nodes = nest(message, what.nesting) as [Node, ...Node[]];
  nodes[0].event = event;
  const run = new Run(map, context, nodes);
  const byName = indexByName(nodes);
  const { builds } = what;
  const nodesOf = segmentsOf(what, byName);
  for (let place = 0; place < builds.length; place++) {
    const segments = nodesOf[place];
    if (segments !== undefined) buildDrafts(builds[place] as CompiledBuild, segments, run);
  }
  refuseNobody(what, run);
  for (let place = 0; place < builds.length; place++) {
    const [segments, build] = [nodesOf[place], builds[place] as CompiledBuild];
    if (segments !== undefined && build.refs.length > 0) linkDrafts(build, segments, run);
  }
  for (const command of what.commands) giveCommand(command, byName.get(command.segment) ?? noNodes, run);
  dropEmptyProvenance(run);
  keepTheRest(run);
  const { commands, snapshots, unmapped, issues } = run;
  return { drafts: order(run.drafts), commands, snapshots, unmapped, issues, mapVersion: map.version };
}

/**
 * HL7 v2 asks for PID-3 and PID-5. A record of nobody, a new one with each message, would never meet the patient's own, and be seen by
 * neither them nor those they permit: the message waits until somebody says whose it is. Where none is asked for, an empty PID is none;
 * beside another patient it is refused there as well, because what stands under it would be taken for the other's.
 */
function refuseNobody(what: CompiledMessage, { nobodies, drafts: made }: Run): void {
  if (nobodies === 0 || (what.patient === 'optional' && !made.some(({ type }) => type === 'Patient'))) return;
  throw new Problem('required', 'the patient has neither a number nor a name', {
    expression: 'PID-3',
    hint: 'Send PID-3. Where the number stands elsewhere, an overlay says so: key: patient.',
  });
}

/** R4 wants of a Provenance that it is about something; a message that only deletes, or holds nothing, has no target for it. */
function dropEmptyProvenance(run: Run): void {
  const at = run.drafts.findIndex(({ type, resource }) => type === 'Provenance' && resource['target'] === undefined);
  if (at < 0) return;
  run.drafts.splice(at, 1);
  run.nodes[0].drafts = noDrafts;
  if (run.drafts.length > 0) return;
  throw new Problem('required', 'nothing in the message becomes a resource', {
    expression: 'MSH',
    hint: 'Send the segments that the message type asks for.',
  });
}

/** The message map for MSH-9, or for EVN-1 or the code's default event where MSH-9 has only a code. */
function messageMapFor(map: CompiledMap, message: Hl7Message): { what: CompiledMessage; event: string } {
  const header = message.segments[0];
  if (header?.name !== 'MSH') throw new Problem('structure', 'the message does not begin with MSH');
  const type = header.field(9)[0];
  const first = type?.get(1) ?? '';
  const [code = '', glued = ''] = first.includes('_') ? first.split('_') : [first];
  const sent = type?.get(2) || glued;
  const event = (sent || message.first('EVN')?.text(1) || map.defaultEvents.get(code) || '').toUpperCase();
  const what = map.messages.get(`${code}^${event}`);
  if (what !== undefined) return { what, event };
  const isKnown = map.codes.has(code);
  throw new Problem(
    'not-supported',
    isKnown ? `event ${event || '(none)'} of ${code} is not served` : 'this message type is not served',
    {
      expression: isKnown ? 'MSH-9.2' : 'MSH-9.1',
      hint: `Served: ${[...map.messages.keys()].join(', ')}.`,
    },
  );
}

function indexByName(nodes: readonly Node[]): ReadonlyMap<string, readonly Node[]> {
  const byName = new Map<string, Node[]>();
  for (const node of nodes) {
    const list = byName.get(node.name);
    if (list === undefined) byName.set(node.name, [node]);
    else list.push(node);
  }
  return byName;
}
const noNodes: readonly Node[] = [];

/**
 * The segments that each build is for, by its place in the map. Most builds are for segments that a message does not have:
 * those are not gone through.
 */
function segmentsOf({ builds, bySegment }: CompiledMessage, byName: ReadonlyMap<string, readonly Node[]>) {
  // oxlint-disable-next-line no-new-array
  const nodesOf: (readonly Node[] | undefined)[] = new Array(builds.length);
  for (const [name, nodes] of byName) for (const place of bySegment.get(name) ?? nowhere) nodesOf[place] = nodes;
  return nodesOf;
}
const nowhere: readonly number[] = [];

function buildDrafts(build: CompiledBuild, nodes: readonly Node[], run: Run): void {
  for (const node of nodes) {
    if (build.when !== undefined && !build.when(node)) continue;
    if (build.snapshot !== undefined && isEmptying(node)) continue;
    const draft = draftFor(build, node, run);
    if (draft === undefined) continue;
    applyMaps(build, node, draft, run);
    if (draft.node !== node && !build.into) draft.dropRepeated();
  }
  if (build.snapshot !== undefined && nodes.length > 0) takeSnapshots(build, nodes, run);
}

function draftFor(build: CompiledBuild, node: Node, run: Run): DraftBuilder | undefined {
  if (build.key === undefined) return run.nearest(build.resource, node);
  const id = build.key(node, run, build.resource);
  if (id === undefined) {
    run.nobodies += 1;
    return undefined;
  }
  const draft = run.draft(build.resource, id, build.mode, node);
  if (build.isDeleted?.(node) === true) draft.mode = 'delete';
  return draft;
}

function giveCommand({ when, command }: CompiledCommand, nodes: readonly Node[], run: Run): void {
  for (const node of nodes) {
    const given = when === undefined || when(node) ? command(node, run) : undefined;
    if (given !== undefined) run.commands.push(given);
  }
}

/** Each map reads the segment itself, its companion (the ORC of an OBR), or all segments of its name below. */
function applyMaps(build: CompiledBuild, node: Node, draft: DraftBuilder, run: Run): void {
  for (const { segment, apply } of build.maps) {
    if (segment === node.name) apply(node, draft, run);
    else {
      if (node.companion !== undefined) applyBelow(segment, node.companion, draft, run, apply);
      applyBelow(segment, node, draft, run, apply);
    }
  }
}

function applyBelow(
  segment: string,
  node: Node,
  draft: DraftBuilder,
  run: Run,
  apply: CompiledBuild['maps'][number]['apply'],
): void {
  if (node.name === segment) apply(node, draft, run);
  for (const child of node.children) if (child.name === segment) apply(child, draft, run);
}

function linkDrafts(build: CompiledBuild, nodes: readonly Node[], run: Run): void {
  if (build.into) return;
  for (const node of nodes) {
    const draft = ofType(node, build.resource);
    if (draft !== undefined) for (const ref of build.refs) link(ref, node, draft, run);
  }
}

function link(ref: CompiledRef, node: Node, draft: DraftBuilder, run: Run): void {
  if (ref.reach === 'nearest') {
    const nearest = nearestOf(node, ref.type);
    // What is deleted cannot be pointed to.
    if (nearest !== undefined && nearest.mode !== 'delete') put(ref, draft, nearest);
    return;
  }
  if (ref.reach === 'only') {
    const found = below(node, ref.type);
    const around = found.length > 0 || node.parent === undefined ? found : below(node.parent, ref.type);
    // Which of two specimens a result is of, the message does not say.
    if (around.length === 1) put(ref, draft, around[0] as DraftBuilder);
    return;
  }
  if (ref.find !== undefined) {
    for (const element of ref.find(node, draft, run)) putReference(ref, draft, element);
    return;
  }
  const candidates = candidatesOf(ref, node, run);
  run.countLinks(candidates.length);
  for (const item of candidates) if (item !== draft) put(ref, draft, item);
}

function candidatesOf(ref: CompiledRef, node: Node, run: Run): readonly DraftBuilder[] {
  if (ref.type === '*') return run.drafts.filter(({ mode }) => mode !== 'delete');
  return ref.reach === 'all' ? run.drafts.filter(({ type }) => type === ref.type) : below(node, ref.type);
}

/** As `Run.nearest`; once all drafts are made, the siblings of a result share what was found around them. */
function nearestOf(node: Node, type: string): DraftBuilder | undefined {
  for (const draft of node.drafts) if (draft.type === type) return draft;
  for (const child of node.children) for (const draft of child.drafts) if (draft.type === type) return draft;
  const { parent } = node;
  if (parent === undefined) return undefined;
  // That there is none is kept as well: a message without visit is asked for it by each of its results.
  let found = parent.around.get(type);
  if (found === undefined) parent.around.set(type, (found = nearestOf(parent, type) ?? null));
  return found ?? undefined;
}

function put(ref: CompiledRef, draft: DraftBuilder, target: DraftBuilder): void {
  putReference(ref, draft, { reference: target.reference });
}

function putReference(ref: CompiledRef, draft: DraftBuilder, reference: Reference | Element): void {
  if (!ref.target.isSet(draft.resource)) ref.target.put(draft.resource, reference);
}

/** Drafts of a type at a node and below it; asked again by each of its results, so kept. */
function below(node: Node, type: string): readonly DraftBuilder[] {
  if (node.children.length === 0)
    return node.drafts.some((draft) => draft.type === type) ? ownOf(node, type) : noDrafts;
  let found = node.inside.get(type);
  if (found === undefined) {
    collectBelow(node, type, (found = []));
    node.inside.set(type, found);
  }
  return found;
}
const noDrafts: readonly DraftBuilder[] = [];

function ownOf(node: Node, type: string): readonly DraftBuilder[] {
  return node.drafts.filter((draft) => draft.type === type);
}

function collectBelow(node: Node, type: string, found: DraftBuilder[]): void {
  for (const draft of node.drafts) if (draft.type === type) found.push(draft);
  for (const child of node.children) collectBelow(child, type, found);
}

/** What no rule took becomes an extension on the nearest resource, and is counted. */
function keepTheRest(run: Run): void {
  const { structural } = run.map;
  for (const node of run.nodes) {
    const left = node.reader.left();
    if (left.length === 0) continue;
    const { resource } = homeOf(node, run);
    const extension = (resource['extension'] ??= []) as unknown[];
    extension.push({
      url: unmappedUrl,
      extension: left.map(({ position, text }) => ({ url: position, valueString: text })),
    });
    for (const leaf of left) {
      const position = withoutRepetition(leaf);
      if (!structural.has(position) && !structural.has(fieldOf(position)))
        run.unmapped.push({ kind: 'field', position });
    }
  }
}

/** `PRA-1` of `PRA-1.2`. */
function fieldOf(position: string): string {
  const dot = position.indexOf('.');
  return dot < 0 ? position : position.slice(0, dot);
}

function withoutRepetition({ position }: Leaf): string {
  const at = position.indexOf('~');
  if (at < 0) return position;
  const dot = position.indexOf('.', at);
  return dot < 0 ? position.slice(0, at) : position.slice(0, at) + position.slice(dot);
}

function homeOf(node: Node, run: Run): DraftBuilder {
  for (let at: Node | undefined = node; at !== undefined; at = at.parent) {
    const [own] = at.drafts;
    if (own !== undefined) return own;
    const [adopted] = at.companion?.drafts ?? [];
    if (adopted !== undefined) return adopted;
  }
  return run.drafts[0] as DraftBuilder;
}

/** Types whose drafts others point to come first; the account of all of them (Provenance) last. */
const ranks = new Map(
  [
    'Patient',
    'Organization',
    'Practitioner',
    'Location',
    'RelatedPerson',
    'Encounter',
    'Coverage',
    'AllergyIntolerance',
    'Condition',
    'ServiceRequest',
    'Specimen',
    'Observation',
    'DiagnosticReport',
  ].map((type, rank) => [type, rank]),
);

function rankOf({ type }: DraftBuilder): number {
  return type === 'Provenance' ? rankMax : (ranks.get(type) ?? ranks.size);
}
const rankMax = ranks.size + 1;

function order(drafts: readonly DraftBuilder[]): Draft[] {
  const ranked = drafts.map(rankOf);
  const ordered: Draft[] = [];
  for (let rank = 0; rank <= rankMax; rank++) {
    for (let index = 0; index < drafts.length; index++)
      if (ranked[index] === rank) ordered.push(finish(drafts[index] as DraftBuilder));
  }
  return ordered;
}

function finish({ type, resource, mode, removed, fallback }: DraftBuilder): Draft {
  // An element that another field gave after all is not removed.
  const gone = removed === undefined ? none : [...removed].filter((path) => !isSaid(resource, path));
  return {
    resource,
    mode: type === 'Observation' ? modeOfResult(resource, mode) : mode,
    removed: gone,
    fallback: fallback ?? none,
    precedence: precedenceOf(type, resource),
  };
}
const none: readonly string[] = [];

/** @param path of an element, or of a part of one: `period.end` */
function isSaid(resource: Draft['resource'], path: string): boolean {
  const [name = '', part] = path.split('.');
  const element = resource[name];
  return part === undefined ? element !== undefined : (element as Element | undefined)?.[part] !== undefined;
}

/** OBX-11 `U`: the status becomes final without the result being sent again (HL70085), so the stored value stays. */
function modeOfResult(resource: Draft['resource'], mode: Draft['mode']): Draft['mode'] {
  return resource['status'] === 'final' && !hasValue(resource) ? 'merge' : mode;
}

function hasValue(resource: Draft['resource']): boolean {
  // The two commonest first: a walk over all names costs as much as mapping three fields.
  if (resource['valueQuantity'] !== undefined || resource['valueString'] !== undefined) return true;
  return Object.keys(resource).some(
    (name) => name.startsWith('value') || name === 'component' || name === 'dataAbsentReason',
  );
}
