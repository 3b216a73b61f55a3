import { expect, it, test } from 'vitest';
import { createStudy, fold } from '../../../agent/core/study/index.ts';
import type { StudyEvent } from '../../../agent/protocol/events.ts';
import type { WaitReason } from '../../../agent/protocol/study.ts';
import { countTrials } from '../../../agent/protocol/view.ts';
import { shownState, waitLine, waitOf, waitsOf, waitText } from '../../../agent/protocol/waits.ts';
import { spec } from '../core/study/harness.ts';

const full: WaitReason = { kind: 'unschedulable', message: '0/3 nodes are available: 3 Insufficient cpu.' };
const queued: WaitReason = { kind: 'queued', message: 'insufficient quota for nvidia.com/gpu' };

it('counts alike reasons, the one of most trials first, and nothing that has begun or ended', () => {
  const state = createStudy({
    seq: 1,
    studyId: 's',
    event: { type: 'studyCreated', at: 1, spec: spec({ search: { parallel: 9 } }) },
  });
  const events: StudyEvent[] = [queued, full, full, full, null].flatMap((reason, number): StudyEvent[] => [
    { type: 'trialCreated', at: 1, number, params: { lr: 0.1 + number / 10 }, origin: 'sampler', reason: '', target: null },
    { type: 'attemptRequested', at: 1, number, attempt: 1, slot: number, target: null },
    { type: 'attemptWaits', at: 1, number, attempt: 1, reason },
  ]);
  events.push({ type: 'attemptStarted', at: 2, number: 3, attempt: 1, pid: null });
  for (const [i, event] of events.entries()) fold(state, { seq: i + 2, studyId: 's', event });
  expect(waitsOf(state.view)).toEqual([
    { reason: full, attempts: 2 },
    { reason: queued, attempts: 1 },
  ]);
  expect(state.view.trials.map(waitOf)).toEqual([queued, full, full, null, null]);
  // What has not begun is waiting in every count, and one of which nothing is known yet is not.
  expect(state.view.trials.map(shownState)).toEqual(['waiting', 'waiting', 'waiting', 'running', 'running']);
  expect(countTrials(state.view)).toMatchObject({ waiting: 3, running: 2 });
  expect(waitsOf(state.view).map(waitLine)).toEqual([
    '2 trials wait for a place: 0/3 nodes are available: 3 Insufficient cpu.',
    '1 trial waits in a queue: insufficient quota for nvidia.com/gpu',
  ]);
});

test.each<readonly [WaitReason, string]>([
  [full, 'waits for a place: 0/3 nodes are available: 3 Insufficient cpu.'],
  [queued, 'waits in a queue: insufficient quota for nvidia.com/gpu'],
  [{ kind: 'starting', message: '' }, 'is being started'],
])('%j reads as "%s"', (reason, text) => {
  expect(waitText(reason)).toBe(text);
});
