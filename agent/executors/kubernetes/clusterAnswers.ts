import { HpoError } from '../../protocol/errors.ts';
import type { WaitReason } from '../../protocol/study.ts';

/** The cluster does not answer, cannot at present, or another one answers in its place; all else is an answer. */
export function isAway(error: unknown): boolean {
  return error instanceof HpoError && awayCodes.has(error.code);
}

const awayCodes = new Set(['HPO-2462', 'HPO-2465', 'HPO-2515']);

/** The cluster has answered, and made nothing; where it does not answer, or breaks down over it, it may have. */
export function isRefusal(error: unknown): boolean {
  return error instanceof HpoError && !isAway(error);
}

/** What is waited for, and then asked for again; null for a refusal that only a change of something mends. */
export function waitFor(error: unknown): WaitReason | null {
  const message = messageOf(error);
  if (isAway(error)) return { kind: 'unreachable', message };
  // As many objects of a kind as a namespace may have: others go when what they are for has ended.
  return isRefusal(error) && /exceeded quota:/.test(message) ? { kind: 'queued', message } : null;
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
