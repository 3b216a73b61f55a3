import { setTimeout as delay } from 'node:timers/promises';
import type { AgentClient } from '../../agent/client/index.ts';
import type { StudyStore } from './studyStore.ts';

export type LinkState = 'offline' | 'connecting' | 'online';

/** What the link needs of its surroundings; the window and the tests each give their own. */
export interface LinkPorts {
  /** Connects; starts an agent where none runs only if `start`. Rejects when there is none. */
  connect(start: boolean): Promise<AgentClient>;
  /** Whether an agent that is gone left its traces behind, as a killed one does and one that was told to stop does not. */
  hasCrashed(): Promise<boolean>;
  log(message: string): void;
}

const firstRetryMs = 200;
const longestRetryMs = 10_000;

/**
 * The window's connection to the agent. It is made when something needs it and feeds the store from the last entry
 * seen. After a crash while studies run, an agent is started again, as otherwise nobody would look after them.
 */
export class AgentLink implements AsyncDisposable {
  readonly #store: StudyStore;
  readonly #ports: LinkPorts;
  readonly #listeners = new Set<(state: LinkState) => void>();
  readonly #ended = new AbortController();
  #client: AgentClient | null = null;
  /** The attempt that is under way, of either kind. */
  #pending: Promise<AgentClient> | null = null;
  /** The one that may start an agent, shared by all who ask for the client meanwhile. */
  #starting: Promise<AgentClient> | null = null;
  #state: LinkState = 'offline';

  constructor(store: StudyStore, ports: LinkPorts) {
    this.#store = store;
    this.#ports = ports;
  }

  get state(): LinkState {
    return this.#state;
  }

  onState(listener: (state: LinkState) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) };
  }

  /** The connection; an agent is started if need be. Rejects with an HpoError. */
  async client(): Promise<AgentClient> {
    if (this.#client !== null) return this.#client;
    this.#starting ??= this.#start().finally(() => (this.#starting = null));
    return await this.#starting;
  }

  /** Connects to an agent that runs already; true when there is one. */
  async join(): Promise<boolean> {
    if (this.#client !== null) return true;
    try {
      await (this.#starting ?? this.#pending ?? this.#connect(false));
      return true;
    } catch (error) {
      this.#ports.log(`no agent: ${error instanceof Error ? error.message : String(error)}`);
      return false;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort();
    await this.#client?.[Symbol.asyncDispose]();
  }

  async #start(): Promise<AgentClient> {
    // An attempt that may not start an agent says nothing about one that may.
    await this.#pending?.catch(() => undefined);
    return this.#client ?? (await this.#connect(true));
  }

  #connect(start: boolean): Promise<AgentClient> {
    this.#setState('connecting');
    this.#pending = this.#open(start).finally(() => {
      this.#pending = null;
      this.#setState(this.#client === null ? 'offline' : 'online');
    });
    return this.#pending;
  }

  async #open(start: boolean): Promise<AgentClient> {
    const client = await this.#ports.connect(start);
    try {
      await this.#follow(client);
    } catch (error) {
      await client[Symbol.asyncDispose]();
      throw error;
    }
    this.#client = client;
    void client.closed.then(async () => await this.#lost(client));
    return client;
  }

  async #follow(client: AgentClient): Promise<void> {
    const { studies } = await client.request('study/list', {});
    const known = new Set(studies.map((study) => study.studyId));
    if (this.#store.list().some((view) => !known.has(view.studyId))) this.#store.reset();
    if (this.#store.seq === 0) {
      const { seq, views } = await client.views();
      this.#store.adopt(seq, views);
    }
    await client.subscribe(null, this.#store.seq, (entries) => this.#store.fold(entries));
  }

  async #lost(client: AgentClient): Promise<void> {
    if (this.#client !== client) return;
    this.#client = null;
    this.#setState('offline');
    const here = this.#store.list().filter((view) => view.movedTo === null);
    const isNeeded = here.some((view) => view.state === 'running' || view.state === 'stopping');
    this.#ports.log(`connection lost; studies running: ${isNeeded}`);
    if (isNeeded && (await this.#ports.hasCrashed())) await this.#reconnect();
  }

  async #reconnect(): Promise<void> {
    for (
      let wait = firstRetryMs;
      this.#client === null && !this.#ended.signal.aborted;
      wait = Math.min(2 * wait, longestRetryMs)
    ) {
      try {
        await delay(wait, undefined, { signal: this.#ended.signal });
        await this.client();
      } catch (error) {
        this.#ports.log(`no connection yet: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  }

  #setState(state: LinkState): void {
    if (this.#state === state) return;
    this.#state = state;
    for (const listener of this.#listeners) listener(state);
  }
}
