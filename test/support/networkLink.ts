import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';

/**
 * The way from one client to a server, byte for byte. Cut, it is as a network is that carries nothing: connections stay open and silent,
 * new ones too, and what was sent arrives when it is whole again.
 */
export class NetworkLink implements AsyncDisposable {
  readonly port: number;
  readonly #server: Server;
  readonly #target: { readonly host: string; readonly port: number };
  readonly #sockets = new Set<Socket>();
  #isCut = false;

  private constructor(server: Server, port: number, target: URL) {
    this.#server = server;
    this.port = port;
    this.#target = { host: target.hostname, port: Number(target.port) };
    server.on('connection', (socket) => this.#carry(socket));
  }

  /** To the host and port of the URL. */
  static async to(url: string): Promise<NetworkLink> {
    const server = createServer({ pauseOnConnect: true, allowHalfOpen: true });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('the link has no port');
    return new NetworkLink(server, address.port, new URL(url));
  }

  get nConnections(): number {
    return this.#sockets.size / 2;
  }

  /** Writes a copy of the kubeconfig that leads over this link to `path`, which only its owner reads. */
  writeKubeconfig(text: string, path: string): void {
    const server = `https://${this.#target.host}:${this.#target.port}`;
    if (!text.includes(server)) throw new Error(`the kubeconfig does not lead to ${server}`);
    writeFileSync(path, text.replaceAll(server, `https://127.0.0.1:${this.port}`), { mode: 0o600 });
  }

  /** Until this is disposed nothing passes. */
  cut(): Disposable {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.pause();
    return {
      [Symbol.dispose]: () => {
        this.#isCut = false;
        for (const socket of this.#sockets) socket.resume();
      },
    };
  }

  #carry(near: Socket): void {
    const far = connect({ ...this.#target, allowHalfOpen: true });
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(from);
      from.on('data', (chunk) => {
        if (!to.write(chunk)) {
          from.pause();
          to.once('drain', () => this.#isCut || from.resume());
        }
      });
      from.once('end', () => to.end());
      from.once('error', () => to.destroy());
      from.once('close', () => {
        this.#sockets.delete(from);
        to.destroy();
      });
      if (this.#isCut) from.pause();
      else from.resume();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
