/**
 * What messages say -> the store, within the transaction that marks them as processed. Drafts of many messages are written
 * together; a message that commands something (a merge, a new number) is written by itself, between those before and after.
 */
import type { Tx } from '../db.ts';
import { parseJson } from '../fhir/json.ts';
import type { AnyResource } from '../fhir/types.ts';
import { carryOut } from '../identity/command.ts';
import { linkPatients } from '../identity/link.ts';
import { followStated, type StatingPatient } from '../identity/stated.ts';
import { followRelated } from '../identity/related.ts';
import { emptyMessages } from '../ingest/erase.ts';
import { sumUp } from '../ingest/device/sum-up.ts';
import { patientsOf as namedPatients } from '../ingest/marks.ts';
import type { Converted } from '../ingest/process.ts';
import type { RenumberCommand } from '../mapping/message/draft.ts';
import { commit } from '../store/commit.ts';
import { findErased } from '../store/erased.ts';
import type { Write, Written } from '../store/row.ts';
import { SentLists } from './lists.ts';
import { carryOver, dropDiagnoses } from './visits.ts';

export async function applyMessages(tx: Tx, messages: readonly Converted[], at: Date): Promise<void> {
  for (const group of groupsOf(await withoutErased(tx, messages))) {
    const [first] = group;
    if (first.mapped.commands.length === 0) await write(tx, group, [], at);
    else await applyCommands(tx, first, at);
  }
}

/** Messages about somebody who had their record erased here: answered long ago, and nothing of them is kept. */
async function withoutErased(tx: Tx, messages: readonly Converted[]): Promise<readonly Converted[]> {
  const patients = messages.flatMap((message) => {
    const owner = message.endpoint.organization;
    const described = message.mapped.drafts.filter(({ resource }) => resource.resourceType === 'Patient');
    if (described.length > 0) return described.map(({ resource }) => ({ message, resource, owner }));
    // What says nothing of the Patient but whose it is.
    return namedPatients(message.mapped).map((id) => ({ message, resource: { resourceType: 'Patient', id }, owner }));
  });
  const erased = await findErased(tx, patients);
  if (erased.size === 0) return messages;
  const gone = new Set([...erased.keys()].map((at) => patients[at]?.message));
  await emptyMessages(
    tx,
    [...gone].flatMap((message) => (message === undefined ? [] : [message.messageId])),
  );
  return messages.filter((message) => !gone.has(message));
}

/** In their order: those without commands together, each one with commands alone. */
function groupsOf(messages: readonly Converted[]): [Converted, ...Converted[]][] {
  const groups: [Converted, ...Converted[]][] = [];
  let isOpen = false;
  for (const message of messages) {
    const isPlain = message.mapped.commands.length === 0;
    if (isPlain && isOpen) groups.at(-1)?.push(message);
    else groups.push([message]);
    isOpen = isPlain;
  }
  return groups;
}

async function applyCommands(tx: Tx, message: Converted, at: Date): Promise<void> {
  const { receivedAt, mapped } = message;
  const { commands } = mapped;
  const owner = message.endpoint.organization;
  // Before the message's own words, which say that the former number is no more.
  const renumbered = commands.filter((command): command is RenumberCommand => command.kind === 'renumber');
  await write(tx, [message], await carryOver(tx, renumbered, owner), at);
  for (const command of commands)
    if (command.kind !== 'renumber') await carryOut(tx, command, { owner, at, receivedAt });
}

async function write(tx: Tx, messages: readonly Converted[], before: readonly Write[], at: Date): Promise<void> {
  const lists = await SentLists.read(tx, messages);
  const writes: Write[] = [];
  for (const message of messages) {
    writes.push(...draftsOf(message), ...lists.deletionsOf(message), ...(await summedUp(tx, message)));
  }
  const written = await commit(tx, [...before, ...writes], { at });
  await lists.write(tx);
  await dropDiagnoses(tx, messages, written, at);
  await linkPatients(tx, patientsOf(written), at);
  await followStated(tx, statingPatients(messages, written), at);
  // An operator made the endpoint and bound it to its hospital.
  await followRelated(tx, written, { isTrusted: true });
}

function draftsOf({ endpoint, mapped: { drafts, speaksFor } }: Converted): Write[] {
  const whose = { owner: endpoint.organization, ...(speaksFor && { speaksFor }) };
  return drafts.map((draft): Write => ({ kind: 'draft', ...whose, ...draft }));
}

/** Hours and days of which a device sent something new. */
async function summedUp(tx: Tx, { endpoint, mapped: { samples, speaksFor } }: Converted): Promise<Write[]> {
  if (samples === undefined || samples.samples.length === 0) return [];
  const resources = await sumUp(tx, endpoint, samples.patient, samples.samples);
  const whose = { owner: endpoint.organization, ...(speaksFor && { speaksFor }) };
  return resources.map((resource): Write => ({ kind: 'draft', mode: 'replace', ...whose, resource }));
}

/** In whose words a Patient is what it is now; of HL7v2 commands say who is one person. */
const stating: ReadonlySet<string> = new Set(['fhir-rest', 'fhir-bulk', 'fhir-push']);

function statingPatients(messages: readonly Converted[], written: readonly Written[]): StatingPatient[] {
  const owners = new Map<string, string>();
  for (const { endpoint, mapped } of messages) {
    if (!stating.has(endpoint.kind)) continue;
    for (const { resource } of mapped.drafts) {
      if (resource.resourceType === 'Patient') owners.set(resource.id, endpoint.organization);
    }
  }
  if (owners.size === 0) return [];
  const created = new Set(written.filter(({ outcome }) => outcome === 'created').map(({ id }) => id));
  // A deletion says nothing of who the person was.
  const kept = patientsOf(written.filter(({ isDeleted }) => !isDeleted));
  return kept.flatMap(({ id, resource }) => {
    const owner = owners.get(id);
    return owner === undefined ? [] : [{ id, owner, resource, isNew: created.has(id) }];
  });
}

function patientsOf(written: readonly Written[]): { id: string; resource: AnyResource }[] {
  const patients = new Map<string, AnyResource>();
  for (const { type, id, body, outcome } of written) {
    if (type !== 'Patient' || outcome === 'unchanged' || outcome === 'absent') continue;
    patients.set(id, parseJson(body) as AnyResource);
  }
  return Array.from(patients, ([id, resource]) => ({ id, resource }));
}
