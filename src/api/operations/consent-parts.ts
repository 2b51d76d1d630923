/** Rules and sentences as parameters of an answer, and what is asked about them: languages and the zone whose days are meant. */
import { everybody, type Rule } from '../../access/consent/rules.ts';
import type { Period } from '../../access/consent/element.ts';
import type { Names } from '../../access/consent/names.ts';
import { sentencesOf } from '../../access/consent/say.ts';
import { acceptedLanguage, languageOf, languages, type Language } from '../../access/consent/words/index.ts';
import { purposeCodesOf, purposeSystem, anyPurpose } from '../../access/principal/purpose.ts';
import { labelCodings, ordinaryLabel } from '../../fhir/labels.ts';
import { Problem } from '../../fhir/problem.ts';
import { typeName } from '../../fhir/types.ts';
import type { Call } from '../interaction.ts';
import type { OperationInput } from './input.ts';

/** A parameter of a Parameters resource: a value, a resource or parts. */
export interface Part {
  readonly name: string;
  readonly [value: string]: unknown;
}

export interface Wording {
  readonly languages: readonly Language[];
  readonly timeZone: string;
}

/** What {@link wordingOf} reads. */
export const wordingParameters = ['language', 'timezone'];

/**
 * `language` before Accept-Language; of neither, every language there is.
 * @throws Problem code-invalid for a language that is not spoken here, value for a zone that is none
 */
export function wordingOf({ incoming }: Call, input: OperationInput): Wording {
  const named = input.list('language').map((tag) => {
    const language = languageOf(tag);
    if (language !== undefined) return language;
    throw new Problem('code-invalid', 'this language is not spoken here', {
      expression: 'language',
      hint: `Use ${languages.join(', ')}.`,
    });
  });
  const accepted = acceptedLanguage(incoming.headers['accept-language']);
  const fallback = accepted === undefined ? languages : [accepted];
  return { languages: named.length > 0 ? [...new Set(named)] : fallback, timeZone: timeZoneOf(input) };
}

function timeZoneOf(input: OperationInput): string {
  const timeZone = input.text('timezone') ?? 'UTC';
  try {
    return new Intl.DateTimeFormat('en', { timeZone }).resolvedOptions().timeZone;
  } catch (cause) {
    throw new Problem('value', 'timezone is no time zone', {
      expression: 'timezone',
      hint: 'Write an IANA name, such as Asia/Shanghai.',
      cause,
    });
  }
}

interface Saying {
  readonly names: Names;
  readonly now: number;
  /** What is said before the rules, and after. */
  readonly before?: (language: Language) => readonly Part[];
  readonly after?: (language: Language) => readonly Part[];
}

/** A `text` in each language: the state, if it is to be said, then a sentence for each thing that is allowed or excepted. */
export function textParts(
  rules: readonly Rule[],
  { languages: wanted, timeZone }: Wording,
  { names, now, before = () => [], after = () => [] }: Saying,
): Part[] {
  return wanted.map((language) => ({
    name: 'text',
    part: [
      { name: 'language', valueCode: language },
      ...before(language),
      ...sentencesOf(rules, {
        language,
        timeZone,
        now,
        nameOf: (reference) => names.nameOf(reference, language),
        conceptOf: (coding) => names.conceptOf(coding, language),
      }).map(({ effect, text }) => ({
        name: effect === 'permit' ? 'sentence' : effect === 'deny' ? 'exception' : 'limit',
        valueString: text,
      })),
      ...after(language),
    ],
  }));
}

/** @param nameOf how the hub calls whom the rule names */
export function rulePart(rule: Rule, nameOf: (reference: string) => string, more: readonly Part[] = []): Part {
  const agent = (name: string, reference: string): Part => ({
    name,
    valueReference: { reference, display: nameOf(reference) },
  });
  const {
    isDeny,
    recipient,
    purposes,
    types = [],
    named = [],
    labels,
    data,
    valid,
    sources = [],
    instances = [],
  } = rule;
  return {
    name: 'rule',
    part: [
      { name: 'effect', valueCode: isDeny ? 'deny' : 'permit' },
      ...(recipient === everybody ? [] : [agent('recipient', recipient)]),
      ...(purposes === anyPurpose ? [] : codings('purpose', purposeSystem, purposeCodesOf(purposes))),
      ...codings('class', 'http://hl7.org/fhir/resource-types', types.map(typeName)),
      ...named.map((coding) => ({ name: 'code', valueCoding: coding })),
      ...labelCodings(labels).map((coding) => ({ name: 'securityLabel', valueCoding: coding })),
      ...(isDeny ? [] : [{ name: 'unlabelled', valueBoolean: labels === 0 || (labels & ordinaryLabel) !== 0 }]),
      ...periodPart('dataPeriod', data),
      ...periodPart('period', valid),
      ...sources.map((reference) => agent('source', reference)),
      ...instances.map((instance) => ({ name: 'data', valueReference: { reference: instanceReference(instance) } })),
      ...more,
    ],
  };
}

function codings(name: string, system: string, codes: readonly string[]): Part[] {
  return codes.map((code) => ({ name, valueCoding: { system, code } }));
}

/** R4 Period includes its end: the last millisecond. */
function periodPart(name: string, period: Period | undefined): Part[] {
  if (period === undefined) return [];
  const edge = (key: 'start' | 'end', at: number): object =>
    Number.isFinite(at) ? { [key]: new Date(at).toISOString() } : {};
  const value = { ...edge('start', period.from), ...edge('end', period.to - 1) };
  return Object.keys(value).length === 0 ? [] : [{ name, valuePeriod: value }];
}

function instanceReference(instance: string): string {
  const [type = '', id = ''] = instance.split('/');
  return `${typeName(Number(type))}/${id}`;
}

export function parametersOf(parameter: readonly Part[]): string {
  return JSON.stringify({ resourceType: 'Parameters', ...(parameter.length === 0 ? {} : { parameter }) });
}
