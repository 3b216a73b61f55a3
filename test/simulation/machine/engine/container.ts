import { places } from '../../../../agent/executors/docker/places.ts';
import type { ContainerMount, ContainerSpec, ContainerState } from '../../../../agent/engine/engine.ts';
import { Disk, systemError } from '../disk.ts';
import { Kernel, type Process } from '../kernel.ts';
import { type Program, type ProgramTime, runProgram } from '../program.ts';
import { runShim } from '../shim.ts';
import { consolePath, isWithin, MountedDisk } from './mountedDisk.ts';
import { PausableTime } from './pausableTime.ts';

/** What a container needs of the machine under it. */
export interface ContainerHost {
  readonly timeline: ProgramTime;
  readonly disk: Disk;
  readonly kernel: Kernel;
  readonly wallTime: () => number;
  readonly program: (command: readonly string[]) => Program | null;
  /** How long one step of a shell takes, in ms. */
  readonly stepMs: () => number;
}

/** A container as it is on the machine, whatever its engine does meanwhile: what runs in it is the kernel's. */
export class Container {
  readonly id: string;
  readonly spec: ContainerSpec;
  /** False while its engine still makes it. */
  isMade = false;
  isBeingRemoved = false;
  isOutOfMemory = false;
  error = '';
  readonly kernel: Kernel;
  readonly #host: ContainerHost;
  readonly #time: PausableTime;
  readonly #onChange: () => void;
  #status: ContainerState['status'] = 'created';
  #exitCode: number | null = null;
  #main: Process | null = null;

  constructor(id: string, spec: ContainerSpec, host: ContainerHost, onChange: () => void) {
    this.id = id;
    this.spec = spec;
    this.#host = host;
    this.#onChange = onChange;
    this.#time = new PausableTime(host.timeline);
    this.kernel = new Kernel(host.timeline, host.kernel);
  }

  get status(): ContainerState['status'] {
    return this.#status;
  }

  get isRunning(): boolean {
    return this.#status === 'running' || this.#status === 'paused';
  }

  get state(): ContainerState {
    return {
      id: this.id,
      labels: this.spec.labels,
      status: this.isBeingRemoved ? 'exited' : this.#status,
      exitCode: this.isBeingRemoved ? (this.#exitCode ?? 0) : this.#exitCode,
      isOutOfMemory: this.isOutOfMemory,
      error: this.error,
      // As the machine counts them; inside it has another id.
      pid: this.isRunning && this.#main !== null ? 20_000 + this.#main.pid : null,
    };
  }

  /** A source of a mount that is not there; null when all are. */
  get missingSource(): string | null {
    return this.spec.mounts.find(({ source }) => this.#host.disk.stat(source) === null)?.source ?? null;
  }

  /** Runs its program, from its beginning. Throws what the kernel says where that cannot be done. */
  start(environment: Readonly<Record<string, string>>): void {
    const { command, workingDir } = this.spec;
    const { program, stepMs, timeline, wallTime } = this.#host;
    const missing = this.missingSource;
    if (missing !== null) throw systemError('ENOENT', `mount ${missing}`);
    this.#makePlaces();
    const disk = new MountedDisk(this.#host.disk, this.spec, new Disk(() => timeline.now, wallTime));
    const shim = shimOf(command);
    if (shim === null) {
      const found = program(command);
      if (found === null) throw systemError('ENOENT', `exec ${command[0]}`);
      this.#main = runProgram(this.kernel, this.#time, disk, {
        program: found,
        args: command.slice(1),
        environment,
        folder: workingDir,
        output: disk.create(consolePath, true),
        outputPath: consolePath,
        mark: '',
        parentGroup: 1,
      });
    } else {
      this.#main = runShim(this.kernel, this.#time, disk, { ...shim, environment, workFolder: workingDir, program, stepMs });
    }
    this.#main.onEnd = (code) => this.#end(code);
    this.#status = 'running';
    this.#exitCode = null;
    this.isOutOfMemory = false;
    this.error = '';
    this.#onChange();
  }

  /** False when it does not run. */
  signal(signal: 'SIGTERM' | 'SIGKILL'): boolean {
    if (!this.isRunning || this.#main === null) return false;
    this.resume();
    this.kernel.send(this.#main.pid, signal);
    return true;
  }

  pause(): boolean {
    if (this.#status !== 'running') return false;
    this.#status = 'paused';
    this.#time.pause();
    this.#onChange();
    return true;
  }

  resume(): void {
    if (this.#status !== 'paused') return;
    this.#status = 'running';
    this.#time.resume();
    this.#onChange();
  }

  /** The kernel kills for want of memory what takes the most of it. */
  runOutOfMemory(victim: Process): void {
    this.isOutOfMemory = true;
    this.kernel.send(victim.pid, 'SIGKILL');
  }

  /** All ends without a word; the engine finds so when it is back, and knows no exit code. */
  cutPower(): void {
    if (!this.isRunning) return;
    this.kernel.cutPower();
    this.#status = 'exited';
    this.#exitCode = 255;
  }

  /** With its first process all others of its namespace end. */
  #end(code: number): void {
    this.#time.resume();
    this.#status = 'exited';
    this.#exitCode = code;
    this.kernel.endAll();
    this.#onChange();
  }

  /** What is mounted into another mount needs a place there: it is made, as an empty file or folder that stays. */
  #makePlaces(): void {
    const { disk } = this.#host;
    const { mounts } = this.spec;
    for (const mount of mounts.toSorted((a, b) => a.target.length - b.target.length)) {
      const around = outerOf(mount, mounts);
      if (around === null) continue;
      const place = `${around.source}${mount.target.slice(around.target.length)}`;
      if (disk.stat(place, false) !== null) continue;
      if (around.isReadOnly) throw systemError('EROFS', `mkdirat ${mount.target}`);
      if (disk.stat(mount.source)?.isFolder === true) disk.makeFolder(place);
      else {
        disk.makeFolder(place.slice(0, place.lastIndexOf('/')));
        disk.writeText(place, '');
      }
    }
  }
}

/** The deepest mount in which another one lies. */
function outerOf({ target }: ContainerMount, mounts: readonly ContainerMount[]): ContainerMount | null {
  const around = mounts.filter((other) => other.target !== target && isWithin(target, other.target));
  return around.toSorted((a, b) => b.target.length - a.target.length)[0] ?? null;
}

/** The shim's own arguments, and where its output goes, of a command that runs it; null for any other. */
function shimOf(command: readonly string[]): { readonly args: readonly string[]; readonly outputPath: string } | null {
  const at = command.indexOf(places.shim);
  if (at === -1) return null;
  const output = /^exec .* >>(\S+) 2>&1$/.exec(command[at - 1] ?? '')?.[1];
  return { args: command.slice(at + 1), outputPath: output ?? consolePath };
}
