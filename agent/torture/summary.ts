import type { InvariantName } from '../audit/invariants.ts';
import type { Run } from './torment.ts';

/** The runs of one kind of fault. */
export interface KindSummary {
  readonly kind: string;
  readonly runs: number;
  readonly faults: number;
  readonly checks: number;
  readonly violations: number;
  /** Why some were not done. */
  readonly missing: string | null;
}

export interface TortureSummary {
  readonly kinds: readonly KindSummary[];
  readonly invariants: Readonly<Partial<Record<InvariantName, number>>>;
  readonly runs: number;
  readonly faults: number;
  readonly checks: number;
  readonly violations: number;
}

/** A run that came to no end counts as a violation. */
export function summarize(runs: readonly Run[]): TortureSummary {
  const kinds = [...Map.groupBy(runs, ({ kind }) => kind)].map(([kind, own]): KindSummary => {
    const done = own.filter(({ missing }) => missing === null);
    return {
      kind,
      runs: done.length,
      faults: sum(done.map(({ faults }) => faults)),
      checks: sum(done.map(({ checks }) => sum(Object.values(checks)))),
      violations: sum(done.map(({ violations, broken }) => violations.length + (broken === null ? 0 : 1))),
      missing: own.find(({ missing }) => missing !== null)?.missing ?? null,
    };
  });
  const invariants: Partial<Record<InvariantName, number>> = {};
  for (const { checks } of runs) {
    // Made by `Object.fromEntries` from a map of invariants.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    for (const [name, times] of Object.entries(checks) as [InvariantName, number][])
      invariants[name] = (invariants[name] ?? 0) + times;
  }
  const total = (field: 'runs' | 'faults' | 'checks' | 'violations'): number => sum(kinds.map((kind) => kind[field]));
  return {
    kinds,
    invariants,
    runs: total('runs'),
    faults: total('faults'),
    checks: total('checks'),
    violations: total('violations'),
  };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
