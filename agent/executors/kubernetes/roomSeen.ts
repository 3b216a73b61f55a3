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

interface StudyRoom {
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
 * and go all count.
 */
export function withRoom(listener: ExecutorListener, clock: Clock): ExecutorListener {
  const studies = new Map<string, StudyRoom>();

  function change(key: AttemptKey, act: (room: StudyRoom, id: string) => void): void {
    const room = studies.get(key.studyId) ?? {
      begun: new Set(),
      waiting: new Map(),
      asked: new Set(),
      lastWaitAt: -Infinity,
      told: NaN,
      timer: null,
    };
    studies.set(key.studyId, room);
    act(room, keyText(key));
    tell(key.studyId, room);
    if (room.begun.size + room.waiting.size + room.asked.size > 0) return;
    room.timer?.[Symbol.dispose]();
    studies.delete(key.studyId);
  }

  function tell(studyId: string, room: StudyRoom): void {
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
    room.timer = nextMs === null ? null : clock.after(nextMs, () => tell(studyId, room));
    // That trials end takes no room away: only what waits in vain shows that.
    if (size === null || size === room.told || (!isWaiting && size < room.told)) return;
    room.told = size;
    listener.room(studyId, size);
  }

  const forget = (room: StudyRoom, id: string): void => {
    room.begun.delete(id);
    room.waiting.delete(id);
    room.asked.delete(id);
  };
  return {
    room: (studyId, attempts) => listener.room(studyId, attempts),
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
  };
}
