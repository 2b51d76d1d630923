/**
 * Links from one resource of a Bundle to another: the places in a resource whose text may have to become the id that the server
 * gave. References, elements of type uri, url, oid and uuid, and `href` and `src` in the narrative; "elements of type canonical are
 * not replaced".
 *
 * @see https://hl7.org/fhir/R4/http.html#trules
 */
import { propertiesOf } from './definitions.ts';

/** One place; the links of one narrative share theirs. */
export interface Link {
  /** What is linked to, as sent. */
  readonly text: string;
  readonly isReference: boolean;
  /** Puts an address into the place of the text; again and again, as what it is becomes known. */
  replace(address: string): void;
  /** Of a narrative, the same for all its links: writes it anew, once, after they were replaced. */
  readonly finish?: () => void;
}

type Json = Record<string, unknown>;

/** @param mayLink whether a text may be a link; asked for texts that look like an address */
export function linksOf(resource: object, mayLink: (text: string) => boolean): Link[] {
  const links: Link[] = [];
  walk(resource as Json, { root: resource as Json, path: [] }, mayLink, links);
  return links;
}

interface Position {
  /** The innermost resource. */
  readonly root: Json;
  readonly path: readonly string[];
}

function walk(value: Json, { root, path }: Position, mayLink: (text: string) => boolean, links: Link[]): void {
  for (const name of Object.keys(value)) {
    const held = value[name];
    if (typeof held === 'string') {
      if (name === 'div') links.push(...narrativeLinks(value, held, mayLink));
      else if (isAddress(held, name) && mayLink(held) && isLinked(root, path, name))
        links.push(linkAt(value, name, held));
    } else if (typeof held === 'object' && held !== null) {
      walkHeld(held, name, { root, path }, mayLink, links);
    }
  }
}

function walkHeld(
  held: object,
  name: string,
  { root, path }: Position,
  mayLink: (text: string) => boolean,
  links: Link[],
): void {
  if (Array.isArray(held)) {
    for (const [index, item] of held.entries()) {
      if (typeof item === 'object' && item !== null) walkHeld(item as object, name, { root, path }, mayLink, links);
      else if (typeof item === 'string' && isAddress(item, name) && mayLink(item) && isLinked(root, path, name)) {
        links.push(linkAt(held as unknown as Json, String(index), item, name));
      }
    }
    return;
  }
  const isResource = typeof (held as Json)['resourceType'] === 'string';
  walk(held as Json, isResource ? { root: held as Json, path: [] } : { root, path: [...path, name] }, mayLink, links);
}

/** Most texts of a resource are none: asked before anything that costs. */
function isAddress(text: string, name: string): boolean {
  return name === 'reference' || text.startsWith('urn:') || text.startsWith('http') || relative.test(text);
}
const relative = /^[A-Z][A-Za-z]+\/[A-Za-z0-9\-.]{1,64}$/;

function linkAt(holder: Json, key: string, text: string, name = key): Link {
  return {
    text,
    isReference: name === 'reference',
    replace: (address) => {
      holder[key] = address;
    },
  };
}

const linkedTypes: ReadonlySet<string | undefined> = new Set(['uri', 'url', 'oid', 'uuid']);

/** Whether the element is a reference or of a type whose addresses are replaced. */
function isLinked(root: Json, path: readonly string[], name: string): boolean {
  let type: string | undefined = String(root['resourceType']);
  for (const step of path) {
    // Of a primitive's extensions.
    type = step.startsWith('_') ? 'Element' : typeOf(type, step);
    if (type === undefined) return false;
  }
  if (type === 'Reference' && name === 'reference') return true;
  return linkedTypes.has(typeOf(type, name));
}

function typeOf(type: string, name: string): string | undefined {
  return name === 'extension' ? 'Extension' : propertiesOf(type)?.get(name)?.type;
}

/** `<a href="...">` and `<img src="...">`. */
// Up to the next `<`: a text of nothing but tags that do not end is read once.
const attribute = /(<(?:a|img)\b[^<>]*?\b(?:href|src)\s*=\s*)(["'])([^"']*)\2/gi;

function narrativeLinks(holder: Json, div: string, mayLink: (text: string) => boolean): Link[] {
  if (!div.includes('href') && !div.includes('src')) return [];
  const addresses = new Map<string, string>();
  const found = new Set(Array.from(div.matchAll(attribute), ([, , , text = '']) => text).filter(mayLink));
  const finish = (): void => {
    holder['div'] = div.replace(attribute, (whole, start: string, quote: string, one: string) =>
      addresses.has(one) ? `${start}${quote}${addresses.get(one)}${quote}` : whole,
    );
  };
  return Array.from(found, (text) => ({
    text,
    isReference: false,
    replace: (address) => {
      addresses.set(text, address);
    },
    finish,
  }));
}
