/** Base map + vendor profile + hospital overlay: a partner's file changes named rules, never the base tables. */
import { invalid } from '../../fhir/yaml-table.ts';
import { keys } from '../keys.ts';
import type { Change, MapLibrary, MapSource, MessageMap, Partner, Rule, RuleMap } from '../table.ts';

/** The shipped overlay whose `endpoints` name this one; an endpoint that none names has the base map. */
export function shippedOverlay(library: MapLibrary, endpoint: string): Partner | undefined {
  return [...library.partners.values()].find((partner) => partner.endpoints.includes(endpoint));
}

/**
 * The profile that an overlay is built upon, with those it is built upon itself, the first of them first.
 * @throws Problem invalid when one is not there, or they name each other in a ring
 */
export function profilesOf(library: MapLibrary, overlay: Partner): Partner[] {
  const found: Partner[] = [];
  for (let at = overlay; at.profile !== undefined;) {
    const profile = library.partners.get(at.profile);
    if (profile === undefined) throw invalid(at.at, `there is no profile ${at.profile}`);
    if (profile === overlay || found.includes(profile)) throw invalid(at.at, `${at.profile} is its own profile`);
    found.unshift(profile);
    at = profile;
  }
  return found;
}

/**
 * @param onProblem told of each change that cannot be made; without it the first one is thrown
 * @throws Problem invalid when a change names a map or rule that is not there: a table that silently does nothing is worse
 */
export function applyChanges(
  source: MapSource,
  changes: readonly Change[],
  onProblem?: (error: unknown) => void,
): MapSource {
  return changes.reduce((changed, change) => {
    try {
      return applyChange(changed, change);
    } catch (error) {
      if (onProblem === undefined) throw error;
      onProblem(error);
      return changed;
    }
  }, source);
}

function applyChange(source: MapSource, change: Change): MapSource {
  switch (change.kind) {
    case 'vocab':
      return applyVocabulary(source, change);
    case 'key':
      return applyKey(source, change);
    case 'map':
      return addMap(source, change);
    case 'build':
    case 'event':
      return changeMessages(source, change);
    case 'nest': {
      const nesting = { [change.map]: change.parents };
      const messages = source.messages.map((message) => ({ ...message, nesting: { ...message.nesting, ...nesting } }));
      return { ...source, messages };
    }
    default: {
      const kind = source.segments.has(change.map) ? 'segments' : 'datatypes';
      const map = source[kind].get(change.map);
      if (map === undefined) throw invalid(change.at, `there is no map ${change.map}`);
      return { ...source, [kind]: new Map(source[kind]).set(map.id, changeRules(map, change)) };
    }
  }
}

function changeRules(map: RuleMap, change: Extract<Change, { kind: 'add' | 'replace' | 'remove' | 'move' }>): RuleMap {
  if (change.kind === 'add') {
    if (map.rules.some((rule) => rule.id === change.rule.id))
      throw invalid(change.at, `${map.id} has a rule ${change.rule.id} already; use replace`);
    // First, because the first rule that gives a value wins: an added rule is meant to be heard.
    return { ...map, rules: [change.rule, ...map.rules] };
  }
  const index = map.rules.findIndex((rule) => rule.id === change.id);
  if (index < 0) throw invalid(change.at, `${map.id} has no rule ${change.id}`);
  const changed: Rule[] = change.kind === 'remove' ? [] : [changeRule(map.rules[index] as Rule, change)];
  return { ...map, rules: map.rules.toSpliced(index, 1, ...changed) };
}

function changeRule(rule: Rule, change: Extract<Change, { kind: 'replace' | 'move' }>): Rule {
  if (change.kind === 'replace') return change.rule;
  return { ...rule, from: change.from ?? rule.from, to: change.to ?? rule.to, at: change.at };
}

function applyVocabulary(source: MapSource, change: Extract<Change, { kind: 'vocab' }>): MapSource {
  const { map: id, codes, define, fallback, at } = change;
  const known = source.vocabularies.get(id);
  if (known === undefined && define === undefined)
    throw invalid(at, `there is no vocabulary ${id}; a new one has a table and a system`);
  if (known !== undefined && define !== undefined) throw invalid(at, `there is a vocabulary ${id} already`);
  const before = known ?? { id, table: '', system: '', codes: {}, at };
  const changed = { ...before, ...define, codes: { ...before.codes, ...codes }, ...(fallback && { fallback }) };
  return { ...source, vocabularies: new Map(source.vocabularies).set(id, changed) };
}

/** A hospital that sends an identifier elsewhere than the standard has it. */
function applyKey(source: MapSource, change: Extract<Change, { kind: 'key' }>): MapSource {
  const { map: id, from, define, at } = change;
  // A key that is a function (`patient`) is heard where none of the overlay's alternatives identifies anything.
  const known = source.keys.get(id) ?? (keys[id] && { id, same: true, within: 'owner' as const });
  if (known === undefined && define === undefined)
    throw invalid(at, `there is no key ${id}; a new one says what it is within, or whether it is the same`);
  if (known !== undefined && define !== undefined) throw invalid(at, `there is a key ${id} already`);
  const before = known ?? { id, same: false, within: 'patient' as const, ...define };
  return { ...source, keys: new Map(source.keys).set(id, { ...before, from, at }) };
}

function addMap(source: MapSource, { map: id, table, at }: Extract<Change, { kind: 'map' }>): MapSource {
  if (source.segments.has(id) || source.datatypes.has(id)) throw invalid(at, `there is a map ${id} already`);
  return { ...source, segments: new Map(source.segments).set(id, table) };
}

function changeMessages(source: MapSource, change: Extract<Change, { kind: 'build' | 'event' }>): MapSource {
  const isMeant = ({ id }: MessageMap): boolean => change.map === '*' || change.map === id;
  if (!source.messages.some(isMeant)) {
    const known = source.messages.map(({ id }) => id).join(', ');
    throw invalid(change.at, `there is no message map ${change.map}; known: ${known}`);
  }
  const messages = source.messages.map((message) => (isMeant(message) ? changeMessage(message, change) : message));
  return { ...source, messages };
}

function changeMessage(message: MessageMap, change: Extract<Change, { kind: 'build' | 'event' }>): MessageMap {
  return change.kind === 'build'
    ? { ...message, build: [...message.build, change.build] }
    : { ...message, events: [...new Set([...message.events, ...change.events])] };
}
