import { formatDuration, formatNumber, plural } from './format.ts';
import type { Failure, FailureKind, StudySpec } from './study.ts';
import type { AttemptView, TrialView } from './view.ts';
import { waitText } from './waits.ts';

/** How an attempt is getting on, or how and why it ended: `preempted · 12 s · The machine was taken away: its node is drained.` */
export function attemptText(attempt: AttemptView, { fidelity, cluster }: StudySpec, now: number): string {
  const parts: string[] = [];
  if (attempt.target !== null && fidelity !== null) parts.push(`to ${fidelity.name} ${formatNumber(attempt.target)}`);
  if (attempt.state === 'requested') parts.push(attempt.waits === null ? 'starting' : waitText(attempt.waits));
  if (attempt.state === 'started') parts.push('running');
  if (attempt.state === 'stopping') parts.push('being ended');
  if (attempt.stopReason !== null) parts.push(stopWords[attempt.stopReason] ?? attempt.stopReason);
  else if (attempt.state === 'ended')
    parts.push(
      attempt.exitCode !== null
        ? `exit code ${attempt.exitCode}`
        : attempt.failure?.kind === 'preempted'
          ? 'preempted'
          : 'ended without an exit code',
    );
  if (attempt.startedAt !== null) parts.push(formatDuration((attempt.endedAt ?? now) - attempt.startedAt));
  // On a cluster it is no place: nodes are.
  if (cluster === undefined) parts.push(`slot ${attempt.slot}`);
  if (attempt.failure !== null) parts.push(attempt.failure.message);
  return parts.join(' · ');
}

/** Why a trial was begun again: `3 attempts (preempted 2 times: The machine was taken away: its node is drained.)`; empty where nothing failed. */
export function retriesText({ attempts }: Pick<TrialView, 'attempts'>): string {
  const failures = attempts.slice(0, -1).flatMap(({ failure }): Failure[] => (failure === null ? [] : [failure]));
  const last = failures.at(-1);
  if (last === undefined) return '';
  const kinds = [...new Set(failures.map(({ kind }) => kind))].map((kind) => {
    const count = failures.filter((failure) => failure.kind === kind).length;
    return count === 1 ? kindWords[kind] : `${kindWords[kind]} ${count} times`;
  });
  return `${plural(attempts.length, 'attempt')} (${kinds.join(', ')}: ${last.message})`;
}

const stopWords: Readonly<Record<string, string>> = {
  pruned: 'pruned',
  paused: 'paused',
  studyPaused: 'paused with the study',
  studyStopped: 'ended with the study',
  user: 'stopped by you',
  outputLimit: 'printed too much',
};

const kindWords: Readonly<Record<FailureKind, string>> = {
  userError: 'failed',
  badMetric: 'no result',
  outOfMemory: 'out of memory',
  timeout: 'out of time',
  preempted: 'preempted',
  infrastructure: 'the machine failed',
  cancelled: 'cancelled',
};
