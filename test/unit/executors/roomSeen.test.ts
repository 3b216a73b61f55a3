import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Ending, ExecutorListener } from '../../../agent/executors/executor.ts';
import { withRoom } from '../../../agent/executors/kubernetes/roomSeen.ts';
import type { AttemptKey, WaitReason } from '../../../agent/protocol/study.ts';
import { nodeClock } from '../../../agent/system/nodeClock.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const full: WaitReason = { kind: 'unschedulable', message: '0/1 nodes are available' };
const pulling: WaitReason = { kind: 'image', message: 'pulling' };
const ending = { exitCode: 0 } as Ending; // nobody looks at the rest here

/** By pool. */
type Told = Readonly<Record<string, number>>;

class Heard implements ExecutorListener {
  readonly #told: Told[];
  readonly #heard: string[];
  constructor(told: Told[], heard: string[]) {
    this.#told = told;
    this.#heard = heard;
  }
  waits(): void {
    this.#heard.push('waits');
  }
  started(): void {
    this.#heard.push('started');
  }
  ended(): void {
    this.#heard.push('ended');
  }
  output(): void {
    this.#heard.push('output');
  }
  room(_studyId: string, attempts: Told): void {
    this.#told.push(attempts);
  }
}

/** Trials from 100 on are sent to the GPUs. */
const poolOf = ({ trial }: AttemptKey): string => (trial < 100 ? 'cpu' : 'gpu');

class Study {
  readonly rooms: Told[] = [];
  readonly heard: string[] = [];
  // An instance, whose methods no spread copies.
  readonly listener = withRoom(new Heard(this.rooms, this.heard), nodeClock, poolOf);
  /** Of the first pool. */
  get told(): readonly (number | undefined)[] {
    return this.rooms.map(({ cpu }) => cpu);
  }
  readonly key = (trial: number) => ({ studyId: 's', trial, attempt: 1 });
  start(...trials: readonly number[]): void {
    for (const trial of trials) this.listener.started(this.key(trial), { pid: null });
  }
  wait(reason: WaitReason | null, ...trials: readonly number[]): void {
    for (const trial of trials) this.listener.waits(this.key(trial), reason);
  }
  end(...trials: readonly number[]): void {
    for (const trial of trials) this.listener.ended(this.key(trial), ending);
  }
}

it('passes on all that is told', () => {
  const study = new Study();
  study.wait(pulling, 0);
  study.start(0);
  study.listener.output(study.key(0));
  study.end(0);
  expect(study.heard).toEqual(['waits', 'started', 'output', 'ended']);
});

it('believes in half as much more room where all have begun, and in none while one is being begun', () => {
  const study = new Study();
  study.wait(pulling, 0, 1, 2, 3);
  study.start(0, 1, 2);
  expect(study.told).toEqual([]);
  study.start(3);
  expect(study.told.at(-1)).toBe(6);
});

it('takes for room what has begun, where others wait for a place for long', () => {
  const study = new Study();
  study.start(0, 1);
  study.wait(full, 2, 3, 4);
  vi.advanceTimersByTime(1_000);
  expect(study.told).toEqual([2, 3]);
  vi.advanceTimersByTime(6_000);
  expect(study.told.at(-1)).toBe(2);
  // A node came: they begin, and for a while no more is believed in.
  study.start(2, 3, 4);
  expect(study.told.at(-1)).toBe(5);
  vi.advanceTimersByTime(180_000);
  expect(study.told.at(-1)).toBe(8);
});

it('follows what is taken away', () => {
  const study = new Study();
  study.start(0, 1, 2, 3);
  study.end(2, 3);
  study.wait(full, 4, 5);
  vi.advanceTimersByTime(10_000);
  expect(study.told.at(-1)).toBe(2);
  study.end(0, 1);
  expect(study.told.at(-1)).toBe(0);
});

it('looks at each pool by itself: one that is full says nothing of the others', () => {
  const study = new Study();
  study.start(0, 1, 2, 3);
  study.start(100);
  study.wait(full, 101);
  vi.advanceTimersByTime(10_000);
  expect(study.rooms.at(-1)).toEqual({ cpu: 6, gpu: 1 });
  study.end(0, 1, 2, 3);
  study.start(101);
  vi.advanceTimersByTime(180_000);
  expect(study.rooms.at(-1)).toEqual({ cpu: 6, gpu: 3 });
});

it('looks at nothing by itself once it is disposed, though attempts wait for ever', () => {
  const study = new Study();
  study.wait(full, 0, 1, 2);
  vi.advanceTimersByTime(180_000);
  expect(vi.getTimerCount()).toBe(1);
  study.listener[Symbol.dispose]();
  expect(vi.getTimerCount()).toBe(0);
  study.wait(full, 3);
  study.start(4);
  expect(vi.getTimerCount()).toBe(0);
  expect(study.heard.slice(-2)).toEqual(['waits', 'started']);
});
