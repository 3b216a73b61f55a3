import { describe, expect, test } from 'vitest';
import { createRng } from '../../../../agent/core/math/index.ts';
import { createScheduler, type SchedulerConfig } from '../../../../agent/core/schedulers/index.ts';
import type { SchedulerName } from '../../../../agent/protocol/study.ts';

const config: SchedulerConfig = {
  fidelity: { min: 1, max: 27, reductionFactor: 3 },
  directions: ['min'],
  parallel: 1,
  seed: 1,
  mode: 'standard',
  hasCheckpoint: false,
  baseline: null,
  maxTrials: null,
};
const levels = [1, 3, 9, 27];

/** Trials one after another; how many of the last 100 of 200 each level saw, and the best loss at the end. */
function run(
  name: SchedulerName,
  lossAt: (end: number, level: number, noise: number) => number,
): { reached: number[]; best: number } {
  const scheduler = createScheduler(name, config);
  const rng = createRng(7, 1);
  const reached = levels.map(() => 0);
  let best = Infinity;
  for (let number = 0; number < 200; number++) {
    const end = rng.next();
    scheduler.onCreated(number, 27, null);
    let isComplete = false;
    for (const [k, level] of levels.entries()) {
      const loss = lossAt(end, level, rng.next());
      const decision = scheduler.onReport(number, level, [loss]);
      if (number >= 100) reached[k] = (reached[k] ?? 0) + 1;
      isComplete = level === 27;
      if (isComplete) best = Math.min(best, loss);
      if (decision === 'stop') break;
    }
    scheduler.onEnded(number, isComplete);
  }
  return { reached, best };
}

describe('rungs that are watched', () => {
  test('stop as before where early losses rank the trials', () => {
    const { reached, best } = run('auto', (end, level) => end + 1 / level - 1 / 27);
    expect(reached[1]).toBeLessThan(50);
    expect(reached[3]).toBeLessThan(25);
    expect(best).toBeLessThan(0.02);
  });

  test('let everyone pass a rung that says nothing', () => {
    const lossAt = (end: number, level: number, noise: number): number => (level < 9 ? noise : end);
    expect(run('auto', lossAt).reached[2]).toBeGreaterThan(50);
    expect(run('asha-stop', lossAt).reached[2]).toBeLessThan(20);
  });

  test('let everyone pass a rung that says the contrary, so that the best is found', () => {
    const lossAt = (end: number, level: number): number => (level < 3 ? 1 - end : end);
    const watched = run('auto', lossAt);
    expect(watched.reached[1]).toBeGreaterThan(80);
    expect(watched.best).toBeLessThan(0.05);
    expect(run('asha-stop', lossAt).best).toBeGreaterThan(0.2);
  });

  test('are no part of asha-stop by its name, nor of several objectives', () => {
    expect(createScheduler('asha-stop', config).state).not.toHaveProperty('watch');
    expect(createScheduler('auto', { ...config, directions: ['min', 'max'] }).state).not.toHaveProperty('watch');
    expect(createScheduler('auto', config).state).toHaveProperty('watch');
  });

  test('NaN passes no rung', () => {
    const { reached } = run('auto', () => NaN);
    expect(reached).toEqual([100, 0, 0, 0]);
  });

  test('go on alike from a state that was written down', () => {
    const rng = createRng(3, 3);
    const scheduler = createScheduler('auto', config);
    const values = Array.from({ length: 300 }, () => rng.next());
    const play = (from: number, to: number, target: typeof scheduler): string[] =>
      Array.from({ length: to - from }, (_, k) => {
        const number = Math.floor((from + k) / 3);
        return target.onReport(number, levels[(from + k) % 3] ?? 1, [values[from + k] ?? 0]);
      });
    play(0, 150, scheduler);
    const again = createScheduler('auto', config, JSON.parse(JSON.stringify(scheduler.state)));
    expect(play(150, 300, again)).toEqual(play(150, 300, scheduler));
  });
});
