import { readFileSync } from 'node:fs';
import type { Duplex } from 'node:stream';
import {
  CancellationTokenSource,
  ErrorCodes,
  createMessageConnection,
  type MessageConnection,
  ResponseError,
  StreamMessageReader,
  StreamMessageWriter,
} from 'vscode-jsonrpc/node';
import { HpoError, wireErrorSchema } from '../protocol/errors.ts';
import type { JournalEntry } from '../protocol/events.ts';
import type { Notifications, RequestName, Requests } from '../protocol/requests.ts';
import type { StudyView } from '../protocol/view.ts';

/** A connection to the agent. Requests reject with an HpoError; after `closed` everything does. */
export interface AgentClient extends AsyncDisposable {
  /** Aborting the signal cancels the request; the agent goes on with what it had to finish. */
  request<N extends RequestName>(name: N, params: Requests[N]['params'], signal?: AbortSignal): Promise<Requests[N]['result']>;
  /** A study as it is; without the curves of its trials where nobody looks at them. */
  view(studyId: string, options?: { readonly withoutCurves?: boolean }): Promise<StudyView>;
  /** All studies at one moment; a subscription to all from `seq` goes on without a gap. */
  views(): Promise<{ readonly seq: number; readonly views: readonly StudyView[] }>;
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

/** A connection looks so often within the time of silence whether anything came; where nobody waits for an answer, it asks at every tenth look. */
const looksPerSilence = 10;

/** The agent at the other end of a connection, as far as it can be looked at from here. */
export interface ConnectedAgent {
  /** Null for one on another machine. */
  readonly pid: number | null;
  /** What to say of one that was asked and says nothing. */
  readonly stuck: () => HpoError;
}

/** The protocol over a stream: the agent's socket, or what carries its bytes. */
export class AgentConnection implements AgentClient {
  readonly closed: Promise<void>;
  readonly #socket: Duplex;
  readonly #connection: MessageConnection;
  readonly #listeners = new Map<number, (entries: readonly JournalEntry[]) => void>();
  /** Entries that arrived before the answer to `study/subscribe` told their subscription. */
  readonly #early: Notifications['events'][] = [];
  readonly #streams = new Map<number, (page: Notifications['page']) => void>();
  #nextStream = 1;
  readonly #progress = new Set<(message: string) => void>();
  readonly #pending = new Set<(error: unknown) => void>();
  readonly #agent: ConnectedAgent;
  readonly #watch: NodeJS.Timeout;
  #looks = 0;
  /** Whether a sign of life was asked for, and nothing has come since. */
  #isAsked = false;
  /** Looks since then. */
  #silentLooks = 0;

  constructor(socket: Duplex, agent: ConnectedAgent, silenceMs: number) {
    this.#socket = socket;
    this.#agent = agent;
    this.#connection = createMessageConnection(new StreamMessageReader(socket), new StreamMessageWriter(socket));
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    socket.once('close', () => {
      clearInterval(this.#watch);
      for (const reject of this.#pending) reject(connectionLost());
      resolve();
    });
    socket.on('error', () => socket.destroy());
    this.#connection.onNotification('events', (message: Notifications['events']) => this.#deliver(message));
    this.#connection.onNotification('page', (message: Notifications['page']) => this.#streams.get(message.stream)?.(message));
    this.#connection.onNotification('progress', (message: Notifications['progress']) => {
      for (const listener of this.#progress) listener(message.message);
    });
    this.#connection.listen();
    socket.on('data', () => (this.#isAsked = false));
    this.#watch = setInterval(() => this.#look(), silenceMs / looksPerSilence).unref();
  }

  async request<N extends RequestName>(
    name: N,
    params: Requests[N]['params'],
    signal?: AbortSignal,
  ): Promise<Requests[N]['result']> {
    const cancellation = new CancellationTokenSource();
    const cancel = (): void => cancellation.cancel();
    signal?.addEventListener('abort', cancel, { once: true });
    // The connection itself never settles a request whose socket closed.
    const lost = Promise.withResolvers<never>();
    this.#pending.add(lost.reject);
    try {
      if (this.#socket.destroyed) throw connectionLost();
      const answer = this.#connection.sendRequest<Requests[N]['result']>(name, params, cancellation.token);
      return await Promise.race([answer, lost.promise]);
    } catch (error) {
      throw toHpoError(error);
    } finally {
      this.#pending.delete(lost.reject);
      signal?.removeEventListener('abort', cancel);
      cancellation.dispose();
    }
  }

  async view(studyId: string, { withoutCurves = false }: { readonly withoutCurves?: boolean } = {}): Promise<StudyView> {
    const { views } = await this.#views(studyId, withoutCurves);
    const [view] = views;
    if (view === undefined) throw connectionLost();
    return view;
  }

  async views(): Promise<{ readonly seq: number; readonly views: readonly StudyView[] }> {
    return await this.#views(null, false);
  }

  async #views(
    studyId: string | null,
    withoutCurves: boolean,
  ): Promise<{ readonly seq: number; readonly views: readonly StudyView[] }> {
    const stream = this.#nextStream++;
    const views: StudyView[] = [];
    this.#streams.set(stream, ({ view, trials }) => {
      if (views.at(-1)?.studyId !== view.studyId) views.push(view);
      views.at(-1)?.trials.push(...trials);
    });
    try {
      const { seq } = await this.request('study/pages', { studyId, stream, withoutCurves });
      return { seq, views };
    } finally {
      this.#streams.delete(stream);
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

  /** Counts looks, not time: while this machine sleeps nobody looks. Whatever comes is a sign of life. */
  #look(): void {
    this.#looks++;
    if (!this.#isAsked) {
      this.#isAsked = this.#pending.size > 0 || this.#looks % looksPerSilence === 0;
      // Asked for once; an answer that says no is one too.
      if (this.#isAsked) this.#connection.sendRequest('agent/status', {}).catch(() => undefined);
      this.#silentLooks = 0;
      return;
    }
    this.#silentLooks++;
    if (this.#silentLooks < looksPerSilence && !(this.#silentLooks > 1 && this.#agent.pid !== null && isStopped(this.#agent.pid)))
      return;
    for (const reject of this.#pending) reject(this.#agent.stuck());
    this.#socket.destroy();
  }

  #deliver(message: Notifications['events']): void {
    const listener = this.#listeners.get(message.subscription);
    if (listener === undefined) this.#early.push(message);
    else listener(message.entries);
  }
}

export function isLost(error: unknown): boolean {
  return error instanceof HpoError && error.code === 'HPO-5002';
}

function connectionLost(): HpoError {
  return new HpoError(
    'HPO-5002',
    'the connection to the agent was lost',
    'run the command again: studies go on and nothing is lost',
  );
}

/** Stopped by a signal, as far as the system says. */
function isStopped(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return /^[tT]/.test(stat.slice(stat.lastIndexOf(')') + 2));
  } catch {
    return false;
  }
}

export function agentStuck(pid: number): HpoError {
  const [how, first] = isStopped(pid)
    ? ['it was stopped (SIGSTOP, or a debugger)', `let it go on: kill -CONT ${pid}; or end it`]
    : ['it is there and says nothing', 'wait, if the machine is very busy; else end it'];
  return new HpoError(
    'HPO-5016',
    `the agent (process ${pid}) does not answer: ${how}`,
    `${first}: hpo agent stop --force; running trials go on, and the next command starts a new agent that takes over`,
  );
}

function toHpoError(error: unknown): HpoError {
  if (error instanceof HpoError) return error;
  if (error instanceof ResponseError) {
    const wire = wireErrorSchema.safeParse(error.data);
    // Nobody answers any more, or nobody was there to be asked: the other end may be gone before the socket is closed.
    if (error.code === ErrorCodes.PendingResponseRejected || error.code === ErrorCodes.MessageWriteError) return connectionLost();
    if (wire.success) return new HpoError(wire.data.code, wire.data.message, wire.data.next, { exitCode: wire.data.exitCode });
    return new HpoError('HPO-9001', error.message, 'report this fault with the agent.log', { cause: error });
  }
  return Object.assign(connectionLost(), { cause: error });
}
