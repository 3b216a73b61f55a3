import { nPromotable, rungLevels } from './rungs.ts';
import type { ConcreteSchedulerName, PlannedRung, SchedulerConfig } from './scheduler.ts';

/**
 * How many trials will reach each rung, without running anything; null without a fidelity or an end.
 *
 * - `none`: all, at the full resource.
 * - `asha-promote`: ⌊n/η⌋ of each rung go on, and at least one to the end. Exactly this runs when early values hold;
 *   a better trial that comes late is promoted besides, which is the price of never waiting.
 * - `asha-stop`: the expected number when the order of arrival says nothing about the value: the m-th trial at a rung
 *   goes on with probability ⌊m/η⌋/m, the first η − 1 always do.
 *
 * The baseline reaches every rung and is counted.
 */
export function planRungs(name: ConcreteSchedulerName, config: SchedulerConfig): readonly PlannedRung[] | null {
  const { fidelity, maxTrials } = config;
  if (fidelity === null || maxTrials === null) return null;
  if (name === 'none') return [{ resource: fidelity.max, trials: maxTrials }];
  const nBaseline = config.baseline === null ? 0 : Math.min(1, maxTrials);
  let nSampled = maxTrials - nBaseline;
  return rungLevels(fidelity).map((resource, index) => {
    if (index > 0) {
      nSampled =
        name === 'asha-promote'
          ? Math.min(nSampled, Math.max(1, nPromotable(nSampled, fidelity.reductionFactor)))
          : expectedSurvivors(nSampled, fidelity.reductionFactor);
    }
    return { resource, trials: nSampled + nBaseline };
  });
}

/** Expected number of n trials in random order that a stopping rung lets go on. */
function expectedSurvivors(n: number, reductionFactor: number): number {
  let expected = 0;
  for (let m = 1; m <= n; m++) {
    expected += m < reductionFactor ? 1 : Math.max(1, nPromotable(m, reductionFactor)) / m;
    // From here on the share is 1/η to four digits.
    if (m >= 100_000) return Math.round(expected + (n - m) / reductionFactor);
  }
  return Math.round(expected);
}

/** Resource that the planned trials take together. Without a checkpoint each promotion starts from the beginning. */
export function planResource(
  name: ConcreteSchedulerName,
  rungs: readonly PlannedRung[],
  hasCheckpoint: boolean,
  hasBaseline: boolean,
): number {
  const isRestarted = name === 'asha-promote' && !hasCheckpoint;
  let total = 0;
  let previous = 0;
  for (const { resource, trials } of rungs) {
    // The baseline runs through in one attempt and is never restarted.
    const nBaseline = hasBaseline && isRestarted ? Math.min(1, trials) : 0;
    total += (trials - nBaseline) * (isRestarted ? resource : resource - previous) + nBaseline * (resource - previous);
    previous = resource;
  }
  return total;
}
