import type { CoreV1Event } from '@kubernetes/client-node';
import type { Workload } from '../../cluster/cluster.ts';
import type { AttemptMaking } from './attemptMaking.ts';
import type { AttemptReports } from './attemptReports.ts';
import type { ClusterHome } from './clusterHome.ts';
import type { ClusterView, Seen } from './clusterView.ts';
import { startFault } from './endRecord.ts';
import { podOf, type PodAttempt } from './podAttempt.ts';
import { whyItWaits } from './waits.ts';

/** A node that takes longer for a pod may say why in its events. */
const preparingMs = 10_000;

/** Tells why attempts have not begun, and gives up what has waited for too long. */
export class AttemptWaits {
  readonly #home: ClusterHome;
  readonly #reports: AttemptReports;
  readonly #making: AttemptMaking;

  constructor(home: ClusterHome, reports: AttemptReports, making: AttemptMaking) {
    this.#home = home;
    this.#reports = reports;
    this.#making = making;
  }

  async explainWait(live: PodAttempt, seen: Seen): Promise<void> {
    const { clock } = this.#home.system;
    const { view } = live;
    if (view === null) return;
    const pod = podOf(live, seen);
    const isPreparing = live.waitKind === 'starting' && clock.monotonic() - live.waitsSince > preparingMs;
    const told =
      seen.job?.spec?.suspend === true
        ? { workload: await this.#workloadOf(view, seen) }
        : seen.job !== null && (pod === null || isPreparing)
          ? { events: await this.#warningsOf(view, seen) }
          : {};
    const waiting = whyItWaits(seen.job, pod, told);
    if (waiting?.isFault === true) await this.#making.mend(live, waiting.reason.message);
    this.#reports.tellWait(live, waiting?.reason ?? null);
    const kind = waiting?.reason.kind ?? null;
    if (live.waitKind !== kind) live.waitsSince = clock.monotonic();
    if (waiting === null || live.waitKind !== kind || !waiting.isFault) live.faultSince = clock.monotonic();
    live.waitKind = kind;
    if (waiting === null || clock.monotonic() - (waiting.isFault ? live.faultSince : live.waitsSince) < waiting.patienceMs)
      return;
    await this.#reports.finish(live, startFault(waiting.reason.message));
  }

  async #warningsOf(view: ClusterView, { job, pods }: Seen): Promise<readonly CoreV1Event[]> {
    const uids = [job, ...pods].flatMap((object) => object?.metadata?.uid ?? []);
    const all = await view.warnings().catch(() => []);
    return all.filter(({ involvedObject }) => uids.includes(involvedObject.uid ?? ''));
  }

  async #workloadOf(view: ClusterView, { job }: Seen): Promise<Workload | null> {
    const uid = job?.metadata?.uid;
    const all = await view.workloads().catch(() => []);
    return all.find(({ metadata }) => metadata?.labels?.['kueue.x-k8s.io/job-uid'] === uid) ?? null;
  }
}
