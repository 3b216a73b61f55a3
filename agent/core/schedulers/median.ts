import { highestReached } from './rungs.ts';
import type { Decision, FidelityConfig, MedianState, MedianTrial, Scheduler } from './scheduler.ts';
import { at, createSortedList, insert, toScore } from './sortedList.ts';

/**
 * The median stopping rule: a trial is stopped where the best value that it has had so far is worse than the median, over
 * all completed trials, of the mean of their values up to the same resource. Not before `nWarmup` trials completed,
 * nor below the fidelity's minimum.
 *
 * D. Golovin et al. (2017), "Google Vizier: A Service for Black-Box Optimization", section 3.2.2. With several objectives
 * a trial is stopped where that holds for each of them: one that is good at anything goes on.
 *
 * Compared at no more than 101 resources (`medianLevels`), at the first report in the reach of each; a report beyond
 * several counts at the highest. A report that is not beyond the trial's last one is left out, as is NaN; a trial that has
 * had nothing but NaN is worse than any median. The baseline neither stops nor counts.
 */
export function createMedian(config: FidelityConfig, reason: string, state?: MedianState): Scheduler {
  const { fidelity, baseline, directions } = config;
  const levels = medianLevels(fidelity);
  const known = state ?? createState(levels.length, directions.length);

  function onCreated(number: number): void {
    while (known.trials.length <= number) known.trials.push(createTrial(directions.length));
  }

  function onReport(number: number, resource: number, values: readonly number[]): Decision {
    if (number === baseline) return 'continue';
    onCreated(number);
    const trial = known.trials[number];
    if (trial === undefined || trial === null || resource <= trial.resource) return 'continue';
    trial.resource = resource;
    directions.forEach((direction, k) => addValue(trial, k, toScore(values[k] ?? NaN, direction)));
    const level = highestReached(levels, levels.length, trial.nextLevel, resource);
    if (level < 0) return 'continue';
    trial.nextLevel = level + 1;
    trial.curve.push({ level, means: trial.mean.map((mean, k) => (trial.count[k] === 0 ? null : mean)) });
    if (resource >= fidelity.max || !isWorse(trial, level)) return 'continue';
    // What arrives after the stop changes nothing.
    known.trials[number] = null;
    return 'stop';
  }

  /** Whether the trial is worse than the median in every objective. */
  function isWorse(trial: MedianTrial, level: number): boolean {
    if (known.nComplete < nWarmup) return false;
    return directions.every((_, k) => {
      const best = trial.best[k] ?? Infinity;
      const others = known.levels[level]?.[k];
      return others !== undefined && others.size > 0 && best > median(others);
    });
  }

  function onEnded(number: number, isComplete: boolean): void {
    if (number === baseline) return;
    onCreated(number);
    const trial = known.trials[number];
    known.trials[number] = null;
    if (trial === undefined || trial === null || !isComplete) return;
    known.nComplete++;
    for (const { level, means } of trial.curve) {
      means.forEach((mean, k) => {
        const others = known.levels[level]?.[k];
        if (mean !== null && others !== undefined) insert(others, mean, number);
      });
    }
  }

  return {
    name: 'median',
    reason,
    state: known,
    nextTrial: () => ({ type: 'trial', target: fidelity.max }),
    onCreated,
    onReport,
    onPaused: () => undefined,
    onPromoted: () => undefined,
    onEnded,
    retryTarget: (_, target) => target,
    onRetried(number) {
      if (number !== baseline) known.trials[number] = createTrial(directions.length);
    },
    nextPromotion: () => null,
  };
}

/** Trials that complete before any is stopped. */
export const nWarmup = 5;

/** A hundred equal steps from the minimum to the full resource, whole where the range is, each once. */
export function medianLevels({ min, max }: { readonly min: number; readonly max: number }): readonly number[] {
  if (!(min < max)) return [max];
  const isWhole = Number.isInteger(min) && Number.isInteger(max);
  const nSteps = isWhole ? Math.min(100, max - min) : 100;
  const levels: number[] = [];
  for (let i = 0; i <= nSteps; i++) {
    const exact = min + ((max - min) * i) / nSteps;
    levels.push(isWhole ? Math.round(exact) : exact);
  }
  return levels;
}

function addValue(trial: MedianTrial, k: number, score: number): void {
  if (Number.isNaN(score)) return;
  const n = (trial.count[k] ?? 0) + 1;
  const mean = trial.mean[k] ?? 0;
  trial.count[k] = n;
  // Divided first: the difference of two of the largest doubles is infinite.
  trial.mean[k] = mean + (score / n - mean / n);
  trial.best[k] = Math.min(trial.best[k] ?? Infinity, score);
}

function median(list: Parameters<typeof at>[0]): number {
  const upper = at(list, list.size >> 1)?.score ?? NaN;
  if (list.size % 2 === 1) return upper;
  const lower = at(list, (list.size >> 1) - 1)?.score ?? NaN;
  return lower / 2 + upper / 2;
}

function createTrial(nObjectives: number): MedianTrial {
  return {
    resource: 0,
    nextLevel: 0,
    count: Array.from({ length: nObjectives }, () => 0),
    mean: Array.from({ length: nObjectives }, () => 0),
    best: Array.from({ length: nObjectives }, () => null),
    curve: [],
  };
}

function createState(nLevels: number, nObjectives: number): MedianState {
  const levels = Array.from({ length: nLevels }, () => Array.from({ length: nObjectives }, createSortedList));
  return { type: 'median', levels, nComplete: 0, trials: [] };
}
