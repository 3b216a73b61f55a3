import { expect, it } from 'vitest';
import { attemptsTable } from '../../../agent/cli/trials.ts';
import { attemptText, retriesText } from '../../../agent/protocol/attempts.ts';
import type { StudyEvent } from '../../../agent/protocol/events.ts';
import type { Failure } from '../../../agent/protocol/study.ts';
import { createView, foldView, type StudyView, type TrialView } from '../../../agent/protocol/view.ts';
import { make, startMs, studyCreated } from '../store/studies.ts';

const drained: Failure = { kind: 'preempted', code: 'HPO-3008', message: 'The machine was taken away: its node is drained.' };
const evicted: Failure = { ...drained, message: 'The machine was taken away: evicted.' };
const vanished: Failure = { kind: 'infrastructure', code: 'HPO-3007', message: 'The process vanished.' };

/** A trial whose attempts failed so, and one more that runs. */
function after(...failures: readonly (Failure | null)[]): { readonly view: StudyView; readonly trial: TrialView } {
  const events: StudyEvent[] = [studyCreated(), make.trial(0)];
  for (const [index, failure] of failures.entries()) {
    const attempt = index + 1;
    events.push(make.request(0, attempt), make.start(0, attempt));
    const end = make.attemptEnd(0, attempt, failure);
    events.push(failure?.kind === 'preempted' && end.type === 'attemptEnded' ? { ...end, exitCode: null } : end);
  }
  events.push(make.request(0, failures.length + 1), make.start(0, failures.length + 1));
  const [first, ...rest] = events.map((event, index) => ({ seq: index + 1, studyId: 'k3f9', event }));
  if (first === undefined) throw new RangeError('a study has events');
  const view = createView(first);
  for (const entry of rest) foldView(view, entry);
  const [trial] = view.trials;
  if (trial === undefined) throw new RangeError('it has a trial');
  return { view, trial };
}

it.each<[readonly (Failure | null)[], string]>([
  [[], ''],
  // As of a trial that was paused at a rung.
  [[null, null], ''],
  [[drained], '2 attempts (preempted: The machine was taken away: its node is drained.)'],
  [[drained, evicted], '3 attempts (preempted 2 times: The machine was taken away: evicted.)'],
  [[vanished, null, drained], '4 attempts (the machine failed, preempted: The machine was taken away: its node is drained.)'],
])('says why a trial was begun again, also while it runs: %#', (failures, text) => {
  expect(retriesText(after(...failures).trial)).toBe(text);
});

it('says of each attempt when it ended, and how', () => {
  const { view, trial } = after(drained, vanished);
  expect(trial.attempts.map((attempt) => attemptText(attempt, view.spec, startMs + 2_250))).toEqual([
    'preempted · 7.8 s · slot 0 · The machine was taken away: its node is drained.',
    'exit code 1 · 7.8 s · slot 0 · The process vanished.',
    'running · 2.0 s · slot 0',
  ]);
  const table = attemptsTable(view, trial, startMs + 2_250).split('\n');
  expect(table).toHaveLength(4);
  expect(table[1]).toMatch(/^1 {8}\S+ \S+ {2}\S+ \S+ {2}HPO-3008 {2}preempted · .* drained\.$/);
  expect(table[3]).toMatch(/^3 {8}\S+ \S+ {2,}running · 2\.0 s · slot 0$/);
});
