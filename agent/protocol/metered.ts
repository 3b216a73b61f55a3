import type { Money, StudySpec } from './study.ts';
import type { AttemptView, StudyView } from './view.ts';

/** What an attempt uses up while it runs. */
export interface Rate {
  readonly gpus: number;
  /** Money, in the study's currency. */
  readonly perHour: number;
}

/** What attempts used up. */
export interface Metered {
  /** Time of one GPU, in ms. */
  readonly gpuMs: number;
  /** Money, in the study's currency. */
  readonly cost: number;
}

const hourMs = 3_600_000;

/** From the start of its program to its end, or to `now` (ms since the epoch): what waits for its place costs nothing. */
export function attemptUse({ startedAt, endedAt, rate }: AttemptView, now: number): Metered {
  if (rate === null || startedAt === null) return { gpuMs: 0, cost: 0 };
  const ms = Math.max(0, (endedAt ?? now) - startedAt);
  return { gpuMs: rate.gpus * ms, cost: (rate.perHour * ms) / hourMs };
}

/** Of all attempts of a study. */
export function studyUse(view: StudyView, now: number): Metered {
  let [gpuMs, cost] = [0, 0];
  for (const { attempts } of view.trials) {
    for (const attempt of attempts) {
      const use = attemptUse(attempt, now);
      gpuMs += use.gpuMs;
      cost += use.cost;
    }
  }
  return { gpuMs, cost };
}

/** Of its prices and its budget, which have the same; null where there are none. */
export function currencyOf({ budget, price, cluster }: Pick<StudySpec, 'budget' | 'price' | 'cluster'>): string | null {
  const prices = [budget.cost, price, ...(cluster?.pools ?? []).map((pool) => pool.price)];
  return prices.find((money) => money !== undefined)?.currency ?? null;
}

export function formatMoney({ amount, currency }: Money): string {
  // As bills have it, but a little is not nothing.
  const text = amount === 0 || amount >= 0.1 ? amount.toFixed(2) : String(Number(amount.toPrecision(2)));
  return `${text} ${currency}`;
}

export function gpuHours(gpuMs: number): number {
  return gpuMs / hourMs;
}
