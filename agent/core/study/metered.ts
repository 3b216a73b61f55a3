import { currencyOf, formatMoney, gpuHours, type Rate } from '../../protocol/metered.ts';
import type { StudyEnd } from './endConditions.ts';
import type { StudyState } from './state.ts';

/** The limits of a study that count what attempts use up while they run; time on the clock is not one of them. */
interface Limit {
  readonly limit: number;
  /** Used up by attempts that have ended. */
  readonly used: number;
  /** Used up in a millisecond. */
  readonly of: (rate: Rate) => number;
  readonly text: (used: number) => string;
}

function limits({ view, metered }: StudyState): readonly Limit[] {
  const { gpuMs, cost } = view.spec.budget;
  const currency = currencyOf(view.spec) ?? '';
  return [
    ...(gpuMs === undefined
      ? []
      : [
          {
            limit: gpuMs,
            used: metered.gpuMs,
            of: ({ gpus }: Rate) => gpus,
            text: (used: number) => `${round(gpuHours(used))} GPU hours`,
          },
        ]),
    ...(cost === undefined
      ? []
      : [
          {
            limit: cost.amount,
            used: metered.cost,
            of: ({ perHour }: Rate) => perHour / 3_600_000,
            text: (used: number) => formatMoney({ amount: used, currency }),
          },
        ]),
  ];
}

/** Attempts whose programs run. */
function running(state: StudyState): readonly { readonly startedAt: number; readonly rate: Rate }[] {
  return [...state.live.values()].flatMap(({ number, attempt }) => {
    const { startedAt = null, rate = null } = state.trial(number).attempts[attempt - 1] ?? {};
    return startedAt === null || rate === null ? [] : [{ startedAt, rate }];
  });
}

/**
 * When what runs is to be ended so that no budget is exceeded, in ms since the epoch: early enough for the grace of all of it. Null where
 * nothing that counts runs.
 */
export function meteredDeadline(state: StudyState): number | null {
  const limited = limits(state);
  if (limited.length === 0) return null;
  let deadline = Infinity;
  const live = running(state);
  for (const { limit, used, of } of limited) {
    const total = live.reduce((sum, { rate }) => sum + of(rate), 0);
    if (total === 0) continue;
    // used + Σ rate · (t − start) = limit, less the grace
    const started = live.reduce((sum, { rate, startedAt }) => sum + of(rate) * startedAt, 0);
    deadline = Math.min(deadline, Math.floor((limit - used + started) / total - state.view.spec.limits.graceMs));
  }
  return deadline === Infinity ? null : deadline;
}

/** Why the study is to end now although trials run, or null. */
export function meteredEnd(state: StudyState, now: number): StudyEnd | null {
  const deadline = meteredDeadline(state);
  if (deadline === null || now < deadline) return null;
  const limited = limits(state).map(({ limit, text }) => text(limit));
  return { reason: 'budget', message: `The budget of ${limited.join(' or ')} is used: what runs is ended before it exceeds it.` };
}

/**
 * Whether a further attempt with these rates fits, live ones counted with what a trial took so far in the mean and the grace of its
 * end: set aside at the start, as with a budget of resource. Before the first trial has ended no more than the grace is known.
 */
export function isMeteredAffordable(state: StudyState, rate: Rate | null): boolean {
  const limited = limits(state);
  if (rate === null || limited.length === 0) return true;
  const expectedMs = (state.trialMs ?? 0) + state.view.spec.limits.graceMs;
  const rates = [...state.live.values()].flatMap(({ number, attempt }) => state.trial(number).attempts[attempt - 1]?.rate ?? []);
  return limited.every(({ limit, used, of }) => {
    const setAside = [...rates, rate].reduce((sum, one) => sum + of(one) * expectedMs, 0);
    // Sums of fractions end a little beside the budget.
    return of(rate) === 0 || used + setAside <= limit * (1 + 1e-9);
  });
}

/** For people; empty where nothing of the kind is limited. */
export function usedUp(state: StudyState): string {
  const texts = limits(state).map(({ limit, used, text }) => `${text(used)} of ${text(limit)}`);
  return texts.length === 0 ? '' : `The budget is used: ${texts.join(', ')}.`;
}

function round(value: number): number {
  return Number(value.toPrecision(3));
}
