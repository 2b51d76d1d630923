/**
 * A resource of another release -> R4, by the table of its release. R4's own definitions say what R4 takes: an element that no rule
 * names and R4 does not have, a code that R4 does not know, a second value where R4 has one, stay as extensions and are reported.
 */
import { propertiesOf, type Property } from '../../../src/fhir/definitions.ts';
import { primitiveCheck } from '../../../src/fhir/primitives.ts';
import { Problem } from '../../../src/fhir/problem.ts';
import { typeCode, type AnyResource } from '../../../src/fhir/types.ts';
import type { MappedMessage } from '../../../src/ingest/contract.ts';
import { elementsOf, keepAs, keptUrl, listOf, printable } from './keep.ts';
import { codesOf } from './codes.ts';
import { setDefault } from './defaults.ts';
import { locate, put, type Place } from './place.ts';
import { mayPointTo, renameReference, renameSystem, type Address } from './rename.ts';
import { emptyNode, holds, type Node, type Rule, type TypeTable, type VersionTable } from './table.ts';
import { complexOf, objectOf, reshape, sourceTypeOf, textOf, type Json } from './values.ts';

export type Unmapped = MappedMessage['unmapped'][number];

export interface Converted {
  readonly resource: AnyResource;
  /** What no rule took and R4 has no place for: `Encounter.urgency`; each once. */
  readonly unmapped: readonly Unmapped[];
}

/**
 * @param address asked for each literal reference, in the type names of the source: what it becomes, in the same names
 * @throws Problem not-supported for a type that R4 does not have
 */
export function convertByTable(source: Json, table: VersionTable, address: Address = (text) => text): Converted {
  const conversion = new Conversion(table, address);
  const resource = conversion.convertResource(source) as AnyResource;
  return { resource, unmapped: conversion.unmapped };
}

/** Where the walk stands. */
interface Scope {
  readonly node: Node;
  /** Objects of R4 that were made on the way, the innermost last. */
  readonly places: readonly Place[];
  /** False inside an element that R4 does not have: nothing goes to the same name. */
  readonly hasPlace: boolean;
  /** `Encounter.hospitalization`: in the release of the source. */
  readonly path: string;
}

/** One value of an element: a primitive may have more beside it (`_name`). */
interface Value {
  readonly value: unknown;
  readonly extra: unknown;
}

class Conversion {
  readonly #table: VersionTable;
  readonly #address: Address;
  readonly #unmapped = new Map<string, Unmapped>();

  constructor(table: VersionTable, address: Address) {
    this.#table = table;
    this.#address = address;
  }

  get unmapped(): Unmapped[] {
    return [...this.#unmapped.values()];
  }

  convertResource(source: Json): Json {
    const name = source['resourceType'];
    const type = typeof name === 'string' ? name : '';
    const own = this.#table.types.get(type);
    const becomes = own?.becomes ?? type;
    if (typeCode(becomes) === undefined) {
      throw new Problem('not-supported', `R4 has no resource type for ${printable(type)}`, {
        expression: 'resourceType',
        hint: 'Leave this type out of what the endpoint asks for.',
      });
    }
    const target: Json = { resourceType: becomes };
    this.#fillRoot(source, target, type, becomes, own);
    return target;
  }

  #fillRoot(source: Json, target: Json, type: string, becomes: string, own: TypeTable | undefined): void {
    const root: Place = { path: [], object: target, type: becomes, labelled: new Map() };
    this.#fill(source, { node: own?.root ?? emptyNode, places: [root], hasPlace: true, path: type });
    for (const rule of own?.defaults ?? []) if (holds(rule, source)) setDefault(target, rule);
  }

  #fill(source: Json, scope: Scope): void {
    // Those with rules in the order of the table: where two go to one place, it says which is first.
    const names = elementsOf(source);
    const ruled = [...scope.node.children.keys()].filter((name) => names.includes(name));
    for (const name of new Set([...ruled, ...names])) {
      if (name === 'resourceType') continue;
      const values = listOf(source[name]);
      const extras = listOf(source[`_${name}`]);
      const length = Math.max(values.length, extras.length);
      const all = Array.from({ length }, (_, at): Value => ({
        value: values[at] ?? undefined,
        extra: extras[at] ?? undefined,
      }));
      this.#convertElement(name, all, source, scope);
    }
  }

  #convertElement(name: string, values: readonly Value[], beside: Json, scope: Scope): void {
    const node = scope.node.children.get(name) ?? emptyNode;
    const inside = { ...scope, node, path: `${scope.path}.${printable(name)}` };
    const isJoined = node.rules.some(({ as }) => as === 'joined');
    for (const each of isJoined ? [joinTexts(values)] : values) {
      const rules = node.rules.filter((rule) => holds(rule, beside, each.value));
      if (rules.length > 0 && !rules.some(({ isOpened }) => isOpened)) this.#applyRules(rules, each, inside);
      else if (rules.length > 0 || this.#hasNoPlace(name, node, scope)) this.#dissolve(each, inside);
      else this.#pass(name, each, inside);
    }
  }

  /** What is in it has rules, and R4 has no element of this name that holds the like. */
  #hasNoPlace(name: string, node: Node, { places, hasPlace }: Scope): boolean {
    if (node.children.size === 0) return false;
    const type = hasPlace ? propertiesOf(places.at(-1)?.type ?? '')?.get(name)?.type : undefined;
    return type?.includes('.') !== true;
  }

  #dissolve({ value, extra }: Value, scope: Scope): void {
    const object = objectOf(value);
    if (object === undefined) this.#leave({ value, extra }, scope);
    else this.#fill(object, { ...scope, hasPlace: false });
  }

  /** To the element of the same name. */
  #pass(name: string, each: Value, scope: Scope): void {
    const place = scope.places.at(-1) as Place;
    if (!scope.hasPlace && name === 'id') return; // It named an element that is no more.
    const isCommon = scope.hasPlace || name === 'extension';
    const property = isCommon ? propertiesOf(place.type)?.get(name) : undefined;
    if (property === undefined || !this.#store(each, place, property, scope)) this.#leave(each, scope);
  }

  #applyRules(rules: readonly Rule[], each: Value, scope: Scope): void {
    let isTaken = false;
    for (const rule of rules) isTaken = this.#apply(rule, each, scope) || isTaken;
    if (!isTaken) this.#leave(each, scope);
  }

  /** @returns false when the rule has no use for this value */
  #apply(rule: Rule, each: Value, scope: Scope): boolean {
    if (rule.drop !== undefined) return true;
    if (rule.keep !== undefined) return this.#keep(each, scope, rule);
    if (rule.split !== undefined) return this.#splitUp(rule.split, each, scope);
    const { to, property, codes } = rule;
    if (to === undefined || property === undefined) return false;
    let { value } = each;
    const code = codes !== undefined && isCode(value) ? codes[String(value)] : undefined;
    if (code === null) return true;
    if (codes !== undefined && rule.as === undefined && value !== undefined) {
      // An unknown code goes on as it is: whether R4 has it is seen when it is stored.
      value = property.type === 'boolean' ? code === 'true' : (code ?? value);
    }
    let isWhole = true;
    if (rule.as !== undefined) {
      const shaped = this.#shape(rule, value, scope);
      if (shaped === undefined) return false;
      ({ value, isWhole } = shaped);
    }
    const place = locate(scope.places, to);
    // What is an object anew is R4's already, and so is what stands beside it.
    const isStored =
      rule.as === undefined
        ? this.#store({ value, extra: each.extra }, place, property, scope)
        : put(place, property, value, undefined);
    if (!isStored) return false;
    for (const [name, constant] of Object.entries(rule.beside)) place.object[name] ??= structuredClone(constant);
    if (!isWhole) this.#keep(each, scope, rule);
    return true;
  }

  #shape(rule: Rule, value: unknown, scope: Scope): ReturnType<typeof reshape> {
    const { as, codes, system, property } = rule;
    if (as === undefined) return undefined;
    const known = property === undefined ? undefined : codesOf(property);
    return reshape(as, this.#typed(value, sourceTypeOf(as)), {
      system,
      isKnown: (code) => known === undefined || known.has(code),
      translate: (code) => {
        const found = codes === undefined ? code : codes[code];
        if (found === undefined && as !== 'code') this.#report('code', scope.path, code);
        return found ?? undefined;
      },
    });
  }

  #splitUp(name: string, each: Value, scope: Scope): boolean {
    const object = objectOf(each.value);
    const parts = listOf(object?.[name]);
    const items = parts.length < 2 ? [object] : parts.map((part) => ({ ...object, [name]: [part] }));
    const own = scope.path.slice(scope.path.lastIndexOf('.') + 1);
    for (const item of items) this.#pass(own, { value: item, extra: undefined }, scope);
    return true;
  }

  /** @returns false when R4 does not take it there */
  #store(each: Value, place: Place, property: Property, scope: Scope): boolean {
    const { type } = property;
    const object = objectOf(each.value);
    if (object !== undefined && type.includes('.')) {
      // What a rule for another element made there already is the same object.
      const existing = property.element.max === undefined ? objectOf(place.object[property.name]) : undefined;
      const target: Json = existing ?? {};
      const inner: Place = { path: [...place.path, property.name], object: target, type, labelled: new Map() };
      this.#fill(object, { ...scope, places: [...scope.places, inner], hasPlace: true });
      return Object.keys(target).length === 0 || existing !== undefined || put(place, property, target, undefined);
    }
    const value = each.value === undefined ? undefined : this.#typed(each.value, type);
    if (each.value !== undefined && value === undefined) return false;
    if (type === 'Reference' && !mayPointTo(value, property)) return false;
    const extra = each.extra === undefined ? undefined : this.#typed(each.extra, 'Element');
    const codes = codesOf(property);
    if (codes === undefined || typeof value !== 'string' || codes.has(value)) return put(place, property, value, extra);
    this.#report('code', scope.path, value);
    const kept = keptUrl(this.#table.release, scope.path);
    return put(place, property, undefined, { extension: [{ url: kept, valueCode: value }] });
  }

  /** As a value of a type of R4: what is in it by the rules of its type. Undefined when it is no such value. */
  #typed(value: unknown, type: string): unknown {
    const check = primitiveCheck(type);
    if (check !== undefined) return check(value) === undefined ? value : undefined;
    const source = objectOf(value);
    if (source === undefined) return undefined;
    if (type === 'Resource') return this.convertResource(source);
    const target: Json = {};
    this.#fillRoot(source, target, type, type, this.#table.types.get(type));
    if (type === 'Reference') renameReference(target, this.#table, this.#address);
    if (type === 'Coding') renameSystem(target, this.#table);
    return Object.keys(target).length === 0 ? undefined : target;
  }

  /** What nobody took: kept and reported. */
  #leave(each: Value, scope: Scope): void {
    if (this.#keep(each, scope)) this.#report('field', scope.path);
  }

  #keep({ value, extra }: Value, { places, path }: Scope, rule?: Rule): boolean {
    const kept = keepAs(keptUrl(this.#table.release, path), value, extra, {
      type: rule?.type ?? (rule?.as === undefined ? undefined : complexOf(rule.as)),
      convert: (one, type) => this.#typed(one, type),
    });
    if (kept === undefined) return true;
    const { object, type } = places.at(-1) as Place;
    const canModify = rule?.keep === 'modifier' && propertiesOf(type)?.has('modifierExtension') === true;
    const name = canModify ? 'modifierExtension' : 'extension';
    const extensions = (object[name] ??= []) as unknown[];
    extensions.push(kept);
    return true;
  }

  #report(kind: Unmapped['kind'], position: string, code?: string): void {
    const entry: Unmapped = { kind, position, ...(code === undefined ? {} : { code }) };
    this.#unmapped.set(`${kind} ${position} ${code ?? ''}`, entry);
  }
}

/** `notGiven` is translated as codes are. */
function isCode(value: unknown): value is string | boolean {
  return typeof value === 'string' || typeof value === 'boolean';
}

/** A name in parts, as one text. */
function joinTexts(values: readonly Value[]): Value {
  const texts = values.flatMap(({ value }) => textOf(value) ?? []);
  return {
    value: texts.length === 0 ? undefined : texts.join(' '),
    extra: values.find(({ extra }) => extra !== undefined)?.extra,
  };
}
