import type { StudyEvent } from '../protocol/events.ts';
import type { Check } from './check.ts';
import type { KnownAttempt, KnownStudy, KnownTrial } from './known.ts';

type EventOf<T extends StudyEvent['type']> = Extract<StudyEvent, { type: T }>;

/**
 * What is promised of a budget:
 *
 * - trials: no more are created. Attempts that are repeated and trials that go on are no further trials.
 * - resource: an attempt begins only where what all ended attempts consumed, lost and repeated ones included, what live ones
 *   may still consume, and what this one may consume fit together. Only steps that a trial does again, because its checkpoint
 *   is older than its last report, can go beyond that; they count when the attempt has ended. In batches what a trial did after the
 *   report for which the scheduler stopped it is not counted.
 * - time: no attempt begins once the time is over, by the agent's clock and without the time for which the study was paused
 *   or had ended. Running attempts are asked to stop then, and have the grace of the limits.
 * - GPU hours and money: no attempt begins once they are used up by what ran and runs.
 */
export function checkBudget(study: KnownStudy, event: StudyEvent, check: Check): void {
  const { budget, fidelity } = study.spec;
  if (event.type === 'trialCreated' && budget.trials !== null) {
    const { trials } = budget;
    check('budget', event.number < trials, () => `trial ${event.number} is one more than the ${trials} allowed`);
  }
  if (event.type !== 'attemptRequested') return;
  const { at, number, attempt, target } = event;
  const name = `attempt ${attempt} of trial ${number}`;
  if (fidelity !== null)
    check(
      'budget',
      target !== null && target > 0 && target <= fidelity.max,
      () => `${name} is to reach ${target} of ${fidelity.max}`,
    );
  const { resource, wallTimeMs } = budget;
  if (resource !== null) {
    const committed = study.spent + study.reserved;
    // Sums of fractions such as 0.1 end a little beside the budget.
    check(
      'budget',
      committed <= resource * (1 + 1e-9),
      () => `with ${name} ${committed} of ${resource} ${fidelity?.name ?? 'resource'} are consumed or set aside`,
    );
  }
  if (wallTimeMs !== null) {
    const over = at - (study.createdAt + study.idleMs + wallTimeMs);
    check('budget', over < 0, () => `${name} begins ${over} ms after the time budget of ${wallTimeMs} ms is over`);
  }
  checkMetered(study, at, name, check);
}

function checkMetered(study: KnownStudy, at: number, name: string, check: Check): void {
  const { gpuMs: gpuLimit, cost: costLimit } = study.spec.budget;
  if (gpuLimit === undefined && costLimit === undefined) return;
  let { gpuMs, cost } = study;
  for (const number of study.slots.values()) {
    const live = study.trials[number]?.live ?? null;
    if (live === null) continue;
    const use = usedBy(live, at);
    gpuMs += use.gpuMs;
    cost += use.cost;
  }
  const limits = [
    ['GPU ms', gpuMs, gpuLimit],
    ['money', cost, costLimit?.amount],
  ] as const;
  for (const [unit, used, limit] of limits) {
    if (limit === undefined) continue;
    // Sums end a little beside the budget.
    check('budget', used <= limit * (1 + 1e-9), () => `${name} begins when ${used} of ${limit} ${unit} are used up`);
  }
}

/** Up to `at`, ms since the epoch. */
export function usedBy({ startedAt, rate }: KnownAttempt, at: number): { readonly gpuMs: number; readonly cost: number } {
  if (startedAt === null || rate === null) return { gpuMs: 0, cost: 0 };
  const ms = Math.max(0, at - startedAt);
  return { gpuMs: rate.gpus * ms, cost: (rate.perHour * ms) / 3_600_000 };
}

/** The most that a live attempt may consume: up to its target, less what a checkpoint keeps. Zero without a fidelity. */
export function reservation({ target, base }: KnownAttempt): number {
  return target === null ? 0 : target - base;
}

/**
 * What an attempt consumed, by the steps that it reported. One that came to its end by itself consumed all up to its target,
 * also where it does not report each step; steps that were done again are paid again.
 */
export function consumed(attempt: KnownAttempt, isEndedWell: boolean): number {
  const { target, base, nReports, firstStep, lastStep, previousStep, reportedBefore } = attempt;
  if (target === null) return 0;
  const interval = Math.max(1, lastStep - previousStep);
  const isWhole = isEndedWell && (nReports <= 1 || lastStep + interval >= target);
  const isRedone = nReports > 1 && firstStep <= reportedBefore;
  const begin = isRedone ? Math.min(base, Math.max(0, firstStep - 1)) : base;
  return Math.max(0, (isWhole ? target : Math.min(lastStep, target)) - begin);
}

/**
 * What an attempt consumed and is not charged, where its trial was stopped in a batch: what came after the report that decided.
 * That is one with the values of the result; of several, the first is taken, so that what is found is too much for certain. Zero elsewhere.
 */
export function uncharged({ lastEnd }: KnownTrial, { state: endsAs, values }: EventOf<'trialEnded'>): number {
  if (lastEnd === null || (endsAs !== 'pruned' && endsAs !== 'cancelled')) return 0;
  const { live, failure, why } = lastEnd;
  const shown = Object.entries(values);
  const decisive = live.after?.find(({ latest }) => shown.every(([metric, value]) => latest.get(metric) === value));
  if (decisive === undefined) return 0;
  return consumed(live, failure === null && why === null) - consumed({ ...live, ...decisive }, false);
}
