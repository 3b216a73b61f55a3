import { type IncomingMessage, request as plainRequest } from 'node:http';
import { request as secureRequest } from 'node:https';
import type { ClusterPlace } from './cluster.ts';
import { type Asked, codeOf, notReached, readRefusal, type Refusal, refused } from './clusterError.ts';
import type { Connection } from './connection.ts';
import { pause, TokenBucket } from './tokenBucket.ts';

/** Milliseconds, and requests. */
export interface ClusterLimits {
  /** For one answer; of a stream for its beginning. */
  readonly answerMs: number;
  /** For a call with all that is tried again, and with its turn at the rate limit. */
  readonly callMs: number;
  /** Requests a second that all calls together make in the long run, and how many may come at once. */
  readonly perSecond: number;
  readonly burst: number;
  /** How long a watch asks to be kept open. */
  readonly watchMs: number;
  /** A watch of which nothing was heard for so long is dead: a server says something each minute. */
  readonly silenceMs: number;
  /** Objects in one answer to a list. */
  readonly pageSize: number;
}

/** At most 1,260 requests in any minute, whatever happens; in the long run 1,200. */
export const usualLimits: ClusterLimits = {
  answerMs: 20_000,
  callMs: 60_000,
  perSecond: 20,
  burst: 60,
  watchMs: 5 * 60_000,
  silenceMs: 90_000,
  pageSize: 500,
};

export interface Request extends Asked {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: object;
  readonly contentType?: string;
}

export interface Answer {
  /** Null of an answer that refuses nothing. */
  readonly refusal: Refusal | null;
  /** Parsed; null where there is none, and in a refusal. */
  readonly body: unknown;
}

/** The beginning of an answer that is read as it comes. */
export type Opened =
  | { readonly message: IncomingMessage; readonly refusal: null }
  | { readonly message: null; readonly refusal: Refusal };

const firstPauseMs = 250;
const maxPauseMs = 10_000;

/** Sends requests: at their rate, each with its time limits, again where the server asks for that. */
export class Transport implements Disposable {
  readonly place: ClusterPlace;
  readonly limits: ClusterLimits;
  readonly connection: Connection;
  readonly #bucket: TokenBucket;
  readonly #calls = new Set<AbortController>();
  readonly #closing = new Set<(why: Error) => void>();
  #isDisposed = false;
  #nRequests = 0;

  constructor(place: ClusterPlace, connection: Connection, limits: ClusterLimits) {
    this.place = place;
    this.connection = connection;
    this.limits = limits;
    this.#bucket = new TokenBucket(limits.perSecond, limits.burst);
  }

  /** Requests that were sent so far. */
  get nRequests(): number {
    return this.#nRequests;
  }

  get isDisposed(): boolean {
    return this.#isDisposed;
  }

  /** The answer, which may be a refusal with one of the statuses that the caller expects. Rejects with an HpoError for any other. */
  async send(request: Request, expected: readonly number[] = []): Promise<Answer> {
    try {
      return await this.#within(this.limits.callMs, null, (signal) => this.#untilAnswered(request, expected, signal));
    } catch (error) {
      throw notReached(this.place, request, error);
    }
  }

  /** Begins an answer that is read as it comes, until the signal fires. Rejects with an HpoError where there is no answer. */
  async open(request: Request, signal: AbortSignal): Promise<Opened> {
    try {
      for (let isRenewed = false; ; isRenewed = true) {
        const message = await this.#within(this.limits.answerMs, signal, (own) => this.#begin(request, own));
        if (message.statusCode === 200) return { message: this.#kept(message, signal), refusal: null };
        const refusal = await this.#within(this.limits.answerMs, signal, () => refusalOf(message));
        if (refusal.status !== 401 || isRenewed) return { message: null, refusal };
        this.connection.renew();
      }
    } catch (error) {
      throw notReached(this.place, request, error);
    }
  }

  /** Resolves when a request may be sent; for those that are not sent from here. */
  async turn(signal: AbortSignal): Promise<void> {
    await this.#bucket.take(signal);
    this.#nRequests += 1;
  }

  whenDisposed(act: (why: Error) => void): Disposable {
    if (this.#isDisposed) act(disposed());
    this.#closing.add(act);
    return { [Symbol.dispose]: () => void this.#closing.delete(act) };
  }

  [Symbol.dispose](): void {
    this.#isDisposed = true;
    for (const call of this.#calls) call.abort(disposed());
    for (const close of this.#closing) close(disposed());
    this.connection[Symbol.dispose]();
  }

  /** Ends with the signal, and with the cluster. */
  #kept(message: IncomingMessage, signal: AbortSignal): IncomingMessage {
    const onAbort = (): void => void message.destroy();
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    const closing = this.whenDisposed((why) => message.destroy(why));
    // What comes after the last reader is gone concerns nobody.
    message.on('error', () => undefined);
    message.once('close', () => {
      signal.removeEventListener('abort', onAbort);
      closing[Symbol.dispose]();
    });
    return message;
  }

  async #untilAnswered(request: Request, expected: readonly number[], signal: AbortSignal): Promise<Answer> {
    const deadline = performance.now() + this.limits.callMs;
    let isRenewed = false;
    for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(2 * pauseMs, maxPauseMs)) {
      const { refusal, body } = await this.#within(this.limits.answerMs, signal, (own) => this.#ask(request, own));
      if (refusal === null) return { refusal, body };
      if (refusal.status === 401 && !isRenewed) {
        isRenewed = true;
        this.connection.renew();
        continue;
      }
      const mayPass = passing.has(refusal.status) || isCollision(request, refusal);
      if (!mayPass && expected.includes(refusal.status)) return { refusal, body };
      const waitMs = Math.max(refusal.retryMs, jittered(pauseMs));
      if (!mayPass || performance.now() + waitMs >= deadline) throw refused(this.place, request, refusal);
      await pause(waitMs, signal);
    }
  }

  async #ask(request: Request, signal: AbortSignal): Promise<Answer> {
    const message = await this.#begin(request, signal);
    const status = message.statusCode ?? 0;
    if (status < 200 || status > 299) return { refusal: await refusalOf(message), body: null };
    const text = await readText(message);
    return { refusal: null, body: text === '' ? null : JSON.parse(text) };
  }

  /** The signal ends the answer too, for as long as that is read. */
  async #begin(request: Request, signal: AbortSignal): Promise<IncomingMessage> {
    await this.turn(signal);
    for (let nTries = 1; ; nTries += 1) {
      const { agent, headers } = await this.connection.prepare();
      const { server } = this.connection;
      const body = request.body === undefined ? null : JSON.stringify(request.body);
      const started = Promise.withResolvers<IncomingMessage>();
      const send = server.protocol === 'http:' ? plainRequest : secureRequest;
      const sent = send(
        {
          agent,
          hostname: server.hostname.replace(/^\[|\]$/g, ''),
          port: server.port === '' ? (server.protocol === 'http:' ? 80 : 443) : Number(server.port),
          path: urlPathOf(server, request.path, new URLSearchParams(request.query)),
          method: request.method,
          headers: {
            accept: 'application/json',
            'user-agent': 'hpo',
            ...headers,
            ...(body === null
              ? {}
              : { 'content-type': request.contentType ?? 'application/json', 'content-length': Buffer.byteLength(body) }),
          },
          signal,
        },
        started.resolve,
      );
      sent.on('error', started.reject);
      sent.end(body ?? undefined);
      try {
        return await started.promise;
      } catch (error) {
        // A kept connection may have been closed by the other end at the very moment when it was used again.
        if (!sent.reusedSocket || signal.aborted || nTries > maxStale || !stale.has(codeOf(error))) throw error;
      }
    }
  }

  /** Does the work with a signal that fires after so long, when the other signal does, and when the cluster is disposed. */
  async #within<T>(ms: number, outer: AbortSignal | null, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (this.#isDisposed) throw disposed();
    outer?.throwIfAborted();
    const controller = new AbortController();
    const { signal } = controller;
    const ended = Promise.withResolvers<never>();
    const onOuter = (): void => controller.abort(outer?.reason);
    const timer = setTimeout(() => controller.abort(new Error(`no answer in ${ms / 1_000} s`)), ms);
    signal.addEventListener('abort', () => ended.reject(signal.reason), { once: true });
    outer?.addEventListener('abort', onOuter, { once: true });
    this.#calls.add(controller);
    try {
      return await Promise.race([work(signal), ended.promise]);
    } finally {
      clearTimeout(timer);
      outer?.removeEventListener('abort', onOuter);
      this.#calls.delete(controller);
    }
  }
}

/** Answers of a server that may give another one in a moment. */
const passing = new Set([429, 500, 502, 503, 504]);

/** Such as of two objects that are made at once and count against one quota. */
function isCollision({ method }: Request, { status, reason }: Refusal): boolean {
  return method === 'POST' && status === 409 && reason === 'Conflict';
}

const maxStale = 3;
const stale = new Set(['ECONNRESET', 'EPIPE']);

export function jittered(ms: number): number {
  return ms * (0.75 + 0.5 * Math.random());
}

function disposed(): Error {
  return new Error('the connection was closed by the agent');
}

/** Path and query of a request, below the path that the server's own address may have. */
export function urlPathOf(server: URL, path: string, query: URLSearchParams): string {
  const parameters = query.toString();
  return `${server.pathname.replace(/\/$/, '')}${path}${parameters === '' ? '' : `?${parameters}`}`;
}

async function readText(message: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

/** What an answer says that refuses. */
export async function refusalOf(message: IncomingMessage): Promise<Refusal> {
  return readRefusal(message.statusCode ?? 0, await readText(message), retryAfterMs(message.headers['retry-after']));
}

/** 0 where nothing was said. */
function retryAfterMs(header: string | undefined): number {
  const seconds = Number(header ?? '');
  return Number.isFinite(seconds) && seconds > 0 ? Math.min(seconds * 1_000, maxRetryAfterMs) : 0;
}

/** A server that names more is asked all the same: it is away for long, or a proxy speaks in its stead. */
const maxRetryAfterMs = 60_000;
