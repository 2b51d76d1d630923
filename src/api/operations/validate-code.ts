/**
 * $validate-code of CodeSystem and of ValueSet: is this a code of it, under this name.
 *
 * @see https://hl7.org/fhir/R4/codesystem-operation-validate-code.html
 * @see https://hl7.org/fhir/R4/valueset-operation-validate-code.html
 */
import { Problem } from '../../fhir/problem.ts';
import type { Library } from '../../store/terminology/library.ts';
import {
  validateInSystem,
  validateInValueSet,
  type Coding,
  type Verdict,
} from '../../store/terminology/validate-code.ts';
import { codingsIn, named, parameters, resourceIn, terminologyOperation, valueString } from './terminology.ts';

const asked = ['url', 'code', 'display', 'coding', 'codeableConcept', 'abstract'];

export const validateCodeInSystem = terminologyOperation({
  type: 'CodeSystem',
  name: 'validate-code',
  levels: ['type', 'instance'],
  allowed: [...asked, 'version'],
  answer: async (library, input, { incoming }) => {
    const [url, version] = [input.text('url'), input.text('version')];
    const system = await named(library, 'CodeSystem', { id: incoming.id, url, version });
    if (system === undefined) {
      throw new Problem('required', 'no code system is named', { expression: 'url', hint: 'Send url.' });
    }
    const codings = codingsIn(input, 'version').map((coding) => ({ ...coding, system: coding.system ?? system.url }));
    const options = { isAbstractAllowed: input.flag('abstract') ?? false };
    return render(
      await firstValid(codings, (coding) =>
        coding.system === system.url
          ? validateInSystem(library, coding, options)
          : { isValid: false, messages: [`'${coding.code}' is of another code system`] },
      ),
    );
  },
});

/** A CodeableConcept is valid when one of its codings is. */
async function firstValid<C extends Coding>(
  codings: readonly C[],
  judge: (coding: C) => Promise<Verdict> | Verdict,
): Promise<Verdict> {
  const messages: string[] = [];
  for (const coding of codings) {
    const verdict = await judge(coding);
    if (verdict.isValid || codings.length === 1) return verdict;
    messages.push(...verdict.messages);
  }
  return { isValid: false, messages };
}

export const validateCodeInValueSet = terminologyOperation({
  type: 'ValueSet',
  name: 'validate-code',
  levels: ['type', 'instance'],
  allowed: [...asked, 'valueSet', 'valueSetVersion', 'system', 'systemVersion'],
  answer: async (library, input, { incoming }) => {
    const sent = resourceIn(input, 'valueSet', 'ValueSet');
    const name = { id: incoming.id, url: input.text('url'), version: input.text('valueSetVersion') };
    const valueSet = sent ?? (await named(library, 'ValueSet', name))?.header;
    if (valueSet === undefined) {
      throw new Problem('required', 'no value set is named', { expression: 'url', hint: 'Send url or valueSet.' });
    }
    const codings = codingsIn(input, 'systemVersion');
    // R4: "If a code is provided, a system or a context must be provided".
    if (input.text('code') !== undefined && codings[0]?.system === undefined) {
      throw new Problem('required', 'a code has a system', { expression: 'system' });
    }
    return render(await inValueSet(library, valueSet, codings, input.flag('abstract') ?? false));
  },
});

function inValueSet(
  library: Library,
  valueSet: Parameters<typeof validateInValueSet>[1],
  codings: readonly Coding[],
  isAbstractAllowed: boolean,
): Promise<Verdict> {
  return validateInValueSet(library, valueSet, codings, { isAbstractAllowed });
}

function render({ isValid, messages, display }: Verdict): object {
  return parameters([
    ['result', { valueBoolean: isValid }],
    ['message', valueString(messages.join('; '))],
    ['display', valueString(display)],
  ]);
}
