/** What `hub map` prints, for people. */
import type { ResultComparison, TableDifference } from '../mapping/compare.ts';
import type { ExplainedField, ExplainedResource, Explanation } from '../mapping/explain.ts';
import { valueText } from '../mapping/message/flatten.ts';

const signs = { added: '+', removed: '-', changed: '~', refused: '!', accepted: '+' } as const;

export function describeTables(differences: readonly TableDifference[]): string {
  if (differences.length === 0) return 'the rules are the same';
  return differences
    .map(({ kind, what, at }) => `${signs[kind]} ${what}${at === undefined ? '' : `  (${at})`}`)
    .join('\n');
}

export function describeComparison({ messages, changed, differences }: ResultComparison): string {
  const lines = differences.map(
    ({ kind, element, messages: count, examples }) =>
      `${signs[kind]} ${element}  ${count} ${count === 1 ? 'message' : 'messages'}: ${examples.join(', ')}`,
  );
  return [`${changed} of ${messages} messages come out otherwise`, ...lines].join('\n');
}

export function describeExplanation({ mapVersion, resources, fields }: Explanation): string {
  const taken = fields.filter(({ why }) => why === undefined);
  const left = fields.filter(({ why }) => why !== undefined);
  return [
    `map ${mapVersion}`,
    ...resources.flatMap(describeResource),
    '',
    'fields that were taken',
    ...taken.map(describeField),
    '',
    'fields that no rule took: each stays in the extension hl7v2-unmapped',
    ...left.map(describeField),
  ].join('\n');
}

function describeResource({ reference, elements }: ExplainedResource): string[] {
  const lines = elements.map(({ path, value, rule, at, from }) => {
    const source = from.length === 0 ? '' : `  <- ${from.join(', ')}`;
    return `  ${path} = ${valueText(value)}${source}  by ${rule}${at === undefined ? '' : ` (${at})`}`;
  });
  return ['', reference, ...lines];
}

function describeField({ segment, position, text, to, rule, at, why }: ExplainedField): string {
  const where = why === undefined ? `-> ${to.join(', ') || 'nothing of its own'}  by ${rule}` : why;
  return `  ${segment} ${position} ${valueText(text)}  ${where}${at === undefined ? '' : ` (${at})`}`;
}
