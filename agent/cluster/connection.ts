import { readFileSync } from 'node:fs';
import { type Agent, Agent as HttpAgent, type OutgoingHttpHeaders } from 'node:http';
import { Agent as HttpsAgent, type AgentOptions } from 'node:https';
import { HpoError } from '../protocol/errors.ts';
import type * as ClientModule from './client.ts';
import { type Credential, notConfirmed, runKubeCommand } from './kubeCommand.ts';
import type { Access, Source } from './kubeconfig.ts';
import { proxyOf } from './proxy.ts';

type Client = typeof ClientModule;

export interface ConnectionOptions {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Hashes of the programs that may be run. */
  readonly confirmedCommands: readonly string[];
}

export interface Prepared {
  readonly agent: Agent;
  readonly headers: OutgoingHttpHeaders;
}

/** Tokens of files are replaced while they are used: those of pods each hour. */
const tokenMs = 60_000;
/** Credentials are replaced so long before they end. */
const earlyMs = 30_000;
/** A program is not run again sooner: it may open a page for somebody to log in, and a refusal of what it gave just now is one. */
const rerunMs = 10_000;

/** A connection whose other end is gone without a word is noticed after half a minute. */
const kept = { keepAlive: true, keepAliveMsecs: 30_000, maxFreeSockets: 16, scheduling: 'lifo' } as const;

/** How requests reach the server: connections that are kept, certificates, proxy, credentials. */
export class Connection implements Disposable {
  readonly server: URL;
  readonly #client: Client;
  readonly #access: () => Access;
  readonly #options: ConnectionOptions;
  #opened: Promise<Opened> | null = null;
  /** When a program last gave credentials. */
  #ranAt = -Infinity;

  /** The access is asked for anew where credentials are refused, as the kubeconfig may have been renewed. */
  constructor(client: Client, access: () => Access, options: ConnectionOptions) {
    this.#client = client;
    this.#access = access;
    this.#options = options;
    this.server = new URL(access().server);
  }

  /** Rejects with an HpoError where there are no credentials. */
  async prepare(): Promise<Prepared> {
    let opened = await this.#current();
    if (opened.expiresAt !== null && opened.expiresAt < Date.now() + earlyMs) {
      if (opened.expiresAt < Date.now()) this.#ranAt = -Infinity;
      this.renew();
      opened = await this.#current();
    }
    const authorization = await opened.authorization();
    return { agent: opened.agent, headers: { ...opened.headers, ...(authorization === null ? {} : { authorization }) } };
  }

  /** Certificates and credentials are read anew for what comes next; what is under way goes on. */
  renew(): void {
    if (performance.now() - this.#ranAt < rerunMs) return;
    const opened = this.#opened;
    this.#opened = null;
    // Its connections are closed when their requests have ended.
    void opened?.then(({ agent }) => retire(agent)).catch(() => undefined);
  }

  [Symbol.dispose](): void {
    const opened = this.#opened;
    this.#opened = null;
    void opened?.then(({ agent }) => agent.destroy()).catch(() => undefined);
  }

  #current(): Promise<Opened> {
    if (this.#opened === null) {
      const opening = this.#open();
      opening.catch(() => (this.#opened = null));
      this.#opened = opening;
    }
    return this.#opened;
  }

  async #open(): Promise<Opened> {
    const access = this.#access();
    const { context, tls, command } = access;
    if (command !== null && !this.#options.confirmedCommands.includes(command.hash)) throw notConfirmed(context, command);
    const ca = textOf(context, tls.ca);
    const given = command === null ? null : await runKubeCommand(command, access, ca);
    if (given !== null) this.#ranAt = performance.now();
    const cert = given?.cert ?? textOf(context, tls.cert);
    const key = given?.key ?? textOf(context, tls.key);
    return {
      agent: this.#agentOf(access, {
        ...kept,
        ...(ca === null ? {} : { ca }),
        ...(cert === null ? {} : { cert }),
        ...(key === null ? {} : { key }),
        ...(tls.isInsecure ? { rejectUnauthorized: false } : {}),
        ...(tls.serverName === null ? {} : { servername: tls.serverName }),
      }),
      headers: access.impersonation as OutgoingHttpHeaders,
      authorization: this.#authorizationOf(access, given),
      expiresAt: given?.expiresAt ?? null,
    };
  }

  #agentOf({ proxyUrl, server }: Access, options: AgentOptions): Agent {
    const proxy = proxyUrl ?? proxyOf(new URL(server), this.#options.environment);
    const isPlain = server.startsWith('http:');
    if (proxy === null) return isPlain ? new HttpAgent(kept) : new HttpsAgent(options);
    if (proxy.startsWith('socks')) return new this.#client.SocksProxyAgent(proxy, options);
    return isPlain
      ? new this.#client.HttpProxyAgent({ ...kept, proxy })
      : new this.#client.HttpsProxyAgent({ ...options, proxy });
  }

  #authorizationOf({ context, token, basic, oidc }: Access, given: Credential | null): () => Promise<string | null> {
    if (given !== null) return () => Promise.resolve(given.token === null ? null : `Bearer ${given.token}`);
    if (token !== null) {
      let read = { text: '', at: -Infinity };
      return () => {
        if (performance.now() - read.at > tokenMs) read = { text: textOf(context, token) ?? '', at: performance.now() };
        return Promise.resolve(`Bearer ${read.text.trim()}`);
      };
    }
    if (basic !== null) {
      const text = Buffer.from(`${basic.username}:${basic.password}`).toString('base64');
      return () => Promise.resolve(`Basic ${text}`);
    }
    return oidc === null ? () => Promise.resolve(null) : this.#byOidc(oidc);
  }

  /** The client refreshes the token where it has ended. */
  #byOidc(oidc: Readonly<Record<string, string>>): () => Promise<string | null> {
    const config = new this.#client.KubeConfig();
    config.loadFromClusterAndUser(
      { name: 'cluster', server: this.server.href, skipTLSVerify: false },
      { name: 'user', authProvider: { name: 'oidc', config: { ...oidc } } },
    );
    return async () => {
      const options: { headers?: OutgoingHttpHeaders } = {};
      await config.applyToHTTPSOptions(options);
      const header = options.headers?.['Authorization'];
      return typeof header === 'string' ? header : null;
    };
  }
}

interface Opened {
  readonly agent: Agent;
  readonly headers: OutgoingHttpHeaders;
  readonly authorization: () => Promise<string | null>;
  readonly expiresAt: number | null;
}

/** Sockets that wait for a next request are closed, the others when theirs has ended. */
function retire(agent: Agent): void {
  for (const sockets of Object.values(agent.freeSockets)) for (const socket of sockets ?? []) socket.destroy();
  agent.on('free', (socket) => void socket.destroy());
}

function textOf(context: string, source: Source | null): string | null {
  if (source === null) return null;
  if ('text' in source) return source.text;
  try {
    return readFileSync(source.path, 'utf8');
  } catch (cause) {
    throw new HpoError(
      'HPO-2463',
      `the credentials of the context ${context} cannot be read: ${source.path}`,
      'get the kubeconfig anew, or put the file back',
      { cause },
    );
  }
}
