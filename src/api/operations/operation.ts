/**
 * An operation is an interaction with a name: one file here each, one row in the table of routes.ts, from which its paths and
 * its entry in the CapabilityStatement follow. `prepare` reads its input by input.ts; the pipeline around it is that of every
 * other interaction: who asks, what is asked, the caller's visibility in the statement, the trail before the answer.
 *
 * @see https://hl7.org/fhir/R4/operations.html
 */
import type { Interaction, Level, Operation } from '../interaction.ts';
import type { Route } from '../routes.ts';

export type OperationInteraction = Interaction & { readonly code: 'operation'; readonly operation: Operation };

const pathsBelow: Readonly<Record<Exclude<Level, 'system'>, string>> = {
  type: '',
  instance: '/:id',
  version: '/:id/_history/:version',
};

/** Every level, type and method at which it may be invoked. */
export function operationRoutes(interaction: OperationInteraction): Route[] {
  const { name, levels, types = [':type'], affectsState = false } = interaction.operation;
  const pathsAt = (level: Level): string[] =>
    level === 'system' ? [''] : types.map((type) => `/${type}${pathsBelow[level]}`);
  const methods = affectsState ? (['post'] as const) : (['get', 'post'] as const);
  return levels
    .flatMap(pathsAt)
    .flatMap((path) => methods.map((method) => ({ method, path: `${path}/$${name}`, interaction })));
}

/** True when it may be invoked on a type or its instances; without a type, on the whole server. */
export function isServedFor({ levels, types }: Operation, type: string | undefined): boolean {
  if (type === undefined) return levels.includes('system');
  return levels.some((level) => level !== 'system') && (types?.includes(type) ?? true);
}
