import { expect } from 'vitest';
import { createScheduler, type Scheduler, type SchedulerConfig } from '../../../../agent/core/schedulers/index.ts';
import type { SchedulerName } from '../../../../agent/protocol/study.ts';
import { config } from './config.ts';

/** One value for each objective. */
type Values = number | readonly number[];

/** What a study asks and tells, and what a scheduler is to answer. */
export type Step =
  /** The next trials are created, one for each target; `wait`: none may be. */
  | readonly ['create', ...targets: readonly (number | 'wait')[]]
  | readonly ['fork', parents: readonly number[], target: number]
  | readonly ['report', number: number, resource: number, values: Values, decision: 'continue' | 'stop' | 'pause']
  | readonly ['pause', number: number, resource: number, values: Values]
  /** Each reaches the resource with the value and pauses. */
  | readonly ['pauseAll', resource: number, ...pairs: readonly (readonly [number: number, value: Values])[]]
  | readonly ['end', number: number, isComplete: boolean]
  /** The next promotion, which is then carried out; null for none. */
  | readonly ['next', promotion: readonly [number: number, target: number] | null]
  | readonly ['closing', promotion: readonly [number: number, target: number] | null];

/** Plays the steps and compares the answers; trials are numbered from 0, and 0 is the baseline unless `changes` says otherwise. */
export function play(name: SchedulerName, changes: Partial<SchedulerConfig>, steps: readonly Step[]): Scheduler {
  const scheduler = createScheduler(name, config(changes));
  let nCreated = 0;
  for (const [index, step] of steps.entries()) {
    const where = `step ${index}: ${JSON.stringify(step)}`;
    switch (step[0]) {
      case 'create':
        for (const target of step.slice(1)) {
          const admission = scheduler.nextTrial(nCreated);
          expect(admission, where).toEqual(target === 'wait' ? { type: 'wait' } : { type: 'trial', target });
          if (admission.type === 'trial') scheduler.onCreated(nCreated++, admission.target, null);
        }
        break;
      case 'fork': {
        const admission = scheduler.nextTrial(nCreated);
        expect(admission, where).toMatchObject({ type: 'fork', target: step[2] });
        if (admission.type !== 'fork') break;
        expect(step[1], where).toContain(admission.parent);
        scheduler.onCreated(nCreated++, admission.target, admission.parent);
        break;
      }
      case 'report':
        expect(scheduler.onReport(step[1], step[2], list(step[3])), where).toBe(step[4]);
        break;
      case 'pause':
        scheduler.onPaused(step[1], step[2], list(step[3]));
        break;
      case 'pauseAll': {
        const [, resource, ...pairs] = step;
        for (const [number, values] of pairs) scheduler.onPaused(number, resource, list(values));
        break;
      }
      case 'end':
        scheduler.onEnded(step[1], step[2]);
        break;
      default: {
        const promotion = scheduler.nextPromotion(step[0] === 'closing');
        expect(promotion === null ? null : [promotion.number, promotion.target], where).toEqual(step[1]);
        if (promotion !== null) scheduler.onPromoted(promotion.number, promotion.target);
      }
    }
  }
  return scheduler;
}

function list(values: Values): readonly number[] {
  return typeof values === 'number' ? [values] : values;
}
