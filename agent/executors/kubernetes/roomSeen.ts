import type { AttemptKey } from '../../protocol/study.ts';
import type { Clock } from '../../system/clock.ts';
import { keyText } from '../attempt/studyFolders.ts';
import type { ExecutorListener } from '../executor.ts';

/** Waits for room that are shorter are the way of every pod: they say nothing of room. */
const shortMs = 5_000;
/** After a wait for room no more room is believed in for so long, so that not each end of a trial is followed by a crowd of pods. */
const calmMs = 60_000;
/** Where all have begun at once, there is room for half as many more. */
const growth = 0.5;

interface PoolRoom {
  readonly begun: Set<string>;
  /** Attempts that wait for room, since when. */
  readonly waiting: Map<string, number>;
  /** Asked for, and nothing is known of them yet. */
  readonly asked: Set<string>;
  lastWaitAt: number;
  told: number;
  timer: Disposable | null;
}

/**
 * A listener that is also told how many attempts of each study have room, by what can be seen without any right to look at nodes: which
 * of those that were asked for have begun, and which wait for a place or in a queue. So quotas, other people's pods and nodes that come
 * and go all count. Pools of a study are looked at each by itself: nodes with GPUs that are full say nothing of the others.
 * Disposed, it looks at nothing more by itself: attempts that wait would be looked at for ever.
 * @param poolOf the pool to which an attempt is sent; empty where there are none
 */
export function withRoom(
  listener: ExecutorListener,
  clock: Clock,
  poolOf: (key: AttemptKey) => string,
): ExecutorListener & Disposable {
  const studies = new Map<string, Map<string, PoolRoom>>();
  /** As it was when something was first heard of an attempt: later nobody may know it. */
  const poolsOf = new Map<string, string>();
  let isDisposed = false;

  function change(key: AttemptKey, act: (room: PoolRoom, id: string) => void): void {
    const id = keyText(key);
    const pool = poolsOf.get(id) ?? poolOf(key);
    poolsOf.set(id, pool);
    const pools = studies.get(key.studyId) ?? new Map<string, PoolRoom>();
    studies.set(key.studyId, pools);
    const room = pools.get(pool) ?? {
      begun: new Set(),
      waiting: new Map(),
      asked: new Set(),
      lastWaitAt: -Infinity,
      told: NaN,
      timer: null,
    };
    pools.set(pool, room);
    act(room, id);
    tell(key.studyId, room);
    if (isKnown(room, id)) return;
    poolsOf.delete(id);
    if ([...pools.values()].some(({ begun, waiting, asked }) => begun.size + waiting.size + asked.size > 0)) return;
    for (const { timer } of pools.values()) timer?.[Symbol.dispose]();
    studies.delete(key.studyId);
  }

  function tell(studyId: string, room: PoolRoom): void {
    const now = clock.monotonic();
    const { begun, waiting, asked } = room;
    const isWaiting = [...waiting.values()].some((since) => now - since >= shortMs);
    if (isWaiting) room.lastWaitAt = now;
    const isCalm = now - room.lastWaitAt < calmMs;
    // While some are on their way nothing is known that was not before: that they were asked for is no sign of room.
    const areAllBegun = waiting.size + asked.size === 0;
    const size = isWaiting ? begun.size + asked.size : !areAllBegun ? null : Math.ceil(begun.size * (isCalm ? 1 : 1 + growth));
    room.timer?.[Symbol.dispose]();
    // What waits is looked at again when it has done so for long; and room is believed in again after a calm.
    const nextMs = waiting.size > 0 && !isWaiting ? shortMs : isCalm ? calmMs : null;
    room.timer = nextMs === null || isDisposed ? null : clock.after(nextMs, () => tell(studyId, room));
    // That trials end takes no room away: only what waits in vain shows that.
    if (size === null || size === room.told || (!isWaiting && size < room.told)) return;
    room.told = size;
    const known = [...(studies.get(studyId) ?? [])].filter(([, { told }]) => !Number.isNaN(told));
    listener.room(studyId, Object.fromEntries(known.map(([pool, { told }]) => [pool, told])));
  }

  const isKnown = (room: PoolRoom, id: string): boolean => room.begun.has(id) || room.waiting.has(id) || room.asked.has(id);
  const forget = (room: PoolRoom, id: string): void => {
    room.begun.delete(id);
    room.waiting.delete(id);
    room.asked.delete(id);
  };
  return {
    room: (studyId, attempts) => listener.room(studyId, attempts),
    takenOver: (studyId) => listener.takenOver?.(studyId),
    output: (key) => listener.output(key),
    waits: (key, reason) => {
      listener.waits(key, reason);
      change(key, (room, id) => {
        if (room.begun.has(id)) return;
        const isForRoom = reason?.kind === 'unschedulable' || reason?.kind === 'queued';
        const since = room.waiting.get(id);
        forget(room, id);
        if (isForRoom) room.waiting.set(id, since ?? clock.monotonic());
        else room.asked.add(id);
      });
    },
    started: (key, info) => {
      listener.started(key, info);
      change(key, (room, id) => {
        forget(room, id);
        room.begun.add(id);
      });
    },
    ended: (key, ending) => {
      listener.ended(key, ending);
      change(key, forget);
    },
    [Symbol.dispose]: () => {
      isDisposed = true;
      for (const pools of studies.values()) for (const { timer } of pools.values()) timer?.[Symbol.dispose]();
    },
  };
}
