/** Whose content everybody is served from; every other owner is an organization, and is served from its own alone. */

/** Of what `hub terminology load` brings. */
export const publisher = 'hub';

/** Of R4's definitions. */
export const baseOwner = 'R4';

export function isPublic(owner: string): boolean {
  return owner === publisher || owner === baseOwner;
}
