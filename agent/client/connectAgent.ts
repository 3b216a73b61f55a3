import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  CancellationTokenSource,
  createMessageConnection,
  type MessageConnection,
  ResponseError,
  SocketMessageReader,
  SocketMessageWriter,
} from 'vscode-jsonrpc/node';
import { HpoError, wireErrorSchema } from '../protocol/errors.ts';
import type { JournalEntry } from '../protocol/events.ts';
import { type Notifications, protocolVersion, type RequestName, type Requests } from '../protocol/requests.ts';
import { type Discovery, discoveryFile, discoverySchema } from './home.ts';

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
}

/** A connection to the agent. Requests reject with an HpoError; after `closed` everything does. */
export interface AgentClient extends AsyncDisposable {
  /** Aborting the signal cancels the request; the agent goes on with what it had to finish. */
  request<N extends RequestName>(name: N, params: Requests[N]['params'], signal?: AbortSignal): Promise<Requests[N]['result']>;
  /** Entries with seq > from, in order and without a gap. The first call of `onEntries` may come before this resolves. */
  subscribe(
    studyId: string | null,
    from: number,
    onEntries: (entries: readonly JournalEntry[]) => void,
  ): Promise<AsyncDisposable>;
  /** What a long request is doing, for people. */
  onProgress(listener: (message: string) => void): Disposable;
  /** Resolves when the connection has ended, for whatever reason. */
  readonly closed: Promise<void>;
}

const startTimeoutMs = 15_000;
const retryMs = 20;

/** Connects to the agent of this home, and starts one where none runs. */
export async function connectAgent(options: ConnectOptions): Promise<AgentClient> {
  const running = await connectRunning(options);
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
    await running.client.request('agent/stop', {});
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

async function connectRunning(options: ConnectOptions): Promise<Running | null> {
  const discovery = readDiscovery(options.home);
  if (discovery === null) return null;
  const socket = await openSocket(discovery.socket);
  if (socket === null) return null;
  const client = new SocketClient(socket);
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
    if (error instanceof HpoError && error.code === 'HPO-5002') return null;
    throw error;
  }
}

function readDiscovery(home: string): Discovery | null {
  try {
    return discoverySchema.parse(JSON.parse(readFileSync(discoveryFile(home), 'utf8')));
  } catch {
    return null;
  }
}

function openSocket(path: string): Promise<Socket | null> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => resolve(socket));
    socket.once('error', () => resolve(null));
  });
}

async function startAgent(options: ConnectOptions): Promise<AgentClient> {
  const runFolder = join(options.home, 'run');
  mkdirSync(runFolder, { recursive: true, mode: 0o700 });
  const stderrPath = join(runFolder, 'agent.stderr');
  const stderr = openSync(stderrPath, 'w', 0o600);
  const child = spawn(options.node, [options.agentMain, '--home', options.home], {
    detached: true,
    stdio: ['ignore', 'ignore', stderr],
    env: agentEnvironment(options),
    windowsHide: true,
  });
  closeSync(stderr);
  let exit: string | null = null;
  child.once('error', (error) => (exit = error.message));
  child.once('exit', (code) => {
    // Exit 0 is an agent that found another one in charge.
    if (code !== 0) exit = `it ended with code ${code}`;
  });
  child.unref();
  const deadline = Date.now() + startTimeoutMs;
  while (Date.now() < deadline) {
    const running = await connectRunning(options);
    if (running !== null) return running.client;
    if (exit !== null) {
      const reason = readFileSync(stderrPath, 'utf8').trim().split('\n').slice(-5).join('\n');
      throw new HpoError(
        'HPO-5004',
        `the agent did not start: ${reason || exit}`,
        `look into ${join(options.home, 'agent.log')}`,
      );
    }
    await delay(retryMs);
  }
  throw new HpoError(
    'HPO-5004',
    `the agent did not answer within ${startTimeoutMs / 1000} s`,
    `look into ${join(options.home, 'agent.log')}`,
  );
}

/** VS Code's own variables would make its Node behave as VS Code. */
function agentEnvironment(options: ConnectOptions): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('VSCODE_') && name !== 'ELECTRON_RUN_AS_NODE',
  );
  return { ...Object.fromEntries(inherited), ...options.env };
}

class SocketClient implements AgentClient {
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  readonly #connection: MessageConnection;
  readonly #listeners = new Map<number, (entries: readonly JournalEntry[]) => void>();
  /** Entries that arrived before the answer to `study/subscribe` told their subscription. */
  readonly #early: Notifications['events'][] = [];
  readonly #progress = new Set<(message: string) => void>();

  constructor(socket: Socket) {
    this.#socket = socket;
    this.#connection = createMessageConnection(new SocketMessageReader(socket), new SocketMessageWriter(socket));
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    socket.once('close', () => resolve());
    socket.on('error', () => socket.destroy());
    this.#connection.onNotification('events', (message: Notifications['events']) => this.#deliver(message));
    this.#connection.onNotification('progress', (message: Notifications['progress']) => {
      for (const listener of this.#progress) listener(message.message);
    });
    this.#connection.listen();
  }

  async request<N extends RequestName>(
    name: N,
    params: Requests[N]['params'],
    signal?: AbortSignal,
  ): Promise<Requests[N]['result']> {
    const cancellation = new CancellationTokenSource();
    const cancel = (): void => cancellation.cancel();
    signal?.addEventListener('abort', cancel, { once: true });
    try {
      // The connection itself never settles a request whose socket closed.
      const lost = this.closed.then(() => Promise.reject(connectionLost()));
      return await Promise.race([this.#connection.sendRequest<Requests[N]['result']>(name, params, cancellation.token), lost]);
    } catch (error) {
      throw toHpoError(error);
    } finally {
      signal?.removeEventListener('abort', cancel);
      cancellation.dispose();
    }
  }

  async subscribe(
    studyId: string | null,
    from: number,
    onEntries: (entries: readonly JournalEntry[]) => void,
  ): Promise<AsyncDisposable> {
    const { subscription } = await this.request('study/subscribe', { studyId, from });
    this.#listeners.set(subscription, onEntries);
    for (const message of this.#early.splice(0)) this.#deliver(message);
    return {
      [Symbol.asyncDispose]: async () => {
        if (!this.#socket.destroyed) await this.request('study/unsubscribe', { subscription });
        this.#listeners.delete(subscription);
      },
    };
  }

  onProgress(listener: (message: string) => void): Disposable {
    this.#progress.add(listener);
    return { [Symbol.dispose]: () => this.#progress.delete(listener) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#connection.dispose();
    this.#socket.destroy();
    await this.closed;
  }

  #deliver(message: Notifications['events']): void {
    const listener = this.#listeners.get(message.subscription);
    if (listener === undefined) this.#early.push(message);
    else listener(message.entries);
  }
}

function connectionLost(): HpoError {
  return new HpoError(
    'HPO-5002',
    'the connection to the agent was lost',
    'run the command again: studies go on and nothing is lost',
  );
}

function toHpoError(error: unknown): HpoError {
  if (error instanceof HpoError) return error;
  if (error instanceof ResponseError) {
    const wire = wireErrorSchema.safeParse(error.data);
    if (wire.success) return new HpoError(wire.data.code, wire.data.message, wire.data.next, { exitCode: wire.data.exitCode });
    return new HpoError('HPO-9001', error.message, 'report this fault with the agent.log', { cause: error });
  }
  return Object.assign(connectionLost(), { cause: error });
}

/** Compares versions `a.b.c`; anything unreadable counts as equal. */
function isNewer(version: string, than: string): boolean {
  const [left, right] = [version, than].map((text) => text.split('.').map(Number));
  for (let i = 0; i < 3; i++) {
    const difference = (left?.[i] ?? 0) - (right?.[i] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return false;
}
