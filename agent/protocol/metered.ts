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
export const nothingUsed: Metered = { gpuMs: 0, cost: 0 };

/** From the start of its program to its end, or to `now` (ms since the epoch): what waits for its place costs nothing. */
export function attemptUse({ startedAt, endedAt, rate }: AttemptView, now: number): Metered {
  if (rate === null || startedAt === null) return nothingUsed;
  const ms = Math.max(0, (endedAt ?? now) - startedAt);
  return { gpuMs: rate.gpus * ms, cost: (rate.perHour * ms) / hourMs };
}

export function addUse(one: Metered, other: Metered): Metered {
  return { gpuMs: one.gpuMs + other.gpuMs, cost: one.cost + other.cost };
}

/** Of all attempts of a study. */
export function studyUse({ spec, trials }: Pick<StudyView, 'spec' | 'trials'>, now: number): Metered {
  let used = nothingUsed;
  // In most studies no attempt has a rate.
  if (currencyOf(spec) === null && !asksForGpus(spec)) return used;
  for (const { attempts } of trials) for (const attempt of attempts) used = addUse(used, attemptUse(attempt, now));
  return used;
}

type PricedSpec = Pick<StudySpec, 'budget' | 'price' | 'cluster'>;

/** The prices of a study, and what it may cost. */
export function moneysOf({ budget, price, cluster }: PricedSpec): readonly Money[] {
  const moneys = [budget.cost, price, ...(cluster?.pools ?? []).map((pool) => pool.price)];
  return moneys.filter((money) => money !== undefined);
}

/** That of all of them; null where there are none. */
export function currencyOf(spec: PricedSpec): string | null {
  return moneysOf(spec)[0]?.currency ?? null;
}

/** Whether any trial gets a GPU. */
export function asksForGpus({ container, cluster }: Pick<StudySpec, 'container' | 'cluster'>): boolean {
  return (container?.gpus ?? 0) > 0 || (cluster?.pools ?? []).some(({ gpus }) => gpus > 0);
}

export function formatMoney({ amount, currency }: Money): string {
  // As bills have it, but a little is not nothing.
  const text = amount === 0 || amount >= 0.1 ? amount.toFixed(2) : String(Number(amount.toPrecision(2)));
  return `${text} ${currency}`;
}

export function gpuHours(gpuMs: number): number {
  return gpuMs / hourMs;
}
