import type { Scheduler, SchedulerConfig } from './scheduler.ts';

/** Every trial runs through, at the full resource where there is one. */
export function createNone(config: SchedulerConfig, reason: string): Scheduler {
  return {
    name: 'none',
    reason,
    state: { type: 'none' },
    nextTrial: () => ({ type: 'trial', target: config.fidelity?.max ?? null }),
    onCreated: () => undefined,
    onReport: () => 'continue',
    onPaused: () => undefined,
    onPromoted: () => undefined,
    onEnded: () => undefined,
    retryTarget: (_, target) => target,
    onRetried: () => undefined,
    nextPromotion: () => null,
  };
}
