import { formatNumber, plural } from '../../protocol/format.ts';
import type { Evidence } from './evidence.ts';
import { leastTrials } from './importance.ts';

/** What the next trials are expected to bring. */
export interface Outlook {
  /** How many trials it is about. */
  readonly trials: number;
  /** Mean improvement of the best value after them, in the objective's units, ≥ 0. */
  readonly expectedGain: number;
  /** Probability of any improvement. */
  readonly chance: number;
}

export interface StopAdvice {
  readonly advice: 'goOn' | 'stop' | 'tooEarly';
  /** Null where it is too early to say. */
  readonly outlook: Outlook | null;
  /** One or two sentences for people. */
  readonly text: string;
}

/** Share of what the study gained, from the median of its first ten values to its best, below which a gain is not worth waiting for. */
const smallGain = 0.01;
const smallChance = 0.1;

/** Whether to go on, from what is known of the next trials: by a model of the objective, or by `outlookOf`. */
export function stopAdvice(evidence: Evidence, outlook: Outlook | null): StopAdvice {
  const { metric } = evidence.objective;
  if (outlook === null) {
    const text = `Too early to say what more trials would bring: ${evidence.ranked} have a value of ${metric}, and it takes ${leastTrials}.`;
    return { advice: 'tooEarly', outlook, text };
  }
  const finite = evidence.losses.filter((loss) => loss < Infinity);
  const early = finite.slice(0, leastTrials).sort();
  const progress = (early[Math.floor(early.length / 2)] ?? 0) - finite.reduce((least, loss) => Math.min(least, loss), Infinity);
  const next = outlook.trials === 1 ? 'The next trial has' : `The next ${plural(outlook.trials, 'trial')} have`;
  const chance = outlook.chance < 0.01 ? 'less than 1 %' : `about ${Math.round(100 * Math.min(0.99, outlook.chance))} %`;
  const base = `${next} a chance of ${chance} to improve the best ${metric}, by ${formatNumber(outlook.expectedGain, 2)} in the mean.`;
  const isSmall = outlook.expectedGain <= smallGain * progress || outlook.chance < smallChance;
  if (!isSmall) return { advice: 'goOn', outlook, text: `${base} It is worth going on.` };
  return { advice: 'stop', outlook, text: `${base} The study can be stopped, unless its space is changed.` };
}

/**
 * The outlook from the values alone, as if trials were independent draws. Null with fewer than 10 values.
 *
 * Near its lower end a, F(x) ∝ (x − a)^(1/γ); of a smooth minimum in d variables that matter, γ = 2/d. Then the order statistics of
 * n draws have E X_j − a = (E X_1 − a) g_j with g_j = Π_{i<j} (1 + γ/i), and so, from the gap between the best and the fifth,
 *
 *   E X_1 − a ≈ (X_5 − X_1) / (g_5 − 1),   gain of m more draws = (E X_1 − a) (1 − (n / (n + m))^γ)
 *
 * (B. C. Arnold, N. Balakrishnan, H. N. Nagaraja: A First Course in Order Statistics, 1992, sections 4.8 and 8.3.) γ is taken halfway, in
 * the logarithm, between ½ and what the gap to the best third says. A new record among m has the probability m / (n + m), whatever
 * the distribution. A sampler that still learns does better than this; one that has converged shows it in a small gap.
 */
export function outlookOf(evidence: Evidence, trials: number): Outlook | null {
  const { losses, ranked } = evidence;
  if (ranked < leastTrials || trials < 1) return null;
  const n = losses.length;
  const sorted = losses.toSorted();
  const best = sorted[0] ?? 0;
  const gap = (sorted[gapTo - 1] ?? 0) - best;
  // Five equal best values: a plateau.
  if (!(gap > 0)) return { trials, expectedGain: 0, chance: 0 };

  const third = Math.ceil(n / 3);
  const ratio = ((sorted[third - 1] ?? Infinity) - best) / gap;
  const gamma = third > gapTo && ratio < Infinity ? Math.sqrt(usualGamma * gammaOf(ratio, third)) : usualGamma;
  const rest = gap / (growth(gapTo, gamma) - 1);
  return { trials, expectedGain: rest * (1 - (n / (n + trials)) ** gamma), chance: trials / (n + trials) };
}

/** Rank of the value whose distance to the best is measured. */
const gapTo = 5;
const usualGamma = 0.5;

/** g_j */
function growth(rank: number, gamma: number): number {
  let product = 1;
  for (let i = 1; i < rank; i++) product *= 1 + gamma / i;
  return product;
}

/** The γ in [0.1, 2] at which (g_rank − 1) / (g_5 − 1), which rises with it, has this value. */
function gammaOf(ratio: number, rank: number): number {
  let low = 0.1;
  let high = 2;
  for (let step = 0; step < 40; step++) {
    const middle = (low + high) / 2;
    if ((growth(rank, middle) - 1) / (growth(gapTo, middle) - 1) < ratio) low = middle;
    else high = middle;
  }
  return low;
}
