import { createServer, type IncomingMessage, type RequestOptions, type Server, type ServerResponse } from 'node:http';
import { Agent, request } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';

export interface Fault {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** Whom the proxy speaks for. */
export interface Upstream {
  readonly server: string;
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/**
 * Stands between a client and a real API server, by plain HTTP on this side, and lets connections end, fall silent, or be answered
 * otherwise. What it lets through is the real server's own.
 */
export class ApiProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #upstream: URL;
  readonly #agent: Agent;
  readonly #sockets = new Set<Socket>();
  readonly #faults: { readonly match: RegExp; readonly fault: Fault; left: number }[] = [];
  /** `GET /api/v1/…` of each request, in order. */
  readonly requests: string[] = [];
  #isAway = false;
  #silent: RegExp | null = null;

  private constructor(upstream: Upstream) {
    this.#upstream = new URL(upstream.server);
    const { ca, cert, key } = upstream;
    this.#agent = new Agent({ ca, cert, key, keepAlive: true, maxFreeSockets: 50 });
    this.#server = createServer((asked, answer) => this.#serve(asked, answer));
    this.#server.on('upgrade', (asked, socket, head) => this.#upgrade(asked, socket, head));
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => this.#sockets.delete(socket));
      if (this.#isAway) socket.destroy();
    });
  }

  static async start(upstream: Upstream): Promise<ApiProxy> {
    const proxy = new ApiProxy(upstream);
    await new Promise<void>((resolve) => {
      proxy.#server.listen(0, '127.0.0.1', resolve);
    });
    return proxy;
  }

  get url(): string {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it listens on TCP
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Connections that are open now. */
  get nConnections(): number {
    return this.#sockets.size;
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Connections end, and new ones too, until this is disposed. */
  leave(): Disposable {
    this.#isAway = true;
    this.cut();
    return { [Symbol.dispose]: () => void (this.#isAway = false) };
  }

  /** The next requests whose line (`GET /api/…`) fits are answered so. */
  answer(match: RegExp, fault: Fault, times = 1): void {
    this.#faults.push({ match, fault, left: times });
  }

  /** What fits says nothing any more, and its connections stay open, until this is disposed. */
  silence(match: RegExp): Disposable {
    this.#silent = match;
    return { [Symbol.dispose]: () => void (this.#silent = null) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    this.#agent.destroy();
    await new Promise((resolve) => {
      this.#server.close(resolve);
    });
  }

  #serve(asked: IncomingMessage, answer: ServerResponse): void {
    const line = `${asked.method ?? ''} ${asked.url ?? ''}`;
    this.requests.push(line);
    const planned = this.#faults.find(({ match, left }) => left > 0 && match.test(line));
    if (planned !== undefined) {
      planned.left -= 1;
      asked.resume();
      answer.writeHead(planned.fault.status, { 'content-type': 'application/json', ...planned.fault.headers });
      answer.end(planned.fault.body ?? '');
      return;
    }
    if (this.#silent?.test(line) === true) return;
    const sent = request(this.#optionsOf(asked), (got) => {
      answer.writeHead(got.statusCode ?? 502, got.headers);
      got.on('data', (chunk: Buffer) => {
        if (this.#silent?.test(line) === true) return;
        if (!answer.write(chunk)) {
          got.pause();
          answer.once('drain', () => got.resume());
        }
      });
      got.on('end', () => this.#silent?.test(line) !== true && answer.end());
      got.on('error', () => answer.destroy());
      answer.flushHeaders();
    });
    sent.on('error', () => answer.destroy());
    answer.on('close', () => sent.destroy());
    asked.pipe(sent);
  }

  #upgrade(asked: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.requests.push(`${asked.method ?? ''} ${asked.url ?? ''}`);
    const sent = request(this.#optionsOf(asked));
    sent.on('upgrade', (got, upstream, upstreamHead) => {
      const headers = got.rawHeaders.flatMap((name, index, all) => (index % 2 === 0 ? [`${name}: ${all[index + 1] ?? ''}`] : []));
      socket.write(`HTTP/1.1 101 Switching Protocols\r\n${headers.join('\r\n')}\r\n\r\n`);
      socket.write(upstreamHead);
      upstream.write(head);
      upstream.pipe(socket).pipe(upstream);
      upstream.on('error', () => socket.destroy());
      socket.on('error', () => upstream.destroy());
      socket.on('close', () => upstream.destroy());
    });
    sent.on('response', (got) => {
      const chunks: Buffer[] = [];
      got.on('data', (chunk: Buffer) => chunks.push(chunk));
      got.on('end', () => {
        const body = Buffer.concat(chunks);
        socket.end(
          `HTTP/1.1 ${got.statusCode ?? 502} Refused\r\nconnection: close\r\ncontent-length: ${body.length}\r\n\r\n${body.toString()}`,
        );
      });
    });
    sent.on('error', () => socket.destroy());
    sent.end();
  }

  #optionsOf(asked: IncomingMessage): RequestOptions {
    const { hostname, port } = this.#upstream;
    const { host: _host, ...headers } = asked.headers;
    return { agent: this.#agent, hostname, port, method: asked.method ?? 'GET', path: asked.url ?? '/', headers };
  }
}
