import type { WaitReason } from './study.ts';
import type { StudyView, TrialView } from './view.ts';

/** Why the current attempt of a trial has not begun, as far as that is known; null for one that has, or was not asked for. */
export function waitOf({ state, attempts }: Pick<TrialView, 'state' | 'attempts'>): WaitReason | null {
  const last = attempts.at(-1);
  return state === 'running' && last !== undefined && last.state === 'requested' ? last.waits : null;
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

const kinds: Readonly<Record<WaitReason['kind'], string>> = {
  queued: 'waits in a queue',
  unschedulable: 'waits for a place',
  image: 'waits for its image',
  starting: 'is being started',
  unreachable: 'waits for the cluster',
};

/** `waits for a place: 0/3 nodes are available: 3 Insufficient cpu.` */
export function waitText({ kind, message }: WaitReason): string {
  return message === '' ? kinds[kind] : `${kinds[kind]}: ${message}`;
}
