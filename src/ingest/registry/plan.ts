/** What a change would make of the registry, checked as a whole and not made: the same for looking at it and for making it. */
import type { Tx } from '../../db.ts';
import { Problem } from '../../fhir/problem.ts';
import type { Endpoint } from '../contract.ts';
import { checkDescription, describe, isPulled, type Description, type Kinds, type NewEndpoint } from './description.ts';
import { differences, mergePatch, type Difference } from './difference.ts';
import { readAround, type Known } from './known.ts';
import { parseDescription } from './parse.ts';
import { areRivals } from './rival.ts';
import { findEndpoint } from './rows.ts';
import { assertTransition, isOpen } from './states.ts';
import { unknownEndpoint } from './versions.ts';

/** What else belongs to a change. */
export interface PlanOptions {
  /** What the kinds ask of their settings; undefined: settings are taken as they are. */
  readonly kinds?: Kinds;
  /** Secrets by name; null takes one away. */
  readonly secrets?: Readonly<Record<string, string | null>>;
}

/** Of a description; null takes away what may be left out. @see https://www.rfc-editor.org/rfc/rfc7396 */
export type EndpointPatch = Readonly<Record<string, unknown>>;

export interface EndpointChange {
  readonly name: string;
  readonly patch: EndpointPatch;
}

export interface Planned {
  readonly description: Description;
  readonly changes: readonly Difference[];
}

export interface PlannedChange extends Planned {
  readonly before: Endpoint;
  /** It is live for the first time: what was held while it was tried is to be processed. */
  readonly isReleasing: boolean;
}

/** @throws Problem as planNew */
export async function planOneNew(db: Tx, wanted: NewEndpoint, options: PlanOptions): Promise<Planned> {
  const planned = planNew(await readAround(db, wanted.name, wanted.facilities), wanted, options);
  await assertAsked(db, planned.description, options);
  return planned;
}

/** @throws Problem as planChange */
export async function planOneChange(db: Tx, change: EndpointChange, options: PlanOptions): Promise<PlannedChange> {
  const planned = planChange(await readAround(db, change.name, change.patch['facilities']), change, options);
  await assertAsked(db, planned.description, options);
  return planned;
}

async function assertAsked(db: Tx, description: Description, { kinds }: PlanOptions): Promise<void> {
  if (kinds === undefined || !isOpen(description.state)) return;
  const wrong = await judgeAsked(db, description, kinds);
  if (wrong !== undefined) throw wrong;
}

/** @returns why the endpoint that it names to be asked cannot be; undefined when it can, or when it names none */
export async function judgeAsked(db: Tx, description: Description, kinds: Kinds): Promise<Problem | undefined> {
  const name = kinds(description.kind).asks(description.config);
  if (name === undefined) return undefined;
  const asked = await findEndpoint(db, name);
  if (asked?.organization === description.organization && isPulled(asked.kind)) return undefined;
  return new Problem('business-rule', `${name} is no endpoint of the same organization that pulls`, {
    expression: 'pull',
    hint: 'List them: hub endpoint list. Register the one that pulls first, or begin with --draft.',
  });
}

/** @throws Problem value, required, conflict */
export function planNew(known: Known, wanted: NewEndpoint, options: PlanOptions): Planned {
  const description = checkDescription(wanted, options.kinds);
  const { name } = description;
  if (known.isTaken(name)) throw taken(name);
  if (isOpen(description.state)) assertNoRival(known, description);
  assertSecrets(description, [], options);
  const changes = differences({}, describe(description)).filter(({ what }) => what !== 'name');
  return { description, changes: [...changes, ...secretChanges([], options)] };
}

export function taken(name: string): Problem {
  return new Problem('conflict', `an endpoint named ${name} exists`, {
    hint: `Choose another name, or change it: hub endpoint set ${name}`,
  });
}

/** @throws Problem not-found, value, required, conflict, business-rule for a state that may not follow */
export function planChange(known: Known, { name, patch }: EndpointChange, options: PlanOptions): PlannedChange {
  const before = known.get(name);
  if (before === undefined) throw unknownEndpoint(name);
  const patched = parseDescription(mergePatch(describe(before), patch));
  const description = checkDescription({ ...patched, state: patched.state ?? before.state }, options.kinds);
  const names = known.secretNames(before.id);
  const changes = [...differences(describe(before), describe(description)), ...secretChanges(names, options)];
  if (changes.length === 0) return { before, description, changes, isReleasing: false };
  const past = before.state === description.state ? [] : known.pastStates(before.id);
  const wasLive = before.state === 'live' || past.includes('live');
  assertMayBecome(before, description, wasLive);
  if (isOpen(description.state)) assertNoRival(known, description);
  assertSecrets(description, names, options);
  const wasTried = before.state === 'testing' || past.includes('testing');
  return { before, description, changes, isReleasing: description.state === 'live' && wasTried && !wasLive };
}

/** @throws Problem conflict when another endpoint already takes a facility on the same way in */
function assertNoRival(known: Known, description: Description): void {
  for (const other of known.withFacilities(description.facilities)) {
    if (other.name === description.name || !areRivals(other, description)) continue;
    throw new Problem('conflict', `the endpoint ${other.name} already takes that facility on the same listener`, {
      hint: 'Name other facilities, or give the endpoint a port, a certificate or an address of its own.',
    });
  }
}

function assertMayBecome(before: Endpoint, after: Description, wasLive: boolean): void {
  if (before.state === 'retired' && after.state === 'retired') {
    throw new Problem('business-rule', 'a retired endpoint does not change any more', {
      hint: 'Register another one.',
    });
  }
  for (const what of ['name', 'kind'] as const) {
    if (before[what] === after[what]) continue;
    throw new Problem('business-rule', `the ${what} of an endpoint does not change`, {
      expression: what,
      hint: 'Register another one, and retire this one.',
    });
  }
  assertTransition(before.state, after.state, wasLive);
  // Ids of resources are derived within their owner: the same record would begin anew, and the former have nobody.
  if (before.organization !== after.organization && before.state !== 'draft') {
    throw new Problem('business-rule', 'whose records an endpoint sends changes only while it is a draft', {
      expression: 'organization',
    });
  }
}

/** Those that its kind needs and it does not have. */
export function missingSecrets(
  description: Description,
  names: readonly string[],
  { kinds, secrets = {} }: PlanOptions,
): string[] {
  const there = new Set([...names, ...Object.keys(secrets)].filter((name) => secrets[name] !== null));
  const needed = kinds?.(description.kind).secrets(description.config) ?? [];
  return needed.filter((name) => !there.has(name));
}

function assertSecrets(description: Description, names: readonly string[], options: PlanOptions): void {
  if (!isOpen(description.state)) return;
  const missing = missingSecrets(description, names, options);
  if (missing.length === 0) return;
  throw new Problem('required', `the endpoint has no secret ${missing.join(', ')}`, {
    expression: 'secret',
    hint: 'Give it by stdin or a file: --secret NAME or --secret NAME=@FILE. Or begin with --draft.',
  });
}

/** Their names alone. */
function secretChanges(names: readonly string[], { secrets = {} }: PlanOptions): Difference[] {
  return Object.entries(secrets).flatMap(([name, value]): Difference[] => {
    const isThere = names.includes(name);
    if (value === null) return isThere ? [{ what: `secret ${name}`, from: 'set' }] : [];
    return [{ what: `secret ${name}`, ...(isThere && { from: 'set' }), to: isThere ? 'set anew' : 'set' }];
  });
}
