/**
 * What those are called whom rules name. A name that an organization gave itself is told with its id, because anybody may call
 * themselves a hospital; one that the operator published stands alone. What another wrote of it counts for nothing.
 */
import type { Tx } from '../../db.ts';
import { parseJson } from '../../fhir/json.ts';
import type { AnyResource } from '../../fhir/types.ts';
import { readRows } from '../../store/read.ts';
import { findConcept } from '../../store/terminology/hierarchy.ts';
import { find, openLibrary } from '../../store/terminology/library.ts';
import { publisher } from '../../store/terminology/owners.ts';
import { everything } from '../../store/visibility.ts';
import type { Coding } from './element.ts';
import { everybody, type Rule } from './rules.ts';
import { languageOf, type Language } from './words/index.ts';

export interface Names {
  readonly nameOf: (reference: string, language: Language) => string;
  readonly conceptOf: (coding: Coding, language: Language) => string;
}

/** More than a sentence can hold; further codes are called by their code. */
const conceptsMax = 20;
const named = new Set(['Organization', 'Practitioner', 'RelatedPerson']);

/** Of everybody and everything these rules name. */
export async function readNames(db: Tx, rules: readonly Rule[], others: readonly string[] = []): Promise<Names> {
  const references = [...rules.flatMap(({ recipient, sources = [] }) => [recipient, ...sources]), ...others];
  const [known, concepts] = await Promise.all([
    readAgents(db, new Set(references)),
    readConcepts(
      db,
      rules.flatMap((rule) => rule.named ?? []),
    ),
  ]);
  return {
    nameOf: (reference, language) => {
      const id = reference.slice(reference.indexOf('/') + 1);
      const agent = known.get(reference);
      const name = agent && textIn(agent.resource, language);
      if (name === undefined) return id;
      return agent?.isPublished ? name : `${name} (${id})`;
    },
    conceptOf: (coding, language) => {
      const texts = concepts.get(keyOf(coding));
      return texts?.get(language) ?? texts?.get('') ?? textOfCode(coding);
    },
  };
}

interface Agent {
  readonly resource: AnyResource;
  readonly isPublished: boolean;
}

async function readAgents(db: Tx, references: ReadonlySet<string>): Promise<Map<string, Agent>> {
  const keys = Array.from(references)
    .filter((reference) => reference !== everybody)
    .map((reference) => reference.split('/'))
    .map(([type = '', id = '']) => ({ type, id }))
    .filter(({ type }) => named.has(type));
  const rows = await readRows(db, everything('names of those whom a Consent names'), keys);
  const trusted = rows.filter(
    ({ type, id, owner, isDeleted }) =>
      // A person's name is their hospital's to say.
      !isDeleted && (type !== 'Organization' || owner === publisher || owner === `${type}/${id}`),
  );
  return new Map(
    trusted.map(({ type, id, owner, body }) => [
      `${type}/${id}`,
      { resource: parseJson(body) as AnyResource, isPublished: owner === publisher },
    ]),
  );
}

interface Translated {
  readonly extension?: readonly { readonly url?: string; readonly extension?: readonly Record<string, unknown>[] }[];
}
interface HumanName {
  readonly text?: string;
  readonly family?: string;
  readonly given?: readonly string[];
}

const translation = 'http://hl7.org/fhir/StructureDefinition/translation';
/** A name is a name, not a page. */
const nameCharsMax = 100;

function textIn(resource: AnyResource, language: Language): string | undefined {
  const text = resource.resourceType === 'Organization' ? organizationName(resource, language) : humanName(resource);
  return typeof text === 'string' && text.trim() !== '' ? text.trim().slice(0, nameCharsMax) : undefined;
}

/** @see https://hl7.org/fhir/R4/extension-translation.html */
function organizationName(resource: AnyResource, language: Language): unknown {
  const { extension = [] } = (resource['_name'] ?? {}) as Translated;
  for (const one of extension) {
    if (one.url !== translation) continue;
    const part = (url: string): unknown => {
      const { valueCode, valueString } = one.extension?.find((inner) => inner['url'] === url) ?? {};
      return valueCode ?? valueString;
    };
    if (languageOf(String(part('lang'))) === language) return part('content');
  }
  return resource['name'];
}

function humanName(resource: AnyResource): string | undefined {
  const [name] = (resource['name'] ?? []) as HumanName[];
  if (name === undefined) return undefined;
  const { text, family = '', given = [] } = name;
  return text ?? (/\p{Script=Han}/u.test(family) ? family + given.join('') : `${given.join(' ')} ${family}`);
}

/** Designations by language; '': the display. From what the operator loaded, never from the Consent. */
async function readConcepts(db: Tx, codings: readonly Coding[]): Promise<Map<string, Map<string, string>>> {
  const found = new Map<string, Map<string, string>>();
  const wanted = new Map(codings.map((coding) => [keyOf(coding), coding]));
  if (wanted.size === 0) return found;
  const library = await openLibrary(db, undefined);
  for (const [key, { system, code }] of [...wanted].slice(0, conceptsMax)) {
    if (system === undefined || code === undefined) continue;
    const known = await find(library, 'CodeSystem', { url: system });
    const concept = known && (await findConcept(library, known, code));
    if (concept === undefined) continue;
    const texts = new Map<string, string>(concept.display === null ? [] : [['', concept.display]]);
    for (const { language = '', value } of concept.designations ?? []) {
      const spoken = languageOf(language);
      if (spoken !== undefined && !texts.has(spoken)) texts.set(spoken, value);
    }
    found.set(key, texts);
  }
  return found;
}

function keyOf({ system, code }: Coding): string {
  return `${system ?? ''}|${code ?? ''}`;
}

const systemNames: Readonly<Record<string, string>> = {
  'http://loinc.org': 'LOINC',
  'http://snomed.info/sct': 'SNOMED CT',
  'http://hl7.org/fhir/sid/icd-10': 'ICD-10',
  'http://hl7.org/fhir/sid/icd-10-cm': 'ICD-10-CM',
  'http://www.whocc.no/atc': 'ATC',
};

function textOfCode({ system, code = '' }: Coding): string {
  return system === undefined ? code : `${systemNames[system] ?? system} ${code}`;
}
