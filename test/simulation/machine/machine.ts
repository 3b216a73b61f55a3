import { createRng, type Rng } from '../../../agent/core/math/index.ts';
import type { Engine } from '../../../agent/engine/engine.ts';
import { HpoError } from '../../../agent/protocol/errors.ts';
import type { SpawnOptions } from '../../../agent/system/processes.ts';
import { AgentProcess, type FaultPlan } from './agentProcess.ts';
import { Disk, systemError } from './disk.ts';
import { SimulatedEngine } from './engine/client.ts';
import { EngineDaemon } from './engine/daemon.ts';
import { Kernel, type Process } from './kernel.ts';
import type { Program } from './program.ts';
import { runShim } from './shim.ts';
import { Timeline } from './timeline.ts';

const bootTime = Date.UTC(2030, 0, 1);
const noFault: FaultPlan = () => null;

export interface MachineOptions {
  readonly seed: number;
  /** What a command line runs; null for one that is not there. */
  readonly program: (command: readonly string[]) => Program | null;
}

/** A machine with a clock, a disk and processes of its own, on which agents live and die. The same seed, the same life. */
export class Machine {
  readonly timeline = new Timeline();
  readonly disk: Disk = new Disk(
    () => this.timeline.now,
    () => this.wallTime(),
  );
  readonly kernel: Kernel = new Kernel(this.timeline);
  /** The container engine on it. */
  readonly engine: EngineDaemon;
  readonly #options: MachineOptions;
  readonly #rng: Rng;
  readonly #locks = new Map<string, AgentProcess>();
  #wallOffset = bootTime;
  #nAgents = 0;

  constructor(options: MachineOptions) {
    this.#options = options;
    this.#rng = createRng(options.seed, 0x6d61);
    const { timeline, disk, kernel } = this;
    const rng = createRng(options.seed, 0x656e);
    const wallTime = (): number => this.wallTime();
    const stepMs = (): number => 0.2 + 3 * rng.next();
    this.engine = new EngineDaemon({ timeline, disk, kernel, wallTime, program: options.program, stepMs }, rng);
  }

  /** Milliseconds since the epoch, as the clock on the wall has it. */
  wallTime(): number {
    return this.#wallOffset + Math.floor(this.timeline.now);
  }

  /** Someone sets the clock. */
  setClock(byMs: number): void {
    this.#wallOffset += byMs;
  }

  agent(faults: FaultPlan = noFault, onDeath: (cause: string) => void = () => {}): AgentProcess {
    return new AgentProcess(this, createRng(this.#options.seed, 0x6167, this.#nAgents), faults, onDeath);
  }

  /** The engine as that agent has it, connected when it is first needed and from then on kept, as `engineOnDemand` does it. */
  engineOf(agent: AgentProcess): () => Promise<Engine> {
    let engine: Promise<Engine> | null = null;
    return () => {
      if (engine !== null) return engine;
      const client = new SimulatedEngine(this.engine, agent);
      const connecting = client.hello().then(() => client);
      connecting.catch(() => (engine = null));
      engine = connecting;
      return connecting;
    };
  }

  nextAgentPid(): number {
    return 10_000 + this.#nAgents++;
  }

  /** A lock that the kernel frees when its holder dies. Throws HPO-6001 while another holds it. */
  lock(path: string, agent: AgentProcess): Disposable {
    const holder = this.#locks.get(path);
    if (holder !== undefined && !holder.isDead && holder !== agent)
      throw new HpoError('HPO-6001', `${path} is in use by process ${holder.pid}`, 'use the agent that runs');
    this.#locks.set(path, agent);
    return {
      [Symbol.dispose]: () => {
        if (this.#locks.get(path) === agent) this.#locks.delete(path);
      },
    };
  }

  /** Someone deletes the files of all locks: nobody holds any. */
  breakLocks(): void {
    this.#locks.clear();
  }

  /** Starts what an agent starts: the shim around a program. */
  start({ args, folder, environment, output }: SpawnOptions, onExit: (code: number) => void): Process {
    const [, ...shimArgs] = args;
    if (this.disk.stat(folder) === null) throw systemError('ENOENT', `spawn ${folder}`);
    const process = runShim(this.kernel, this.timeline, this.disk, {
      args: shimArgs,
      environment,
      workFolder: folder,
      outputPath: output,
      program: this.#options.program,
      stepMs: () => 0.2 + 3 * this.#rng.next(),
    });
    process.onEnd = onExit;
    return process;
  }

  cutPower(): void {
    this.engine.cutPower();
    this.kernel.cutPower();
    this.disk.cutPower(this.#rng);
    this.#locks.clear();
  }
}
