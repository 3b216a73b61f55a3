import { Driver } from '../../../agent/driver/driver.ts';
import { StudyFolders } from '../../../agent/executors/attempt/studyFolders.ts';
import { DockerExecutor } from '../../../agent/executors/docker/dockerExecutor.ts';
import { KubernetesExecutor } from '../../../agent/executors/kubernetes/kubernetesExecutor.ts';
import { LocalExecutor } from '../../../agent/executors/local/localExecutor.ts';
import { AttemptOutputFiles } from '../../../agent/executors/attempt/outputFile.ts';
import type { Executor } from '../../../agent/executors/executor.ts';
import { HpoError } from '../../../agent/protocol/errors.ts';
import type { ExecutorName } from '../../../agent/protocol/study.ts';
import { openJournal, type SqliteJournal } from '../../../agent/store/index.ts';
import { type AgentProcess, type FaultPlan, Killed } from '../machine/agentProcess.ts';
import { clusterOf } from '../machine/cluster/client.ts';
import type { Kube } from '../machine/cluster/kube.ts';
import type { Machine } from '../machine/machine.ts';
import { imagesOf } from './images.ts';
import type { SimulatedExecutor } from './scenario.ts';
import { snapshotsOf } from './snapshots.ts';

export const homeDir = '/home/.hpo';
/** How often an agent looks whether it still is the one; as `main.ts` does. */
const lookMs = 5_000;

export interface AgentOptions {
  readonly machine: Machine;
  readonly journalPath: string;
  readonly cpus: number;
  /** Where its studies run. */
  readonly executor: SimulatedExecutor;
  /** Where studies in pods run; null without. */
  readonly kube: Kube | null;
  readonly faults: FaultPlan;
  readonly log: (line: string) => void;
  /** Something may have been committed. */
  readonly onAppend: () => void;
  readonly onDeath: (cause: string) => void;
}

/** One life of an agent: what `agent/main.ts` puts together, without the socket, on a virtual machine. */
export class SimulatedAgent {
  readonly process: AgentProcess;
  driver: Driver | null = null;
  /** Whether clients find it. */
  isReady = false;
  isStopping = false;
  readonly #options: AgentOptions;
  #isOpen = false;
  #journal: SqliteJournal | null = null;

  constructor(options: AgentOptions) {
    this.#options = options;
    this.process = options.machine.agent(options.faults, (cause) => {
      this.isReady = false;
      options.onDeath(cause);
    });
    this.process.deliver(() => this.#begin());
  }

  get isAlive(): boolean {
    return !this.process.isDead;
  }

  /** Ends in order, as a signal or a request asks it to. */
  stop(): void {
    this.process.deliver(() => {
      if (this.isStopping || this.driver === null) return;
      this.isStopping = true;
      this.isReady = false;
      this.driver[Symbol.asyncDispose]().then(
        () => this.process.die('ended in order'),
        (error: unknown) => this.process.die(error instanceof Killed ? 'killed while it ended' : `uncaught: ${String(error)}`),
      );
    });
  }

  /** Goes on after having been stopped. The signal's handler comes before or after what has piled up. */
  thaw(handlerFirst: boolean): void {
    const look = (): void => void this.#journal?.isOurs();
    if (!handlerFirst) this.process.deliver(look);
    this.process.thaw();
    if (handlerFirst) this.process.deliver(look);
    this.isReady = this.#isOpen && this.isAlive && !this.isStopping;
  }

  /** What the kernel does with the files of a dead process. */
  close(): void {
    this.#journal?.[Symbol.dispose]();
    this.#journal = null;
  }

  #begin(): void {
    const { machine, journalPath, cpus, executor, kube, log, onAppend } = this.#options;
    const { process } = this;
    const { system } = process;
    try {
      this.#journal = openJournal(journalPath, {
        clock: system.clock,
        failpoints: system.failpoints,
        lock: (path) => machine.lock(path, process),
        onTakenOver: () => {
          process.die('taken over');
          throw new Killed();
        },
      });
    } catch (error) {
      return process.die(`cannot open the journal: ${error instanceof HpoError ? error.code : String(error)}`);
    }
    const journal = this.#journal;
    const alive = <T>(work: () => T): T => {
      if (process.isDead) throw new Killed();
      return work();
    };
    const snapshots = snapshotsOf(process, { 'train.py': 'print("training")\n' });
    const driver = new Driver({
      journal: {
        append: (events) =>
          alive(() => {
            try {
              return journal.append(events);
            } finally {
              onAppend();
            }
          }),
        read: (studyId, from) => alive(() => journal.read(studyId, from)),
        studies: () => alive(() => journal.studies()),
        lastSeq: () => alive(() => journal.lastSeq()),
      },
      clock: system.clock,
      failpoints: system.failpoints,
      output: new AttemptOutputFiles(new StudyFolders(homeDir), system.files),
      snapshots,
      log: {
        info: (message, data) => log(`${message} ${JSON.stringify(data ?? {})}`),
        error: (message, data) => log(`ERROR ${message} ${JSON.stringify(data ?? {})}`),
      },
      proposer: null,
      executors: (listener) => {
        const common = { system, homeDir, snapshots, listener, environment: { PATH: '/bin' }, cpus };
        const executors = new Map<ExecutorName, Executor>([['local', new LocalExecutor(common)]]);
        const engine = machine.engineOf(process);
        if (executor === 'docker') executors.set('docker', new DockerExecutor({ ...common, engine, images: imagesOf(engine) }));
        if (kube !== null) executors.set('kubernetes', new KubernetesExecutor({ ...common, cluster: clusterOf(kube, process) }));
        return executors;
      },
    });
    this.driver = driver;
    driver.open().then(
      () => {
        this.#isOpen = true;
        this.isReady = !process.isDead;
      },
      (error: unknown) => process.die(`cannot start: ${String(error)}`),
    );
    const look = (): void => {
      journal.isOurs();
      system.clock.after(lookMs, look);
    };
    system.clock.after(lookMs, look);
  }
}
