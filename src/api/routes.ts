/**
 * The table of routes under the FHIR base. What is not in it is not served, and the CapabilityStatement is made from it, so
 * the two cannot differ.
 */
import type { ServedOperation, SystemInteraction, TypeInteraction } from '../fhir/capability.ts';
import type { Interaction } from './interaction.ts';
import { auditEventRead, auditEventSearch, auditEventSearchByPost } from './audit-event.ts';
import { historyOfInstance, historyOfSystem, historyOfType } from './history.ts';
import { breakGlass, endBreakGlass } from './operations/break-glass.ts';
import { consentRequests, declineConsent, requestConsent, requestState } from './operations/consent-request.ts';
import { accessLog } from './operations/access-log.ts';
import { docref } from './operations/docref.ts';
import { encounterEverything, patientEverything } from './operations/everything.ts';
import { expand } from './operations/expand.ts';
import { eraseStatus } from './operations/erase-status.ts';
import { erase, eraseCancel, eraseLift } from './operations/erase.ts';
import { exportMe } from './operations/export-me.ts';
import { explain } from './operations/explain.ts';
import { groupExport, patientExport, systemExport } from './operations/export.ts';
import { exportCancel, exportFile, exportStatus } from './operations/export-status.ts';
import { lastn } from './operations/lastn.ts';
import { lookup } from './operations/lookup.ts';
import { metaAdd, metaDelete } from './operations/meta-change.ts';
import { meta } from './operations/meta.ts';
import { isServedFor, operationRoutes, type OperationInteraction } from './operations/operation.ts';
import { subscriptionEvents } from './operations/subscription-events.ts';
import { subscriptionStatus } from './operations/subscription-status.ts';
import { subscriptionToken } from './operations/subscription-token.ts';
import { subsumes } from './operations/subsumes.ts';
import { translate } from './operations/translate.ts';
import { validate } from './operations/validate.ts';
import { whoCanSee } from './operations/who-can-see.ts';
import { validateCodeInSystem, validateCodeInValueSet } from './operations/validate-code.ts';
import { conditionalPatch, patch } from './write/patch.ts';
import { read, vread } from './read.ts';
import { search, searchByPost, searchOfSystem, searchOfSystemByPost } from './search.ts';
import { bundle } from './bundle/transaction.ts';
import { conditionalRemove, conditionalUpdate, create, remove, update } from './write.ts';

export interface Route {
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  /** Below the FHIR base, as Express writes it; `:type` stands for every resource type. */
  readonly path: string;
  readonly interaction: Interaction;
}

export const routes: readonly Route[] = [
  { method: 'post', path: '/', interaction: bundle },
  // AuditEvents are rendered from the trail: nobody writes one, and they have no versions.
  { method: 'get', path: '/AuditEvent', interaction: auditEventSearch },
  { method: 'post', path: '/AuditEvent/_search', interaction: auditEventSearchByPost },
  { method: 'get', path: '/AuditEvent/:id', interaction: auditEventRead },
  // What a $export answers with: `Content-Location`, and the files of its manifest.
  { method: 'get', path: '/_export/:id', interaction: exportStatus },
  { method: 'delete', path: '/_export/:id', interaction: exportCancel },
  { method: 'get', path: '/_export/:id/:version', interaction: exportFile },
  { method: 'get', path: '/_history', interaction: historyOfSystem },
  { method: 'get', path: '/', interaction: searchOfSystem },
  { method: 'post', path: '/_search', interaction: searchOfSystemByPost },
  { method: 'get', path: '/:type', interaction: search },
  { method: 'post', path: '/:type/_search', interaction: searchByPost },
  { method: 'get', path: '/:type/_history', interaction: historyOfType },
  { method: 'get', path: '/:type/:id', interaction: read },
  { method: 'get', path: '/:type/:id/_history', interaction: historyOfInstance },
  { method: 'get', path: '/:type/:id/_history/:version', interaction: vread },
  { method: 'get', path: '/:compartment/:focus/*', interaction: searchOfSystem },
  { method: 'post', path: '/:compartment/:focus/_search', interaction: searchOfSystemByPost },
  { method: 'get', path: '/:compartment/:focus/:type', interaction: search },
  { method: 'post', path: '/:compartment/:focus/:type/_search', interaction: searchByPost },
  { method: 'post', path: '/:type', interaction: create },
  { method: 'put', path: '/:type/:id', interaction: update },
  { method: 'put', path: '/:type', interaction: conditionalUpdate },
  { method: 'patch', path: '/:type/:id', interaction: patch },
  { method: 'patch', path: '/:type', interaction: conditionalPatch },
  { method: 'delete', path: '/:type/:id', interaction: remove },
  { method: 'delete', path: '/:type', interaction: conditionalRemove },
];

/** A row each. Mounted before the others, whose `:type` and `:id` would take a name that starts with `$`. */
export const operations: readonly OperationInteraction[] = [
  meta,
  metaAdd,
  metaDelete,
  validate,
  patientEverything,
  encounterEverything,
  lastn,
  docref,
  explain,
  whoCanSee,
  requestConsent,
  requestState,
  consentRequests,
  declineConsent,
  accessLog,
  systemExport,
  patientExport,
  groupExport,
  expand,
  validateCodeInValueSet,
  lookup,
  validateCodeInSystem,
  subsumes,
  translate,
  subscriptionStatus,
  subscriptionEvents,
  subscriptionToken,
  breakGlass,
  endBreakGlass,
  erase,
  eraseCancel,
  eraseLift,
  eraseStatus,
  exportMe,
];

export const routesOfOperations: readonly Route[] = operations.flatMap(operationRoutes);

/** The type a path names; undefined for `:type`. */
export function fixedTypeOf(route: Route): string | undefined {
  return /^\/([A-Z]\w+)/.exec(route.path)?.[1];
}

/** Types with routes of their own; the routes of `:type` are not theirs. */
export const fixedTypes: ReadonlySet<string> = new Set(routes.map(fixedTypeOf).filter((type) => type !== undefined));

function routesOf(type: string): Route[] {
  const wanted = fixedTypes.has(type) ? type : undefined;
  return routes.filter((route) => /^\/(:type|[A-Z])/.test(route.path) && fixedTypeOf(route) === wanted);
}

/** A compartment's is neither: its definitions are listed by themselves. */
function isOfSystem({ path }: Route): boolean {
  return !/^\/(:type|:compartment|[A-Z])/.test(path);
}

/** What is served for a type, for the CapabilityStatement. */
export function interactionsOf(type: string): TypeInteraction[] {
  const codes = routesOf(type).map(({ interaction }) => interaction.code);
  return [...new Set(codes)].filter((code) => code !== 'operation') as TypeInteraction[];
}

/** What is served for the whole server. */
export function systemInteractions(): SystemInteraction[] {
  const codes = routes.filter(isOfSystem).map(({ interaction: { code, also = [] } }) => [code, ...also]);
  return [...new Set(codes.flat())].filter((code) => code !== 'operation') as SystemInteraction[];
}

/** True when an interaction of the type takes a condition in the place of an id. */
export function isConditional(type: string, code: TypeInteraction): boolean {
  return routesOf(type).some(({ interaction }) => interaction.code === code && interaction.isConditional);
}

/** What may be invoked on a type, or without one on the whole server, for the CapabilityStatement. */
export function operationsOf(type?: string): ServedOperation[] {
  const served = operations.map(({ operation }) => operation).filter((operation) => isServedFor(operation, type));
  return [...new Map(served.map(({ name, definition }) => [name, { name, definition }])).values()];
}
