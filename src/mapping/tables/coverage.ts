/**
 * What the rules of the base map cover, as a document: for each segment and field the elements it goes to. Made of the rules
 * themselves, so it is never older than they are (`npm run coverage`, docs/coverage.md).
 */
import type { Build, MapSource, Rule, RuleMap } from '../table.ts';

/** Markdown, the same for the same rules. */
export function renderCoverage({ messages, segments, datatypes, structural }: MapSource): string {
  const used = new Set(messages.flatMap(({ build }) => build.flatMap(({ maps }) => maps)));
  const bySegment = Map.groupBy(
    [...segments.values()].filter(({ id }) => used.has(id)),
    ({ source }) => source,
  );
  const names = [...bySegment.keys()].sort();
  return [
    '# What the mapping covers',
    '',
    'Written by `npm run coverage` from the rules under `mappings/hl7v2`; a test fails when it is older than they are. Fields that are',
    'not here are kept in the extension `hl7v2-unmapped` and counted. How rules are read: [mapping.md](mapping.md).',
    '',
    `${messages.length} message maps, ${used.size} segment maps for ${names.length} segments, ${datatypes.size} data types.`,
    '',
    '## Messages',
    '',
    '| message | events | becomes |',
    '| --- | --- | --- |',
    ...messages.map(
      ({ code, events, build }) =>
        `| ${code} | ${events.join(' ')} | ${[...new Set(build.map(madeOf))].sort().join(', ')} |`,
    ),
    '',
    '## Segments',
    ...names.flatMap((name) => ['', `### ${name}`, '', ...tableOf(bySegment.get(name) as RuleMap[])]),
    '',
    '## Data types',
    ...[...datatypes.values()].flatMap((map) => ['', `### ${map.source} -> ${map.target}`, '', ...tableOf([map])]),
    '',
    '## Positions that say how a message is made',
    '',
    `Set ids, types of values and action codes are restated by the order of resources, by \`value[x]\` and by what is done: ${structural.join(', ')}.`,
    '',
  ].join('\n');
}

function madeOf({ segment, resource, into }: Build): string {
  return into ? `${segment} into ${resource}` : `${segment} -> ${resource}`;
}

interface Row {
  readonly rule: Rule;
  readonly map: RuleMap;
}

/** One line for each rule, by field; a field that has several is listed with each. */
function tableOf(maps: readonly RuleMap[]): string[] {
  const rows: Row[] = maps.flatMap((map) => map.rules.map((rule) => ({ rule, map })));
  rows.sort((one, other) => compare(one, other));
  return ['| from | to | as | when | map |', '| --- | --- | --- | --- | --- |', ...rows.map(lineOf)];
}

function compare(one: Row, other: Row): number {
  const [a, b] = [numbersOf(one.rule), numbersOf(other.rule)];
  for (let index = 0; index < 3; index++) {
    const difference = (a[index] ?? 0) - (b[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return textOrder(one.map.id, other.map.id) || textOrder(one.rule.to, other.rule.to);
}

function textOrder(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}

/** `PID-3.4.2` and `CX.4.2`: the numbers in their order; constants come last. */
function numbersOf({ from }: Rule): number[] {
  if (from === undefined) return [Infinity];
  return (/^\w+?[-.](.*)$/.exec(from)?.[1] ?? '0').split('.').map(Number);
}

function lineOf({ rule, map }: Row): string {
  const { from, to, as = 'string', each, when, map: vocabulary, fallback } = rule;
  const source =
    from === undefined ? `constant ${JSON.stringify(rule.const)}` : `${from}${each === true ? ' each' : ''}`;
  const how = [
    from === undefined ? '' : as,
    vocabulary === undefined ? '' : `by ${vocabulary}`,
    fallback ? 'unless stored' : '',
  ];
  const cells = [
    source,
    to,
    how.filter((part) => part !== '').join(', '),
    when === undefined ? '' : JSON.stringify(when),
    map.id,
  ];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}
