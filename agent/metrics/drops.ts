import { type Dropped, maxDroppedNames, type MetricLimit } from '../protocol/events.ts';

/** Counts what is left out, in bounded memory however much it is. */
export class Drops {
  #byLimit = new Map<MetricLimit, { count: number; readonly names: Set<string> }>();

  get isEmpty(): boolean {
    return this.#byLimit.size === 0;
  }

  add(limit: MetricLimit, names: readonly string[], count = names.length): void {
    let dropped = this.#byLimit.get(limit);
    if (dropped === undefined) {
      dropped = { count: 0, names: new Set() };
      this.#byLimit.set(limit, dropped);
    }
    dropped.count += count;
    for (const name of names) if (dropped.names.size < maxDroppedNames) dropped.names.add(name);
  }

  /** What was counted since the last call. */
  take(): readonly Dropped[] {
    if (this.isEmpty) return [];
    const all = [...this.#byLimit].map(([limit, { count, names }]) => ({ limit, count, names: [...names] }));
    this.#byLimit = new Map();
    return all;
  }
}
