/**
 * Works on every item, some at a time, in order of the list; the results stand in its order too.
 * @param togetherMax at work at once
 * @throws the first error; what has begun goes on unheard
 */
export async function inParallel<From, To>(
  items: readonly From[],
  togetherMax: number,
  work: (item: From, index: number) => Promise<To>,
): Promise<To[]> {
  const results: To[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let index = next++; index < items.length; index = next++) {
      results[index] = await work(items[index] as From, index);
    }
  };
  await Promise.all(Array.from({ length: Math.min(togetherMax, items.length) }, worker));
  return results;
}
