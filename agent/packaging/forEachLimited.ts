/** Runs the work on every item, a limited number at a time; rejects with the first error. */
export async function forEachLimited<Item>(
  items: readonly Item[],
  work: (item: Item) => Promise<void>,
  limit = 32,
): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let item = items[next++]; item !== undefined; item = items[next++]) await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
}
