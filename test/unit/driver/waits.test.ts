import { beforeEach, expect, it, vi, afterEach } from 'vitest';
import { Waits } from '../../../agent/driver/waits.ts';
import type { WaitReason } from '../../../agent/protocol/study.ts';
import { nodeClock } from '../../../agent/system/nodeClock.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const waiting = (message: string): WaitReason => ({ kind: 'unschedulable', message });

function watched(): { readonly waits: Waits; readonly told: (WaitReason | null)[] } {
  const told: (WaitReason | null)[] = [];
  return { waits: new Waits(nodeClock, (reason) => void told.push(reason)), told };
}

it('tells nothing of an attempt that begins soon', () => {
  const { waits, told } = watched();
  waits.see(waiting('a'));
  vi.advanceTimersByTime(1_900);
  waits[Symbol.dispose]();
  vi.advanceTimersByTime(60_000);
  expect(told).toEqual([]);
});

it('tells what lasts, and of many changes the last one now and then', () => {
  const { waits, told } = watched();
  waits.see(waiting('a'));
  waits.see(waiting('b'));
  vi.advanceTimersByTime(2_000);
  expect(told).toEqual([waiting('b')]);
  for (let i = 0; i < 600; i++) {
    waits.see(waiting(String(i)));
    vi.advanceTimersByTime(100);
  }
  expect(told.length).toBeLessThanOrEqual(5);
  waits.see(null);
  vi.advanceTimersByTime(15_000);
  expect(told.at(-1)).toBe(null);
});

it('tells nothing twice', () => {
  const { waits, told } = watched();
  waits.see(waiting('a'));
  vi.advanceTimersByTime(2_000);
  waits.see(waiting('b'));
  waits.see(waiting('a'));
  vi.advanceTimersByTime(60_000);
  expect(told).toEqual([waiting('a')]);
});
