/** What to do about an alert: its section of docs/operations.md, where people read it anyway, for whoever has only the console open. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Problem } from '../fhir/problem.ts';

const page = join(import.meta.dirname, '../../docs/operations.md');

export interface Runbook {
  readonly kind: string;
  /** Markdown, in English: paragraphs with `code` and links. */
  readonly text: string;
}

/** @param kind of an alert, also of one that Prometheus tells (docs/operations/alerts.yaml) @throws Problem not-found */
export async function readRunbook(kind: string): Promise<Runbook> {
  const text = sectionsOf(await readFile(page, 'utf8')).get(kind);
  if (text !== undefined) return { kind, text };
  throw new Problem('not-found', 'there is no runbook for such an alert');
}

/** The text below each `### Alert KIND`, up to the next heading. */
function sectionsOf(markdown: string): Map<string, string> {
  const sections = markdown.matchAll(/^### Alert (\S+)\n([^]*?)(?=^#{1,3} )/gm);
  return new Map([...sections].map(([, kind = '', text = '']) => [kind, text.trim()]));
}
