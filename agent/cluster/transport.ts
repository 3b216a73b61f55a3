import { type IncomingMessage, request as plainRequest } from 'node:http';
import { request as secureRequest } from 'node:https';
import type { ClusterPlace } from './cluster.ts';
import { type Asked, codeOf, notReached, readRefusal, type Refusal, refused } from './clusterError.ts';
import type { Connection, Prepared } from './connection.ts';
import { pause, TokenBucket } from './tokenBucket.ts';

/** Milliseconds, and requests. */
export interface ClusterLimits {
  /** For one answer; of a stream for its beginning. */
  readonly answerMs: number;
  /** For a call with all that is tried again, from when its turn has come at the rate limit. */
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
  readonly #disposal = new AbortController();
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
    return this.#disposal.signal.aborted;
  }

  /** The answer, which may be a refusal with one of the statuses that the caller expects. Rejects with an HpoError for any other. */
  async send(request: Request, expected: readonly number[] = []): Promise<Answer> {
    try {
      const prepared = await this.ready(this.#disposal.signal);
      return await this.#within(this.limits.callMs, null, (signal) => this.#untilAnswered(request, expected, prepared, signal));
    } catch (error) {
      throw notReached(this.place, request, error);
    }
  }

  /** Begins an answer that is read as it comes, until the signal fires. Rejects with an HpoError where there is no answer. */
  async open(request: Request, signal: AbortSignal, isUrgent = false): Promise<Opened> {
    const waiting = new AbortController();
    using _closing = this.#linked(waiting, signal);
    try {
      for (let isRenewed = false; ; isRenewed = true) {
        const prepared = await this.ready(waiting.signal, isUrgent);
        const message = await this.#within(this.limits.answerMs, signal, (own) => this.#begin(request, prepared, own));
        if (message.statusCode === 200) return { message: this.#kept(message, signal), refusal: null };
        const refusal = await this.#within(this.limits.answerMs, signal, () => refusalOf(message));
        if (refusal.status !== 401 || isRenewed) return { message: null, refusal };
        this.connection.renew();
      }
    } catch (error) {
      throw notReached(this.place, request, error);
    }
  }

  /** What a request is sent with, when it is its turn; in no time limit but that of programs that give credentials. */
  async ready(signal: AbortSignal, isUrgent = false): Promise<Prepared> {
    await this.#bucket.take(signal, isUrgent);
    this.#nRequests += 1;
    return await this.connection.prepare();
  }

  whenDisposed(act: (why: unknown) => void): Disposable {
    const { signal } = this.#disposal;
    const onAbort = (): void => act(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    return { [Symbol.dispose]: () => signal.removeEventListener('abort', onAbort) };
  }

  [Symbol.dispose](): void {
    this.#disposal.abort(new Error('the connection was closed by the agent'));
    this.connection[Symbol.dispose]();
  }

  /** Ends with the signal, and with the cluster. */
  #kept(message: IncomingMessage, signal: AbortSignal): IncomingMessage {
    const onAbort = (): void => void message.destroy();
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    const closing = this.whenDisposed(() => void message.destroy());
    // What comes after the last reader is gone concerns nobody.
    message.on('error', () => undefined);
    message.once('close', () => {
      signal.removeEventListener('abort', onAbort);
      closing[Symbol.dispose]();
    });
    return message;
  }

  async #untilAnswered(request: Request, expected: readonly number[], prepared: Prepared, signal: AbortSignal): Promise<Answer> {
    let current = prepared;
    const deadline = performance.now() + this.limits.callMs;
    let isRenewed = false;
    for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(2 * pauseMs, maxPauseMs)) {
      const { refusal, body } = await this.#within(this.limits.answerMs, signal, (own) => this.#ask(request, current, own));
      if (refusal === null) return { refusal, body };
      if (refusal.status === 401 && !isRenewed) {
        isRenewed = true;
        this.connection.renew();
        current = await this.ready(signal);
        continue;
      }
      const mayPass = passing.has(refusal.status) || isCollision(request, refusal);
      if (!mayPass && expected.includes(refusal.status)) return { refusal, body };
      const waitMs = Math.max(refusal.retryMs, jittered(pauseMs));
      if (!mayPass || performance.now() + waitMs >= deadline) throw refused(this.place, request, refusal);
      await pause(waitMs, signal);
      current = await this.ready(signal);
    }
  }

  async #ask(request: Request, prepared: Prepared, signal: AbortSignal): Promise<Answer> {
    const message = await this.#begin(request, prepared, signal);
    const status = message.statusCode ?? 0;
    if (status < 200 || status > 299) return { refusal: await refusalOf(message), body: null };
    const text = await readText(message);
    return { refusal: null, body: text === '' ? null : JSON.parse(text) };
  }

  /** The signal ends the answer too, for as long as that is read. */
  async #begin(request: Request, { agent, headers }: Prepared, signal: AbortSignal): Promise<IncomingMessage> {
    for (let nTries = 1; ; nTries += 1) {
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
    const controller = new AbortController();
    const { signal } = controller;
    const ended = Promise.withResolvers<never>();
    ended.promise.catch(() => undefined);
    signal.addEventListener('abort', () => ended.reject(signal.reason), { once: true });
    using _linked = this.#linked(controller, outer);
    const timer = setTimeout(() => controller.abort(new Error(`no answer in ${ms / 1_000} s`)), ms);
    try {
      signal.throwIfAborted();
      return await Promise.race([work(signal), ended.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** The controller fires when the signal does, and when the cluster is disposed, until this is. */
  #linked(controller: AbortController, outer: AbortSignal | null): Disposable {
    const closing = this.whenDisposed((why) => controller.abort(why));
    const onOuter = (): void => controller.abort(outer?.reason);
    if (outer?.aborted === true) onOuter();
    outer?.addEventListener('abort', onOuter, { once: true });
    return {
      [Symbol.dispose]: () => {
        closing[Symbol.dispose]();
        outer?.removeEventListener('abort', onOuter);
      },
    };
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
