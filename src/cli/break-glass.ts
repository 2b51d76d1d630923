/** `hub break-glass list | close`: the report on emergency access, with the reasons, and its end by the operator. */
import { closeWindow, reportWindows } from '../access/break-glass/window.ts';
import { Problem } from '../fhir/problem.ts';
import { print, withDatabase } from './database.ts';

export interface BreakGlassOptions {
  readonly open?: boolean;
  readonly since?: string;
}

export async function runBreakGlassList(
  { open = false, since }: BreakGlassOptions,
  environment: NodeJS.ProcessEnv,
): Promise<void> {
  if (since !== undefined && Number.isNaN(Date.parse(since))) {
    throw new Problem('value', '--since is no time', {
      expression: '--since',
      hint: 'For example 2026-01-31T08:00:00Z.',
    });
  }
  await withDatabase(environment, async (database) =>
    print(await reportWindows(database, { isOpen: open, hasReasons: true, ...(since && { since }) })),
  );
}

export async function runBreakGlassClose(id: string, by: string, environment: NodeJS.ProcessEnv): Promise<void> {
  await withDatabase(environment, (database) => closeWindow(database, id, by));
  console.log(JSON.stringify({ id, closedBy: by }));
}
