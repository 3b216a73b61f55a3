import type { Executor, ExecutorListener } from '../../agent/executors/executor.ts';
import { StudyFolders } from '../../agent/executors/attempt/studyFolders.ts';
import type { Engine } from '../../agent/engine/engine.ts';
import { DockerExecutor, type DockerExecutorOptions } from '../../agent/executors/docker/dockerExecutor.ts';
import { LocalExecutor, type LocalExecutorOptions } from '../../agent/executors/local/localExecutor.ts';
import type { Cluster } from '../../agent/cluster/cluster.ts';
import { KubernetesExecutor } from '../../agent/executors/kubernetes/kubernetesExecutor.ts';
import type { AttemptKey, ClusterSettings, ContainerSettings } from '../../agent/protocol/study.ts';
import type { Clock } from '../../agent/system/clock.ts';
import { podContainer, simulatedClusterSettings } from '../simulation/agent/clusterSettings.ts';
import { clusterOf } from '../simulation/machine/cluster/client.ts';
import { Kube } from '../simulation/machine/cluster/kube.ts';
import { imagesOf, simulatedContainer } from '../simulation/agent/images.ts';
import { homeDir } from '../simulation/agent/simulatedAgent.ts';
import { snapshotsOf } from '../simulation/agent/snapshots.ts';
import { Machine, type MachineOptions } from '../simulation/machine/machine.ts';
import type { Program } from '../simulation/machine/program.ts';
import { runInRealTime } from '../simulation/machine/runInRealTime.ts';
import { type ExecutorWorld, snapshotFiles, type Step } from './executorSuite.ts';

/** The local executor on a virtual machine, whose time passes as real time does. */
export function openVirtualWorld(): Promise<ExecutorWorld> {
  return openWorld(null, (options) => new LocalExecutor(options));
}

/** The Docker executor on a virtual machine with an engine; the suite's studies are made ready. */
export async function openVirtualDockerWorld(): Promise<ExecutorWorld> {
  const world = await openWorld(
    simulatedContainer,
    (options, engine) => new DockerExecutor({ ...options, engine, images: imagesOf(engine) }),
  );
  await prepareStudies(world);
  return world;
}

/** The Kubernetes executor on a virtual machine with a cluster beside it; the suite's studies are made ready. */
export async function openVirtualKubernetesWorld(): Promise<VirtualWorld> {
  const world = await openWorld(
    podContainer,
    (options, _engine, cluster) => new KubernetesExecutor({ ...options, cluster }),
    simulatedClusterSettings,
  );
  await prepareStudies(world);
  return world;
}

async function prepareStudies(world: ExecutorWorld): Promise<void> {
  await using executor = world.connect({ waits: ignore, room: ignore, started: ignore, output: ignore, ended: ignore });
  for (const studyId of ['study-1', 'study-10'])
    await executor.prepare({
      studyId,
      root: world.root,
      snapshot: world.snapshot,
      container: world.container,
      cluster: world.cluster,
    });
}

/** With what the machine and the cluster of it are made of. */
interface VirtualWorld extends ExecutorWorld {
  readonly kube: Kube;
  readonly disk: Machine['disk'];
  /** Timers of executors that have not fired yet: each keeps an agent from ending. */
  readonly timers: () => number;
}

type Options = Omit<LocalExecutorOptions & DockerExecutorOptions, 'engine' | 'images'>;

async function openWorld(
  container: ContainerSettings | null,
  make: (options: Options, engine: () => Promise<Engine>, cluster: () => Promise<Cluster>) => Executor,
  cluster: ClusterSettings | null = null,
): Promise<VirtualWorld> {
  const program: MachineOptions['program'] = ([name]) => (name === 'steps' ? runSteps : null);
  const machine = new Machine({ seed: 1, program });
  // With room for all that the suite runs at once.
  const kube = new Kube({ seed: 1, timeline: machine.timeline, program, cpus: 16 });
  if (container !== null) machine.engine.addImage(container.image);
  const time = runInRealTime(machine);
  const files = new StudyFolders(homeDir);
  const executors: Executor[] = [];
  const timers = new Set<object>();
  const kernels = () => [
    machine.kernel,
    ...machine.engine.containers.map(({ kernel }) => kernel),
    ...kube.runs.map(({ kernel }) => kernel),
  ];
  return Promise.resolve({
    kube,
    disk: machine.disk,
    timers: () => timers.size,
    container,
    cluster,
    root: '/project',
    snapshot: 'code',
    connect: (listener: ExecutorListener) => {
      const agent = machine.agent();
      const system = { ...agent.system, clock: countTimers(agent.system.clock, timers) };
      const snapshots = snapshotsOf(agent, snapshotFiles);
      const executor = make(
        { system, homeDir, snapshots, listener, environment: {}, cpus: 4 },
        machine.engineOf(agent),
        clusterOf(kube, agent),
      );
      executors.push(executor);
      return executor;
    },
    command: (steps: readonly Step[]) => ['steps', ...steps.map((step) => JSON.stringify(step))],
    read: (key: AttemptKey, stream: 'out' | 'metrics') => {
      const path = `${files.attemptDir(key)}/${stream === 'out' ? 'out.log' : 'metrics.jsonl'}`;
      return Promise.resolve(machine.disk.stat(path) === null ? '' : machine.disk.readText(path));
    },
    processes: () => Promise.resolve(kernels().flatMap(({ processes }) => processes.filter(({ mark }) => mark !== null)).length),
    async [Symbol.asyncDispose]() {
      for (const executor of executors) await executor[Symbol.asyncDispose]();
      time[Symbol.dispose]();
    },
  });
}

function countTimers(clock: Clock, timers: Set<object>): Clock {
  return {
    ...clock,
    after: (ms, act) => {
      const counted = {};
      timers.add(counted);
      const timer = clock.after(ms, () => {
        timers.delete(counted);
        act();
      });
      return {
        [Symbol.dispose]: () => {
          timers.delete(counted);
          timer[Symbol.dispose]();
        },
      };
    },
  };
}

const runSteps: Program = function* steps(self) {
  const { disk, environment } = self;
  for (const word of self.args) {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- written by `command` above
    const step = JSON.parse(word) as Step;
    const append = (path: string, text: string): void => disk.append(disk.create(path, true), text, path);
    switch (step.do) {
      case 'print':
        self.print(step.text);
        break;
      case 'report':
        append(`${environment['HPO_METRICS_FILE']}`, `${step.line}\n`);
        break;
      case 'sleep':
        yield step.ms;
        break;
      case 'ignoreTerm':
        self.ignoreTerm();
        break;
      case 'escape':
        self.escape(30_000, false);
        break;
      case 'raise':
        self.raise(step.signal);
        yield 0;
        break;
      case 'printFile':
        self.print(disk.readText(`${self.folder}/${step.path}`));
        break;
      case 'printVariable':
        self.print(`${environment[step.name]}\n`);
        break;
      case 'checkpoint': {
        const path = `${environment['HPO_CHECKPOINT_DIR']}/log`;
        append(path, step.text);
        self.print(disk.readText(path));
        break;
      }
      case 'exit':
        return step.code;
    }
  }
  return 0;
};

function ignore(): void {}
