/**
 * The tables as a document: for each type what becomes of each element, so that an analyst reads rules and not code
 * (`npm run fhir-versions`, the second half of docs/fhir-versions.md).
 */
import type { Condition, Rule, Segment, TypeTable, VersionTable } from './table.ts';

const heading = '## The tables';

/** The page with its tables as they are now; what stands above them is written by people. @param page the whole page */
export function renderPage(page: string, tables: readonly VersionTable[]): string {
  const written = page.slice(0, page.indexOf(`\n${heading}\n`) + 1);
  return `${written}${heading}\n\n${tables.map(renderVersion).join('\n')}`;
}

function renderVersion({ version, release, types }: VersionTable): string {
  const lines = [`### ${version.toUpperCase()} (${release})`, ''];
  const bare = [...types.values()].filter(({ rules }) => rules.length === 0);
  if (bare.length > 0) {
    const names = bare.map(({ name, becomes }) => `${name} becomes ${becomes}`);
    lines.push(`By name alone: ${names.join(', ')}.`, '');
  }
  for (const type of types.values()) if (type.rules.length > 0) lines.push(...renderType(type), '');
  return lines.join('\n');
}

function renderType({ name, becomes, rules }: TypeTable): string[] {
  const title = name === becomes ? `#### ${name}` : `#### ${name} -> ${becomes}`;
  return [title, '', '| from | becomes | when |', '| --- | --- | --- |', ...rules.map(renderRule)];
}

function renderRule(rule: Rule): string {
  const from = rule.from.length === 0 ? '(nothing said)' : rule.from.join('.');
  return `| ${[from, deedOf(rule), rule.when.map(renderCondition).join('; ')].map(escapeCell).join(' | ')} |`;
}

function deedOf(rule: Rule): string {
  const { to, as, codes, keep, drop, split, constant, absent, property } = rule;
  if (keep !== undefined) return keep === 'modifier' ? 'kept as a modifier extension' : 'kept as an extension';
  if (drop !== undefined) return `nothing: ${drop}`;
  if (split !== undefined) return `one for each ${split}`;
  if (to === undefined) return 'what is in it goes elsewhere';
  const target = to.map(nameOf).join('.');
  if (constant !== undefined) return `${target}: ${JSON.stringify(constant)}`;
  if (absent !== undefined) return `${target}: data-absent-reason ${absent}`;
  const translated = codes === undefined ? [] : Object.entries(codes).map(([code, own]) => `${code}: ${own ?? '-'}`);
  const shape = as === undefined ? '' : ` (${property?.type ?? as})`;
  return `${target}${shape}${translated.length === 0 ? '' : `, ${translated.join(', ')}`}`;
}

function nameOf({ name, label }: Segment): string {
  return label === undefined ? name : `${name}[${label}]`;
}

function renderCondition({ path, exists, in: among, not }: Condition): string {
  const name = path.join('.');
  if (exists !== undefined) return exists ? `${name} is there` : `no ${name}`;
  if (among !== undefined) return `${name} is ${among.join(' or ')}`;
  return `${name} is not ${(not ?? []).join(' or ')}`;
}

function escapeCell(text: string): string {
  return text.replaceAll('|', '\\|');
}
