import { join } from 'node:path';
import type { Cluster } from '../../cluster/cluster.ts';
import type { SnapshotStore } from '../../packaging/snapshot.ts';
import { HpoError } from '../../protocol/errors.ts';
import type { AttemptKey, ClusterSettings } from '../../protocol/study.ts';
import type { System } from '../../system/system.ts';
import { type AttemptRecord, readAttemptRecord } from '../attempt/attemptRecord.ts';
import { LiveAttempts } from '../attempt/liveAttempts.ts';
import { keyText, StudyFolders } from '../attempt/studyFolders.ts';
import type { ExecutorListener } from '../executor.ts';
import { AwayStudies } from './awayStudies.ts';
import { ClusterView } from './clusterView.ts';
import { filesName, jobName } from './names.ts';
import type { PodAttempt } from './podAttempt.ts';
import { withRoom } from './roomSeen.ts';
import { type ClusterStudy, readClusterStudy } from './studyFile.ts';
import { makeStudyObjects, refuseFenced, type StudyObjects } from './studyObjects.ts';
import { placeKey, UsedClusters } from './usedClusters.ts';

export interface KubernetesExecutorOptions {
  readonly system: System;
  /** Absolute path of HPO_HOME. */
  readonly homeDir: string;
  readonly snapshots: Pick<SnapshotStore, 'mountPlan' | 'verify'>;
  readonly listener: ExecutorListener;
  /** The agent's environment, of which attempts get the secrets that their study names. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The cluster and namespace of a study, connected when they are first needed. */
  readonly cluster: (settings: ClusterSettings) => Promise<Cluster>;
  /** Mark of this home: in the names and labels of what its studies have on clusters. Absent: that of the folder's path. */
  readonly homeMark?: string;
  /** Of the agent's life, by which people tell whose Job it is. */
  readonly epoch?: number;
  /** Studies that another agent acts on by now, as the journal knows them; for where the file that says so is damaged. Absent: nothing goes on then. */
  readonly movedAway?: () => ReadonlySet<string>;
  /** Of images that have the code of studies. Absent: none is ever made. */
  readonly codeImages?: {
    /** Removes the image of a study that is deleted, unless another one has it or a start has wanted it since. */
    readonly remove: (digest: string, since: number) => Promise<void>;
    /** The study in that image is another agent's from now on. */
    readonly giveAway: (digest: string) => Promise<void>;
  };
}

/** What this home knows of its studies and attempts on clusters, and of what is there: shared by all that acts on them. */
export class ClusterHome {
  readonly files: StudyFolders;
  readonly options: KubernetesExecutorOptions;
  readonly system: System;
  readonly live: LiveAttempts<PodAttempt> = new LiveAttempts<PodAttempt>(() => {});
  /** Attempts whose end was reported in this life, by `keyText`. */
  readonly reported: Set<string> = new Set<string>();
  /** Jobs of attempts that nobody has adopted, by `keyText`, and owners of studies, by name, with when they were seen first. */
  readonly unowned: Map<string, number> = new Map<string, number>();
  /** Attempts that are being given up, as nobody adopts them; by `keyText`. */
  readonly givenUp: Map<string, Promise<void>> = new Map<string, Promise<void>>();
  /** Studies that were made ready in this life: others have attempts from before it, or none. */
  readonly prepared: Set<string> = new Set<string>();
  readonly studies: Map<string, ClusterStudy> = new Map<string, ClusterStudy>();
  readonly objects: Map<string, Promise<StudyObjects>> = new Map<string, Promise<StudyObjects>>();
  readonly views: Map<string, Promise<ClusterView>> = new Map<string, Promise<ClusterView>>();
  readonly used: UsedClusters;
  readonly away: AwayStudies;
  readonly removals: Set<Promise<void>> = new Set<Promise<void>>();
  /** Something of an attempt may have changed; by `keyText`. */
  onChange: (view: ClusterView, id: string) => void = () => {};
  /** All that there is in one place was just listed. */
  onLook: (view: ClusterView) => Promise<void> = () => Promise.resolve();
  /** Looks at how much room there is, while attempts wait. */
  readonly room: Disposable;
  isDisposed = false;

  constructor(options: KubernetesExecutorOptions) {
    const poolOf = (key: AttemptKey): string => this.live.get(keyText(key))?.attempt?.pool ?? '';
    const listener = withRoom(options.listener, options.system.clock, poolOf);
    this.room = listener;
    this.options = { ...options, listener };
    this.system = options.system;
    this.files = new StudyFolders(options.homeDir);
    this.used = new UsedClusters(options.system.files, join(options.homeDir, 'run', 'clusters.json'));
    this.away = new AwayStudies(options.system.files, options.homeDir, options.movedAway);
  }

  async study(studyId: string): Promise<ClusterStudy> {
    const known = this.studies.get(studyId) ?? (await readClusterStudy(this.system.files, this.files.clusterFile(studyId)));
    this.studies.set(studyId, known);
    return known;
  }

  view(settings: ClusterSettings): Promise<ClusterView> {
    const place = placeKey(settings);
    const known = this.views.get(place);
    if (known !== undefined) return known;
    const made = this.options.cluster(settings).then(
      (cluster) =>
        new ClusterView({
          cluster,
          home: settings.home,
          clock: this.system.clock,
          onChange: (view, id) => {
            this.live.get(id)?.wake();
            this.onChange(view, id);
          },
          onLook: (view) => this.background(this.onLook(view)),
          isLively: () => [...this.live.values()].some((live) => !live.hasBegun),
          isNeeded: () => [...this.live.values()].some(({ view }) => view !== null && view.cluster === cluster),
        }),
    );
    this.views.set(place, made);
    made.catch(() => this.views.delete(place));
    return made;
  }

  /** All that there is on all clusters that were used, listed now; null for one that does not answer. By `placeKey`. */
  async look(): Promise<ReadonlyMap<string, ClusterView | null>> {
    const found = new Map<string, ClusterView | null>();
    await Promise.all(
      (await this.used.all()).map(async (settings) => {
        const view = await this.view(settings)
          .then(async (there) => {
            // Anything may be there, also what a cluster makes late.
            there.follow();
            await there.look();
            return there;
          })
          .catch(() => null);
        found.set(placeKey(settings), view);
      }),
    );
    return found;
  }

  async placeOf({ studyId }: AttemptKey): Promise<string> {
    return await this.study(studyId).then(
      ({ cluster }) => placeKey(cluster),
      () => '',
    );
  }

  objectsOf(studyId: string, study: ClusterStudy, cluster: Cluster): Promise<StudyObjects> {
    const known = this.objects.get(studyId);
    if (known !== undefined) return known;
    const { snapshots, environment } = this.options;
    const made = makeStudyObjects({ cluster, studyId, study, snapshots, disk: this.system.files, environment });
    this.objects.set(studyId, made);
    made.catch(() => this.objects.delete(studyId));
    return made;
  }

  /**
   * Whether this home acts on the study, going by the mark of what it has there. Of another home's only those are ours that have
   * moved here: the others are still that home's.
   */
  async isOurs(studyId: string, mark: string): Promise<boolean> {
    if (await this.away.has(studyId)) return false;
    if (mark === (this.options.homeMark ?? this.files.homeMark)) return true;
    return (await this.system.files.stat(this.files.clusterFile(studyId))) !== null;
  }

  /**
   * Rejects with HPO-2518 where another agent has taken the study over meanwhile: asked before anything of it is made, stopped, removed
   * or told, as this agent may have been cut off when that happened. Of a study that never moved nobody asks.
   */
  async refuseTakenOver(studyId: string, check: typeof refuseFenced = refuseFenced): Promise<void> {
    const study = await this.study(studyId).catch(() => null);
    if (study === null || (study.moves ?? 0) === 0) return;
    const { cluster } = await this.view(study.cluster);
    await check(cluster, studyId, study).catch(async (error: unknown) => {
      if (error instanceof HpoError && error.code === 'HPO-2518') {
        // What it has on the cluster is the other agent's.
        await this.away.set(studyId, true);
        this.options.listener.takenOver?.(studyId);
      }
      throw error;
    });
  }

  studyFolders(): Promise<string[]> {
    return this.files.studiesOf(this.system.files, 'pods');
  }

  recordOf(key: AttemptKey): Promise<AttemptRecord> {
    return readAttemptRecord(this.system.files, this.files.attemptDir(key));
  }

  /** In the background: what is left over a later look takes. */
  remove(key: AttemptKey): void {
    const removal = this.study(key.studyId)
      .then(async ({ cluster: settings }) => {
        const { cluster, home } = await this.view(settings);
        await cluster.remove('ConfigMap', filesName(home, key));
        await cluster.remove('Job', jobName(home, key));
      })
      .catch(() => {})
      .finally(() => this.removals.delete(removal));
    this.removals.add(removal);
  }

  /** Work that nobody waits for; what it failed with is done again at the next look. */
  background(work: Promise<void>): void {
    work.catch(() => {});
  }
}
