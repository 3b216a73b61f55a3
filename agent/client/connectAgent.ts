import { spawn } from 'node:child_process';
import { closeSync, lstatSync, openSync, readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { HpoError } from '../protocol/errors.ts';
import { protocolVersion } from '../protocol/requests.ts';
import { type AgentClient, AgentConnection, agentStuck, isLost } from './agentConnection.ts';
import { type Discovery, discoveryFile, discoverySchema, makeHome } from './home.ts';

export interface ConnectOptions {
  /** See `defaultHome`. */
  readonly home: string;
  /** The agent's bundle (`agent.cjs`). */
  readonly agentMain: string;
  /** The Node that runs it: at least 22.13. */
  readonly node: string;
  /** Added to this process's environment for an agent that has to be started. */
  readonly env?: Readonly<Record<string, string>>;
  /** Name shown in the agent's log: `cli`, `vscode`. */
  readonly client: string;
  /** Version of this client; a newer one asks an older agent to hand over. */
  readonly version: string;
  /** Start an agent where none runs; false: reject instead. Default true. */
  readonly start?: boolean;
  /** An agent that was asked and says nothing for this long is stuck (HPO-5016). Default: 15 s. */
  readonly silenceMs?: number;
}

/**
 * The agent lives long and mostly holds what stays: a small nursery for new objects (MB) keeps 90 MB less resident with a
 * study of 100,000 trials, and costs nothing.
 */
export const agentNodeArgs: readonly string[] = ['--max-semi-space-size=4'];

/** An agent that folds a very large journal for the first time takes its time; one that ends is noticed at once. */
const startTimeoutMs = 60_000;
const defaultSilenceMs = 15_000;
const retryMs = 20;
const settleMs = 2_000;
/** An agent that yields to another one ends at once; where that other one was just ending, a second start is needed. */
const restartMs = 1_000;

/** Connects to the agent of this home, and starts one where none runs. */
export async function connectAgent(options: ConnectOptions): Promise<AgentClient> {
  const running = await connectSettled(options);
  if (running !== null) {
    if (!isNewer(options.version, running.version) && running.protocolVersion === protocolVersion) return running.client;
    if (isNewer(running.version, options.version)) {
      await running.client[Symbol.asyncDispose]();
      throw new HpoError(
        'HPO-5003',
        `the agent is version ${running.version}, this client is ${options.version}`,
        'update this client',
      );
    }
    // Running attempts go on without an agent; the new one adopts them.
    await running.client.request('agent/stop', {}).catch((error: unknown) => {
      // Another client of this version may have been faster.
      if (!isLost(error)) throw error;
    });
    await running.client.closed;
  }
  if (options.start === false) throw new HpoError('HPO-5001', 'no agent is running', 'start a study: hpo tune SCRIPT');
  return await startAgent(options);
}

interface Running {
  readonly client: AgentClient;
  readonly version: string;
  readonly protocolVersion: number;
}

/**
 * An agent that takes the place of one that was killed listens at the same socket a moment before it has said its token:
 * whoever comes in between looks again.
 */
async function connectSettled(options: ConnectOptions): Promise<Running | null> {
  for (const deadline = performance.now() + settleMs; ; await delay(retryMs)) {
    try {
      return await connectRunning(options);
    } catch (error) {
      if (!(error instanceof HpoError && error.code === 'HPO-5007') || performance.now() > deadline) throw error;
    }
  }
}

async function connectRunning(options: ConnectOptions): Promise<Running | null> {
  const discovery = discoveredAgent(options.home);
  if (discovery === null) return null;
  refuseForeignSocket(discovery.socket);
  const socket = await openSocket(discovery.socket);
  if (socket === null) return null;
  const client = new AgentConnection(
    socket,
    { pid: discovery.pid, stuck: () => agentStuck(discovery.pid) },
    options.silenceMs ?? defaultSilenceMs,
  );
  try {
    const hello = await client.request('hello', {
      protocolVersion,
      client: options.client,
      version: options.version,
      token: discovery.token,
    });
    return { client, version: hello.version, protocolVersion: hello.protocolVersion };
  } catch (error) {
    await client[Symbol.asyncDispose]();
    // An agent that is ending closes its connections without an answer: as good as none.
    if (isLost(error)) return null;
    throw error;
  }
}

/** The agent that says that it is there; null where none does. It may be dead. */
export function discoveredAgent(home: string): Discovery | null {
  try {
    return discoverySchema.parse(JSON.parse(readFileSync(discoveryFile(home), 'utf8')));
  } catch {
    return null;
  }
}

/** Whoever put a socket of their own in the place of the agent's would be told the token, and what to run. */
function refuseForeignSocket(path: string): void {
  const owner = process.platform === 'win32' ? undefined : lstatSync(path, { throwIfNoEntry: false })?.uid;
  if (owner === undefined || owner === process.getuid?.()) return;
  throw new HpoError(
    'HPO-5006',
    `the socket ${path} belongs to another user (uid ${owner})`,
    'set HPO_HOME to a folder of your own',
  );
}

function openSocket(path: string): Promise<Socket | null> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => resolve(socket));
    socket.once('error', () => resolve(null));
  });
}

async function startAgent(options: ConnectOptions): Promise<AgentClient> {
  const deadline = performance.now() + startTimeoutMs;
  let agent = spawnAgent(options);
  while (performance.now() < deadline) {
    const running = await connectSettled(options);
    if (running !== null) return running.client;
    if (agent.fault !== null) {
      throw notStarted(options.home, agent.fault);
    }
    if (agent.yieldedAt !== null && performance.now() - agent.yieldedAt > restartMs) agent = spawnAgent(options);
    await delay(retryMs);
  }
  // One that yields says to whom.
  const holder = agent.yieldedAt === null ? '' : (readFileSync(stderrFile(options.home), 'utf8').split('\n')[0] ?? '');
  throw new HpoError(
    'HPO-5004',
    `the agent did not answer within ${startTimeoutMs / 1000} s${holder === '' ? '' : `: ${holder}`}`,
    holder === ''
      ? `look into ${join(options.home, 'agent.log')}`
      : 'end the one that is in the way: hpo agent stop --force; running trials go on, and the next command starts a new one',
  );
}

/** An agent that ends for a reason it knows says `CODE why`, and in the next line what to do. */
function notStarted(home: string, fault: string): HpoError {
  const lines = readFileSync(stderrFile(home), 'utf8').trim().split('\n');
  const known = lines.findIndex((line) => /^HPO-\d{4} /.test(line));
  // The stack of an unknown one is in nobody's way to the reason.
  const said = lines.filter((line) => line !== '' && !/^\s+at |^\(node:|^\(Use `/.test(line)).slice(-5);
  const reason = known === -1 ? said.join('\n') : lines[known];
  const next = known === -1 ? undefined : lines[known + 1];
  return new HpoError(
    'HPO-5004',
    `the agent did not start: ${reason || fault}`,
    next || `look into ${stderrFile(home)} and ${join(home, 'agent.log')}`,
  );
}

interface SpawnedAgent {
  /** Why it ended although it should run. */
  fault: string | null;
  /** When it ended because another one is in charge, by `performance.now()`. */
  yieldedAt: number | null;
}

function spawnAgent(options: ConnectOptions): SpawnedAgent {
  makeHome(options.home);
  const stderr = openSync(stderrFile(options.home), 'w', 0o600);
  const child = spawn(options.node, [...agentNodeArgs, options.agentMain, '--home', options.home], {
    detached: true,
    stdio: ['ignore', 'ignore', stderr],
    env: agentEnvironment(options),
    windowsHide: true,
  });
  closeSync(stderr);
  const agent: SpawnedAgent = { fault: null, yieldedAt: null };
  child.once('error', (error) => (agent.fault = error.message));
  child.once('exit', (code) => {
    if (code === 0) agent.yieldedAt = performance.now();
    else agent.fault = `it ended with code ${code}`;
  });
  child.unref();
  return agent;
}

function stderrFile(home: string): string {
  return join(home, 'run', 'agent.stderr');
}

/** VS Code's own variables would make its Node behave as VS Code. */
function agentEnvironment(options: ConnectOptions): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('VSCODE_') && name !== 'ELECTRON_RUN_AS_NODE',
  );
  return { ...Object.fromEntries(inherited), ...options.env };
}

/** Compares versions `a.b.c`; anything unreadable counts as equal. */
export function isNewer(version: string, than: string): boolean {
  const [left, right] = [version, than].map((text) => text.split('.').map(Number));
  for (let i = 0; i < 3; i++) {
    const difference = (left?.[i] ?? 0) - (right?.[i] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return false;
}
