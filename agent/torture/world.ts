import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type AgentClient, connectAgent, discoveryFile } from '../client/index.ts';
import { createRng, type Rng } from '../core/math/index.ts';
import { HpoError } from '../protocol/errors.ts';
import type { RequestName, Requests, StudyCommand, TuneRequest } from '../protocol/requests.ts';
import { Findings } from './findings.ts';
import { argumentsOf, isRunning, openPorts, processesWith, signal, until } from './machine.ts';
import { projectFile, trialProgram } from './program.ts';
import type { TortureContext } from './scenario.ts';

/** The variable that every process of a run inherits, wherever it goes. */
const mark = 'TORTURE_RECORD';
const connectMs = 60_000;
const stopMs = 30_000;
/** A stopped agent is noticed soon: nobody waits for it here. */
const silenceMs = 10_000;

export interface WorldOptions {
  /** Text of `train.sh`. */
  readonly program?: string;
  /** Lines added to the project's `hpo.yml`. */
  readonly settings?: string;
  /** Added to the environment of every agent. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Elsewhere than in the folder of the run. */
  readonly home?: string;
}

/** A command that was acknowledged, and so must be in the journal. */
export interface Acknowledged {
  readonly studyId: string;
  readonly command: StudyCommand | { readonly type: 'create' };
}

function recordsOf(folder: string): string {
  return join(folder, 'records');
}

/** Kills whatever a run in that folder has started; returns how many processes that were. */
export function killAll(folder: string): number {
  const pids = processesWith(mark, recordsOf(folder));
  for (const pid of pids) signal(pid, 'SIGKILL');
  return pids.length;
}

/** A clear answer that nothing can be recorded at present. */
export function isRefusal(error: unknown): boolean {
  return error instanceof HpoError && ['HPO-6003', 'HPO-6007', 'HPO-5013'].includes(error.code);
}

/** The agent died, or was stopped; another one may answer. */
function isGone(error: unknown): boolean {
  return error instanceof HpoError && (error.code === 'HPO-5002' || error.code === 'HPO-5016');
}

/** A home and a project of their own, and the agents that come and go there. Disposing kills whatever is left. */
export class World implements AsyncDisposable {
  readonly context: TortureContext;
  readonly home: string;
  readonly project: string;
  /** Where programs write down what they print. */
  readonly records: string;
  readonly sockets: string;
  readonly rng: Rng;
  readonly findings: Findings = new Findings();
  readonly acknowledged: Acknowledged[] = [];
  readonly environment: Readonly<Record<string, string>>;
  #client: AgentClient | null = null;

  constructor(context: TortureContext, options: WorldOptions = {}) {
    this.context = context;
    this.home = options.home ?? join(context.folder, 'home');
    this.project = join(context.folder, 'project');
    this.records = recordsOf(context.folder);
    this.sockets = join(context.folder, 'sockets');
    this.rng = createRng(context.seed);
    this.environment = {
      HPO_CACHE: join(context.folder, 'cache'),
      XDG_RUNTIME_DIR: this.sockets,
      HPO_FAILPOINTS: '',
      [mark]: this.records,
      ...options.environment,
    };
    for (const folder of [this.project, this.records, this.sockets]) mkdirSync(folder, { recursive: true });
    writeFileSync(join(this.project, 'hpo.yml'), projectFile + (options.settings ?? ''));
    writeFileSync(join(this.project, 'train.sh'), options.program ?? trialProgram());
  }

  /** A new connection; an agent is started where none runs. */
  connect(environment: Readonly<Record<string, string>> = {}): Promise<AgentClient> {
    const { agentMain, node } = this.context;
    const env = { ...this.environment, ...environment };
    return connectAgent({ home: this.home, agentMain, node, env, client: 'torture', version: '0.0.1', silenceMs });
  }

  /** The connection that `request` uses; made anew after the agent has died. Gives up after a minute. */
  async client(environment: Readonly<Record<string, string>> = {}): Promise<AgentClient> {
    const deadline = performance.now() + connectMs;
    for (;;) {
      if (this.#client !== null) return this.#client;
      try {
        const client = await this.connect(environment);
        this.#client = client;
        void client.closed.then(() => this.#forget(client));
      } catch (error) {
        // It may die while it starts; what else is wrong does not pass.
        if (!(error instanceof HpoError) || performance.now() > deadline) throw error;
        await delay(100);
      }
    }
  }

  /** Asks until an agent answers. */
  async request<N extends RequestName>(name: N, params: Requests[N]['params']): Promise<Requests[N]['result']> {
    const deadline = performance.now() + connectMs;
    for (;;) {
      const client = await this.client();
      try {
        return await client.request(name, params);
      } catch (error) {
        if (!isGone(error) || performance.now() > deadline) throw error;
        this.#forget(client);
      }
    }
  }

  /** Starts a study; resolves with its id once that is acknowledged. What is refused for want of a disk is asked for again. */
  async create(request: Omit<TuneRequest, 'script'> = {}): Promise<string> {
    const script = join(this.project, 'hpo.yml');
    const deadline = performance.now() + connectMs;
    for (;;) {
      try {
        const { studyId } = await this.request('study/create', { script, seed: this.context.seed, ...request });
        this.acknowledged.push({ studyId, command: { type: 'create' } });
        return studyId;
      } catch (error) {
        if (!isRefusal(error) || performance.now() > deadline) throw error;
        await delay(200);
      }
    }
  }

  /** Sends a command and remembers that it was acknowledged. False where the study's state did not allow it. */
  async command(studyId: string, command: StudyCommand): Promise<boolean> {
    try {
      await this.request('study/command', { studyId, command });
    } catch (error) {
      if (error instanceof HpoError && error.code.startsWith('HPO-4')) return false;
      throw error;
    }
    this.acknowledged.push({ studyId, command });
    return true;
  }

  /** Whether the study, at the latest after `timeoutMs`, has ended or has paused itself and says why. */
  settled(studyId: string, timeoutMs: number): Promise<boolean> {
    const isSettled = async (): Promise<boolean> => {
      const { state, message } = await this.request('study/view', { studyId });
      return state === 'ended' || (state === 'paused' && message !== '');
    };
    return until(isSettled, timeoutMs, 50);
  }

  /** All agents of this home, by what runs and not by what they wrote. */
  agents(): readonly number[] {
    const { agentMain } = this.context;
    return processesWith(mark, this.records).filter((pid) => {
      const words = argumentsOf(pid);
      return words.includes(agentMain) && words.includes(this.home);
    });
  }

  /** Everything that was started here and still runs: agents, shims, programs, and what those started. */
  processes(): readonly number[] {
    return processesWith(mark, this.records);
  }

  /** The agent that clients would find; null where none says that it is there. */
  discovered(): { readonly pid: number; readonly socket: string; readonly token: string } | null {
    try {
      // Written by the agent for clients; a half-written one is a fault that the caller meets.
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion
      return JSON.parse(readFileSync(discoveryFile(this.home), 'utf8')) as { pid: number; socket: string; token: string };
    } catch {
      return null;
    }
  }

  /** Kills every agent at once, as `kill -9` does; resolves when they are gone. Returns how many there were. */
  async killAgents(): Promise<number> {
    const pids = this.agents();
    for (const pid of pids) signal(pid, 'SIGKILL');
    await until(() => pids.every((pid) => !isRunning(pid)), stopMs);
    if (this.#client !== null) this.#forget(this.#client);
    return pids.length;
  }

  /** Starts an agent by hand, which nobody waits for. */
  spawnAgent(environment: Readonly<Record<string, string>> = {}): number {
    const { agentMain, node } = this.context;
    mkdirSync(join(this.home, 'run'), { recursive: true });
    const child = spawn(node, [agentMain, '--home', this.home], {
      detached: true,
      stdio: 'ignore',
      env: { ...process.env, ...this.environment, ...environment },
    });
    child.on('error', () => undefined);
    child.unref();
    return child.pid ?? 0;
  }

  /** Asks the agent to end as a user does; whether all of them ended. */
  async stopAgent(): Promise<boolean> {
    await this.request('agent/stop', {});
    return until(() => this.agents().length === 0, stopMs);
  }

  /** No agent has a port open, now. */
  checkPorts(): void {
    for (const pid of this.agents()) {
      const ports = openPorts(pid);
      this.findings.check('nothingLeft', ports.length === 0, `the agent ${pid} has ports open: ${ports.join(', ')}`);
    }
  }

  /** Waits for a random time below `ms`. */
  async pause(ms: number): Promise<void> {
    await delay(this.rng.int(ms));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client?.[Symbol.asyncDispose]();
    await until(() => killAll(this.context.folder) === 0, stopMs);
  }

  #forget(client: AgentClient): void {
    if (this.#client === client) this.#client = null;
    void client[Symbol.asyncDispose]();
  }
}
