import { createHash, timingSafeEqual } from 'node:crypto';
import { chmodSync, lstatSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import {
  createMessageConnection,
  type CancellationToken,
  ErrorCodes,
  type Message,
  type MessageConnection,
  ResponseError,
  SocketMessageReader,
  SocketMessageWriter,
} from 'vscode-jsonrpc/node';
import { decodeParams, requestNames } from '../protocol/decoders.ts';
import { HpoError, type WireError } from '../protocol/errors.ts';
import type { JournalEntry } from '../protocol/events.ts';
import { protocolVersion, type RequestName, type Requests } from '../protocol/requests.ts';
import type { StudyView } from '../protocol/view.ts';
import { MessageLimit } from './messageLimit.ts';

/** Windows and terminals of one user; whoever opens more would take the file descriptors that trials need. */
const maxConnections = 256;
/** A client says hello at once. */
const helloMs = 10_000;
/** The last answers are read within this time by a client that reads at all. */
const partingMs = 1_000;

/** What the server asks of the agent behind it. */
export interface Service {
  readonly version: string;
  handle<N extends ServedRequest>(
    name: N,
    params: Requests[N]['params'],
    context: RequestContext,
  ): Promise<Requests[N]['result']>;
  /** A study, or all, as after the entry `seq` of each, which will not change. Throws an HpoError where there is no such study. */
  views(studyId: string | null): { readonly seq: number; readonly views: readonly StudyView[] };
  /** `onEntries` resolves when the entries have left. */
  subscribe(studyId: string | null, from: number, onEntries: (entries: readonly JournalEntry[]) => Promise<void>): Disposable;
}

/** Trials of a page: a few hundred kilobytes, so that no large text is made at once. */
const pageTrials = 500;
/** Subscriptions of one client. */
const maxSubscriptions = 100;
/** Messages that may wait for a client to read them; until then nothing more is read from it. */
const maxUnread = 32;

/** Requests that concern the connection are answered by the server itself. */
export type ServedRequest = Exclude<RequestName, 'hello' | 'study/pages' | 'study/subscribe' | 'study/unsubscribe'>;

export interface RequestContext {
  /** Aborted when the client cancels the request or goes away. */
  readonly signal: AbortSignal;
  readonly progress: (message: string) => void;
}

export interface ServerOptions {
  readonly socket: string;
  readonly token: string;
  readonly service: Service;
  readonly log: { error(message: string, data?: Readonly<Record<string, unknown>>): void };
}

/** Answers clients on a Unix socket (folder 0700, socket 0600) or a named pipe. No TCP port is ever opened. */
export class AgentServer implements AsyncDisposable {
  readonly #options: ServerOptions;
  readonly #server: Server;
  readonly #connections = new Set<Connection>();
  /** When the last client left; null while there is one. */
  #quietSince: number | null = Date.now();

  constructor(options: ServerOptions) {
    this.#options = options;
    this.#server = createServer((socket) => this.#accept(socket));
    this.#server.maxConnections = maxConnections;
  }

  async listen(): Promise<void> {
    const { socket } = this.#options;
    if (process.platform !== 'win32') prepareSocketFolder(socket);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once('error', reject);
    this.#server.listen(socket, resolve);
    await promise;
    if (process.platform !== 'win32') chmodSync(socket, 0o600);
  }

  get quietSince(): number | null {
    return this.#quietSince;
  }

  /** Says something to the people at all clients. */
  tell(message: string): void {
    for (const connection of this.#connections) connection.tell(message);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    for (const connection of this.#connections) connection[Symbol.dispose]();
    await promise;
  }

  #accept(socket: Socket): void {
    const connection = new Connection(socket, this.#options, () => {
      this.#connections.delete(connection);
      if (this.#connections.size === 0) this.#quietSince = Date.now();
    });
    this.#connections.add(connection);
    this.#quietSince = null;
  }
}

/** The folder must be ours alone: whoever can put a socket there could pose as the agent. */
function prepareSocketFolder(socket: string): void {
  const folder = dirname(socket);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  // The folder itself, and what it leads to where it is a link.
  const uid = [lstatSync(folder).uid, statSync(folder).uid].find((owner) => owner !== process.getuid?.());
  if (uid !== undefined) {
    throw new HpoError(
      'HPO-5006',
      `the folder ${folder} belongs to another user (uid ${uid})`,
      'set HPO_HOME to a folder of your own',
    );
  }
  chmodSync(folder, 0o700);
  // Only the holder of the journal's lock gets here, so a socket that lies there is a dead agent's.
  rmSync(socket, { force: true });
}

/** Reads nothing more from a client that does not read its answers. */
class PacedWriter extends SocketMessageWriter {
  readonly #socket: Socket;
  #nUnread = 0;

  constructor(socket: Socket) {
    super(socket);
    this.#socket = socket;
  }

  override async write(message: Message): Promise<void> {
    if (++this.#nUnread > maxUnread) this.#socket.pause();
    try {
      await super.write(message);
    } finally {
      if (--this.#nUnread <= maxUnread && this.#socket.isPaused()) this.#socket.resume();
    }
  }
}

class Connection implements Disposable {
  readonly #rpc: MessageConnection;
  readonly #socket: Socket;
  readonly #options: ServerOptions;
  readonly #subscriptions = new Map<number, Disposable>();
  readonly #closed = new AbortController();
  #nextSubscription = 1;
  #isGreeted = false;

  constructor(socket: Socket, options: ServerOptions, onClose: () => void) {
    this.#socket = socket;
    this.#options = options;
    this.#rpc = createMessageConnection(new SocketMessageReader(socket), new PacedWriter(socket));
    socket.on('error', () => socket.destroy());
    const limit = new MessageLimit();
    socket.on('data', (chunk) => {
      if (!limit.admits(chunk)) socket.destroy();
    });
    const hello = setTimeout(() => {
      if (!this.#isGreeted) socket.destroy();
    }, helloMs).unref();
    socket.once('close', () => {
      clearTimeout(hello);
      for (const subscription of this.#subscriptions.values()) subscription[Symbol.dispose]();
      this.#closed.abort();
      this.#rpc.dispose();
      onClose();
    });
    for (const name of requestNames) {
      // Params that are absent, or several in a list, come as so many arguments before the token.
      this.#rpc.onRequest(name, (...args: unknown[]) => {
        const params = args.slice(0, -1);
        const token = args.at(-1) as CancellationToken; // always last, by vscode-jsonrpc
        return this.#answer(name, params.length > 1 ? params : params[0], token);
      });
    }
    this.#rpc.onRequest((method) => unknownRequest(method));
    this.#rpc.listen();
  }

  tell(message: string): void {
    if (this.#isGreeted) void this.#notify('progress', { message });
  }

  [Symbol.dispose](): void {
    this.#socket.end();
    this.#socket.destroySoon();
    // One that does not read what was sent would keep the agent from ending.
    const timer = setTimeout(() => this.#socket.destroy(), partingMs);
    this.#socket.once('close', () => clearTimeout(timer));
  }

  async #answer(name: RequestName, params: unknown, token: CancellationToken): Promise<unknown> {
    try {
      return await this.#route(name, params, token);
    } catch (error) {
      return new ResponseError(
        ErrorCodes.InternalError,
        error instanceof Error ? error.message : String(error),
        this.#wireError(name, error),
      );
    }
  }

  async #route(name: RequestName, params: unknown, token: CancellationToken): Promise<unknown> {
    if (name === 'hello') return this.#greet(decodeParams('hello', params));
    if (!this.#isGreeted) throw new HpoError('HPO-5012', `${name} came before hello`, 'say hello first');
    if (name === 'study/pages') return await this.#sendPages(decodeParams('study/pages', params));
    if (name === 'study/subscribe') return this.#subscribe(decodeParams('study/subscribe', params));
    if (name === 'study/unsubscribe') return this.#unsubscribe(decodeParams('study/unsubscribe', params));
    const abort = new AbortController();
    token.onCancellationRequested(() => abort.abort());
    // A token that was cancelled before the request's turn tells it no more.
    if (token.isCancellationRequested) abort.abort();
    return await this.#options.service.handle(name, decodeParams(name, params), {
      signal: AbortSignal.any([abort.signal, this.#closed.signal]),
      progress: (message) => void this.#notify('progress', { message }),
    });
  }

  #greet(params: Requests['hello']['params']): Requests['hello']['result'] {
    if (!isSameToken(params.token, this.#options.token))
      throw new HpoError('HPO-5007', 'the token is not this agent’s', 'connect again');
    this.#isGreeted = true;
    return { protocolVersion, version: this.#options.service.version, pid: process.pid };
  }

  /** A page at a time, as fast as the client reads. */
  async #sendPages({
    studyId,
    stream,
    withoutCurves,
  }: Requests['study/pages']['params']): Promise<Requests['study/pages']['result']> {
    const { seq, views } = this.#options.service.views(studyId);
    for (const { trials, ...study } of views) {
      for (let first = 0; first === 0 || first < trials.length; first += pageTrials) {
        if (this.#socket.destroyed) return { seq };
        const page = trials.slice(first, first + pageTrials);
        const sent = withoutCurves === true ? page.map((trial) => ({ ...trial, curve: [], curveStart: 0 })) : page;
        await this.#notify('page', { stream, view: { ...study, trials: [] }, trials: sent });
      }
    }
    return { seq };
  }

  #subscribe({ studyId, from }: Requests['study/subscribe']['params']): Requests['study/subscribe']['result'] {
    if (this.#subscriptions.size >= maxSubscriptions) {
      throw new HpoError('HPO-5019', `this client has ${maxSubscriptions} subscriptions already`, 'end some of them first');
    }
    const subscription = this.#nextSubscription++;
    const send = (entries: readonly JournalEntry[]): Promise<void> => this.#notify('events', { subscription, entries });
    this.#subscriptions.set(subscription, this.#options.service.subscribe(studyId, from, send));
    return { subscription };
  }

  #unsubscribe({ subscription }: Requests['study/unsubscribe']['params']): Requests['study/unsubscribe']['result'] {
    this.#subscriptions.get(subscription)?.[Symbol.dispose]();
    this.#subscriptions.delete(subscription);
    return {};
  }

  /** Resolves when the message has left, or never will. */
  async #notify(method: string, params: unknown): Promise<void> {
    if (this.#socket.destroyed) return;
    // A client that went away is noticed by its socket's close.
    await this.#rpc.sendNotification(method, params).catch(() => this.#socket.destroy());
  }

  #wireError(name: RequestName, error: unknown): WireError {
    if (error instanceof HpoError) return wireForm(error);
    if (error instanceof Error && 'code' in error && error.code === 'ENOSPC')
      return wireForm(new HpoError('HPO-5013', `the disk is full: ${error.message}`, 'free some room on it, then try again'));
    this.#options.log.error('a request failed', {
      name,
      error: error instanceof Error ? (error.stack ?? error.message) : String(error),
    });
    return {
      code: 'HPO-9001',
      message: error instanceof Error ? error.message : String(error),
      next: 'report this fault with the agent.log',
      exitCode: 1,
    };
  }
}

function wireForm({ code, message, next, exitCode }: HpoError): WireError {
  return { code, message, next, exitCode };
}

function unknownRequest(method: string): ResponseError<WireError> {
  const error = new HpoError('HPO-5011', `there is no request "${method.slice(0, 100)}"`, 'update this client');
  return new ResponseError(ErrorCodes.MethodNotFound, error.message, wireForm(error));
}

function isSameToken(given: string, expected: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}
