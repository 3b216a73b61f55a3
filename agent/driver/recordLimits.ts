import { Drops, type MetricRecord } from '../metrics/index.ts';
import type { Dropped } from '../protocol/events.ts';
import { maxRequiredRecords, type MetricValues, type TrialLimits, usualMetricRecords } from '../protocol/study.ts';

export interface Limited<R> {
  readonly kept: readonly R[];
  readonly dropped: readonly Dropped[];
}

/**
 * Chooses what is recorded of what an attempt reports. Of a metric with very many reports each tenth is kept, each
 * hundredth … What the study reads is kept in full up to `maxRequiredRecords`, and its last value always. The choice
 * follows from how many reports came before, so an agent that reads the output again makes the same; but for `rate`.
 */
export class RecordLimits {
  readonly #required: ReadonlySet<string>;
  readonly #maxRecords: number;
  /** Reports so far, by metric. */
  readonly #counts = new Map<string, number>();

  /** @param required the metrics that the study reads */
  constructor(required: Iterable<string>, limits: TrialLimits) {
    this.#required = new Set(required);
    this.#maxRecords = limits.metricRecords ?? usualMetricRecords;
  }

  /** Records that are recorded already: they only count. */
  count(records: readonly MetricRecord[]): void {
    for (const { values } of records) for (const name in values) this.#next(name);
  }

  /** @param isBehind more is waiting to be read than can be recorded soon: of metrics that the study does not read, only the last values count */
  choose<R extends MetricRecord>(records: readonly R[], isBehind: boolean): Limited<R> {
    const drops = new Drops();
    const last = isBehind ? lastOf(records) : null;
    const kept: R[] = [];
    for (const [index, record] of records.entries()) {
      for (const { limit, names, count } of record.dropped ?? []) drops.add(limit, names, count);
      const left = this.#left(record.values, index, last, drops);
      if (left === record.values && record.dropped === undefined) kept.push(record);
      else if (hasAny(left)) kept.push({ ...record, values: left });
    }
    return { kept, dropped: drops.take() };
  }

  /** The values that are kept; the same object where that is all of them. */
  #left(values: MetricValues, index: number, last: ReadonlyMap<string, number> | null, drops: Drops): MetricValues {
    let left: Record<string, MetricValues[string]> | null = null;
    for (const name in values) {
      const isRequired = this.#required.has(name);
      const isKept = this.#next(name);
      const isLate = isKept && !isRequired && last !== null && last.get(name) !== index;
      if (isKept && !isLate) continue;
      drops.add(isLate ? 'rate' : 'records', [name]);
      left ??= { ...values };
      delete left[name];
    }
    return left ?? values;
  }

  /** Whether the next report of a metric is kept. */
  #next(name: string): boolean {
    const count = (this.#counts.get(name) ?? 0) + 1;
    this.#counts.set(name, count);
    const limit = this.#required.has(name) ? Math.max(maxRequiredRecords, this.#maxRecords) : this.#maxRecords;
    if (count <= limit) return true;
    let stride = 10;
    while (count > limit * stride) stride *= 10;
    return count % stride === 0;
  }
}

/** Index of the last record with a value of each metric. */
function lastOf(records: readonly MetricRecord[]): ReadonlyMap<string, number> {
  const last = new Map<string, number>();
  for (const [index, { values }] of records.entries()) for (const name in values) last.set(name, index);
  return last;
}

function hasAny(values: MetricValues): boolean {
  for (const _name in values) return true;
  return false;
}
