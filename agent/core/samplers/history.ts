import type { Params } from '../../protocol/space.ts';
import type { MetricValue } from '../../protocol/study.ts';
import { metricNumber, metricValue } from '../../protocol/view.ts';
import type { CompiledSpace } from '../space/index.ts';

/** What is known of one trial. */
export interface Observation {
  readonly number: number;
  readonly params: Params;
  readonly state: ObservationState;
  /** One per objective, NaN where it is not known; of pruned and pending trials the last report. */
  readonly values: readonly number[];
  /** Resource reached. */
  readonly resource: number;
  /** First objective at each level of the fidelity, up to the highest reached; NaN where it was not reported. Absent without one. */
  readonly curve?: readonly number[];
  /**
   * One per measured constraint: how far it is violated, ≤ 0 where it holds, NaN where it is not known. Absent without any.
   */
  readonly violations?: readonly number[];
}

export type ObservationState = 'complete' | 'pruned' | 'failed' | 'infeasible' | 'pending';

/** An observation as JSON: the numbers that JSON lacks are named. */
export type WireObservation = Omit<Observation, 'values' | 'curve' | 'violations'> & {
  readonly values: readonly MetricValue[];
  readonly curve?: readonly MetricValue[];
  readonly violations?: readonly MetricValue[];
};

/**
 * The observations of a study, with their places in the unit cube kept in one array so that a proposal needs no conversion.
 * Rows are in order of first arrival; a later observation of the same trial number replaces the row.
 */
export class History {
  readonly space: CompiledSpace;
  private readonly rows: Observation[] = [];
  private readonly rowByNumber = new Map<number, number>();
  private readonly keys: string[] = [];
  /** Key of a point → number of trials that have it. */
  private readonly seen = new Map<string, number>();
  private readonly counts: Record<ObservationState, number> = { complete: 0, pruned: 0, failed: 0, infeasible: 0, pending: 0 };
  private unitValues = new Float64Array(0);
  // Private fields are no part of an equality check: they are about changes, not about what is known.
  #version = 0;
  #changedAt = new Float64Array(0);

  constructor(space: CompiledSpace, observations: Iterable<Observation> = []) {
    this.space = space;
    for (const observation of observations) this.upsert(observation);
  }

  static fromJSON(space: CompiledSpace, rows: readonly WireObservation[]): History {
    return new History(
      space,
      rows.map(({ curve, violations, ...row }) => ({
        ...row,
        values: row.values.map(metricNumber),
        ...(curve === undefined ? {} : { curve: curve.map(metricNumber) }),
        ...(violations === undefined ? {} : { violations: violations.map(metricNumber) }),
      })),
    );
  }

  get size(): number {
    return this.rows.length;
  }

  /** Row-major places in the unit cube, `size` rows of `space.parameters.length` columns; NaN where inactive. */
  get unit(): Float64Array {
    return this.unitValues;
  }

  /** Number of changes so far. */
  get version(): number {
    return this.#version;
  }

  /** The version that each row's last change made (at least `size` entries), so that what is derived can be kept up to date. */
  get changedAt(): Float64Array {
    return this.#changedAt;
  }

  upsert(observation: Observation): void {
    const known = this.rowByNumber.get(observation.number);
    const row = known ?? this.rows.length;
    const before = this.rows[row];
    if (before !== undefined) this.counts[before.state]--;
    this.counts[observation.state]++;
    this.rows[row] = observation;
    if (row >= this.#changedAt.length) this.#changedAt = grown(this.#changedAt, Math.max(64, row * 2));
    this.#changedAt[row] = ++this.#version;
    // Most updates of a trial change its state only.
    if (before?.params === observation.params) return;
    this.rowByNumber.set(observation.number, row);
    this.count(this.keys[row], -1);
    const key = this.space.key(observation.params);
    this.keys[row] = key;
    this.count(key, 1);
    const width = this.space.parameters.length;
    if ((row + 1) * width > this.unitValues.length) this.unitValues = grown(this.unitValues, Math.max(64, row * 2) * width);
    this.space.encode(observation.params, this.unitValues, row * width);
  }

  /** @throws RangeError when there is no such row. */
  at(row: number): Observation {
    const observation = this.rows[row];
    if (observation === undefined) throw new RangeError(`the history has ${this.rows.length} rows, none numbered ${row}`);
    return observation;
  }

  /** What is known of a trial, by its number. */
  of(number: number): Observation | undefined {
    const row = this.rowByNumber.get(number);
    return row === undefined ? undefined : this.rows[row];
  }

  /** Whether some trial, ended or pending, has exactly this point. */
  has(params: Params): boolean {
    return this.seen.has(this.space.key(params));
  }

  /** Number of different points. */
  get distinct(): number {
    return this.seen.size;
  }

  countOf(state: ObservationState): number {
    return this.counts[state];
  }

  /** Trials that ended, well or not. */
  get ended(): number {
    return this.rows.length - this.counts.pending;
  }

  toJSON(): WireObservation[] {
    return this.rows.map(({ curve, violations, ...row }) => ({
      ...row,
      values: row.values.map(metricValue),
      ...(curve === undefined ? {} : { curve: curve.map(metricValue) }),
      ...(violations === undefined ? {} : { violations: violations.map(metricValue) }),
    }));
  }

  private count(key: string | undefined, change: 1 | -1): void {
    if (key === undefined) return;
    const count = (this.seen.get(key) ?? 0) + change;
    if (count === 0) this.seen.delete(key);
    else this.seen.set(key, count);
  }
}

function grown(values: Float64Array, length: number): Float64Array<ArrayBuffer> {
  const copy = new Float64Array(length);
  copy.set(values);
  return copy;
}
