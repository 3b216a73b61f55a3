import { mkdirSync, mkdtempSync, realpathSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Cluster } from '../../agent/cluster/cluster.ts';
import { connectCluster } from '../../agent/cluster/index.ts';
import { AttemptOutputFiles } from '../../agent/executors/attempt/outputFile.ts';
import { StudyFolders } from '../../agent/executors/attempt/studyFolders.ts';
import type { ExecutorListener } from '../../agent/executors/executor.ts';
import type { KubernetesExecutorOptions } from '../../agent/executors/kubernetes/clusterHome.ts';
import { KubernetesExecutor } from '../../agent/executors/kubernetes/kubernetesExecutor.ts';
import { SnapshotStore } from '../../agent/packaging/snapshot.ts';
import type { AttemptKey, ClusterSettings, ContainerSettings } from '../../agent/protocol/study.ts';
import { nodeSystem } from '../../agent/system/node.ts';
import { nodeFiles } from '../../agent/system/nodeFiles.ts';
import { nodeProcesses } from '../../agent/system/nodeProcesses.ts';
import { type ExecutorWorld, snapshotFiles, type Step } from '../contract/executorSuite.ts';
import { shellCommand } from '../contract/executorWorlds.ts';
import { TestNamespace } from '../support/cluster.ts';
import { testVolume } from './testVolume.ts';

/** What worlds share: a namespace that takes only pods that are `restricted`, with a claim to a volume. */
export interface PodPlace extends AsyncDisposable {
  readonly namespace: TestNamespace;
  readonly claim: string;
  /** Name by which nodes pull it. */
  readonly image: string;
}

export async function openPodPlace(image: string): Promise<PodPlace> {
  const namespace = await TestNamespace.create();
  const claim = 'checkpoints';
  const volume = await testVolume(namespace, claim);
  return {
    namespace,
    claim,
    image,
    async [Symbol.asyncDispose]() {
      await namespace[Symbol.asyncDispose]();
      await volume[Symbol.asyncDispose]();
    },
  };
}

/** A home of its own on the real cluster. */
export class PodWorld implements ExecutorWorld {
  readonly base = realpathSync(mkdtempSync(join(tmpdir(), 'hpo-executor ü-')));
  readonly homeDir = join(this.base, 'home');
  readonly root = join(this.base, 'project');
  readonly snapshots = new SnapshotStore(join(this.homeDir, 'snapshots'));
  readonly files = new StudyFolders(this.homeDir);
  readonly output = new AttemptOutputFiles(this.files, nodeFiles);
  readonly api: Cluster;
  /** So that many fit on one small node. */
  readonly cpus = 0.02;
  readonly namespace: TestNamespace;
  readonly container: ContainerSettings;
  readonly cluster: ClusterSettings;
  readonly #executors: KubernetesExecutor[] = [];
  snapshot = '';

  constructor(api: Cluster, { namespace, image, claim }: PodPlace) {
    this.api = api;
    this.namespace = namespace;
    this.container = {
      image: { name: image, id: image, recipe: null },
      mounts: [],
      network: false,
      memoryBytes: 128 * 1024 ** 2,
      shmBytes: 16 * 1024 ** 2,
      pids: 200,
      gpus: 0,
      secrets: [],
    };
    this.cluster = {
      context: 'test',
      namespace: namespace.name,
      home: this.files.homeMark,
      codeIn: 'objects',
      pullSecrets: [],
      queue: null,
      priorityClass: null,
      volumes: [],
      checkpoints: { type: 'volume', claim, path: 'kept' },
      pools: [
        { name: 'cpu', when: null, slots: null, gpus: 0, gpuResource: 'nvidia.com/gpu', nodeSelector: {}, tolerations: [] },
      ],
      podTemplate: null,
      followsCapacity: false,
    };
  }

  async store(files: Readonly<Record<string, string>>): Promise<void> {
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(dirname(join(this.root, path)), { recursive: true });
      writeFileSync(join(this.root, path), content);
    }
    this.snapshot = (await this.snapshots.take({ root: this.root, mustHave: [] })).hash;
  }

  connect(listener: ExecutorListener, more: Partial<KubernetesExecutorOptions> = {}): KubernetesExecutor {
    const executor = new KubernetesExecutor({
      system: nodeSystem(),
      homeDir: this.homeDir,
      snapshots: this.snapshots,
      cluster: () => Promise.resolve(this.api),
      listener,
      environment: {},
      ...more,
    });
    this.#executors.push(executor);
    return executor;
  }

  /** What all attempts of the study share; the suite's own studies are made ready when the world is. */
  async prepare(
    studyId: string,
    { container = {}, cluster = {} }: { container?: Partial<ContainerSettings>; cluster?: Partial<ClusterSettings> } = {},
  ): Promise<void> {
    await using executor = this.connect(silent);
    await executor.prepare({
      studyId,
      root: this.root,
      snapshot: this.snapshot,
      container: { ...this.container, ...container },
      cluster: { ...this.cluster, ...cluster },
    });
  }

  command(steps: readonly Step[]): readonly string[] {
    return shellCommand(steps);
  }

  async read(key: AttemptKey, stream: 'out' | 'metrics'): Promise<string> {
    return new TextDecoder().decode(await this.output.read(key, stream, 0, 1 << 20));
  }

  /** The nodes run on this machine. */
  async processes(): Promise<number> {
    const suffix = `@${this.files.homeMark}`;
    return (await nodeProcesses.findMarked((mark) => mark.endsWith(suffix))).length;
  }

  /** `Kind/name` of all that this home has on the cluster. */
  async left(): Promise<readonly string[]> {
    const labels = { 'hpo.home': this.files.homeMark };
    const kinds = ['Job', 'Pod', 'ConfigMap', 'Secret'] as const;
    const lists = kinds.map(async (kind) =>
      (await this.api.list(kind, { labels })).map(({ metadata }) => `${kind}/${metadata?.name}`),
    );
    return (await Promise.all(lists)).flat();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const executor of this.#executors) await executor[Symbol.asyncDispose]();
    const labels = { 'hpo.home': this.files.homeMark };
    for (const kind of ['Job', 'ConfigMap'] as const)
      for (const { metadata } of await this.api.list(kind, { labels })) await this.api.remove(kind, metadata?.name ?? '');
    await this.api[Symbol.asyncDispose]();
    await rm(this.base, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}

export async function openPodWorld(place: PodPlace): Promise<PodWorld> {
  const { name } = place.namespace;
  const kubeconfig = [place.namespace.cluster.kubeconfig];
  const world = new PodWorld(await connectCluster({ kubeconfig, context: 'test', namespace: name, environment: {} }), place);
  await world.store(snapshotFiles);
  for (const studyId of ['study-1', 'study-10']) await world.prepare(studyId);
  return world;
}

function ignore(): void {}

const silent: ExecutorListener = { waits: ignore, room: ignore, started: ignore, output: ignore, ended: ignore };
