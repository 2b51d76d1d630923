/**
 * Patient/[id]/$who-can-see: who sees what of a record at this moment, for the patient and those who act for them: permissions in
 * force by recipient, those who act for the patient, emergency access that is open, who was asked to
 * delete copies, and the sources, which see what they wrote.
 */
import {
  readDeletions,
  readProxies,
  readRulesInForce,
  readSources,
  readWindows,
  type AskedDeletion,
  type EmergencyWindow,
  type Proxy,
  type RuleInForce,
  type Source,
} from '../../access/consent/in-force.ts';
import { readNames, type Names } from '../../access/consent/names.ts';
import { dayText } from '../../access/consent/say.ts';
import { words, type Language } from '../../access/consent/words/index.ts';
import { visibility } from '../../access/predicate/predicate.ts';
import { requireScope } from '../../access/principal/scope.ts';
import { Problem } from '../../fhir/problem.ts';
import { samePerson } from '../../identity/link.ts';
import { hubOperation } from '../../mapping/values/extensions.ts';
import type { Call, Plan } from '../interaction.ts';
import { read } from '../read.ts';
import {
  parametersOf,
  rulePart,
  textParts,
  wordingOf,
  wordingParameters,
  type Part,
  type Wording,
} from './consent-parts.ts';
import { readInput } from './input.ts';
import type { OperationInteraction } from './operation.ts';

export const whoCanSee: OperationInteraction = {
  code: 'operation',
  operation: {
    name: 'who-can-see',
    definition: hubOperation('who-can-see'),
    levels: ['instance'],
    types: ['Patient'],
  },
  isWrite: false,
  prepare: async (call) => {
    const input = await readInput(call, { allowed: wordingParameters });
    return plan(call, { query: input.namesOf('who-can-see'), wording: wordingOf(call, input) });
  },
};

/** A read of the Patient, so that whoever may not see it learns nothing; then what is about it. */
async function plan(call: Call, { query, wording }: { query: string; wording: Wording }): Promise<Plan> {
  const { principal, incoming, facade } = call;
  if (principal.self === undefined) {
    throw new Problem('forbidden', 'the patient and those who act for them ask who can see the record');
  }
  requireScope(principal, 'Consent', 'r');
  const { 'if-none-match': _match, 'if-modified-since': _since, ...headers } = incoming.headers;
  const reading = await read.prepare({ ...call, incoming: { ...incoming, query: '', headers } });
  return {
    ...reading,
    query,
    run: async (tx, entriesOf) => {
      const result = await reading.run(tx, entriesOf);
      const patients = await samePerson(tx, incoming.id);
      const consents = visibility(principal, { interaction: 'r', types: ['Consent'] });
      const rules = await readRulesInForce(tx, consents, patients);
      const sources = await readSources(tx, visibility(principal, { interaction: 'r' }), patients);
      const proxies = await readProxies(tx, patients, facade.minorAges);
      const windows = await readWindows(tx, principal, patients);
      const deletions = await readDeletions(tx, principal, patients);
      const names = await readNames(
        tx,
        rules.map(({ rule }) => rule),
        [
          ...sources.map(({ owner }) => owner),
          ...deletions.map(({ owner }) => owner),
          ...proxies.map(({ relatedPerson }) => `RelatedPerson/${relatedPerson}`),
        ],
      );
      const body = answerOf({ rules, sources, proxies, windows, deletions }, { names, wording, now: facade.now() });
      return { ...result, answer: { status: 200, body } };
    },
  };
}

interface Seen {
  readonly rules: readonly RuleInForce[];
  readonly sources: readonly Source[];
  readonly proxies: readonly Proxy[];
  readonly windows: readonly EmergencyWindow[];
  readonly deletions: readonly AskedDeletion[];
}

function answerOf(seen: Seen, saying: { names: Names; wording: Wording; now: number }): string {
  const { wording, names } = saying;
  const rules = seen.rules.map(({ rule }) => rule);
  const [language = 'en'] = wording.languages;
  return parametersOf([
    ...textParts(rules, wording, {
      ...saying,
      before: (language) =>
        rules.some(({ isDeny }) => !isDeny) ? [] : [{ name: 'nobody', valueString: words[language].nobody }],
      after: (language) => [
        ...seen.proxies.map((proxy) => ({ name: 'proxy', valueString: proxyText(proxy, language, names, wording) })),
        ...seen.windows.map(({ organization, closesAt }) => ({
          name: 'emergency',
          valueString: words[language].emergency(
            names.nameOf(organization, language),
            words[language].until(dayText(closesAt.getTime(), words[language], wording.timeZone)),
          ),
        })),
        ...seen.deletions.map(({ owner, status, eraseBy }) => ({
          name: 'deletion',
          valueString: words[language].deletion(
            names.nameOf(owner, language),
            dayText(eraseBy.getTime(), words[language], wording.timeZone),
            status === 'completed' ? 'done' : status === 'failed' || status === 'rejected' ? 'refused' : 'asked',
          ),
        })),
        ...seen.sources.map(({ owner, records }) => ({
          name: 'source',
          valueString: words[language].wrote(names.nameOf(owner, language), records),
        })),
      ],
    }),
    ...seen.rules.map(({ rule, consent, patients }) =>
      rulePart(rule, (reference) => names.nameOf(reference, language), [
        { name: 'consent', valueReference: { reference: `Consent/${consent.id}/_history/${consent.version}` } },
        ...patients.map((id) => ({ name: 'patient', valueReference: { reference: `Patient/${id}` } })),
      ]),
    ),
    ...seen.proxies.map(proxyPart),
    ...seen.windows.map(windowPart),
    ...seen.deletions.map(deletionPart),
    ...seen.sources.map(sourcePart),
  ]);
}

function proxyText(
  { relatedPerson, relationship, isWhole, until }: Proxy,
  language: Language,
  names: Names,
  { timeZone }: Wording,
): string {
  const said = words[language];
  return said.actsFor({
    who: names.nameOf(`RelatedPerson/${relatedPerson}`, language),
    relationship: said.relationships[relationship],
    isWhole,
    until: Number.isFinite(until) ? said.until(dayText(until, said, timeZone)) : undefined,
  });
}

function proxyPart({ relatedPerson, relationship, isWhole, until }: Proxy): Part {
  return {
    name: 'proxy',
    part: [
      { name: 'reference', valueReference: { reference: `RelatedPerson/${relatedPerson}` } },
      { name: 'relationship', valueCode: relationship },
      { name: 'whole', valueBoolean: isWhole },
      ...(Number.isFinite(until) ? [{ name: 'until', valueInstant: new Date(until).toISOString() }] : []),
    ],
  };
}

function windowPart({ organization, reason, openedAt, closesAt }: EmergencyWindow): Part {
  return {
    name: 'emergency',
    part: [
      { name: 'reference', valueReference: { reference: organization } },
      { name: 'reason', valueString: reason },
      { name: 'period', valuePeriod: { start: openedAt.toISOString(), end: closesAt.toISOString() } },
    ],
  };
}

function deletionPart({ task, owner, consentId, status, eraseBy, answeredAt }: AskedDeletion): Part {
  return {
    name: 'deletion',
    part: [
      { name: 'reference', valueReference: { reference: owner } },
      { name: 'task', valueReference: { reference: `Task/${task}` } },
      { name: 'consent', valueReference: { reference: `Consent/${consentId}` } },
      { name: 'status', valueCode: status },
      { name: 'until', valueInstant: eraseBy.toISOString() },
      ...(answeredAt === null ? [] : [{ name: 'answered', valueInstant: answeredAt.toISOString() }]),
    ],
  };
}

function sourcePart({ owner, records, last }: Source): Part {
  return {
    name: 'source',
    part: [
      { name: 'reference', valueReference: { reference: owner } },
      { name: 'records', valueInteger: records },
      { name: 'last', valueInstant: last.toISOString() },
    ],
  };
}
