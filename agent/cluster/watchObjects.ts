import { StringDecoder } from 'node:string_decoder';
import type { V1ObjectMeta } from '@kubernetes/client-node';
import * as z from 'zod/mini';
import type { Asked } from './clusterError.ts';
import { refused } from './clusterError.ts';
import { pause } from './tokenBucket.ts';
import { jittered, type Transport } from './transport.ts';

export interface Watched<T> extends Asked {
  /** Null where the cluster knows no such kind. */
  readonly path: () => Promise<string | null>;
  /** Label selector. */
  readonly labels: string;
  /** All that is there, and the version from which changes are told. */
  readonly list: () => Promise<{ readonly objects: readonly T[]; readonly version: string }>;
  readonly read: (value: unknown) => T;
  readonly onChange: (change: { readonly removed: boolean; readonly object: T }) => void;
}

interface WithMetadata {
  readonly metadata?: V1ObjectMeta | undefined;
}

const firstPauseMs = 200;
const maxPauseMs = 30_000;

/** A watch that was open for so long was no failure, however it ended. */
const healthyMs = 10_000;

const eventSchema = z.object({
  type: z.string(),
  object: z.looseObject({
    code: z.optional(z.number()),
    metadata: z.optional(z.looseObject({ resourceVersion: z.optional(z.string()) })),
  }),
});

/**
 * Follows what changes until it is disposed. It begins with a list, which is told too, and goes on from where a connection ended;
 * where the server has forgotten that place (410), a list says what has changed and what is gone.
 */
export function watchObjects<T extends WithMetadata>(transport: Transport, watched: Watched<T>): Disposable {
  const controller = new AbortController();
  void new ObjectWatch(transport, watched, controller.signal).run();
  return { [Symbol.dispose]: () => controller.abort(new Error('disposed')) };
}

class ObjectWatch<T extends WithMetadata> {
  readonly #transport: Transport;
  readonly #watched: Watched<T>;
  readonly #signal: AbortSignal;
  /** By name; the versions tell what a list says anew. */
  readonly #known = new Map<string, { readonly version: string; readonly metadata: V1ObjectMeta }>();
  /** Null before a list was read, and where that is too old. */
  #version: string | null = null;

  constructor(transport: Transport, watched: Watched<T>, signal: AbortSignal) {
    this.#transport = transport;
    this.#watched = watched;
    this.#signal = signal;
  }

  async run(): Promise<void> {
    let pauseMs = firstPauseMs;
    while (!this.#signal.aborted && !this.#transport.isDisposed) {
      const begunAt = performance.now();
      let askedMs = 0;
      try {
        if (this.#version === null) await this.#list();
        askedMs = await this.#follow();
      } catch {
        // The server is away, or refuses: it is asked again until nobody wants to know any more.
      }
      const isHealthy = performance.now() - begunAt > healthyMs;
      await pause(Math.max(askedMs, jittered(isHealthy ? firstPauseMs : pauseMs)), this.#signal).catch(() => undefined);
      pauseMs = isHealthy ? firstPauseMs : Math.min(2 * pauseMs, maxPauseMs);
    }
  }

  async #list(): Promise<void> {
    const { objects, version } = await this.#watched.list();
    const gone = new Map(this.#known);
    for (const object of objects) {
      const name = object.metadata?.name ?? '';
      gone.delete(name);
      if (this.#known.get(name)?.version !== object.metadata?.resourceVersion) this.#tell(false, object);
    }
    // What is gone is told as far as it is still known: its metadata.
    for (const { metadata } of gone.values()) this.#tell(true, { metadata } as T);
    // A kind that the cluster does not know has no version, and is looked for again.
    this.#version = version === '' ? null : version;
    if (this.#version === null) throw new Error('not there');
  }

  /** Until the connection ends. How long the server wants not to be asked: 0 where it says nothing. Rejects where it failed. */
  async #follow(): Promise<number> {
    const { limits } = this.#transport;
    const { path: pathOf, labels, onChange: _onChange, list: _list, read: _read, ...asked } = this.#watched;
    const path = await pathOf();
    if (path === null) throw new Error('not there');
    const own = new AbortController();
    const end = (): void => own.abort(new Error('silent'));
    this.#signal.addEventListener('abort', end, { once: true });
    let timer: NodeJS.Timeout | undefined;
    try {
      const { message, refusal } = await this.#transport.open(
        {
          ...asked,
          method: 'GET',
          path,
          query: {
            watch: 'true',
            allowWatchBookmarks: 'true',
            timeoutSeconds: String(Math.ceil(jittered(limits.watchMs) / 1_000)),
            resourceVersion: this.#version ?? '',
            ...(labels === '' ? {} : { labelSelector: labels }),
          },
        },
        own.signal,
        // There are few of them, and what they tell spares many others.
        true,
      );
      timer = setTimeout(end, limits.silenceMs);
      if (refusal !== null) {
        if (refusal.status === 410 || refusal.status === 404) this.#version = null;
        if (refusal.retryMs > 0) return refusal.retryMs;
        throw refused(this.#transport.place, asked, refusal);
      }
      for await (const lines of linesOf(message)) {
        clearTimeout(timer);
        timer = setTimeout(end, limits.silenceMs);
        for (const line of lines) if (this.#signal.aborted || !this.#take(line)) return 0;
      }
      return 0;
    } finally {
      clearTimeout(timer);
      this.#signal.removeEventListener('abort', end);
      own.abort(new Error('over'));
    }
  }

  /** False where nothing more is to be expected of this connection. */
  #take(line: string): boolean {
    const { type, object } = eventSchema.parse(JSON.parse(line));
    if (type === 'ERROR') {
      // Mostly 410: the place is forgotten.
      this.#version = null;
      if (object.code !== 410) throw new Error(`the watch ended with ${object.code ?? 'an error'}`);
      return false;
    }
    this.#version = object.metadata?.resourceVersion ?? this.#version;
    if (type !== 'BOOKMARK') this.#tell(type === 'DELETED', this.#watched.read(object));
    return true;
  }

  #tell(removed: boolean, object: T): void {
    const { metadata } = object;
    const name = metadata?.name ?? '';
    if (removed) this.#known.delete(name);
    else this.#known.set(name, { version: metadata?.resourceVersion ?? '', metadata: brief(metadata) });
    if (!this.#signal.aborted) this.#watched.onChange({ removed, object });
  }
}

/** The lines that each chunk ends; none of a chunk that is part of one. Rejects where the stream ends before its end. */
async function* linesOf(stream: AsyncIterable<Buffer>): AsyncGenerator<readonly string[]> {
  const decoder = new StringDecoder();
  let rest = '';
  for await (const chunk of stream) {
    const lines = decoder.write(chunk).split('\n');
    lines[0] = rest + (lines[0] ?? '');
    rest = lines.pop() ?? '';
    yield lines.filter((line) => line !== '');
  }
}

/** As much as tells what it was. */
function brief({ name, namespace, uid, labels, resourceVersion }: V1ObjectMeta = {}): V1ObjectMeta {
  return {
    ...(name === undefined ? {} : { name }),
    ...(namespace === undefined ? {} : { namespace }),
    ...(uid === undefined ? {} : { uid }),
    ...(labels === undefined ? {} : { labels }),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
  };
}
