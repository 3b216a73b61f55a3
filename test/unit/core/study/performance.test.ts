import { expect, test } from 'vitest';
import { decide, fold, observe, type StudyState } from '../../../../agent/core/study/index.ts';
import type { StudyEvent } from '../../../../agent/protocol/events.ts';
import { ended, fidelity, Harness, metric, spec } from './harness.ts';

/** A study of `nTrials` random trials, 64 at once, each of which reported three times. */
function grow(nTrials: number): Harness {
  const h = new Harness(
    spec({ fidelity: fidelity(1, 9), search: { parallel: 64, scheduler: 'asha-stop' }, budget: { trials: nTrials + 1_000 } }),
  );
  while (h.state.view.trials.length < nTrials) advance(h.state, h.now, h.state.view.trials.length);
  return h;
}

/** One trial reports and ends, and the next begins; nothing is kept of the journal. */
function advance(state: StudyState, now: number, salt: number): void {
  const [number = 0] = state.live.keys();
  const attempt = state.live.get(number)?.attempt ?? 0;
  const take = (events: readonly StudyEvent[]): void => {
    for (const event of events) fold(state, { seq: state.view.seq + 1, studyId: 's1', event });
  };
  for (const step of [1, 2, 3])
    take(observe(state, metric(number, attempt, step, { loss: ((number * 7919 + salt) % 1009) + step }), now));
  take(observe(state, ended(number, attempt), now));
  for (
    let events = decide(state, { now, hasCapacity: true });
    events.length > 0;
    events = decide(state, { now, hasCapacity: true })
  )
    take(events);
}

// What grows with the number of trials would cost ten times as much.
test('an event at 10,000 trials costs about what it costs at 1,000', () => {
  const small = perTrial(grow(1_000));
  const large = perTrial(grow(10_000));
  expect(large).toBeLessThan(5 * small + 20);
});

/** Microseconds; the best of some batches, so that a busy machine does not decide. */
function perTrial(h: Harness): number {
  let best = Infinity;
  for (let batch = 0; batch < 15; batch++) {
    const start = performance.now();
    for (let i = 0; i < 40; i++) advance(h.state, h.now, i + batch);
    best = Math.min(best, ((performance.now() - start) / 40) * 1_000);
  }
  return best;
}
