/**
 * A Principal as text, for work that goes on after the request: an export is collected under the rights of who asked for it.
 * It is no token: nobody can present it, and every statement still asks whether the token has been revoked.
 */
import type { Principal } from './principal.ts';
import type { Interaction, Scope } from './scope.ts';

interface WrittenScope {
  readonly context: Scope['context'];
  readonly type: string;
  readonly interactions: string;
  /** Token hashes, which JSON has no numbers for. */
  readonly filters: readonly (readonly string[])[];
}

export function writePrincipal({ scopes, ...principal }: Principal): string {
  const written = scopes.map(({ context, type, interactions, filters }): WrittenScope => ({
    context,
    type,
    interactions: [...interactions].join(''),
    filters: filters.map((hashes) => hashes.map(String)),
  }));
  return JSON.stringify({ ...principal, scopes: written });
}

/** @param text as {@link writePrincipal} wrote it */
export function readPrincipal(text: string): Principal {
  const { scopes, ...principal } = JSON.parse(text) as Omit<Principal, 'scopes'> & { scopes: readonly WrittenScope[] };
  return {
    ...principal,
    scopes: scopes.map(({ context, type, interactions, filters }) => ({
      context,
      type,
      interactions: new Set(interactions as Iterable<Interaction>),
      filters: filters.map((hashes) => hashes.map(BigInt)),
    })),
  };
}
