/** What a resource or an extension says of itself: the profiles in `meta.profile`, the definition that a URL names. */
import type { AnyResource } from '../types.ts';
import { report, type Context, type Depth } from './finding.ts';

export function checkProfiles(resource: AnyResource, context: Context, depth: Depth): void {
  const urls = resource.meta?.profile;
  if (urls === undefined) return;
  urls.forEach((url, at) => {
    if (typeof url !== 'string') return;
    const check = context.profiles.check(url, depth);
    if (check !== undefined) check(resource, context);
    else if (depth === 'all')
      report(context, 'informational', 'a profile that is not loaded here: the resource was not checked against it', {
        path: `.meta.profile[${at}]`,
        severity: 'information',
        hint: 'An operator loads it with `hub profile add`.',
      });
  });
}

/** An extension says by its URL which definition it follows. */
export function checkExtension(extension: { readonly url?: unknown }, context: Context, depth: Depth): void {
  const { url } = extension;
  // Those inside another extension are named by it alone.
  if (typeof url !== 'string' || !url.includes(':')) return;
  const check = context.profiles.check(url, depth);
  if (check !== undefined) check(extension, context);
  else if (depth === 'all')
    report(context, 'informational', 'an extension whose definition is not loaded here', { severity: 'information' });
}
