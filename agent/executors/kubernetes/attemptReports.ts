import { join } from 'node:path';
import type { WaitReason } from '../../protocol/study.ts';
import { recordEnd } from '../attempt/attemptRecord.ts';
import { keyText } from '../attempt/studyFolders.ts';
import { lostEnding } from '../executor.ts';
import type { ClusterHome } from './clusterHome.ts';
import type { endRecord } from './endRecord.ts';
import { firstPauseMs, type PodAttempt, startFile } from './podAttempt.ts';

/** What of an attempt is recorded in its folder and told to who asked for it. */
export class AttemptReports {
  readonly #home: ClusterHome;

  constructor(home: ClusterHome) {
    this.#home = home;
  }

  hasBegun(live: PodAttempt): void {
    if (live.hasBegun) return;
    live.hasBegun = true;
    this.#home.background(this.#home.system.files.writeText(join(live.dir, startFile), '{}'));
    this.tellStarted(live);
  }

  tellStarted(live: PodAttempt): void {
    if (live.isToldStarted || this.#home.isDisposed) return;
    live.isToldStarted = true;
    this.#home.options.listener.started(live.key, { pid: null });
  }

  tellWait(live: PodAttempt, reason: WaitReason | null): void {
    const text = JSON.stringify(reason);
    if (live.toldWait === text || live.hasEnded || this.#home.isDisposed) return;
    live.toldWait = text;
    this.#home.options.listener.waits(live.key, reason);
  }

  /** Recorded before its Job is removed, and told once. */
  async finish(live: PodAttempt, record: ReturnType<typeof endRecord>): Promise<void> {
    if (live.hasEnded || this.#home.isDisposed) return;
    const { files: disk } = this.#home.system;
    await disk.makeFolder(live.dir);
    // The disk may not have taken it when its program began.
    if (live.hasBegun) await disk.writeText(join(live.dir, startFile), '{}');
    await recordEnd(this.#home.system, live.dir, record);
    await this.tellRecorded(live);
  }

  async tellRecorded(live: PodAttempt): Promise<void> {
    if (live.hasEnded || this.#home.isDisposed) return;
    await this.#home.refuseTakenOver(live.key.studyId);
    const record = await this.#home.recordOf(live.key);
    const isStarted = (await this.#home.system.files.stat(join(live.dir, startFile))) !== null;
    if (live.hasEnded || this.#home.isDisposed) return;
    if (isStarted || live.hasBegun) this.tellStarted(live);
    this.#home.live.forget(live);
    this.#home.reported.add(keyText(live.key));
    this.#home.remove(live.key);
    this.#home.options.listener.ended(live.key, record.state === 'ended' ? record.ending : lostEnding);
  }

  /** After its start has resolved; as long as the disk does not let its record be read, that is tried again. */
  async tellEnd(live: PodAttempt): Promise<void> {
    const { clock } = this.#home.system;
    for (let pauseMs = 0; !live.hasEnded && !this.#home.isDisposed; pauseMs = firstPauseMs) {
      await live.news(clock, pauseMs);
      await this.tellRecorded(live).catch(() => {});
    }
  }
}
