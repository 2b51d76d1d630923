/** What is wrong with a Bundle: its structure (R4, required bindings, empty elements), its ids, its references. */
import type { AnyResource } from '../../src/fhir/types.ts';
import { validate } from '../../src/fhir/validate.ts';

interface Entry {
  readonly fullUrl: string;
  readonly resource?: AnyResource;
}

export function entriesOf(bundle: AnyResource): readonly Entry[] {
  return (bundle['entry'] ?? []) as Entry[];
}

/** @param known references that need not be in the Bundle: the owner of what is in it */
export function faultsOf(bundle: AnyResource, known: readonly string[]): string[] {
  const entries = entriesOf(bundle);
  const urls = entries.map(({ fullUrl }) => fullUrl);
  const here = new Set([...known, ...urls.map((url) => url.split('/').slice(-2).join('/'))]);
  return [
    ...validate(bundle).map(({ message, expression }) => `${message} at ${expression.join()}`),
    ...(new Set(urls).size === urls.length ? [] : ['an id occurs twice']),
    ...[...referencesOf(bundle)]
      .filter((reference) => !reference.startsWith('#') && !here.has(reference))
      .map((it) => `${it} is not in the Bundle`),
    ...[...emptyOf(bundle, 'Bundle')].map((path) => `${path} is empty`),
  ];
}

function* referencesOf(value: unknown): Generator<string> {
  if (typeof value !== 'object' || value === null) return;
  for (const [name, held] of Object.entries(value)) {
    if (name === 'reference' && typeof held === 'string') yield held;
    else yield* referencesOf(held);
  }
}

/** R4 json.html: no empty objects, arrays or strings; `null` stands only in arrays of primitives, beside their extensions. */
function* emptyOf(value: unknown, path: string): Generator<string> {
  if (value === '' || value === undefined) yield path;
  if (typeof value !== 'object' || value === null) return;
  const names = Object.keys(value);
  if (names.length === 0) yield path;
  for (const name of names) {
    const held = (value as Record<string, unknown>)[name];
    // An element that a builder left undefined is not written.
    if (held !== undefined) yield* emptyOf(held, `${path}.${name}`);
  }
}
