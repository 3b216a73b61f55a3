import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createRng } from '../../agent/core/math/index.ts';
import { createScheduler, type Scheduler, type SchedulerConfig } from '../../agent/core/schedulers/index.ts';
import { schedulerNames, type SchedulerName } from '../../agent/protocol/study.ts';
import { unreachable } from '../../agent/protocol/view.ts';

/**
 * What every scheduler holds to, whatever is reported in whatever order. A new scheduler joins by its name in
 * `schedulerNames`.
 */
const nTrials = 13;
const max = 27;
const act = fc.oneof(
  { weight: 4, arbitrary: fc.record({ type: fc.constant('create' as const) }) },
  {
    weight: 5,
    arbitrary: fc.record({
      type: fc.constant('report' as const),
      number: fc.nat(nTrials - 1),
      resource: fc.nat(30),
      values: fc.tuple(someValue(), someValue()),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant('reachTarget' as const),
      number: fc.nat(nTrials - 1),
      values: fc.tuple(someValue(), someValue()),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant('end' as const), number: fc.nat(nTrials - 1), isComplete: fc.boolean() }),
  },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('promote' as const) }) },
);
const acts = fc.array(act, { maxLength: 90 });
const settings = fc.record({
  fidelity: fc.record({
    min: fc.constantFrom(0, 0.5, 1, 2, 27),
    max: fc.constant(max),
    reductionFactor: fc.constantFrom(2, 2.5, 3, 30),
  }),
  directions: fc.constantFrom(['min' as const], ['max' as const], ['min' as const, 'max' as const]),
  baseline: fc.constantFrom(0, null),
  parallel: fc.constantFrom(1, 3, 8),
  maxTrials: fc.constantFrom(nTrials, 1, 2, null),
  mode: fc.constantFrom('conservative', 'standard', 'aggressive'),
});
type Settings = Omit<SchedulerConfig, 'seed' | 'hasCheckpoint'>;

describe.each(schedulerNames)('%s', (name) => {
  const checkpoints = name === 'pbt' ? [true] : [true, false];

  describe.each(checkpoints)('checkpoint: %s', (hasCheckpoint) => {
    const create = (given: Settings) => new Table(name, { ...given, seed: 1, hasCheckpoint });

    test('gives every trial a target that it can reach, and the baseline the full resource', () => {
      fc.assert(
        fc.property(settings, acts, (given, steps) => {
          const table = create(given);
          for (const step of steps) table.act(step);
          for (const target of table.targets.values()) {
            expect(target).toBeGreaterThan(0);
            expect(target).toBeLessThanOrEqual(max);
          }
          if (given.baseline === null) return;
          expect(table.targets.get(0) ?? max).toBe(max);
          expect(table.decisions.filter(({ number, decision }) => number === 0 && decision !== 'continue')).toEqual([]);
        }),
      );
    });

    test('is its state: plain JSON, from which another goes on alike', () => {
      fc.assert(
        fc.property(settings, acts, acts, (given, before, after) => {
          const table = create(given);
          for (const step of before) table.act(step);
          const again = table.reopened();
          expect(again.scheduler.state).toEqual(table.scheduler.state);
          for (const step of after) expect(again.act(step)).toEqual(table.act(step));
          expect(again.scheduler.state).toEqual(table.scheduler.state);
        }),
      );
    });

    test('questions change nothing', () => {
      fc.assert(
        fc.property(settings, acts, (given, steps) => {
          const table = create(given);
          for (const step of steps) table.act(step);
          const before = JSON.stringify(table.scheduler.state);
          const ask = () => [
            table.scheduler.nextTrial(table.nCreated),
            table.scheduler.nextPromotion(false),
            table.scheduler.nextPromotion(true),
          ];
          expect(ask()).toEqual(ask());
          expect(JSON.stringify(table.scheduler.state)).toBe(before);
        }),
      );
    });

    test('decides nothing more about a trial that it has stopped', () => {
      fc.assert(
        fc.property(settings, acts, someValue(), fc.nat(30), (given, steps, value, resource) => {
          const table = create(given);
          for (const step of steps) table.act(step);
          const before = JSON.stringify(table.scheduler.state);
          for (const number of table.stopped) expect(table.scheduler.onReport(number, resource, [value, value])).toBe('continue');
          expect(JSON.stringify(table.scheduler.state)).toBe(before);
        }),
      );
    });

    test('comes to an end from anywhere, within its budget', () => {
      fc.assert(
        fc.property(settings, acts, fc.nat(), (given, steps, seed) => {
          const table = create({ ...given, maxTrials: given.maxTrials ?? nTrials });
          for (const step of steps) table.act(step);
          table.finish(createRng(seed), 2, { failed: 0.2, nan: 0.2, lastNumber: given.maxTrials ?? nTrials });
          expect(table.running.size).toBe(0);
          expect(table.scheduler.nextPromotion(true)).toBeNull();
        }),
      );
    });

    test('where nothing goes wrong, all trials are made and one more than the baseline trains in full', () => {
      fc.assert(
        fc.property(settings, fc.nat(), fc.integer({ min: 1, max: 8 }), (given, seed, nSlots) => {
          const n = given.maxTrials ?? 60;
          const table = create({ ...given, maxTrials: n });
          table.finish(createRng(seed), nSlots, { failed: 0, nan: 0, lastNumber: n });
          expect(table.nCreated).toBe(n);
          const nSampled = n - (given.baseline === null ? 0 : 1);
          expect(table.complete.size).toBeGreaterThanOrEqual(Math.min(1, nSampled) + n - nSampled);
        }),
      );
    });

    test('when no further trial can be made it goes on with those that there are', () => {
      fc.assert(
        fc.property(settings, fc.nat(), fc.integer({ min: 1, max: 8 }), fc.nat(20), (given, seed, nSlots, lastNumber) => {
          const table = create({ ...given, maxTrials: null });
          table.finish(createRng(seed), nSlots, { failed: 0, nan: 0, lastNumber });
          const nSampled = lastNumber - (given.baseline === null ? 0 : 1);
          if (nSampled > 0) expect(table.complete.size).toBeGreaterThan(given.baseline === null ? 0 : 1);
        }),
      );
    });
  });
});

describe.each(['sha', 'hyperband'] as const)('%s', (name) => {
  test('which trials go on does not depend on the order in which they come', () => {
    fc.assert(
      fc.property(settings, fc.nat(), fc.nat(), (given, first, second) => {
        const run = (seed: number) => {
          const table = new Table(name, { ...given, maxTrials: 40, seed: 1, hasCheckpoint: true });
          table.finish(createRng(seed), 1 + (seed % 8), { failed: 0, nan: 0, lastNumber: 40 });
          return table.promotions.toSorted((a, b) => a[0] - b[0] || a[1] - b[1]);
        };
        expect(run(first)).toEqual(run(second));
      }),
    );
  });
});

type Act = typeof act extends fc.Arbitrary<infer T> ? T : never;

interface Ending {
  /** Probabilities per attempt. */
  readonly failed: number;
  readonly nan: number;
  /** No trial of this number or above is made. */
  readonly lastNumber: number;
}

/** Drives a scheduler as a study does, and checks that what it says can be done. */
class Table {
  readonly #name: SchedulerName;
  readonly #config: SchedulerConfig;
  scheduler: Scheduler;
  nCreated = 0;
  readonly targets = new Map<number, number>();
  readonly resources = new Map<number, number>();
  readonly running = new Set<number>();
  readonly paused = new Set<number>();
  readonly stopped = new Set<number>();
  readonly complete = new Set<number>();
  readonly ended = new Set<number>();
  readonly decisions: { readonly number: number; readonly decision: string }[] = [];
  readonly promotions: (readonly [number: number, target: number])[] = [];

  constructor(name: SchedulerName, config: SchedulerConfig) {
    this.#name = name;
    this.#config = config;
    this.scheduler = createScheduler(name, config);
  }

  /** The same situation with a scheduler that knows only the state, as read from a file. */
  reopened(): Table {
    const again = new Table(this.#name, this.#config);
    again.nCreated = this.nCreated;
    for (const [mine, other] of [
      [this.running, again.running],
      [this.paused, again.paused],
      [this.stopped, again.stopped],
      [this.complete, again.complete],
      [this.ended, again.ended],
    ] as const) {
      for (const number of mine) other.add(number);
    }
    for (const [number, target] of this.targets) again.targets.set(number, target);
    for (const [number, resource] of this.resources) again.resources.set(number, resource);
    again.scheduler = createScheduler(this.#name, this.#config, JSON.parse(JSON.stringify(this.scheduler.state)));
    return again;
  }

  act(one: Act): unknown {
    switch (one.type) {
      case 'create':
        return this.create();
      case 'report':
        return this.report(one.number, one.resource, one.values);
      case 'reachTarget':
        return this.reachTarget(one.number, one.values);
      case 'end':
        return this.end(one.number, one.isComplete);
      case 'promote':
        return this.promote(false);
      default:
        return unreachable(one);
    }
  }

  /** As `decide` does it: promotions first, then a new trial; when nothing runs, what is left; then nothing. */
  finish(rng: ReturnType<typeof createRng>, nSlots: number, { failed, nan, lastNumber }: Ending): void {
    for (let round = 0; ; round++) {
      if (round > 20_000) throw new Error('without end');
      while (this.running.size < nSlots && (this.promote(false) || (this.nCreated < lastNumber && this.create())));
      if (this.running.size === 0 && !this.promote(true)) return;
      const number = [...this.running][rng.int(this.running.size)] ?? NaN;
      const value = rng.next() < nan ? NaN : ((number * 7919) % 101) / 100;
      if (rng.next() < failed) this.end(number, false);
      else if (this.report(number, this.targets.get(number) ?? NaN, [value, 1 - value]) === 'stop') this.end(number, false);
      else this.reachTarget(number, [value, 1 - value]);
    }
  }

  create(): boolean {
    const number = this.nCreated;
    if (number >= (this.#config.maxTrials ?? Infinity)) return false;
    const admission = this.scheduler.nextTrial(number);
    if (admission.type === 'wait') {
      if (number === this.#config.baseline) throw new Error('the baseline waits');
      return false;
    }
    const parent = admission.type === 'fork' ? admission.parent : null;
    if (parent !== null) {
      expect(this.ended.has(parent) || this.stopped.has(parent)).toBe(false);
      expect(parent).toBeLessThan(number);
      expect(admission.target).toBeGreaterThan(this.resources.get(parent) ?? 0);
    }
    this.nCreated++;
    this.running.add(number);
    this.targets.set(number, admission.target ?? NaN);
    this.scheduler.onCreated(number, admission.target, parent);
    return true;
  }

  report(number: number, resource: number, values: readonly number[]): unknown {
    if (!this.running.has(number)) return null;
    const decision = this.scheduler.onReport(number, resource, this.#cut(values));
    this.decisions.push({ number, decision });
    if (decision === 'stop') {
      this.running.delete(number);
      this.stopped.add(number);
    }
    return decision;
  }

  reachTarget(number: number, values: readonly number[]): unknown {
    const target = this.targets.get(number) ?? NaN;
    if (!this.running.delete(number)) return null;
    if (target < max) {
      this.paused.add(number);
      this.resources.set(number, target);
      this.scheduler.onPaused(number, target, this.#cut(values));
    } else {
      this.ended.add(number);
      this.complete.add(number);
      this.scheduler.onEnded(number, true);
    }
    return target;
  }

  end(number: number, isComplete: boolean): unknown {
    if (this.ended.has(number) || number >= this.nCreated) return null;
    this.ended.add(number);
    this.running.delete(number);
    this.paused.delete(number);
    this.scheduler.onEnded(number, isComplete);
    return null;
  }

  promote(isClosing: boolean): boolean {
    const promotion = this.scheduler.nextPromotion(isClosing);
    if (promotion === null) return false;
    const { number, target } = promotion;
    if (!this.paused.has(number)) throw new Error(`trial ${number} is promoted, but not paused`);
    expect(target).toBeGreaterThan(this.resources.get(number) ?? NaN);
    expect(target).toBeLessThanOrEqual(max);
    this.paused.delete(number);
    this.running.add(number);
    this.targets.set(number, target);
    this.scheduler.onPromoted(number, target);
    this.promotions.push([number, target]);
    return true;
  }

  #cut(values: readonly number[]): readonly number[] {
    return values.slice(0, this.#config.directions.length);
  }
}

function someValue(): fc.Arbitrary<number> {
  return fc.oneof(fc.integer({ min: -2, max: 2 }), fc.double(), fc.constantFrom(NaN, Infinity, -Infinity));
}
