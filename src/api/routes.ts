/**
 * The table of routes under the FHIR base. What is not in it is not served, and the CapabilityStatement is made from it, so
 * the two cannot differ.
 */
import type { ServedOperation, TypeInteraction } from '../fhir/capability.ts';
import type { Interaction } from './interaction.ts';
import { auditEventRead, auditEventSearch, auditEventSearchByPost } from './audit-event.ts';
import { read, vread } from './read.ts';
import { search, searchByPost } from './search.ts';
import { create, update } from './write.ts';

export interface Route {
  readonly method: 'get' | 'post' | 'put';
  /** Below the FHIR base, as Express writes it; `:type` stands for every resource type. */
  readonly path: string;
  readonly interaction: Interaction;
}

export const routes: readonly Route[] = [
  // AuditEvents are rendered from the trail: nobody writes one, and they have no versions.
  { method: 'get', path: '/AuditEvent', interaction: auditEventSearch },
  { method: 'post', path: '/AuditEvent/_search', interaction: auditEventSearchByPost },
  { method: 'get', path: '/AuditEvent/:id', interaction: auditEventRead },
  { method: 'get', path: '/:type', interaction: search },
  { method: 'post', path: '/:type/_search', interaction: searchByPost },
  { method: 'get', path: '/:type/:id', interaction: read },
  { method: 'get', path: '/:type/:id/_history/:version', interaction: vread },
  { method: 'post', path: '/:type', interaction: create },
  { method: 'put', path: '/:type/:id', interaction: update },
];

/** The type a path names; undefined for `:type`. */
export function fixedTypeOf(route: Route): string | undefined {
  return /^\/([A-Z]\w+)/.exec(route.path)?.[1];
}

/** Types with routes of their own; the routes of `:type` are not theirs. */
export const fixedTypes: ReadonlySet<string> = new Set(routes.map(fixedTypeOf).filter((type) => type !== undefined));

/** The routes that serve a type. */
function routesOf(type: string): Route[] {
  const wanted = fixedTypes.has(type) ? type : undefined;
  return routes.filter((route) => fixedTypeOf(route) === wanted && servesType(route, type));
}

/** False for an operation that the type does not have. */
export function servesType({ interaction }: Route, type: string): boolean {
  return interaction.operation?.types?.includes(type) ?? true;
}

/** What is served for a type, for the CapabilityStatement. */
export function interactionsOf(type: string): TypeInteraction[] {
  const codes = routesOf(type).map(({ interaction }) => interaction.code);
  return [...new Set(codes)].filter((code) => code !== 'operation');
}

/** The operations of a type, for the CapabilityStatement. */
export function operationsOf(type: string): ServedOperation[] {
  const operations = routesOf(type).flatMap(({ interaction: { operation } }) => operation ?? []);
  const byName = new Map(operations.map(({ name, definition }) => [name, { name, definition }]));
  return [...byName.values()];
}
