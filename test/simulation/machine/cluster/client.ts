import type {
  Cluster,
  ClusterPlace,
  ExecStreams,
  Kind,
  Labels,
  ListOptions,
  LogOptions,
  Objects,
  Resource,
} from '../../../../agent/cluster/cluster.ts';
import { type Asked, forbidden, notReached, refused as refusedBy } from '../../../../agent/cluster/clusterError.ts';
import { kinds } from '../../../../agent/cluster/kinds.ts';
import { HpoError } from '../../../../agent/protocol/errors.ts';
import type { AgentProcess } from '../agentProcess.ts';
import type { Service } from '../engine/daemon.ts';
import { Gone, Overloaded } from './apiServer.ts';
import { runInPod } from './execInPod.ts';
import { type Kube, simulatedPlace } from './kube.ts';
import { type KubeObjects, refused } from './objectStore.ts';

/** How long a call may take with all that is tried again in it, in ms. */
const callMs = 60_000;
/** Longest pause before a request is sent again, in ms. */
const maxPauseMs = 10_000;
/** How late an event can be, in ms. */
const lateMs = 5_000;
/** A watch of which nothing was heard for so long is opened anew, in ms. */
const silenceMs = 90_000;
/** And one whose connection ended, after so long. */
const reopenMs = 2_000;

/** The cluster as one agent has it: requests and answers take their time, and faults come where the seed says. */
export class SimulatedCluster implements Cluster {
  readonly place: ClusterPlace = simulatedPlace;
  readonly #kube: Kube;
  readonly #agent: AgentProcess;
  readonly #watches = new Set<Disposable>();
  readonly #logs = new Set<() => void>();
  readonly #calls = new Set<() => void>();
  readonly #isStranger: boolean;
  #isDisposed = false;

  /** A stranger may do nothing. */
  constructor(kube: Kube, agent: AgentProcess, isStranger = false) {
    this.#kube = kube;
    this.#agent = agent;
    this.#isStranger = isStranger;
  }

  version(): Promise<string> {
    return this.#ask(asking('get', 'version'), function* serve(): Service<string> {
      yield 0.5;
      return 'v1.34.4';
    });
  }

  get<K extends Kind>(kind: K, name: string): Promise<Objects[K] | null> {
    const { store } = this.#kube;
    return this.#ask(asking('get', kinds[kind].resource, 'get'), function* serve(): Service<Objects[K] | null> {
      yield 1;
      return store.get(kind, name);
    });
  }

  list<K extends Kind>(kind: K, options: ListOptions = {}): Promise<readonly Objects[K][]> {
    const { store } = this.#kube;
    return this.#ask(asking('list', kinds[kind].resource, 'list'), function* serve(): Service<readonly Objects[K][]> {
      yield 2;
      const elsewhere = options.namespace !== undefined && options.namespace !== null && options.namespace !== store.namespace;
      if (elsewhere) return [];
      return store.list(kind, options.labels).filter((object) => hasFields(object, options.fields));
    });
  }

  create<K extends Kind>(
    kind: K,
    object: Objects[K],
  ): Promise<{ readonly result: 'created' | 'exists'; readonly object: Objects[K] }> {
    const { store } = this.#kube;
    return this.#ask(asking('create', kinds[kind].resource, 'create'), function* serve(): Service<{
      readonly result: 'created' | 'exists';
      readonly object: Objects[K];
    }> {
      yield 3;
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the same as a plain object
      const created = store.create(kind, object as KubeObjects[K]);
      if (created !== null) return { result: 'created', object: created };
      const known = store.get(kind, object.metadata?.name ?? '');
      return { result: 'exists', object: known ?? object };
    });
  }

  check<K extends Kind>(kind: K, object: Objects[K]): Promise<void> {
    const { store } = this.#kube;
    return this.#ask(asking('create', kinds[kind].resource, 'check'), function* serve(): Service<undefined> {
      yield 3;
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the same as a plain object
      store.check(kind, object as KubeObjects[K]);
      return undefined;
    });
  }

  patch<K extends Kind>(kind: K, name: string, patch: object): Promise<Objects[K] | null> {
    const { store } = this.#kube;
    return this.#ask(asking('patch', kinds[kind].resource, 'patch'), function* serve(): Service<Objects[K] | null> {
      yield 3;
      return store.update(kind, name, (known) => {
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a patch is of the kind's form
        const wanted = (patch as Partial<Objects[K]>).metadata?.resourceVersion;
        if (wanted !== undefined && wanted !== known.metadata?.resourceVersion)
          throw new HpoError('HPO-2467', `somebody else changed ${kind} ${name} meanwhile`, 'look again');
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a patched object is one of its kind
        return merged(known, patch) as KubeObjects[K];
      });
    });
  }

  remove(kind: Kind, name: string, options: { readonly graceSeconds?: number } = {}): Promise<boolean> {
    const { store } = this.#kube;
    return this.#ask(asking('delete', kinds[kind].resource, 'remove'), function* serve(): Service<boolean> {
      yield 3;
      const pod = kind === 'Pod' ? store.get('Pod', name) : null;
      const isTerminal = pod?.status?.phase === 'Succeeded' || pod?.status?.phase === 'Failed';
      const usual =
        pod === null || pod.spec?.nodeName === undefined || isTerminal ? 0 : (pod.spec.terminationGracePeriodSeconds ?? 30);
      return store.remove(kind, name, pod === null || isTerminal ? 0 : (options.graceSeconds ?? usual));
    });
  }

  watch<K extends Kind>(
    kind: K,
    labels: Labels,
    onChange: (change: { readonly removed: boolean; readonly object: Objects[K] }) => void,
  ): Disposable {
    const { server, store } = this.#kube;
    /** What was told, by name. */
    const known = new Map<string, Objects[K]>();
    let isDeaf = true;
    let isOver = false;
    const tell = (removed: boolean, object: Objects[K]): void => {
      if (isOver) return;
      const name = object.metadata?.name ?? '';
      if (removed) known.delete(name);
      else known.set(name, object);
      onChange({ removed, object });
    };
    /** All that is there is told, where it was not told as it is, and what has gone, as far as it is known. */
    const open = (): void => {
      if (isOver) return;
      this.#ask(asking('watch', kinds[kind].resource), function* serve(): Service<readonly Objects[K][]> {
        yield 2;
        isDeaf = false;
        return store.list(kind, labels);
      }).then(
        (objects) => {
          const gone = new Map(known);
          for (const object of objects) {
            const name = object.metadata?.name ?? '';
            gone.delete(name);
            if (known.get(name)?.metadata?.resourceVersion !== object.metadata?.resourceVersion) tell(false, object);
          }
          for (const { metadata } of gone.values()) tell(true, bare<Objects[K]>(metadata));
        },
        () => {
          isDeaf = true;
          this.#agent.later(reopenMs, open);
        },
      );
    };
    const goDeaf = (ms: number): void => {
      isDeaf = true;
      this.#agent.later(ms, open);
    };
    const following = server.watch({
      kind,
      labels,
      onChange: ({ type, object }) => {
        if (isDeaf) return;
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a watch is of one kind
        const told = (): void => tell(type === 'DELETED', object as Objects[K]);
        const fault = this.#agent.hear('cluster.event');
        // The connection is dead, and nobody says so for a while.
        if (fault === 'no answer' || fault === 'no answer, done') return goDeaf(silenceMs);
        // 410: all is asked for anew.
        if (fault === 'refused') return goDeaf(reopenMs);
        this.#agent.later(fault === 'slow' ? lateMs * this.#kube.chance() : 1, told);
        if (fault === 'broken off, done') this.#agent.later(lateMs, told);
      },
      onBreak: () => goDeaf(reopenMs),
    });
    const watch = {
      [Symbol.dispose]: () => {
        isOver = true;
        this.#watches.delete(watch);
        following[Symbol.dispose]();
      },
    };
    open();
    this.#watches.add(watch);
    return watch;
  }

  async log(
    pod: string,
    { container, sinceSeconds, follow, signal }: LogOptions,
    onBytes: (bytes: Uint8Array) => void,
  ): Promise<void> {
    const kube = this.#kube;
    const run = await this.#ask(asking('get', 'pods/log', 'log'), function* serve(): Service<ReturnType<typeof reach>> {
      yield 2;
      return reach();
    });
    if (signal.aborted || run === null) return;
    const over = Promise.withResolvers<void>();
    let isOver = false;
    let deadAt = Infinity;
    const finish = (act: () => void): void => {
      if (isOver) return;
      isOver = true;
      reading[Symbol.dispose]();
      streaming[Symbol.dispose]();
      signal.removeEventListener('abort', onAbort);
      this.#logs.delete(onAbort);
      act();
    };
    const later = (act: () => void): void => void this.#agent.later(1, () => void (isOver || act()));
    const onAbort = (): void => finish(over.resolve);
    const onBreak = (): void => later(() => finish(() => over.reject(this.#away(null, 'the stream of the log broke off'))));
    signal.addEventListener('abort', onAbort);
    this.#logs.add(onAbort);
    const streaming = kube.server.stream(onBreak);
    let reading: Disposable = { [Symbol.dispose]: () => undefined };
    const started = run.log.read(
      // The server knows whole seconds alone, and no zero.
      { sinceSeconds: sinceSeconds === undefined ? undefined : Math.max(1, Math.ceil(sinceSeconds)), follow },
      {
        onBytes: (bytes) => {
          if (kube.timeline.now >= deadAt) return;
          const fault = this.#agent.hear('cluster.logBytes');
          if (fault === 'no answer' || fault === 'no answer, done') {
            // The connection is dead, and nobody says so.
            deadAt = kube.timeline.now;
            return;
          }
          if (fault === 'refused' || fault === 'broken off, done') {
            const part = bytes.subarray(0, fault === 'refused' ? 0 : bytes.length >> 1);
            deadAt = kube.timeline.now;
            if (part.length > 0) later(() => onBytes(part));
            return onBreak();
          }
          later(() => onBytes(bytes));
        },
        onEnd: () => {
          if (kube.timeline.now < deadAt) later(() => finish(over.resolve));
        },
        onBreak,
      },
    );
    reading = started;
    if (isOver) started[Symbol.dispose]();
    return await over.promise;

    function reach() {
      const found = kube.store.get('Pod', pod);
      if (found === null || found.spec?.containers[0]?.name !== container) throw noLog(pod);
      const nodeName = found.spec.nodeName;
      if (nodeName === undefined) throw noLog(pod);
      const node = kube.nodes.find(({ name }) => name === nodeName);
      if (node?.isReachable !== true) throw new Gone();
      const there = node.reachable(pod);
      if (there === null) throw noLog(pod);
      return there;
    }
  }

  async exec(pod: string, _container: string, command: readonly string[], streams: ExecStreams): Promise<number> {
    const kube = this.#kube;
    return await this.#ask(asking('create', 'pods/exec', 'exec'), function* serve(): Service<number> {
      yield 5;
      const node = kube.nodes.find((one) => one.reachable(pod) !== null);
      const run = node?.reachable(pod);
      if (run === null || run === undefined || !run.isRunning) throw refused(`pods "${pod}" not found`);
      return runInPod(run, command, streams);
    });
  }

  may(_verb: string, _resource: Resource): Promise<boolean> {
    const isStranger = this.#isStranger;
    return this.#ask({ name: 'may', asked: null }, function* serve(): Service<boolean> {
      yield 1;
      return !isStranger;
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    for (const watch of this.#watches) watch[Symbol.dispose]();
    this.#isDisposed = true;
    for (const end of this.#logs) end();
    for (const end of this.#calls) end();
    return Promise.resolve();
  }

  /** Asks again, as it is told to, where the server is overloaded. */
  async #ask<T>({ name, asked }: Asking, service: () => Service<T>): Promise<T> {
    if (this.#isDisposed) throw notReached(this.place, requestOf(asked), new Error('disposed'));
    const { timeline } = this.#kube;
    const deadline = timeline.now + callMs;
    for (let pauseMs = 250; ; pauseMs = Math.min(2 * pauseMs, maxPauseMs)) {
      try {
        return await this.#askOnce(name, asked, service());
      } catch (error) {
        const waitMs = pauseMs * (0.5 + this.#kube.chance());
        if (!(error instanceof Overloaded) || timeline.now + waitMs >= deadline) throw error;
        await new Promise<void>((resolve) => void this.#agent.later(waitMs, resolve));
      }
    }
  }

  #askOnce<T>(name: string, asked: Asked | null, service: Service<T>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const end = (): void => reject(this.#away(asked, 'disposed'));
    this.#calls.add(end);
    const { place } = this;
    const isForbidden = this.#isStranger && asked !== null;
    const guarded = (function* serve(): Service<T> {
      if (isForbidden) throw forbidden(place, asked);
      return yield* service;
    })();
    this.#agent.ask(`cluster.${name}`, {
      limitMs: callMs,
      send: (ms, answer) =>
        this.#kube.server.receive(this.#agent.pid, ms, guarded, {
          resolve: answer.resolve,
          reject: (error) => answer.reject(error instanceof Gone ? this.#away(asked, 'connection refused') : error),
        }),
      resolve,
      reject,
      noAnswer: () => this.#away(asked, 'no answer'),
      refused: (why) => refusedBy(place, requestOf(asked), { status: 500, reason: '', words: why, retryMs: 0 }),
    });
    return promise.finally(() => this.#calls.delete(end));
  }

  #away(asked: Asked | null, why: string): HpoError {
    return notReached(this.place, requestOf(asked), new Error(why));
  }
}

/** The cluster as that agent has it, connected when it is first needed and from then on kept. */
export function clusterOf(kube: Kube, agent: AgentProcess): () => Promise<Cluster> {
  let cluster: Cluster | null = null;
  return () => Promise.resolve((cluster ??= new SimulatedCluster(kube, agent)));
}

interface Asking {
  /** Names the place where a fault may come. */
  readonly name: string;
  /** Null for what everybody may. */
  readonly asked: Asked | null;
}

function asking(verb: string, resource: string, name = verb): Asking {
  return { name, asked: { verb, resource, namespace: simulatedPlace.namespace } };
}

function requestOf(asked: Asked | null): Asked {
  return asked ?? { verb: 'get', resource: 'version', namespace: null };
}

/** As much as is still known of what has gone. */
function bare<T extends Objects[Kind]>(metadata: T['metadata']): T {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as the real one tells it
  return { metadata } as T;
}

const noLog = (pod: string): HpoError => new HpoError('HPO-2468', `${pod} has no log yet`, 'wait');

function hasFields(object: Objects[Kind], fields: string | undefined): boolean {
  if (fields === undefined) return true;
  return fields.split(',').every((field) => {
    const [path = '', wanted = ''] = field.split('=');
    const found = path.split('.').reduce<unknown>((at, name) => (isRecord(at) ? at[name] : undefined), object);
    return (typeof found === 'string' ? found : '') === wanted;
  });
}

/** RFC 7396. */
function merged(known: unknown, patch: unknown): unknown {
  if (!isRecord(patch)) return patch;
  const result: Record<string, unknown> = isRecord(known) ? { ...known } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete result[name];
    else result[name] = merged(result[name], value);
  }
  return result;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
}
