import type { Agent } from 'node:http';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent, type AgentOptions } from 'node:https';
import type { Cluster as ClusterEntry, User } from '@kubernetes/client-node';
import type * as ClientModule from './client.ts';

type Client = typeof ClientModule;

/** Whom to ask, and what to say who asks. */
export interface Access {
  readonly cluster: ClusterEntry;
  readonly user: User;
}

export interface Prepared {
  readonly agent: Agent;
  readonly headers: Readonly<Record<string, string>>;
}

/** How requests reach the server: connections that are kept, certificates, proxy, credentials. */
export class Connection implements Disposable {
  readonly server: URL;
  readonly #client: Client;
  readonly #access: () => Access;
  #current: { readonly config: InstanceType<Client['KubeConfig']>; readonly agent: Agent } | null = null;

  constructor(client: Client, access: () => Access) {
    this.#client = client;
    this.#access = access;
    this.server = new URL(access().cluster.server);
  }

  async prepare(): Promise<Prepared> {
    const { config, agent } = (this.#current ??= await this.#open());
    const options: AgentOptions & { headers?: Record<string, string> } = {};
    await config.applyToHTTPSOptions(options);
    return { agent, headers: options.headers ?? {} };
  }

  /** Credentials are read anew for what comes next. */
  renew(): void {
    this.#close();
  }

  [Symbol.dispose](): void {
    this.#close();
  }

  async #open(): Promise<{ config: InstanceType<Client['KubeConfig']>; agent: Agent }> {
    const { cluster, user } = this.#access();
    const config = new this.#client.KubeConfig();
    config.loadFromClusterAndUser(cluster, user);
    const options: AgentOptions = {};
    await config.applyToHTTPSOptions(options);
    return { config, agent: this.#agentOf(cluster, options) };
  }

  #agentOf({ proxyUrl, server }: ClusterEntry, { ca, cert, key, rejectUnauthorized, servername }: AgentOptions): Agent {
    const options: AgentOptions = {
      ...kept,
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
      ...(rejectUnauthorized === undefined ? {} : { rejectUnauthorized }),
      ...(servername === undefined ? {} : { servername }),
    };
    const isPlain = server.startsWith('http:');
    if (proxyUrl === undefined || proxyUrl === '') return isPlain ? new HttpAgent(kept) : new HttpsAgent(options);
    if (proxyUrl.startsWith('socks')) return new this.#client.SocksProxyAgent(proxyUrl, options);
    return isPlain
      ? new this.#client.HttpProxyAgent({ ...kept, proxy: proxyUrl })
      : new this.#client.HttpsProxyAgent({ ...options, proxy: proxyUrl });
  }

  #close(): void {
    this.#current?.agent.destroy();
    this.#current = null;
  }
}

/** A connection whose other end is gone without a word is noticed after half a minute. */
const kept = { keepAlive: true, keepAliveMsecs: 30_000, maxFreeSockets: 16, scheduling: 'lifo' } as const;
