import type { V1Job } from '@kubernetes/client-node';

/** Its controller has told its end, and begins nothing of it any more. */
export function isFinished({ status }: V1Job): boolean {
  return status?.conditions?.some(({ type, status: is }) => (type === 'Complete' || type === 'Failed') && is === 'True') ?? false;
}

/** It ended, and not well. */
export function isFailed({ status }: V1Job): boolean {
  return status?.conditions?.some(({ type, status: is }) => type === 'Failed' && is === 'True') ?? false;
}
