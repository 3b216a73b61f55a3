import { expect, test } from 'vitest';
import { ended, Harness, metric, spec } from './harness.ts';

/** Trials of one batch that end in the given order. */
function batchEndedIn(order: readonly number[]): Harness {
  const h = new Harness(spec({ search: { parallel: order.length, batch: order.length }, budget: { trials: 2 * order.length } }));
  for (const number of order) h.see(metric(number, 1, 1, { loss: number }), ended(number, 1));
  return h;
}

test('is told by the numbers of its trials, in whichever order they ended', () => {
  for (const order of [
    [0, 1, 2],
    [2, 0, 1],
    [1, 2, 0],
  ]) {
    const h = batchEndedIn(order);
    // In which order the sampler's rows changed: what it is told, as it is told.
    const changedAt = Array.from(h.state.history.changedAt.subarray(0, 3));
    expect(changedAt).toEqual(changedAt.toSorted((a, b) => a - b));
    expect(new Set(changedAt).size).toBe(3);
    const told = h.journal.flatMap(({ event }) => (event.type === 'batchEnded' ? [event.trials] : []));
    expect(told).toEqual([[0, 1, 2]]);
  }
});

test('the next one begins when all of it has ended', () => {
  const h = new Harness(spec({ search: { parallel: 3, batch: 3 }, budget: { trials: 6 } }));
  h.see(metric(2, 1, 1, { loss: 1 }), ended(2, 1));
  h.see(metric(0, 1, 1, { loss: 1 }), ended(0, 1));
  expect(h.state.view.trials).toHaveLength(3);
  h.see(metric(1, 1, 1, { loss: 1 }), ended(1, 1));
  expect(h.state.view.trials).toHaveLength(6);
});
