/**
 * What messages say -> the store, within the transaction that marks them as processed. Drafts of many messages are written
 * together; a message that commands something (a merge, a new number) is written by itself, between those before and after.
 */
import type { Tx } from '../db.ts';
import { parseJson } from '../fhir/json.ts';
import type { AnyResource } from '../fhir/types.ts';
import { carryOut } from '../identity/command.ts';
import { linkPatients } from '../identity/link.ts';
import type { Converted } from '../ingest/process.ts';
import type { RenumberCommand } from '../mapping/message/draft.ts';
import { commit } from '../store/commit.ts';
import type { Write, Written } from '../store/row.ts';
import { SentLists } from './lists.ts';
import { carryOver, dropDiagnoses } from './visits.ts';

export async function applyMessages(tx: Tx, messages: readonly Converted[], at: Date): Promise<void> {
  for (const group of groupsOf(messages)) {
    const [first] = group;
    if (first.mapped.commands.length === 0) await write(tx, group, [], at);
    else await applyCommands(tx, first, at);
  }
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
  const writes = messages.flatMap((message) => [...draftsOf(message), ...lists.deletionsOf(message)]);
  const written = await commit(tx, [...before, ...writes], { at });
  await lists.write(tx);
  await dropDiagnoses(tx, messages, written, at);
  await linkPatients(tx, patientsOf(written), at);
}

function draftsOf({ endpoint, mapped }: Converted): Write[] {
  return mapped.drafts.map((draft): Write => ({ kind: 'draft', owner: endpoint.organization, ...draft }));
}

function patientsOf(written: readonly Written[]): { id: string; resource: AnyResource }[] {
  const patients = new Map<string, AnyResource>();
  for (const { type, id, body, outcome } of written) {
    if (type !== 'Patient' || outcome === 'unchanged' || outcome === 'absent') continue;
    patients.set(id, parseJson(body) as AnyResource);
  }
  return Array.from(patients, ([id, resource]) => ({ id, resource }));
}
