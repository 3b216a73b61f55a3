import type { SchedulerName } from '../../protocol/study.ts';
import { unreachable } from '../../protocol/view.ts';
import { chooseScheduler } from './createScheduler.ts';
import { asyncBrackets, bracketOf } from './asyncHyperband.ts';
import { nSampledOf, type BracketLayout } from './bracketLayout.ts';
import { hyperbandLayout } from './hyperband.ts';
import { expectedPlan } from './expectedPlan.ts';
import { medianLevels } from './median.ts';
import { readyPoints } from './pbt.ts';
import { nPromotable, rungLevels } from './rungs.ts';
import type { FidelityConfig, PlannedBracket, PlannedRung, SchedulerConfig } from './scheduler.ts';
import { shaLayout } from './sha.ts';

/**
 * How many trials will reach each resource, without running anything; null without a fidelity or an end. The baseline
 * reaches every one and is counted.
 *
 * - `none`: all, at the full resource.
 * - `sha`, `hyperband`: exactly this runs, as long as no trial fails or reports NaN.
 * - `asha-promote`, and `async-hyperband` with a checkpoint: ⌊n/η⌋ of each rung go on, and at least one to the end. Exactly
 *   this runs when early values hold; a better trial that comes late is promoted besides, which is the price of never waiting.
 * - `asha-stop`, `median`, `pbt`, and `async-hyperband` without a checkpoint: the expected number when early values hold and
 *   the order of arrival says nothing about the value, one trial at a time (`expectedPlan`).
 */
export function planRungs(name: SchedulerName, config: SchedulerConfig): readonly PlannedRung[] | null {
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
export function planBrackets(name: SchedulerName, config: SchedulerConfig): readonly PlannedBracket[] | null {
  const { fidelity } = config;
  const nTrials = nSampledOf(config);
  if (fidelity === null || nTrials === null) return null;
  const whole: FidelityConfig = { ...config, fidelity };
  const one = (rungs: readonly PlannedRung[]): readonly PlannedBracket[] => [{ count: 1, rungs }];
  const levels = rungLevels(fidelity);
  const onGoing = (n: number): number => Math.min(n, Math.max(1, nPromotable(n, fidelity.reductionFactor)));
  const expected = (reports: readonly number[], shown: readonly number[]): readonly PlannedBracket[] => {
    const [counts = []] = expectedPlan(name, whole, nTrials, reports, [shown], () => 0);
    return one(shown.map((resource, i) => ({ resource, trials: counts[i] ?? 0 })));
  };
  const chosen = chooseScheduler(name, config).name;
  switch (chosen) {
    case 'none':
      return one([{ resource: fidelity.max, trials: nTrials }]);
    case 'asha-promote':
      return one(halve(levels, nTrials, onGoing));
    case 'sha':
      return planLayout(shaLayout(whole), levels, onGoing);
    case 'hyperband':
      return planLayout(hyperbandLayout(whole), levels, onGoing);
    case 'async-hyperband':
      return planAsync(whole, nTrials, onGoing);
    case 'asha-stop':
      return expected(levels, levels);
    case 'median':
      return expected(medianLevels(fidelity), [...new Set([fidelity.min, fidelity.max])]);
    case 'pbt':
      return expected(readyPoints(fidelity), readyPoints(fidelity));
    default:
      return unreachable(chosen);
  }
}

/**
 * Resource that the planned trials take together, the baseline included; null where there is no plan. Without a checkpoint
 * each promotion starts from the beginning.
 */
export function planResource(name: SchedulerName, config: SchedulerConfig): number | null {
  const brackets = planBrackets(name, config);
  if (brackets === null) return null;
  const chosen = chooseScheduler(name, config).name;
  const isPromoting = chosen === 'asha-promote' || chosen === 'sha' || chosen === 'hyperband';
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
  const expected = config.hasCheckpoint ? [] : expectedAsync(config, nTrials);
  return brackets.flatMap(({ levels }, index) => {
    const size = sizes[index] ?? 0;
    const rungs = config.hasCheckpoint
      ? halve(levels, size, survivors)
      : levels.map((resource, i) => ({ resource, trials: i === 0 ? size : (expected[index]?.[i] ?? 0) }));
    return size === 0 ? [] : [{ count: 1, rungs }];
  });
}

function expectedAsync(config: FidelityConfig, nTrials: number): readonly (readonly number[])[] {
  const brackets = asyncBrackets(config);
  const groups = brackets.map(({ levels }) => levels);
  const reports = rungLevels(config.fidelity);
  return expectedPlan('async-hyperband', config, nTrials, reports, groups, (number) => bracketOf(brackets, number));
}
