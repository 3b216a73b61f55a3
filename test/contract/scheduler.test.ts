import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { unreachable } from '../../agent/protocol/view.ts';
import { availableSchedulers, createScheduler, type Scheduler, type SchedulerConfig } from '../../agent/core/schedulers/index.ts';

/**
 * What every scheduler holds to, whatever is reported in whatever order. A new scheduler joins by its name in
 * `availableSchedulers`.
 */
const act = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ type: fc.constant('report' as const), number: fc.nat(12), resource: fc.nat(30), value: someValue() }),
  },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('reachTarget' as const), number: fc.nat(12), value: someValue() }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('end' as const), number: fc.nat(12), isComplete: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('promote' as const), isClosing: fc.boolean() }) },
);
const settings = fc.record({
  fidelity: fc.record({
    min: fc.constantFrom(0.5, 1, 2, 27),
    max: fc.constant(27),
    reductionFactor: fc.constantFrom(2, 2.5, 3, 30),
  }),
  directions: fc.constantFrom(['min' as const], ['max' as const]),
  baseline: fc.constantFrom(0, null),
});

describe.each(availableSchedulers)('%s', (name) => {
  const create = (given: Pick<SchedulerConfig, 'fidelity' | 'directions' | 'baseline'>) =>
    new Table(name, { ...given, parallel: 1, seed: 1, mode: 'standard' as const, hasCheckpoint: name !== 'auto', maxTrials: 13 });

  test('gives every trial its target, and the baseline the full resource', () => {
    fc.assert(
      fc.property(settings, fc.array(act, { maxLength: 60 }), (given, acts) => {
        const table = create(given);
        for (const one of acts) table.act(one);
        for (let number = 0; number < 13; number++) {
          const admission = table.scheduler.nextTrial(number);
          const target = admission.type === 'trial' ? admission.target : NaN;
          expect(target).toBeGreaterThan(0);
          expect(target).toBeLessThanOrEqual(27);
        }
        if (given.baseline === null) return;
        expect(table.scheduler.nextTrial(0)).toEqual({ type: 'trial', target: 27 });
        expect(table.decisions.filter(({ number, decision }) => number === 0 && decision !== 'continue')).toEqual([]);
      }),
    );
  });

  test('is its state: plain JSON, from which another goes on alike', () => {
    fc.assert(
      fc.property(settings, fc.array(act, { maxLength: 60 }), fc.array(act, { maxLength: 60 }), (given, before, after) => {
        const table = create(given);
        for (const one of before) table.act(one);
        const again = table.reopened();
        expect(again.scheduler.state).toEqual(table.scheduler.state);
        for (const one of after) expect(again.act(one)).toEqual(table.act(one));
        expect(again.scheduler.state).toEqual(table.scheduler.state);
      }),
    );
  });

  test('decides nothing more about a trial that it has stopped', () => {
    fc.assert(
      fc.property(settings, fc.array(act, { maxLength: 60 }), someValue(), fc.nat(30), (given, acts, value, resource) => {
        const table = create(given);
        for (const one of acts) table.act(one);
        const before = JSON.stringify(table.scheduler.state);
        for (const number of table.stopped) expect(table.scheduler.onReport(number, resource, [value])).toBe('continue');
        expect(JSON.stringify(table.scheduler.state)).toBe(before);
      }),
    );
  });

  test('promotes only what is paused, upwards, and comes to an end', () => {
    fc.assert(
      fc.property(settings, fc.array(act, { maxLength: 60 }), (given, acts) => {
        const table = create(given);
        for (const one of acts) table.act(one);
        // Every promoted trial reaches its target: after a few rungs each there is nothing to promote.
        for (let round = 0; round < 13 * 8; round++) {
          const promotion = table.act({ type: 'promote', isClosing: true });
          if (promotion === null) break;
          for (const number of table.running) table.act({ type: 'reachTarget', number, value: number });
        }
        expect(table.scheduler.nextPromotion(true)).toBeNull();
      }),
    );
  });
});

type Act = typeof act extends fc.Arbitrary<infer T> ? T : never;

/** Drives a scheduler as a study does, and checks that what it says can be done. */
class Table {
  readonly #name: (typeof availableSchedulers)[number];
  readonly #config: SchedulerConfig;
  scheduler: Scheduler;
  readonly targets = new Map<number, number>();
  readonly resources = new Map<number, number>();
  readonly running = new Set<number>();
  readonly paused = new Set<number>();
  readonly stopped = new Set<number>();
  readonly ended = new Set<number>();
  readonly decisions: { readonly number: number; readonly decision: string }[] = [];

  constructor(name: (typeof availableSchedulers)[number], config: SchedulerConfig) {
    this.#name = name;
    this.#config = config;
    this.scheduler = createScheduler(name, config);
    for (let number = 0; number < 13; number++) {
      this.running.add(number);
      const admission = this.scheduler.nextTrial(number);
      this.targets.set(number, admission.type === 'trial' ? (admission.target ?? NaN) : NaN);
    }
  }

  /** The same situation with a scheduler that knows only the state, as read from a file. */
  reopened(): Table {
    const again = new Table(this.#name, this.#config);
    for (const [mine, other] of [
      [this.running, again.running],
      [this.paused, again.paused],
      [this.stopped, again.stopped],
      [this.ended, again.ended],
    ] as const) {
      other.clear();
      for (const number of mine) other.add(number);
    }
    for (const [number, target] of this.targets) again.targets.set(number, target);
    for (const [number, resource] of this.resources) again.resources.set(number, resource);
    again.scheduler = createScheduler(this.#name, this.#config, JSON.parse(JSON.stringify(this.scheduler.state)));
    return again;
  }

  act(one: Act): unknown {
    switch (one.type) {
      case 'report': {
        if (!this.running.has(one.number)) return null;
        const decision = this.scheduler.onReport(one.number, one.resource, [one.value]);
        this.decisions.push({ number: one.number, decision });
        if (decision === 'stop') {
          this.running.delete(one.number);
          this.stopped.add(one.number);
        }
        return decision;
      }
      case 'reachTarget': {
        const target = this.targets.get(one.number) ?? NaN;
        if (!this.running.delete(one.number)) return null;
        if (target < 27) {
          this.paused.add(one.number);
          this.resources.set(one.number, target);
          this.scheduler.onPaused(one.number, target, [one.value]);
        } else {
          this.ended.add(one.number);
          this.scheduler.onEnded(one.number, true);
        }
        return target;
      }
      case 'end':
        if (this.ended.has(one.number)) return null;
        this.ended.add(one.number);
        this.running.delete(one.number);
        this.paused.delete(one.number);
        this.scheduler.onEnded(one.number, one.isComplete);
        return null;
      case 'promote': {
        const promotion = this.scheduler.nextPromotion(one.isClosing);
        if (promotion === null) return null;
        const { number, target } = promotion;
        expect(this.paused.has(number)).toBe(true);
        expect(target).toBeGreaterThan(this.resources.get(number) ?? NaN);
        expect(target).toBeLessThanOrEqual(27);
        this.paused.delete(number);
        this.running.add(number);
        this.targets.set(number, target);
        this.scheduler.onPromoted(number, target);
        return promotion;
      }
      default:
        return unreachable(one);
    }
  }
}

function someValue(): fc.Arbitrary<number> {
  return fc.oneof(fc.integer({ min: -2, max: 2 }), fc.double(), fc.constantFrom(NaN, Infinity, -Infinity));
}
