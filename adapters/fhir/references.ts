/**
 * References of a source -> references of the hub. An id of the hub follows from the source's own, so nothing is looked up and what is
 * referred to may come later, or never. A version stays behind: the hub counts its own.
 *
 * @see https://hl7.org/fhir/R4/references.html#literal
 */
import { sourceId, type Source } from '../../src/fhir/ids.ts';
import { linksOf } from '../../src/fhir/links.ts';
import { readReference } from '../../src/fhir/reference.ts';

export interface References {
  readonly source: Source;
  /** Base URLs under which the source's resources are named, without a slash at the end. */
  readonly bases: readonly string[];
  /** Addresses that a Bundle gives its entries (`urn:uuid:...`) -> `Type/id` of the hub. */
  readonly fullUrls?: ReadonlyMap<string, string>;
}

/** Where the resources of a source may be said to be. */
export function basesOf({ base }: Source, { base: address, aliases }: Readonly<Record<string, unknown>>): string[] {
  // Kept as they were given: a list, or a text with commas.
  const others = typeof aliases === 'string' ? aliases.split(',').map((one) => one.trim()) : aliases;
  const all = [base, address, ...(Array.isArray(others) ? (others as unknown[]) : [])];
  const texts = all.filter((one): one is string => typeof one === 'string' && one !== '');
  return [...new Set(texts.map((one) => one.replace(/\/+$/, '')))];
}

/** Patients that are referred to: the hub's id -> the source's own. */
export type Rewritten = ReadonlyMap<string, string>;

/**
 * In place.
 * @param isDone references were rewritten already (`addressesOf`): only what links by other elements is left
 */
export function rewriteReferences(resource: object, references: References, isDone = false): Rewritten {
  const patients = new Map<string, string>();
  for (const link of linksOf(resource, (text) => targetOf(text, references) !== undefined)) {
    if (isDone && link.isReference) continue;
    const target = targetOf(link.text, references) as Target;
    const own = target.own ?? `${target.type}/${sourceId(references.source, target.type, target.id)}`;
    if (link.isReference) {
      link.replace(own);
      if (target.type === 'Patient') patients.set(own.slice('Patient/'.length), target.id);
    } else if (target.type === 'Binary' && !link.text.includes(':')) {
      // Content is fetched by nobody: its address stays the source's, and is never taken for a Binary of the hub.
      link.replace(`${references.source.base}/${link.text}`);
    }
    link.finish?.();
  }
  return patients;
}

/**
 * For a release whose elements and types are not R4's: what a text becomes, still in the type names of the source.
 * @param patients filled with those that are referred to
 */
export function addressesOf(references: References, patients: Map<string, string>): (text: string) => string {
  const { source, bases, fullUrls } = references;
  return (text) => {
    const base = bases.find((one) => text.startsWith(`${one}/`));
    const local = base === undefined ? text : text.slice(base.length + 1);
    const [, type = '', id = ''] = literal.exec(fullUrls?.get(text) ?? local) ?? [];
    if (type === '') return text;
    const own = fullUrls?.has(text) === true ? id : sourceId(source, type, id);
    if (type === 'Patient') patients.set(own, id);
    return `${type}/${own}`;
  };
}
const literal = /^([A-Z][A-Za-z]+)\/([A-Za-z0-9\-.]{1,64})(?:\/_history\/[A-Za-z0-9\-.]{1,64})?$/;

interface Target {
  readonly type: string;
  readonly id: string;
  /** As the hub names it, where that is known already. */
  readonly own?: string;
}

/** What of the source a text names; undefined for what is contained, another server's, or no reference. */
function targetOf(text: string, { bases, fullUrls }: References): Target | undefined {
  const own = fullUrls?.get(text);
  if (own !== undefined) {
    const [type = '', id = ''] = own.split('/');
    return { type, id, own };
  }
  const base = bases.find((one) => text.startsWith(`${one}/`));
  const read = readReference(base === undefined ? text : text.slice(base.length + 1));
  // An absolute URL that is under none of its bases is another server's.
  return read?.type === undefined || read.id === undefined || read.url !== undefined
    ? undefined
    : { type: read.type, id: read.id };
}
