import { join } from 'node:path';
import { objectStore } from './checkpointStore.ts';
import type { ClusterHome } from './clusterHome.ts';
import type { Seen } from './clusterView.ts';
import { jobName } from './names.ts';
import { podOf, type PodAttempt, stopFile } from './podAttempt.ts';
import { isTerminal } from './podEnd.ts';
import { storeSeconds } from './storeProgram.ts';

const second = 1_000;
/** Beyond the grace, what a node takes to end a pod. */
const recordMs = 2 * second;
/** Beyond that, what the cluster takes to tell the node. */
const patienceMs = 10 * second;

/** Ends attempts that are asked to end. */
export class AttemptStops {
  readonly #home: ClusterHome;

  constructor(home: ClusterHome) {
    this.#home = home;
  }

  async end(live: PodAttempt, graceMs: number): Promise<void> {
    const { clock, files: disk } = this.#home.system;
    await live.starting;
    if (live.hasEnded || this.#home.isDisposed) return;
    const killAt = clock.monotonic() + graceMs;
    if (killAt >= live.killAt) return;
    live.killAt = killAt;
    live.asked = null;
    live.killTimer?.[Symbol.dispose]();
    live.killTimer = clock.after(graceMs + sendingMs(live) + patienceMs, () => this.#home.background(this.pressOn(live)));
    // First, so that the next agent, too, takes its end for one that was asked for.
    await disk.makeFolder(live.dir);
    await disk.writeText(join(live.dir, stopFile), '').catch(() => {});
    await this.pressOn(live).catch(() => {});
    live.wake();
  }

  /** Passes on that it is to end, until the cluster has heard it. */
  async pressOn(live: PodAttempt): Promise<void> {
    const { clock, failpoints } = this.#home.system;
    const { view } = live;
    if (live.killAt === Infinity || view === null || live.hasEnded) return;
    const leftMs = live.killAt - clock.monotonic();
    const isLate = leftMs + sendingMs(live) < -patienceMs;
    const askedOf = (seen: Seen): string => `${podOf(live, seen)?.metadata?.uid ?? 'job'} ${isLate}`;
    if (live.asked === askedOf(view.of(live.key))) return;
    const seen = await view.lookAt(live.key);
    const pod = podOf(live, seen);
    const asked = askedOf(seen);
    if (live.asked === asked) return;
    await this.#home.refuseTakenOver(live.key.studyId);
    const graceSeconds = leftMs <= 0 ? 1 : Math.ceil((leftMs + recordMs + sendingMs(live)) / second);
    await failpoints.step('attempt.stop', async () => {
      if (pod === null) await view.cluster.remove('Job', jobName(view.home, live.key));
      else if (!isTerminal(pod)) await view.cluster.remove('Pod', pod.metadata?.name ?? '', { graceSeconds });
    });
    live.asked = asked;
  }
}

/** What its last checkpoint gets to be sent, beyond the grace of its program. */
function sendingMs({ study }: Pick<PodAttempt, 'study'>): number {
  return study === null || objectStore(study.cluster) === null ? 0 : storeSeconds * second;
}
