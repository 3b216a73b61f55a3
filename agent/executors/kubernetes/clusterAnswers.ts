import { HpoError } from '../../protocol/errors.ts';
import type { WaitReason } from '../../protocol/study.ts';

/** The cluster does not answer, or cannot at present; all else is an answer. */
export function isAway(error: unknown): boolean {
  return error instanceof HpoError && (error.code === 'HPO-2462' || error.code === 'HPO-2465');
}

export function awayReason(error: unknown): WaitReason {
  return { kind: 'unreachable', message: messageOf(error) };
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
