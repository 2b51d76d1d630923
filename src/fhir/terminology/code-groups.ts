/**
 * Which CodeableConcepts mean the same: those that share a coding (system and code), or are the same text where there is no
 * coding; and, because codings of one concept are translations of each other, whatever is connected that way.
 *
 * @see https://hl7.org/fhir/R4/observation-operation-lastn.html
 */

export interface Concept {
  readonly coding?: readonly { readonly system?: string; readonly code?: string }[];
  readonly text?: string;
}

/** For each concept the number of its group; groups are numbered in the order of their first concept. */
export function groupCodes(concepts: readonly Concept[]): number[] {
  const parents = concepts.map((_, index) => index);
  const rootOf = (index: number): number => {
    let root = index;
    while (parents[root] !== root) root = parents[root] as number;
    parents[index] = root;
    return root;
  };
  const firstWith = new Map<string, number>();
  concepts.forEach((concept, index) => {
    for (const key of keysOf(concept)) {
      const first = firstWith.get(key);
      if (first === undefined) firstWith.set(key, index);
      else {
        const [one, other] = [rootOf(first), rootOf(index)];
        parents[Math.max(one, other)] = Math.min(one, other);
      }
    }
  });
  const numbers = new Map<number, number>();
  return concepts.map((_, index) => {
    const root = rootOf(index);
    const number = numbers.get(root) ?? numbers.size;
    numbers.set(root, number);
    return number;
  });
}

function keysOf({ coding = [], text }: Concept): string[] {
  const codings = coding.filter(({ code }) => code !== undefined);
  if (codings.length > 0) return codings.map(({ system = '', code }) => JSON.stringify([system, code]));
  return [JSON.stringify([text ?? null])];
}
