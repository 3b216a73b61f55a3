import { join } from 'node:path';
import type { V1Pod } from '@kubernetes/client-node';
import { outputFileNames } from '../attempt/outputFile.ts';
import { type AttemptMaking, unknownJob } from './attemptMaking.ts';
import type { AttemptReports } from './attemptReports.ts';
import { isAway } from './clusterAnswers.ts';
import type { ClusterHome } from './clusterHome.ts';
import type { Seen } from './clusterView.ts';
import { endRecord } from './endRecord.ts';
import type { LogMirror } from './logMirror.ts';
import { filesName } from './names.ts';
import { podOf, type PodAttempt } from './podAttempt.ts';
import { hasBegun, isTerminal, type PodEnd, podEnd } from './podEnd.ts';
import type { PodReading } from './podReading.ts';

const second = 1_000;
const minute = 60 * second;
/** A pod that should be gone so long ago, on a node that does not answer, is given up. */
const goneMs = minute;
/** In which a node says why it ended a pod, after its program was told to end. */
const reasonMs = 10 * second;
/** Reads of a whole log after its pod has ended, before what it lacks is taken for lost. */
const maxFinalReads = 6;
/** And the same where neither server nor node answers. */
const finalPatienceMs = 10 * minute;

/** Finds out whether and how attempts have ended. */
export class AttemptEnds {
  readonly #home: ClusterHome;
  readonly #reports: AttemptReports;
  readonly #reading: PodReading;
  readonly #making: AttemptMaking;

  constructor(home: ClusterHome, reports: AttemptReports, reading: PodReading, making: AttemptMaking) {
    this.#home = home;
    this.#reports = reports;
    this.#reading = reading;
    this.#making = making;
  }

  /** By a log that tells the end. False while anything of it runs all the same. */
  async settleByLog(live: PodAttempt, pod: V1Pod): Promise<boolean> {
    const { clock } = this.#home.system;
    const { mirror, view } = live;
    if (mirror === null || view === null) return false;
    const { end, fault } = mirror;
    const seen = podEnd(view.of(live.key).job, pod, live.isStopped);
    const now = await view.lookAt(live.key).catch(() => null);
    // Why others ended it stands in its pod, or not any more.
    const wasTold = end?.exit?.['told'] === true && !live.isStopped;
    const current = now === null ? null : podOf(live, now);
    const known = now === null || !wasTold ? seen : podEnd(now.job, current, live.isStopped);
    if (wasTold && current !== null && known.disruption === null && known.brokenLimit === null) {
      // Its node tells the cluster why a moment later.
      live.toldSince ??= clock.monotonic();
      if (clock.monotonic() - live.toldSince < reasonMs) return false;
    }
    if (now !== null && !(await this.#endOthers(live, now))) return false;
    await this.#reports.finish(live, await this.#endOf(live, end, fault, known));
    return true;
  }

  /** By what the cluster says, where the log does not tell the end. */
  async settleByCluster(live: PodAttempt, found: Seen, isNew: boolean): Promise<boolean> {
    const { clock } = this.#home.system;
    let seen = found;
    if (isNew && seen.job !== null) {
      await this.#making.claimJob(live, seen.job);
      return true;
    }
    if (seen.job === null && live.file?.job === unknownJob && live.view !== null) {
      // It may come late: without its files it begins nothing. Or it was there, and has run, and is gone.
      await live.view.cluster.remove('ConfigMap', filesName(live.view.home, live.key));
      seen = await live.view.lookAt(live.key);
    }
    const pod = podOf(live, seen);
    const state = podEnd(seen.job, pod, live.isStopped);
    // Whatever else its Job does, as when a queue lets it in once more: another pod is not the attempt's.
    const isReplaced = pod === null && live.file !== null && live.file.pod !== null;
    if (!state.isOver && !isReplaced) {
      if (pod?.metadata?.deletionTimestamp === undefined) live.goingSince = null;
      else live.goingSince ??= clock.monotonic();
      const grace = (pod?.metadata?.deletionGracePeriodSeconds ?? 0) * second;
      const isGone = live.goingSince !== null && clock.monotonic() - live.goingSince > grace + goneMs;
      if (!isGone) return false;
      const disruption = live.isStopped ? null : (state.disruption ?? 'its node does not answer');
      await this.#reports.finish(live, await this.#endOf(live, null, null, { ...state, disruption }));
      return true;
    }
    if (pod !== null && hasBegun(pod)) {
      live.finalReads++;
      live.finalSince ??= clock.monotonic();
      const outcome = await this.#reading.read(live, pod, true).catch((error: unknown) => (isAway(error) ? 'away' : 'none'));
      if (live.mirror?.isOver === true) return await this.settleByLog(live, pod);
      // A connection that was dead, or a node that does not answer, may have it yet.
      if (outcome === 'none' && live.finalReads < maxFinalReads) return false;
      const isLate = clock.monotonic() - live.finalSince > finalPatienceMs;
      if ((outcome === 'cut' || outcome === 'away') && !isLate) return false;
    }
    if (!(await this.#endOthers(live, seen))) return false;
    // Whoever removed it may have removed all of the study.
    if (seen.job === null) this.#home.objects.delete(live.key.studyId);
    const { message } = state;
    if (message.end !== null && pod !== null) await (await this.#reading.mirrorOf(live, pod)).complete(message.end, message);
    await this.#reports.finish(live, await this.#endOf(live, message.end, message.fault, state));
    return true;
  }

  /**
   * Ends other pods of its Job, which a controller makes that has an old view: when the end of an attempt is told nothing of it may run,
   * as whatever follows has its place and its checkpoints. False while one is there, on a node that answers.
   */
  async #endOthers(live: PodAttempt, { pods }: Seen): Promise<boolean> {
    const { clock } = this.#home.system;
    const own = live.file?.pod ?? pods[0]?.metadata?.uid;
    const others = pods.filter((pod) => pod.metadata?.uid !== own && !isTerminal(pod));
    live.othersSince ??= clock.monotonic();
    if (others.length === 0 || clock.monotonic() - live.othersSince > goneMs) return true;
    for (const { metadata } of others) await live.view?.cluster.remove('Pod', metadata?.name ?? '', { graceSeconds: 1 });
    return false;
  }

  async #endOf(
    live: PodAttempt,
    end: LogMirror['end'],
    fault: string | null,
    seen: PodEnd,
  ): Promise<ReturnType<typeof endRecord>> {
    const stats = await this.#home.system.files.stat(join(live.dir, outputFileNames.out));
    if (end !== null) this.#reports.hasBegun(live);
    return endRecord({ end, fault, seen, isStopped: live.isStopped, hasBegun: live.hasBegun, output: stats?.size ?? 0 });
  }
}
