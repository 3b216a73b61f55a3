import type { EndRecord } from '../attempt/attemptRecord.ts';
import type { PodEnd } from './podEnd.ts';
import type { PodEndRecord } from './podLog.ts';

interface Known {
  /** What the pod told itself; null where it could not. */
  readonly end: PodEndRecord | null;
  /** Why it told that its program could not begin. */
  readonly fault: string | null;
  /** What the cluster says. */
  readonly seen: Pick<PodEnd, 'exitCode' | 'isOutOfMemory' | 'isTimeout' | 'disruption' | 'fault' | 'brokenLimit'>;
  /** We asked it to end. */
  readonly isStopped: boolean;
  /** Its program had begun. */
  readonly hasBegun: boolean;
  /** Bytes of output that are in its folder. */
  readonly output: number;
}

const killed = 137;
const terminated = 143;

/** How an attempt ended, from all that is known of it. */
export function endRecord({ end, fault, seen, isStopped, hasBegun, output }: Known): EndRecord {
  const lost = { code: null, timeout: false, output };
  const exit = end?.exit ?? null;
  const code = typeof exit?.['code'] === 'number' && Number.isInteger(exit['code']) ? exit['code'] : null;
  const timeout = exit?.['timeout'] === true;
  const isOutOfMemory = ((end?.kills ?? 0) > 0 || seen.isOutOfMemory) && !isStopped && !timeout;
  if (code !== null) {
    // Somebody else ended it: whatever the program then did is not its result.
    if (exit?.['told'] === true && !isStopped && !timeout) {
      if (seen.brokenLimit !== null) return overLimit(seen.brokenLimit);
      return { ...lost, preempted: true, detail: seen.disruption ?? 'the cluster ended its pod' };
    }
    // A part of the program may have been killed, and the rest have failed for it.
    return { code, timeout, output, ...(isOutOfMemory && code !== 0 ? { outOfMemory: true } : {}) };
  }
  // The shim did not live to record it.
  if (isOutOfMemory) return { code: killed, timeout: false, outOfMemory: true, output };
  if (seen.isTimeout) return { code: killed, timeout: true, output };
  if (isStopped) {
    const isGentle = !hasBegun || seen.exitCode === terminated || end?.shim === terminated;
    return { code: isGentle ? terminated : killed, timeout: false, output };
  }
  if (seen.brokenLimit !== null) return overLimit(seen.brokenLimit);
  if (fault !== null || seen.fault !== null) return { ...lost, detail: fault ?? seen.fault ?? '' };
  if (seen.disruption !== null) return { ...lost, preempted: true, detail: seen.disruption };
  const how =
    seen.exitCode === null ? '' : `its container ended with exit code ${seen.exitCode}, and without a record of the end`;
  return { ...lost, detail: how };

  function overLimit(limit: string): EndRecord {
    return { code: killed, timeout: false, output, detail: limit };
  }
}

/** Of one that never began, for this reason. */
export function startFault(reason: string): EndRecord {
  const seen = { exitCode: null, isOutOfMemory: false, isTimeout: false, disruption: null, fault: reason, brokenLimit: null };
  return endRecord({ end: null, fault: null, seen, isStopped: false, hasBegun: false, output: 0 });
}
