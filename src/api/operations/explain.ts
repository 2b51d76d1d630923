/**
 * Consent/$explain: what a Consent allows, in words, made of the rules it compiles to. Of one that is stored
 * (`Consent/[id]/$explain`), or of one that is not yet: the Consent in the body, so that a patient reads what a grant would mean
 * before giving it.
 */
import { copyDaysOf } from '../../access/consent/copy.ts';
import { stateOf } from '../../access/consent/say.ts';
import { rulesOf, type Rule } from '../../access/consent/rules.ts';
import { statusOf } from '../../access/consent/frame.ts';
import { readNames } from '../../access/consent/names.ts';
import { words } from '../../access/consent/words/index.ts';
import { recipientsOf, type Principal } from '../../access/principal/principal.ts';
import { requireScope } from '../../access/principal/scope.ts';
import type { Tx } from '../../db.ts';
import { parseJson } from '../../fhir/json.ts';
import { Problem } from '../../fhir/problem.ts';
import type { AnyResource } from '../../fhir/types.ts';
import { hubOperation } from '../../mapping/values/extensions.ts';
import type { Call, Plan } from '../interaction.ts';
import { read } from '../read.ts';
import { HttpProblem } from '../respond.ts';
import { parametersOf, rulePart, textParts, wordingOf, wordingParameters, type Wording } from './consent-parts.ts';
import { readInput } from './input.ts';
import type { OperationInteraction } from './operation.ts';

export const explain: OperationInteraction = {
  code: 'operation',
  operation: {
    name: 'explain',
    definition: hubOperation('explain'),
    levels: ['type', 'instance'],
    types: ['Consent'],
  },
  isWrite: false,
  prepare: async (call) => {
    const isStored = call.incoming.id !== '';
    const input = await readInput(call, {
      allowed: isStored ? wordingParameters : [...wordingParameters, 'consent'],
      ...(isStored ? {} : { resource: 'consent' }),
    });
    const asked = { query: input.namesOf('explain'), wording: wordingOf(call, input) };
    return isStored ? planStored(call, asked) : planGiven(call, input.one('consent'), asked);
  },
};

interface Asked {
  readonly query: string;
  readonly wording: Wording;
}

/** A read, of which the meaning is sent. */
async function planStored(call: Call, { query, wording }: Asked): Promise<Plan> {
  const { 'if-none-match': _match, 'if-modified-since': _since, ...headers } = call.incoming.headers;
  const plan = await read.prepare({ ...call, incoming: { ...call.incoming, query: '', headers } });
  return {
    ...plan,
    query,
    run: async (tx, entriesOf) => {
      const result = await plan.run(tx, entriesOf);
      const consent = parseJson(result.answer.body as string) as AnyResource;
      const body = await explained(tx, consent, compiled(consent), { wording, now: call.facade.now() });
      return { ...result, answer: { status: 200, body } };
    },
  };
}

function planGiven({ facade, principal }: Call, given: unknown, { query, wording }: Asked): Plan {
  requireScope(principal, 'Consent', 'r');
  const consent = given as AnyResource | undefined;
  if (consent?.resourceType !== 'Consent') {
    throw new HttpProblem(400, 'required', '$explain needs a Consent', {
      expression: 'consent',
      hint: 'Send the Consent as the body, or as the parameter consent; or ask for Consent/[id]/$explain.',
    });
  }
  const rules = compiledAsSent(consent);
  requireOwnNames(principal, rules);
  return {
    query,
    run: async (tx) => ({
      answer: { status: 200, body: await explained(tx, consent, rules, { wording, now: facade.now() }) },
      shown: [],
    }),
  };
}

/** The fault is in the resource that was sent, as it would be in a write of it. @throws HttpProblem 422 */
function compiledAsSent(consent: AnyResource): readonly Rule[] {
  try {
    statusOf(consent);
    copyDaysOf(consent);
    return rulesOf(consent);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const { code, message, expression, hint } = error;
    throw new HttpProblem(422, code, message, { expression, hint, cause: error });
  }
}

/** Who is no patient asks what they will ask patients for; of others they would only learn the names. */
function requireOwnNames(principal: Principal, rules: readonly Rule[]): void {
  if (principal.self !== undefined) return;
  const own = recipientsOf(principal);
  const isOwn = rules.every(({ recipient, sources = [] }) => own.includes(recipient) && sources.length === 0);
  if (!isOwn) throw new Problem('forbidden', 'others than a patient have explained what they ask for themselves');
}

/** What was stored under other rules than today's is explained by the ones that are in force: none. */
function compiled(consent: AnyResource): readonly Rule[] {
  try {
    return rulesOf(consent);
  } catch (error) {
    if (error instanceof Problem && consent['status'] !== 'active') return [];
    throw error;
  }
}

async function explained(
  tx: Tx,
  consent: AnyResource,
  rules: readonly Rule[],
  { wording, now }: { wording: Wording; now: number },
): Promise<string> {
  const state = stateOf(String(consent['status']), rules, now);
  const shown = state === 'inactive' || state === 'over' ? [] : rules.filter(({ valid }) => now < valid.to);
  const names = await readNames(tx, shown);
  const [language = 'en'] = wording.languages;
  const days = shown.length === 0 ? undefined : copyDaysOf(consent);
  return parametersOf([
    { name: 'state', valueCode: state },
    ...textParts(shown, wording, {
      names,
      now,
      before: (language) => [{ name: 'state', valueString: words[language].states[state] }],
      after: (language) => (days === undefined ? [] : [{ name: 'copies', valueString: words[language].copies(days) }]),
    }),
    ...shown.map((rule) => rulePart(rule, (reference) => names.nameOf(reference, language))),
  ]);
}
