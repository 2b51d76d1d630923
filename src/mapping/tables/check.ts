/** All that is wrong with an overlay, at once: what an analyst wants to hear before it is applied. */
import { Problem } from '../../fhir/problem.ts';
import { Table } from '../../fhir/yaml-table.ts';
import { elementProblem } from './element-path.ts';
import type { Maps } from '../maps.ts';
import { applyChanges, profilesOf } from './overlay.ts';
import { readOverlay } from './read-overlay.ts';
import type { Change, Partner, Rule } from '../table.ts';

export interface Finding {
  /** `file:line` */
  readonly at: string;
  readonly message: string;
}

/** @returns nothing when the overlay can be applied */
export function checkOverlay(maps: Maps, text: string, name: string): Finding[] {
  const findings: Finding[] = [];
  const report = (error: unknown): void => {
    findings.push(findingOf(error, name));
  };
  try {
    const overlay = readOverlay(new Table(text, name), report);
    const profiles = profilesOf(maps.library, overlay).flatMap(({ changes }) => changes);
    const source = applyChanges(maps.library.base, profiles);
    applyChanges(source, overlay.changes, report);
    for (const rule of rulesOf(overlay)) {
      const problem = elementProblem(rule.to);
      if (problem !== undefined) findings.push({ at: rule.at, message: problem });
    }
    // The rest needs a map that is whole.
    if (findings.length === 0) maps.compile(overlay);
  } catch (error) {
    report(error);
  }
  return findings.toSorted((a, b) => lineOf(a) - lineOf(b));
}

function lineOf({ at }: Finding): number {
  return Number(/:(\d+)$/.exec(at)?.[1] ?? 0);
}

function findingOf(error: unknown, name: string): Finding {
  if (!(error instanceof Problem)) throw error;
  const [, at = name, message = error.message] = /^(\S+:\d+): (.*)$/s.exec(error.message) ?? [];
  return { at, message };
}

function rulesOf({ changes }: Partner): Rule[] {
  return changes.flatMap(rulesIn);
}

function rulesIn(change: Change): readonly Rule[] {
  if (change.kind === 'add' || change.kind === 'replace') return [change.rule];
  return change.kind === 'map' ? change.table.rules : [];
}
