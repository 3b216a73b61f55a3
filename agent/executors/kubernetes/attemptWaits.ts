import type { Workload } from '../../cluster/cluster.ts';
import type { AttemptReports } from './attemptReports.ts';
import type { ClusterHome } from './clusterHome.ts';
import type { ClusterView, Seen } from './clusterView.ts';
import { startFault } from './endRecord.ts';
import { podOf, type PodAttempt } from './podAttempt.ts';
import { whyItWaits } from './waits.ts';

/** Tells why attempts have not begun, and gives up what has waited for too long. */
export class AttemptWaits {
  readonly #home: ClusterHome;
  readonly #reports: AttemptReports;

  constructor(home: ClusterHome, reports: AttemptReports) {
    this.#home = home;
    this.#reports = reports;
  }

  async explainWait(live: PodAttempt, seen: Seen): Promise<void> {
    const { clock } = this.#home.system;
    const { view } = live;
    if (view === null) return;
    const pod = podOf(live, seen);
    const uid = seen.job?.metadata?.uid;
    const told =
      seen.job?.spec?.suspend === true
        ? { workload: await this.#workloadOf(view, seen) }
        : pod === null && seen.job !== null
          ? { events: (await view.failedCreates().catch(() => [])).filter(({ involvedObject }) => involvedObject.uid === uid) }
          : {};
    const waiting = whyItWaits(seen.job, pod, told);
    this.#reports.tellWait(live, waiting?.reason ?? null);
    const kind = waiting?.reason.kind ?? null;
    if (live.waitKind !== kind) {
      live.waitKind = kind;
      live.waitsSince = clock.monotonic();
    }
    if (waiting === null || clock.monotonic() - live.waitsSince < waiting.patienceMs) return;
    await this.#reports.finish(live, startFault(waiting.reason.message));
  }

  async #workloadOf(view: ClusterView, { job }: Seen): Promise<Workload | null> {
    const uid = job?.metadata?.uid;
    const all = await view.workloads().catch(() => []);
    return all.find(({ metadata }) => metadata?.labels?.['kueue.x-k8s.io/job-uid'] === uid) ?? null;
  }
}
