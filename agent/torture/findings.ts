import type { InvariantName, Violation } from '../audit/invariants.ts';
import type { Outcome } from './scenario.ts';

/** What a run found out. */
export class Findings {
  readonly checks: Map<InvariantName, number> = new Map();
  readonly violations: Violation[] = [];
  #faults = 0;

  /** One check; a violation where it does not hold. */
  check(invariant: InvariantName, holds: boolean, what: string, studyId: string | null = null): void {
    this.count(invariant, 1);
    if (!holds) this.violations.push({ invariant, studyId, what });
  }

  /** Checks that were made elsewhere. */
  add(checks: ReadonlyMap<InvariantName, number>, violations: readonly Violation[]): void {
    for (const [invariant, times] of checks) this.count(invariant, times);
    this.violations.push(...violations);
  }

  count(invariant: InvariantName, times: number): void {
    this.checks.set(invariant, (this.checks.get(invariant) ?? 0) + times);
  }

  /** A fault was injected. */
  injected(times = 1): void {
    this.#faults += times;
  }

  outcome(): Outcome {
    return { faults: this.#faults, checks: this.checks, violations: this.violations };
  }
}
