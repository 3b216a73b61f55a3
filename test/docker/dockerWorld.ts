import { mkdirSync, mkdtempSync, realpathSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { connectEngine } from '../../agent/engine/index.ts';
import type { Engine } from '../../agent/engine/engine.ts';
import type { ExecutorListener } from '../../agent/executors/executor.ts';
import { AttemptOutputFiles } from '../../agent/executors/attempt/outputFile.ts';
import { StudyFolders } from '../../agent/executors/attempt/studyFolders.ts';
import { DockerExecutor, type DockerExecutorOptions } from '../../agent/executors/docker/dockerExecutor.ts';
import { SnapshotStore } from '../../agent/packaging/snapshot.ts';
import type { AttemptKey, ContainerSettings } from '../../agent/protocol/study.ts';
import { nodeSystem } from '../../agent/system/node.ts';
import { nodeFiles } from '../../agent/system/nodeFiles.ts';
import { nodeProcesses } from '../../agent/system/nodeProcesses.ts';
import { type ExecutorWorld, snapshotFiles, type Step } from '../contract/executorSuite.ts';
import { shellCommand } from '../contract/executorWorlds.ts';
import { bases } from '../support/docker.ts';

/** A home of its own on the real engine; all of its containers are gone at the end. */
export class DockerWorld implements ExecutorWorld {
  readonly base = realpathSync(mkdtempSync(join(tmpdir(), 'hpo-executor ü-')));
  readonly homeDir = join(this.base, 'home');
  readonly root = join(this.base, 'project');
  readonly snapshots = new SnapshotStore(join(this.homeDir, 'snapshots'));
  readonly files = new StudyFolders(this.homeDir);
  readonly output = new AttemptOutputFiles(this.files, nodeFiles);
  readonly labels = { 'hpo.home': this.files.homeMark };
  readonly engine: Engine;
  readonly container: ContainerSettings;
  readonly cluster = null;
  readonly #executors: DockerExecutor[] = [];
  snapshot = '';

  constructor(engine: Engine, settings: ContainerSettings) {
    this.engine = engine;
    this.container = settings;
  }

  async store(files: Readonly<Record<string, string>>): Promise<void> {
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(dirname(join(this.root, path)), { recursive: true });
      writeFileSync(join(this.root, path), content);
    }
    this.snapshot = (await this.snapshots.take({ root: this.root, mustHave: [] })).hash;
  }

  connect(listener: ExecutorListener, more: Partial<DockerExecutorOptions> = {}): DockerExecutor {
    const executor = new DockerExecutor({
      system: nodeSystem(),
      homeDir: this.homeDir,
      snapshots: this.snapshots,
      images: { restore: ({ id }) => Promise.resolve(id) },
      engine: () => Promise.resolve(this.engine),
      listener,
      environment: {},
      ...more,
    });
    this.#executors.push(executor);
    return executor;
  }

  /** What all attempts of the study share; the suite's own studies are made ready when the world is. */
  async prepare(studyId: string, settings: Partial<ContainerSettings> = {}): Promise<void> {
    await using executor = this.connect({ waits: ignore, room: ignore, started: ignore, output: ignore, ended: ignore });
    const container = { ...this.container, ...settings };
    await executor.prepare({ studyId, root: this.root, snapshot: this.snapshot, container, cluster: null });
  }

  command(steps: readonly Step[]): readonly string[] {
    return shellCommand(steps);
  }

  async read(key: AttemptKey, stream: 'out' | 'metrics'): Promise<string> {
    return new TextDecoder().decode(await this.output.read(key, stream, 0, 1 << 20));
  }

  async processes(): Promise<number> {
    const suffix = `@${this.files.homeMark}`;
    return (await nodeProcesses.findMarked((mark) => mark.endsWith(suffix))).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const executor of this.#executors) await executor[Symbol.asyncDispose]();
    for (const { name } of await this.engine.listContainers(this.labels)) await this.engine.removeContainer(name);
    for (const { id } of await this.engine.listImages(this.labels)) await this.engine.removeImage(id);
    await this.engine[Symbol.asyncDispose]();
    await rm(this.base, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}

/** The base image of Python must be there. */
export async function openDockerWorld(): Promise<DockerWorld> {
  const engine = await connectEngine({ host: null, environment: process.env });
  const image = await engine.inspectImage(bases.python);
  if (image === null) throw new Error(`${bases.python} is not there`);
  const world = new DockerWorld(engine, {
    image: { name: bases.python, id: image.id, recipe: null },
    mounts: [],
    network: false,
    memoryBytes: 512 * 1024 ** 2,
    shmBytes: 64 * 1024 ** 2,
    pids: 200,
    gpus: 0,
    secrets: [],
  });
  await world.store(snapshotFiles);
  for (const studyId of ['study-1', 'study-10']) await world.prepare(studyId);
  return world;
}

function ignore(): void {}
