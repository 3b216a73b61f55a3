import type { IncomingMessage } from 'node:http';
import type { Readable, Writable } from 'node:stream';
import type { WebSocket } from 'ws';
import * as z from 'zod/mini';
import type * as ClientModule from './client.ts';
import type { ExecStreams } from './cluster.ts';
import { type Asked, notReached, type Refusal, refused } from './clusterError.ts';
import { podPath } from './kinds.ts';
import { refusalOf, type Transport, urlPathOf } from './transport.ts';

/** The later one can tell the program that its input has ended; a server that lacks it leaves the input open. */
const protocols = ['v5.channel.k8s.io', 'v4.channel.k8s.io'];
const channel = { stdin: 0, stdout: 1, stderr: 2, status: 3, close: 255 } as const;

/** Something comes back for each; what stays silent for longer than two is gone. */
const pingMs = 20_000;
/** A server that keeps the connection after the status and says nothing for so long has said all. */
const closingMs = 5_000;

const statusSchema = z.object({
  status: z.string(),
  reason: z.optional(z.string()),
  message: z.optional(z.string()),
  details: z.optional(
    z.object({ causes: z.optional(z.array(z.object({ reason: z.optional(z.string()), message: z.optional(z.string()) }))) }),
  ),
});

export interface PodCommand {
  readonly pod: string;
  readonly container: string;
  readonly command: readonly string[];
}

/** See `Cluster.exec`. Nothing is read faster than the streams take it, and the streams are left open. */
export async function execInPod(
  client: typeof ClientModule,
  transport: Transport,
  { pod, container, command }: PodCommand,
  streams: ExecStreams,
): Promise<number> {
  const { place } = transport;
  const asked: Asked = { verb: 'create', resource: 'pods/exec', namespace: place.namespace, name: pod };
  const query = new URLSearchParams([
    ['container', container],
    ...command.map((argument): [string, string] => ['command', argument]),
    ...(streams.stdin === undefined ? [] : ([['stdin', 'true']] satisfies [string, string][])),
    ['stdout', 'true'],
    ['stderr', 'true'],
  ]);
  const path = podPath(place.namespace, pod, 'exec');
  const controller = new AbortController();
  const stop = (): void => controller.abort(streams.signal?.reason);
  streams.signal?.addEventListener('abort', stop, { once: true });
  if (streams.signal?.aborted === true) stop();
  using _closing = transport.whenDisposed((why) => controller.abort(why));
  try {
    for (let isRenewed = false; ; isRenewed = true) {
      const { agent, headers } = await transport.ready(controller.signal);
      const { server } = transport.connection;
      const url = `${server.protocol === 'http:' ? 'ws' : 'wss'}://${server.host}${urlPathOf(server, path, query)}`;
      const socket = new client.WebSocket(url, protocols, {
        agent,
        headers,
        handshakeTimeout: transport.limits.answerMs,
        // Frames have no limit of their own: the server sends what it has read.
        maxPayload: 0,
      });
      const outcome = await new Exec(socket, streams, controller.signal).run();
      if (typeof outcome === 'number') return outcome;
      if (outcome.status !== 401 || isRenewed) throw refused(place, asked, outcome);
      transport.connection.renew();
    }
  } catch (error) {
    throw notReached(place, asked, error);
  } finally {
    streams.signal?.removeEventListener('abort', stop);
  }
}

class Exec {
  readonly #socket: WebSocket;
  readonly #streams: ExecStreams;
  readonly #signal: AbortSignal;
  readonly #ended = Promise.withResolvers<number | Refusal>();
  #status: number | null = null;
  #afterStatus: NodeJS.Timeout | null = null;
  #nWaiting = 0;
  #nUnwritten = 0;
  #hasClosed = false;
  #heardAt = performance.now();

  constructor(socket: WebSocket, streams: ExecStreams, signal: AbortSignal) {
    this.#socket = socket;
    this.#streams = streams;
    this.#signal = signal;
  }

  /** Exit code, or how the server refuses. Rejects where the connection ended before the command. */
  async run(): Promise<number | Refusal> {
    const socket = this.#socket;
    const onAbort = (): void => this.#fail(this.#signal.reason);
    const timer = setInterval(() => this.#ping(), pingMs);
    socket.on('open', () => void this.#sendInput());
    socket.on('message', (data: Buffer) => this.#take(data));
    socket.on('pong', () => (this.#heardAt = performance.now()));
    socket.on('unexpected-response', (_request, message: IncomingMessage) => {
      refusalOf(message).then(this.#ended.resolve, this.#ended.reject);
    });
    socket.on('error', (error) => {
      if (this.#status === null) this.#fail(error);
    });
    socket.on('close', () => {
      this.#hasClosed = true;
      this.#settle();
    });
    this.#signal.addEventListener('abort', onAbort, { once: true });
    const writables = [this.#streams.stdout, this.#streams.stderr];
    const onError = (error: Error): void => this.#fail(error);
    for (const writable of writables) writable.on('error', onError);
    try {
      this.#signal.throwIfAborted();
      return await this.#ended.promise;
    } finally {
      clearInterval(timer);
      clearTimeout(this.#afterStatus ?? undefined);
      this.#signal.removeEventListener('abort', onAbort);
      for (const writable of writables) writable.off('error', onError);
      socket.terminate();
    }
  }

  #take(data: Buffer): void {
    this.#heardAt = performance.now();
    const bytes = data.subarray(1);
    switch (data[0]) {
      case channel.stdout:
        return this.#write(this.#streams.stdout, bytes);
      case channel.stderr:
        return this.#write(this.#streams.stderr, bytes);
      case channel.status:
        return this.#end(bytes.toString());
      default:
    }
  }

  #write(writable: Writable, bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#nUnwritten += 1;
    const mayGoOn = writable.write(bytes, (error) => {
      this.#nUnwritten -= 1;
      if (error !== null && error !== undefined) this.#fail(error);
      else this.#settle();
    });
    if (mayGoOn) return;
    this.#nWaiting += 1;
    this.#socket.pause();
    writable.once('drain', () => {
      this.#nWaiting -= 1;
      if (this.#nWaiting === 0) this.#socket.resume();
    });
  }

  #end(text: string): void {
    try {
      const outcome = outcomeOf(statusSchema.parse(JSON.parse(text)));
      if (typeof outcome === 'number') {
        this.#status = outcome;
        this.#waitForClose();
      } else this.#ended.resolve(outcome);
    } catch (error) {
      this.#fail(error);
    }
    this.#settle();
  }

  /** The status may be here before the last output, which comes over a stream of its own: then the server closes the connection. */
  #waitForClose(): void {
    const heardAt = this.#heardAt;
    this.#afterStatus = setTimeout(() => {
      if (this.#heardAt === heardAt && this.#nUnwritten === 0) this.#hasClosed = true;
      this.#settle();
      this.#waitForClose();
    }, closingMs);
  }

  #settle(): void {
    if (this.#status !== null && this.#hasClosed && this.#nUnwritten === 0) this.#ended.resolve(this.#status);
    else if (this.#status === null && this.#hasClosed) this.#fail(new Error('the connection ended before the command'));
  }

  #fail(error: unknown): void {
    this.#ended.reject(error);
    this.#socket.terminate();
  }

  #ping(): void {
    // Who reads nothing hears nothing either.
    if (this.#socket.isPaused) this.#heardAt = performance.now();
    if (performance.now() - this.#heardAt > 2.5 * pingMs) this.#fail(new Error('nothing was heard any more'));
    else if (this.#socket.readyState === this.#socket.OPEN) this.#socket.ping();
  }

  async #sendInput(): Promise<void> {
    const { stdin } = this.#streams;
    if (stdin === undefined) return;
    try {
      for await (const chunk of stdin as AsyncIterable<Uint8Array | string> & Readable) {
        if (this.#socket.readyState !== this.#socket.OPEN) return;
        await this.#send(Buffer.concat([Buffer.of(channel.stdin), Buffer.from(chunk as Uint8Array)]));
      }
      if (this.#socket.protocol === protocols[0]) await this.#send(Buffer.of(channel.close, channel.stdin));
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Resolves when the bytes are on their way. */
  #send(bytes: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.send(bytes, (error) => (error === undefined || error === null ? resolve() : reject(error)));
    });
  }
}

/** A refusal where the command could not be run. */
function outcomeOf({ status, reason = '', message = '', details }: z.infer<typeof statusSchema>): number | Refusal {
  if (status === 'Success') return 0;
  const code = details?.causes?.find((cause) => cause.reason === 'ExitCode')?.message;
  if (reason === 'NonZeroExitCode' && code !== undefined) return Number(code);
  return { status: 422, reason, words: message, retryMs: 0 };
}
