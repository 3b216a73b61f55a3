import type { CoreV1Event, V1Job, V1Pod } from '@kubernetes/client-node';
import type { Workload } from '../../cluster/cluster.ts';
import { whyWaits } from '../../cluster/whyWaits.ts';
import type { WaitReason } from '../../protocol/study.ts';

/** Why an attempt has not begun, and how long that is waited for, in ms. */
export interface Waiting {
  readonly reason: WaitReason;
  readonly patienceMs: number;
  /** Room will not mend it: from when on it is so, the patience counts. */
  readonly isFault: boolean;
}

const minute = 60_000;
/** What only a change of the image, the study or the cluster mends: longer than a registry is away for. */
const faultPatienceMs = 10 * minute;
/** Room comes when others have ended, or with new nodes. */
const roomPatienceMs = 24 * 60 * minute;

/** Of what the cluster said last: its Job, its pod, and what is told of either. Null where it is about to begin. */
export function whyItWaits(
  job: V1Job | null,
  pod: V1Pod | null,
  told: { readonly workload?: Workload | null; readonly events?: readonly CoreV1Event[] } = {},
): Waiting | null {
  const waiting = whyWaits(job, pod, told);
  if (waiting === null) return null;
  const { reason, isFault } = waiting;
  // Whoever holds a Job back lets it go on some day.
  if (job?.spec?.suspend === true) return { reason, patienceMs: Infinity, isFault };
  return { reason, patienceMs: isFault ? faultPatienceMs : roomPatienceMs, isFault };
}
