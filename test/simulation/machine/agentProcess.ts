import type { Rng } from '../../../agent/core/math/index.ts';
import type { Clock } from '../../../agent/system/clock.ts';
import type { FailpointName, Failpoints } from '../../../agent/system/failpoints.ts';
import type { Files } from '../../../agent/system/files.ts';
import type { Processes } from '../../../agent/system/processes.ts';
import type { System } from '../../../agent/system/system.ts';
import { systemError } from './disk.ts';
import type { Machine } from './machine.ts';

/** What befalls an agent at one of its calls. */
export type Fault = 'kill before' | 'kill after' | 'EIO' | 'EIO after' | 'ENOSPC' | 'short write' | RequestFault;

/** What befalls a request to another program: `done` where it took effect all the same. */
export const requestFaults = ['refused', 'broken off, done', 'no answer', 'no answer, done', 'slow'] as const;
export type RequestFault = (typeof requestFaults)[number];

/** Where a fault may come: every call over the seam, by name, and every named place. */
export type Place = `${'files' | 'processes' | 'engine' | 'cluster'}.${string}` | FailpointName;

/** A request to another program of the machine. */
export interface Request<T> {
  /** Who asks waits no longer, in ms. */
  readonly limitMs: number;
  /** Hands it to the other program, which has it after so many ms, and at some time answers, or never. */
  readonly send: (ms: number, answer: { readonly resolve: (value: T) => void; readonly reject: (error: Error) => void }) => void;
  readonly resolve: (value: T) => void;
  readonly reject: (error: Error) => void;
  readonly noAnswer: () => Error;
  readonly refused: (why: string) => Error;
}

/** Decides about each call; null for none. */
export type FaultPlan = (place: Place) => Fault | null;

/** What is slow takes at most twice as long, in ms. */
const longestMs = 60_000;

/** Whose machine it is. */
const user = { uid: 1_000, gid: 1_000 };

/** Stops the code of an agent that has been killed; no agent sees it. */
export class Killed extends Error {}

/**
 * An agent's process: the machine as one agent has it. Each asynchronous call takes effect, and comes back, at a time of its
 * own. A killed agent's calls do nothing any more and never come back; a stopped one's wait.
 */
export class AgentProcess {
  readonly pid: number;
  readonly system: System;
  readonly #machine: Machine;
  readonly #faults: FaultPlan;
  readonly #latency: Rng;
  /** What has come for it while it is stopped; null while it runs. */
  #mailbox: (() => void)[] | null = null;
  #isDead = false;
  /** Told once: why it has ended. */
  readonly #onDeath: (cause: string) => void;

  constructor(machine: Machine, latency: Rng, faults: FaultPlan, onDeath: (cause: string) => void) {
    this.#machine = machine;
    this.#faults = faults;
    this.#latency = latency;
    this.#onDeath = onDeath;
    this.pid = machine.nextAgentPid();
    this.system = { clock: this.#clock(), files: this.#files(), processes: this.#processes(), failpoints: this.#failpoints() };
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  get isStopped(): boolean {
    return this.#mailbox !== null;
  }

  die(cause: string): void {
    if (this.#isDead) return;
    this.#isDead = true;
    this.#mailbox = null;
    this.#onDeath(cause);
  }

  /** SIGSTOP. */
  freeze(): void {
    this.#mailbox ??= [];
  }

  /** SIGCONT. */
  thaw(): void {
    const mails = this.#mailbox ?? [];
    this.#mailbox = null;
    for (const mail of mails) this.#machine.timeline.after(0, () => this.deliver(mail));
  }

  /** Runs a piece of the agent's code; what it throws ends the agent, as an uncaught exception does. */
  deliver(act: () => void): void {
    if (this.#isDead) return;
    if (this.#mailbox !== null) return void this.#mailbox.push(act);
    try {
      act();
    } catch (error) {
      if (error instanceof Killed) return;
      this.die(`uncaught: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  /** A call of the kernel that takes a while. `part` is what a killed or failing call may have done. */
  call<T>(place: Place, work: () => T, part: (() => void) | null = null): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    this.later(this.#latencyMs(), () => {
      const fault = this.#faults(place);
      if (fault === 'kill before') {
        try {
          part?.();
        } catch {
          // The disk takes no part of it either.
        }
        return this.die(`killed before ${place}`);
      }
      let answer: () => void;
      try {
        if (fault === 'short write') part?.();
        if (fault === 'EIO' || fault === 'ENOSPC' || fault === 'short write')
          throw systemError(fault === 'EIO' ? 'EIO' : 'ENOSPC', `injected at ${place}`);
        const result = work();
        answer = () => resolve(result);
      } catch (error) {
        answer = () => reject(error);
      }
      if (fault === 'kill after') return this.die(`killed after ${place}`);
      answer();
    });
    return promise;
  }

  /**
   * Sends a request to another program: what is under way takes effect there whatever becomes of this agent, at once or when that
   * program comes to it.
   */
  ask<T>(place: Place, { limitMs, send, resolve, reject, noAnswer, refused }: Request<T>): void {
    this.later(this.#latencyMs(), () => {
      const fault = this.#faults(place);
      if (fault === 'kill before') return this.die(`killed before ${place}`);
      const limit = this.later(limitMs, () => reject(noAnswer()));
      /** The answer is on its way; a frozen agent finds it when it goes on. */
      const answer = (act: () => void): void =>
        void this.#machine.timeline.after(this.#latencyMs(), () => {
          if (fault === 'kill after') return this.die(`killed after ${place}`);
          this.deliver(() => {
            limit[Symbol.dispose]();
            if (fault === 'broken off, done') reject(noAnswer());
            else act();
          });
        });
      if (fault === 'refused') return answer(() => reject(refused(`injected at ${place}`)));
      if (fault === 'no answer') return;
      send(fault === 'slow' ? this.#latency.next() * 2 * Math.min(limitMs, longestMs) : 0, {
        resolve: (value) => fault === 'no answer, done' || answer(() => resolve(value)),
        reject: (error) => fault === 'no answer, done' || answer(() => reject(error)),
      });
    });
  }

  /** What befalls something that another program tells it. */
  hear(place: Place): Fault | null {
    return this.#isDead ? null : this.#faults(place);
  }

  /** Calls `act` in the agent, unless it is dead by then. */
  later(ms: number, act: () => void): Disposable {
    if (this.#isDead) return { [Symbol.dispose]: () => {} };
    let isDisposed = false;
    const timer = this.#machine.timeline.after(ms, () => this.deliver(() => void (isDisposed || act())));
    return {
      [Symbol.dispose]: () => {
        isDisposed = true;
        timer[Symbol.dispose]();
      },
    };
  }

  #latencyMs(): number {
    const chance = this.#latency.next();
    // Mostly some microseconds, now and then a busy disk.
    return chance < 0.98 ? chance * 0.3 : chance < 0.998 ? 5 : 400;
  }

  #clock(): Clock {
    const { timeline } = this.#machine;
    return {
      now: () => this.#machine.wallTime(),
      monotonic: () => timeline.now,
      after: (ms, act) => this.later(ms, act),
      soon: (act) => this.later(0, act),
    };
  }

  #files(): Files {
    const { disk } = this.#machine;
    return {
      readText: (path) => this.call('files.readText', () => disk.readText(path)),
      readFrom: (path, offset, maxBytes, within) =>
        this.call('files.readFrom', () =>
          within === undefined || disk.hasWithin(path, within) ? disk.readFrom(path, offset, maxBytes) : new Uint8Array(),
        ),
      stat: (path, within) =>
        this.call('files.stat', () => (within === undefined || disk.hasWithin(path, within) ? disk.stat(path) : null)),
      lstat: (path) => this.call('files.lstat', () => disk.stat(path, false)),
      names: (path) => this.call('files.names', () => disk.names(path)),
      realPath: (path) => this.call('files.realPath', () => disk.realPath(path)),
      writeText: (path, text) =>
        this.call(
          'files.writeText',
          () => disk.writeText(path, text),
          () => disk.writeText(path, text.slice(0, text.length >> 1)),
        ),
      writeAt: (path, offset, bytes) =>
        this.call(
          'files.writeAt',
          () => disk.writeAt(path, offset, bytes),
          () => disk.writeAt(path, offset, bytes.subarray(0, bytes.length >> 1)),
        ),
      rename: (from, to) => this.call('files.rename', () => disk.rename(from, to)),
      flush: (path) => this.call('files.flush', () => disk.flush(path)),
      makeFolder: (path) => this.call('files.makeFolder', () => disk.makeFolder(path)),
      copyFolder: (from, to) =>
        this.call(
          'files.copyFolder',
          () => disk.copyFolder(from, to),
          () => disk.copyFolder(from, to, 1),
        ),
      link: (folder, path) => this.call('files.link', () => disk.link(folder, path)),
      symlink: (target, path) => this.call('files.symlink', () => disk.link(target, path)),
      // One user has it all.
      owner: (path) => this.call('files.owner', () => (disk.stat(path) === null ? null : user)),
      changeOwner: (path) =>
        this.call('files.changeOwner', () => {
          if (disk.stat(path, false) === null) throw systemError('ENOENT', path);
        }),
      remove: (path) =>
        this.call(
          'files.remove',
          () => disk.remove(path),
          () => {
            const [first] = disk.names(path);
            if (first !== undefined) disk.remove(`${path}/${first}`);
          },
        ),
      removeEmptyFolder: (path) => this.call('files.removeEmptyFolder', () => disk.removeEmptyFolder(path)),
      watch: ({ folder, ignored, polled, onChange }) => {
        let isOver = false;
        let lastSize = 0;
        const tell = (): void => void (isOver || onChange());
        const listener = disk.watch(folder, () => {
          const chance = this.#latency.next();
          // Late, or not at all.
          if (chance < 0.8 && !ignored.includes(folder)) this.later(chance < 0.7 ? 1 : 60, tell);
        });
        const sizeNow = (): number => polled.reduce((sum, name) => sum + (disk.stat(`${folder}/${name}`, false)?.size ?? 0), 0);
        return {
          poll: () => {
            const size = sizeNow();
            if (size === lastSize) return;
            lastSize = size;
            tell();
          },
          [Symbol.asyncDispose]: () => {
            isOver = true;
            listener[Symbol.dispose]();
            return Promise.resolve();
          },
        };
      },
    };
  }

  #processes(): Processes {
    const { kernel } = this.#machine;
    /** Calls that come back at once: an agent that dies in one does no more. */
    const at = <T>(place: Place, work: () => T): T => {
      if (this.#isDead) throw new Killed();
      const fault = this.#faults(place);
      if (fault === 'kill before') {
        this.die(`killed before ${place}`);
        throw new Killed();
      }
      const result = work();
      if (fault !== 'kill after') return result;
      this.die(`killed after ${place}`);
      throw new Killed();
    };
    return {
      ownPid: this.pid,
      ownUser: user,
      hasShell: true,
      spawn: (options) =>
        this.call('processes.spawn', () => {
          const child = { pid: 0, exitCode: null as number | null, hasExited: false };
          const process = this.#machine.start(options, (code) => {
            child.exitCode = code > 128 ? null : code;
            child.hasExited = true;
            this.later(0.1, options.onExit);
          });
          child.pid = process.pid;
          return child;
        }),
      isAlive: (identity) => this.call('processes.isAlive', () => kernel.isAlive(identity)),
      signalGroup: (pid, signal) =>
        at('processes.signalGroup', () => kernel.signalGroup(pid, signal) || kernel.send(pid, signal)),
      send: (pid, signal) => at('processes.send', () => kernel.send(pid, signal)),
      findMarked: (isOurs) =>
        this.call('processes.findMarked', () =>
          kernel.processes.filter(({ mark }) => mark !== null && isOurs(mark)).map(({ pid }) => pid),
        ),
      oomKills: () => kernel.oomKills,
    };
  }

  #failpoints(): Failpoints {
    const isShort = new Set<FailpointName>();
    return {
      step: <T>(name: FailpointName, work: () => T): T => {
        // A kernel closes the files of a dead process; on this disk that changes nothing.
        if (this.#isDead && name === 'journal.checkpoint') return work();
        if (this.#isDead) throw new Killed();
        const fault = this.#faults(name);
        if (fault === 'kill before') {
          this.die(`killed before ${name}`);
          throw new Killed();
        }
        if (fault === 'EIO' || fault === 'ENOSPC') throw injected(fault, name);
        if (fault === 'short write') isShort.add(name);
        const after = (): void => {
          isShort.delete(name);
          if (fault === 'short write') throw injected('ENOSPC', name);
          if (fault === 'EIO after') throw injected('EIO', name);
          if (fault !== 'kill after') return;
          this.die(`killed after ${name}`);
          throw new Killed();
        };
        const result = work();
        if (!(result instanceof Promise)) {
          after();
          return result;
        }
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the result is a promise, so this one has its type
        return result.then((value: unknown) => {
          after();
          return value;
        }) as T;
      },
      written: (name, text) => (isShort.has(name) ? text.slice(0, text.length >> 1) : text),
    };
  }
}

/** As Node says it, and with SQLite's primary code for the same. */
export function injected(code: 'EIO' | 'ENOSPC', place: string): Error {
  return Object.assign(systemError(code, `injected at ${place}`), { errcode: code === 'EIO' ? 10 : 13 });
}
