/** CodeSystem/$subsumes: which of two codes holds the other. @see https://hl7.org/fhir/R4/codesystem-operation-subsumes.html */
import { Problem } from '../../fhir/problem.ts';
import { findConcept, subsumption } from '../../store/terminology/hierarchy.ts';
import { requireSystem } from '../../store/terminology/library.ts';
import type { Coding } from '../../store/terminology/validate-code.ts';
import type { OperationInput } from './input.ts';
import { named, parameters, readCoding, terminologyOperation } from './terminology.ts';

export const subsumes = terminologyOperation({
  type: 'CodeSystem',
  name: 'subsumes',
  levels: ['type', 'instance'],
  allowed: ['codeA', 'codeB', 'codingA', 'codingB', 'system', 'version'],
  answer: async (library, input, { incoming }) => {
    const codings = [codingIn(input, 'A'), codingIn(input, 'B')] as const;
    const instance = await named(library, 'CodeSystem', { id: incoming.id });
    const urls = new Set(codings.map(({ system }) => system ?? instance?.url ?? input.text('system')));
    const [url, other] = urls;
    if (url === undefined) throw new Problem('required', 'no code system is named', { expression: 'system' });
    if (other !== undefined || urls.size > 1) {
      throw new Problem('invalid', 'the codes are of different code systems', { expression: 'system' });
    }
    const system = instance?.url === url ? instance : await requireSystem(library, url, input.text('version'));
    const [a, b] = await Promise.all(codings.map(({ code = '' }) => findConcept(library, system, code)));
    if (a === undefined || b === undefined) {
      throw new Problem('code-invalid', 'the code system has no such code', {
        expression: a === undefined ? 'codeA' : 'codeB',
      });
    }
    return parameters([['outcome', { valueCode: await subsumption(library, system, a.code, b.code) }]]);
  },
});

function codingIn(input: OperationInput, letter: 'A' | 'B'): Coding {
  const coding = input.one(`coding${letter}`);
  if (coding !== undefined) return readCoding(coding, `coding${letter}`);
  const code = input.text(`code${letter}`);
  if (code !== undefined) return { code };
  throw new Problem('required', 'two codes are compared', { expression: `code${letter}` });
}
