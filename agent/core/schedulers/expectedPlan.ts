import type { SchedulerName } from '../../protocol/study.ts';
import { createRng } from '../math/index.ts';
import { createScheduler } from './createScheduler.ts';
import type { FidelityConfig } from './scheduler.ts';

/** Larger studies are taken to go on as these do. */
const mostTrials = 150;
/** Trials that are played in all, in as many orders as that gives: some tenths of a second for what takes longest. */
const nPlayed = 2_500;

/**
 * For each group of trials, how many are expected to reach each of its levels, when early values hold and the order of
 * arrival says nothing about the value: the mean of the scheduler itself over some fixed random orders, one trial at a time.
 * `reports`: resources at which trials report, ascending. `groupOf`: index of the group of a trial; the baseline is none.
 */
export function expectedPlan(
  name: SchedulerName,
  config: FidelityConfig,
  nTrials: number,
  reports: readonly number[],
  groups: readonly (readonly number[])[],
  groupOf: (number: number) => number,
): readonly (readonly number[])[] {
  const n = Math.min(nTrials, mostTrials);
  const nOrders = Math.min(50, Math.ceil(nPlayed / Math.max(1, n)));
  const sums = groups.map((levels) => levels.map(() => 0));
  for (let order = 0; order < nOrders; order++) {
    const reached = play(name, { ...config, baseline: null, maxTrials: n }, order, reports);
    for (const [number, resource] of reached.entries()) {
      const group = groupOf(number);
      groups[group]?.forEach((level, i) => {
        const sum = sums[group];
        if (sum !== undefined && resource >= level) sum[i] = (sum[i] ?? 0) + 1;
      });
    }
  }
  // Those that complete under the median rule grow like the root of the trials: each has to be better than half of them.
  const growth = nTrials / Math.max(1, n);
  return sums.map((sum) =>
    sum.map((count, i) => Math.round((count / nOrders) * (name === 'median' && i > 0 ? Math.sqrt(growth) : growth))),
  );
}

/** The resource that each trial reached in one order; each trial keeps its values, which are random. */
function play(name: SchedulerName, config: FidelityConfig, order: number, reports: readonly number[]): number[] {
  const scheduler = createScheduler(name, config);
  const resources: number[] = [];
  const max = config.fidelity.max;

  function train(number: number, target: number): void {
    const rng = createRng(order, number);
    const values = config.directions.map(() => rng.next());
    for (const resource of reports) {
      if (resource <= (resources[number] ?? 0) || resource > target) continue;
      resources[number] = resource;
      if (scheduler.onReport(number, resource, values) === 'stop') return scheduler.onEnded(number, false);
    }
    if (target < max) scheduler.onPaused(number, target, values);
    else scheduler.onEnded(number, true);
  }

  for (;;) {
    const canCreate = resources.length < (config.maxTrials ?? 0);
    const promotion = scheduler.nextPromotion(false);
    const admission = promotion === null && canCreate ? scheduler.nextTrial(resources.length) : null;
    if (promotion === null && admission !== null && admission.type !== 'wait') {
      const parent = admission.type === 'fork' ? admission.parent : null;
      const number = resources.length;
      resources.push(parent === null ? 0 : (resources[parent] ?? 0));
      scheduler.onCreated(number, admission.target, parent);
      train(number, admission.target ?? max);
      continue;
    }
    const next = promotion ?? scheduler.nextPromotion(true);
    if (next === null) return resources;
    scheduler.onPromoted(next.number, next.target);
    train(next.number, next.target);
  }
}
