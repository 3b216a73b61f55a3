import { describe, expect, test } from 'vitest';
import { createScheduler, type Scheduler, type SchedulerConfig } from '../../../../agent/core/schedulers/index.ts';
import { schedulerNames, type SchedulerName } from '../../../../agent/protocol/study.ts';
import { config } from './config.ts';

/** A study of any length, 64 at once, without the study: only the scheduler is asked and told. */
class Load {
  readonly scheduler: Scheduler;
  readonly directions: SchedulerConfig['directions'];
  readonly running: { number: number; target: number }[] = [];
  nCreated = 0;
  nCalls = 0;

  constructor(name: SchedulerName, directions: SchedulerConfig['directions']) {
    this.directions = directions;
    this.scheduler = createScheduler(name, config({ directions, hasCheckpoint: true, parallel: 64, maxTrials: 200_000 }));
  }

  /** Until so many trials were created. */
  run(nTrials: number): void {
    for (let i = 0; this.nCreated < nTrials; i++) {
      while (this.running.length < 64 && (this.#promote() || this.#create()));
      const last = this.running.pop();
      if (last === undefined) throw new Error('it waits, and nothing runs');
      const index = (i * 7919) % (this.running.length + 1);
      const one = this.running[index] ?? last;
      if (one !== last) this.running[index] = last;
      this.#finish(one.number, one.target);
    }
  }

  #promote(): boolean {
    this.nCalls++;
    const promotion = this.scheduler.nextPromotion(false);
    if (promotion === null) return false;
    this.nCalls++;
    this.scheduler.onPromoted(promotion.number, promotion.target);
    this.running.push(promotion);
    return true;
  }

  #create(): boolean {
    this.nCalls += 2;
    const admission = this.scheduler.nextTrial(this.nCreated);
    if (admission.type === 'wait') return false;
    const number = this.nCreated++;
    this.scheduler.onCreated(number, admission.target, admission.type === 'fork' ? admission.parent : null);
    this.running.push({ number, target: admission.target ?? 0 });
    return true;
  }

  #finish(number: number, target: number): void {
    const values = this.directions.map((_, k) => (Math.imul(number + 1, 2654435761 + 40503 * k) >>> 0) / 2 ** 32);
    for (const resource of [1, 3, 9, 27].filter((level) => level <= target)) {
      this.nCalls++;
      if (this.scheduler.onReport(number, resource, values) !== 'stop') continue;
      this.scheduler.onEnded(number, false);
      return;
    }
    this.nCalls++;
    if (target < 27) this.scheduler.onPaused(number, target, values);
    else this.scheduler.onEnded(number, true);
  }
}

/** Microseconds of processor time per call, so that a busy machine does not decide; the best of some batches. */
function perCall(load: Load, nTrials: number): number {
  let best = Infinity;
  for (let batch = 0; batch < 3; batch++) {
    const before = load.nCalls;
    const start = process.threadCpuUsage();
    load.run(load.nCreated + nTrials);
    const { user, system } = process.threadCpuUsage(start);
    best = Math.min(best, (user + system) / (load.nCalls - before));
  }
  return best;
}

// That a decision costs hardly more after 100,000 trials than after 1,000: one that looks through all trials would cost a hundred times
// as much. What it costs is the benchmark's matter (`npm run bench -- core`). Where the last trials of a rung alone are ranked (several
// objectives, pbt), fewer show it.
describe.each([
  ['one objective', ['min'], 100_000, 2_000],
  ['three objectives', ['min', 'max', 'min'], 5_000, 500],
] as const)('a decision with %s', (_name, directions, most, nMeasured) => {
  test.each(schedulerNames)('of %s', { timeout: 60_000 }, (name) => {
    const load = new Load(name, directions);
    load.run(1_000);
    const small = perCall(load, nMeasured);
    load.run(name === 'pbt' ? 5_000 : most);
    const large = perCall(load, nMeasured);
    // A call takes about 1 µs, less than the clock can tell in the small study; on a machine with much to do, a few times as much.
    expect(large).toBeLessThan(4 * small + 10);
  });
});
