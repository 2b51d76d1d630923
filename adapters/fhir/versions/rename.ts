/** Names that changed between releases: of types, in references, and of coding systems. */
import type { Property } from '../../../src/fhir/definitions.ts';
import { typeCode } from '../../../src/fhir/types.ts';
import type { VersionTable } from './table.ts';
import { textOf, type Json } from './values.ts';

const referencePattern =
  /^(?<base>(?:https?:\/\/[^?#]*\/)?)(?<type>[A-Z][A-Za-z]+)\/(?<id>[A-Za-z0-9\-.]{1,64})(?<version>\/_history\/[^/]+)?$/;

/** What the text of a reference becomes: the hub's own id for the source's. */
export type Address = (text: string) => string;

/** In place. A reference to a type that R4 does not have stays as an identifier: nobody could follow it. */
export function renameReference(reference: Json, table: VersionTable, address: Address): void {
  const sent = textOf(reference['reference']);
  const text = sent === undefined ? undefined : address(sent);
  if (text !== undefined) reference['reference'] = text;
  const { base = '', type = '', id = '', version = '' } = referencePattern.exec(text ?? '')?.groups ?? {};
  if (type !== '') {
    const becomes = table.types.get(type)?.becomes ?? type;
    if (typeCode(becomes) !== undefined) reference['reference'] = `${base}${becomes}/${id}${version}`;
    else {
      delete reference['reference'];
      const extensions = (reference['extension'] ??= []) as unknown[];
      extensions.push({
        url: `http://hl7.org/fhir/${table.release}/StructureDefinition/extension-Reference.reference`,
        valueString: text,
      });
    }
  }
  const named = textOf(reference['type']);
  const becomes = named === undefined ? undefined : table.types.get(named)?.becomes;
  if (becomes !== undefined) reference['type'] = becomes;
}

/** False for a literal reference to a type that R4 does not allow there. */
export function mayPointTo(value: unknown, { element }: Property): boolean {
  const text = textOf((value as Json | undefined)?.['reference']);
  const type = referencePattern.exec(text ?? '')?.groups?.['type'];
  return type === undefined || element.targets === undefined || element.targets.includes(type);
}

/** In place. @see https://hl7.org/fhir/R4/terminologies-systems.html: many moved to terminology.hl7.org with R4 */
export function renameSystem(coding: Json, { systems }: VersionTable): void {
  const text = textOf(coding['system']);
  if (text === undefined) return;
  for (const { from, to, names } of systems) {
    const start = from.slice(0, from.indexOf('*'));
    if (!text.startsWith(start)) continue;
    const rest = text.slice(start.length);
    if (names === undefined ? !/^[\w-]+$/.test(rest) : !names.has(rest)) continue;
    coding['system'] = to.replace('*', rest);
    return;
  }
}
