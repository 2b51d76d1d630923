/** Base map + vendor profile + hospital overlay: a partner's file changes named rules, never the base tables. */
import { invalid } from './document.ts';
import { type Change, type MapLibrary, type MapSource, type Partner, type Rule, type RuleMap } from './table.ts';

/**
 * The map of an endpoint: the base, changed by the partner whose `endpoints` name it. An endpoint that no partner
 * names has the base map.
 * @throws Problem invalid when a change names a map or rule that is not there: a table that silently does nothing is worse
 */
export function mapSourceOf(library: MapLibrary, endpoint: string): MapSource {
  let source = library.base;
  for (const partner of partnersOf(library, endpoint)) source = partner.changes.reduce(applyChange, source);
  return source;
}

function partnersOf(library: MapLibrary, endpoint: string): Partner[] {
  const overlay = [...library.partners.values()].find((partner) => partner.endpoints.includes(endpoint));
  if (overlay === undefined) return [];
  if (overlay.profile === undefined) return [overlay];
  const profile = library.partners.get(overlay.profile);
  if (profile === undefined) throw invalid(overlay.at, `there is no profile ${overlay.profile}`);
  return [profile, overlay];
}

function applyChange(source: MapSource, change: Change): MapSource {
  if (change.kind === 'vocab') return applyVocabulary(source, change);
  if (change.kind === 'key') return applyKey(source, change);
  const kind = source.segments.has(change.map) ? 'segments' : 'datatypes';
  const map = source[kind].get(change.map);
  if (map === undefined) throw invalid(change.at, `there is no map ${change.map}`);
  return { ...source, [kind]: new Map(source[kind]).set(map.id, changeRules(map, change)) };
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
  const vocabulary = source.vocabularies.get(change.map);
  if (vocabulary === undefined) throw invalid(change.at, `there is no vocabulary ${change.map}`);
  const changed = { ...vocabulary, codes: { ...vocabulary.codes, ...change.codes } };
  return { ...source, vocabularies: new Map(source.vocabularies).set(vocabulary.id, changed) };
}

/** A hospital that sends an identifier elsewhere than the standard has it. */
function applyKey(source: MapSource, change: Extract<Change, { kind: 'key' }>): MapSource {
  const key = source.keys.get(change.map);
  if (key === undefined) throw invalid(change.at, `there is no key ${change.map}`);
  return { ...source, keys: new Map(source.keys).set(key.id, { ...key, from: change.from, at: change.at }) };
}
