import { createRng } from '../math/index.ts';
import { unreachable } from '../../protocol/view.ts';
import { asyncBrackets, bracketOf } from './asyncHyperband.ts';
import { nSampledOf, type BracketLayout } from './bracketLayout.ts';
import { hyperbandLayout } from './hyperband.ts';
import { nWarmup } from './median.ts';
import { populationSize, readyPoints } from './pbt.ts';
import { nPromotable, rungLevels } from './rungs.ts';
import type { ConcreteSchedulerName, FidelityConfig, PlannedBracket, PlannedRung, SchedulerConfig } from './scheduler.ts';
import { shaLayout } from './sha.ts';

/**
 * How many trials will reach each resource, without running anything; null without a fidelity or an end. The baseline
 * reaches every one and is counted.
 *
 * - `none`: all, at the full resource.
 * - `sha`, `hyperband`: exactly this runs, as long as no trial fails or reports NaN.
 * - `asha-promote`, and `async-hyperband` with a checkpoint: ⌊n/η⌋ of each rung go on, and at least one to the end. Exactly
 *   this runs when early values hold; a better trial that comes late is promoted besides, which is the price of never waiting.
 * - `asha-stop`, `median`, and `async-hyperband` without a checkpoint: the expected number when early values hold and the
 *   order of arrival says nothing about the value, one trial at a time.
 * - `pbt`: the population, which forks keep at its size.
 */
export function planRungs(name: ConcreteSchedulerName, config: SchedulerConfig): readonly PlannedRung[] | null {
  const brackets = planBrackets(name, config);
  if (brackets === null) return null;
  const nBaseline = nBaselineOf(config);
  const resources = [...new Set(brackets.flatMap(({ rungs }) => rungs.map(({ resource }) => resource)))].sort((a, b) => a - b);
  return resources.map((resource) => {
    let trials = nBaseline;
    // A bracket that begins above has passed it too.
    for (const { count, rungs } of brackets) trials += count * (rungs.find((rung) => rung.resource >= resource)?.trials ?? 0);
    return { resource, trials };
  });
}

/** The same by bracket, alike ones counted, without the baseline. One bracket where all trials are compared with all. */
export function planBrackets(name: ConcreteSchedulerName, config: SchedulerConfig): readonly PlannedBracket[] | null {
  const { fidelity } = config;
  const nTrials = nSampledOf(config);
  if (fidelity === null || nTrials === null) return null;
  const whole: FidelityConfig = { ...config, fidelity };
  const { reductionFactor: eta } = fidelity;
  const one = (rungs: readonly PlannedRung[]): readonly PlannedBracket[] => [{ count: 1, rungs }];
  const byStopping = (n: number): number => expectedSurvivors(n, eta);
  const byPromotion = (n: number): number => Math.min(n, Math.max(1, nPromotable(n, eta)));
  switch (name) {
    case 'none':
      return one([{ resource: fidelity.max, trials: nTrials }]);
    case 'median':
      return one(halve([...new Set([fidelity.min, fidelity.max])], nTrials, expectedAboveMedian));
    case 'asha-stop':
      return one(halve(rungLevels(fidelity), nTrials, byStopping));
    case 'asha-promote':
      return one(halve(rungLevels(fidelity), nTrials, byPromotion));
    case 'sha':
      return planLayout(shaLayout(whole), rungLevels(fidelity), byPromotion);
    case 'hyperband':
      return planLayout(hyperbandLayout(whole), rungLevels(fidelity), byPromotion);
    case 'async-hyperband':
      return planAsync(whole, nTrials, config.hasCheckpoint ? byPromotion : byStopping);
    case 'pbt': {
      const size = Math.min(nTrials, populationSize(whole));
      return one(readyPoints(fidelity).map((resource) => ({ resource, trials: size })));
    }
    default:
      return unreachable(name);
  }
}

/**
 * Resource that the planned trials take together, the baseline included; null where there is no plan. Without a checkpoint
 * each promotion starts from the beginning.
 */
export function planResource(name: ConcreteSchedulerName, config: SchedulerConfig): number | null {
  const brackets = planBrackets(name, config);
  if (brackets === null) return null;
  const isPromoting = name === 'asha-promote' || name === 'sha' || name === 'hyperband';
  const isRestarted = isPromoting && !config.hasCheckpoint;
  let total = nBaselineOf(config) * (config.fidelity?.max ?? 0);
  for (const { count, rungs } of brackets) {
    let previous = 0;
    for (const { resource, trials } of rungs) {
      total += count * trials * (resource - (isRestarted ? 0 : previous));
      previous = resource;
    }
  }
  return total;
}

function nBaselineOf({ baseline, maxTrials }: SchedulerConfig): number {
  return baseline === null ? 0 : Math.min(1, maxTrials ?? 1);
}

/** n trials at the first level, and `survivors` of them at each further one. */
function halve(levels: readonly number[], n: number, survivors: (n: number) => number): PlannedRung[] {
  let trials = n;
  return levels.map((resource, index) => {
    if (index > 0) trials = survivors(trials);
    return { resource, trials };
  });
}

function planLayout(layout: BracketLayout, levels: readonly number[], survivors: (n: number) => number): PlannedBracket[] {
  return layout.sweeps.flatMap(({ count, brackets }) =>
    brackets
      .filter(({ size }) => size > 0)
      .map(({ first, size }) => ({ count, rungs: halve(levels.slice(first), size, survivors) })),
  );
}

function planAsync(config: FidelityConfig, nTrials: number, survivors: (n: number) => number): PlannedBracket[] {
  const brackets = asyncBrackets(config);
  const sizes = brackets.map(() => 0);
  for (let position = 0; position < nTrials; position++) {
    const index = bracketOf(brackets, position);
    sizes[index] = (sizes[index] ?? 0) + 1;
  }
  return brackets.flatMap(({ levels }, index) => {
    const size = sizes[index] ?? 0;
    return size === 0 ? [] : [{ count: 1, rungs: halve(levels, size, survivors) }];
  });
}

/** Expected number of n trials in random order that a stopping rung lets go on: the m-th with probability ⌊m/η⌋/m, the first η − 1 always. */
function expectedSurvivors(n: number, reductionFactor: number): number {
  let expected = 0;
  for (let m = 1; m <= n; m++) {
    expected += m < reductionFactor ? 1 : Math.max(1, nPromotable(m, reductionFactor)) / m;
    // From here on the share is 1/η to four digits.
    if (m >= 100_000) return Math.round(expected + (n - m) / reductionFactor);
  }
  return Math.round(expected);
}

const nOrders = 64;

/**
 * Expected number of n trials in random order that are not worse than the median of those that completed before them. They
 * get better as trials are stopped, so that the number grows like √n; found from 64 fixed random orders.
 */
function expectedAboveMedian(n: number): number {
  const nTried = Math.min(n, 1_000);
  let total = 0;
  for (let order = 0; order < nOrders; order++) {
    const rng = createRng(order, 0x3ed);
    const complete: number[] = [];
    for (let i = 0; i < nTried; i++) {
      const value = rng.next();
      const middle = complete.length >> 1;
      const median = ((complete[middle] ?? 0) + (complete[complete.length - 1 - middle] ?? 0)) / 2;
      if (complete.length >= nWarmup && value > median) continue;
      const place = complete.findIndex((other) => other > value);
      complete.splice(place < 0 ? complete.length : place, 0, value);
    }
    total += complete.length;
  }
  return Math.round((total / nOrders) * Math.sqrt(n / Math.max(1, nTried)));
}
