import { plural } from './format.ts';
import type { TrialState, WaitReason } from './study.ts';
import type { StudyView, TrialView } from './view.ts';

/** Why the current attempt of a trial has not begun, as far as that is known; null for one that has, or was not asked for. */
export function waitOf({ state, attempts }: Pick<TrialView, 'state' | 'attempts'>): WaitReason | null {
  const last = attempts.at(-1);
  return state === 'running' && last !== undefined && last.state === 'requested' ? last.waits : null;
}

/** A trial whose attempt has not begun waits, whatever was decided: what people read, and what is counted for them. */
export function shownState(trial: Pick<TrialView, 'state' | 'attempts'>): TrialState {
  return waitOf(trial) === null ? trial.state : 'waiting';
}

/** Why attempts of a study have not begun, the reason of most first. */
export function waitsOf({
  trials,
}: Pick<StudyView, 'trials'>): readonly { readonly reason: WaitReason; readonly attempts: number }[] {
  const counts = new Map<string, { readonly reason: WaitReason; attempts: number }>();
  for (const trial of trials) {
    const reason = waitOf(trial);
    if (reason === null) continue;
    const key = `${reason.kind} ${reason.message}`;
    const known = counts.get(key);
    if (known === undefined) counts.set(key, { reason, attempts: 1 });
    else known.attempts++;
  }
  return [...counts.values()].sort((a, b) => b.attempts - a.attempts);
}

const kinds: Readonly<Record<WaitReason['kind'], readonly [ofOne: string, ofMany: string]>> = {
  queued: ['waits in a queue', 'wait in a queue'],
  unschedulable: ['waits for a place', 'wait for a place'],
  image: ['waits for its image', 'wait for their image'],
  starting: ['is being started', 'are being started'],
  unreachable: ['waits for the cluster', 'wait for the cluster'],
};

/** `waiting for a place`: as short as a cell of a table. */
export function waitingFor({ kind }: WaitReason): string {
  return kind === 'starting' ? 'waiting to start' : kinds[kind][0].replace('waits', 'waiting');
}

/** `waits for a place: 0/3 nodes are available: 3 Insufficient cpu.` */
export function waitText({ kind, message }: WaitReason): string {
  return said(kinds[kind][0], message);
}

/** `2 trials wait for a place: 0/3 nodes are available: 3 Insufficient cpu.` */
export function waitLine({ reason: { kind, message }, attempts }: ReturnType<typeof waitsOf>[number]): string {
  return `${plural(attempts, 'trial')} ${said(kinds[kind][attempts === 1 ? 0 : 1], message)}`;
}

function said(what: string, message: string): string {
  return message === '' ? what : `${what}: ${message}`;
}
