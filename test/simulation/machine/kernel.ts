import type { ProcessIdentity } from '../../../agent/system/processes.ts';
import type { Timeline } from './timeline.ts';

/** Process ids come again after this many, so that an id alone is known to mean nothing. */
const nPids = 48;
const firstPid = 100;

const signalNumbers: Readonly<Record<string, number>> = { SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGTERM: 15 };

/** A process of the machine, whatever runs in it. */
export interface Process {
  readonly pid: number;
  readonly name: string;
  readonly ticks: string;
  group: number;
  /** `HPO_ATTEMPT_KEY` in its environment; null without. */
  readonly mark: string | null;
  isAlive: boolean;
  ignoresTerm: boolean;
  /** What SIGTERM does instead of ending it; null for the default. */
  onTerm: (() => void) | null;
  /** Called once with what `wait` of a shell gives: the exit code, or 128 + the signal. */
  onEnd: ((code: number) => void) | null;
}

/** The process table, of the machine or of a container on it. Signals take effect at once. */
export class Kernel {
  readonly #timeline: Pick<Timeline, 'now'>;
  /** The machine's own, where this is a container's: process ids are apart, the boot is the same. */
  readonly #host: Kernel | null;
  readonly #processes = new Map<number, Process>();
  #nextPid = 0;
  #boot = 1;
  #nStarted = 0;
  oomKills = 0;
  /** Hears of every process that begins. */
  onSpawn: ((process: Process) => void) | null = null;

  constructor(timeline: Pick<Timeline, 'now'>, host: Kernel | null = null) {
    this.#timeline = timeline;
    this.#host = host;
  }

  get boot(): string {
    return this.#host?.boot ?? `boot-${this.#boot}`;
  }

  /** Processes that ever began. */
  get nStarted(): number {
    return this.#nStarted;
  }

  /** As they are now. */
  get processes(): readonly Process[] {
    return [...this.#processes.values()];
  }

  /** In a group of its own where `group` is null. */
  spawn(name: string, group: number | null, mark: string | null): Process {
    let pid = firstPid + (this.#nextPid++ % nPids);
    // An id that leads a group is not given away either.
    const groups = new Set([...this.#processes.values()].map((process) => process.group));
    while (this.#processes.has(pid) || groups.has(pid)) pid = firstPid + (this.#nextPid++ % (4 * nPids));
    const process: Process = {
      pid,
      name,
      ticks: String(Math.floor(this.#timeline.now / 10) * 1000 + (this.#nStarted++ % 1000)),
      group: group ?? pid,
      mark,
      isAlive: true,
      ignoresTerm: false,
      onTerm: null,
      onEnd: null,
    };
    this.#processes.set(pid, process);
    this.onSpawn?.(process);
    return process;
  }

  /** `code` as a shell sees it. */
  end(process: Process, code: number): void {
    if (!process.isAlive) return;
    process.isAlive = false;
    this.#processes.delete(process.pid);
    process.onEnd?.(code);
  }

  /** False when there is no such process. */
  send(pid: number, signal: string): boolean {
    const process = this.#processes.get(pid);
    if (process === undefined) return false;
    if (signal === 'SIGKILL' || (process.onTerm === null && !process.ignoresTerm))
      this.end(process, 128 + (signalNumbers[signal] ?? 15));
    else process.onTerm?.();
    return true;
  }

  /** False when the group is empty; the empty signal only asks. */
  signalGroup(group: number, signal: string): boolean {
    const members = [...this.#processes.values()].filter((process) => process.group === group);
    if (signal !== '') for (const { pid } of members) this.send(pid, signal);
    return members.length > 0;
  }

  isAlive({ pid, ticks, boot }: ProcessIdentity): boolean {
    return boot === this.boot && this.#processes.get(pid)?.ticks === ticks;
  }

  /** All that is left ends, by a kill. */
  endAll(): void {
    for (const process of this.processes) this.end(process, 128 + 9);
  }

  /** Everything ends without a word, and the next boot begins. */
  cutPower(): void {
    for (const process of this.#processes.values()) process.isAlive = false;
    this.#processes.clear();
    this.#boot++;
    this.oomKills = 0;
  }
}
