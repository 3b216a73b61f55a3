import type { Labels, Kind } from '../../../../agent/cluster/cluster.ts';
import { HpoError } from '../../../../agent/protocol/errors.ts';
import type { Service, Waiting } from '../engine/daemon.ts';
import type { Timeline } from '../timeline.ts';
import { type Change, hasLabels, type ObjectStore } from './objectStore.ts';

export interface Watcher {
  readonly kind: Kind;
  readonly labels: Labels;
  readonly onChange: (change: Change) => void;
  /** The connection through which it is told is gone. */
  readonly onBreak: () => void;
}

/** The API server's own process: answers requests, and tells what changes. It can be away, hang, and be overloaded. */
export class ApiServer {
  readonly #timeline: Timeline;
  readonly #watchers = new Set<Watcher>();
  /** Requests that it works on. */
  readonly #served = new Set<(error: Error) => void>();
  #held: (() => void)[] | null = null;
  #life = 0;
  #isDown = false;
  #isOverloaded = false;
  #nFailing = 0;
  #nOnTheirWay = 0;
  /** Who follows something through it hears that the connection is gone. */
  readonly #streams = new Set<() => void>();
  /** Times of requests of the last minute, by who asks. */
  readonly #asked = new Map<number, number[]>();
  /** And of Jobs that were made in it. */
  readonly #jobsMade: number[] = [];
  /** Most requests of one client in a minute, beyond those that go with each Job that is made in it. */
  busiestMinute = 0;
  nRequests = 0;

  constructor(timeline: Timeline, store: ObjectStore) {
    this.#timeline = timeline;
    store.onChange((change) => {
      if (change.kind === 'Job' && change.type === 'ADDED') this.#jobsMade.push(timeline.now);
      for (const { kind, labels, onChange } of this.#watchers)
        if (kind === change.kind && hasLabels(change.object.metadata?.labels, labels)) onChange(change);
    });
  }

  /** Takes a request that is on its way for so long. */
  receive<T>(client: number, ms: number, service: Service<T>, waiting: Waiting<T>): void {
    this.#count(client);
    this.#nOnTheirWay++;
    this.#timeline.after(ms, () => {
      this.#nOnTheirWay--;
      this.#serve(service, waiting);
    });
  }

  #serve<T>(service: Service<T>, waiting: Waiting<T>): void {
    if (this.#isDown) return waiting.reject(new Gone());
    if (this.#isOverloaded || this.#nFailing > 0) {
      this.#nFailing = Math.max(0, this.#nFailing - 1);
      return waiting.reject(new Overloaded());
    }
    const life = this.#life;
    this.#served.add(waiting.reject);
    const goOn = (): void => {
      if (life !== this.#life) return;
      if (this.#held !== null) return void this.#held.push(goOn);
      try {
        const { done, value } = service.next();
        if (done !== true) return void this.#timeline.after(value, goOn);
        this.#served.delete(waiting.reject);
        waiting.resolve(value);
      } catch (error) {
        this.#served.delete(waiting.reject);
        waiting.reject(error instanceof Error ? error : new Gone());
      }
    };
    goOn();
  }

  get isDown(): boolean {
    return this.#isDown;
  }

  get isAway(): boolean {
    return this.#isDown || this.#isOverloaded || this.#held !== null || this.#served.size > 0 || this.#nOnTheirWay > 0;
  }

  /** It ends, and comes again after a while with all that was committed. */
  restart(downMs: number): boolean {
    if (this.#isDown) return false;
    this.#life++;
    this.#isDown = true;
    this.#held = null;
    for (const reject of this.#served) reject(new Gone());
    this.#served.clear();
    this.breakStreams();
    this.#timeline.after(downMs, () => {
      this.#isDown = false;
    });
    return true;
  }

  /** It takes requests and answers none, until it goes on with all of them. */
  hang(ms: number): boolean {
    if (this.#held !== null || this.#isDown) return false;
    const held: (() => void)[] = [];
    this.#held = held;
    this.#timeline.after(ms, () => {
      if (this.#held !== held) return;
      this.#held = null;
      for (const goOn of held) goOn();
    });
    return true;
  }

  /** It refuses everything as too much, for a while. */
  overload(ms: number): boolean {
    if (this.#isOverloaded) return false;
    this.#isOverloaded = true;
    this.#timeline.after(ms, () => {
      this.#isOverloaded = false;
    });
    return true;
  }

  /** Nobody reaches it until this is disposed. */
  leave(): Disposable {
    this.restart(Infinity);
    return {
      [Symbol.dispose]: () => {
        this.#isDown = false;
      },
    };
  }

  /** So many of the next requests are refused for a fault of a moment. */
  fail(nRequests: number): void {
    this.#nFailing = nRequests;
  }

  watch(watcher: Watcher): Disposable {
    this.#watchers.add(watcher);
    return { [Symbol.dispose]: () => void this.#watchers.delete(watcher) };
  }

  stream(onBreak: () => void): Disposable {
    this.#streams.add(onBreak);
    return { [Symbol.dispose]: () => void this.#streams.delete(onBreak) };
  }

  breakStreams(): void {
    const streams = [...this.#streams];
    this.#streams.clear();
    for (const onBreak of streams) onBreak();
    for (const { onBreak } of this.#watchers) onBreak();
  }

  #count(client: number): void {
    this.nRequests++;
    const times = this.#asked.get(client) ?? [];
    this.#asked.set(client, times);
    const { now } = this.#timeline;
    times.push(now);
    for (const past of [times, this.#jobsMade]) while ((past[0] ?? now) < now - 60_000) past.shift();
    this.busiestMinute = Math.max(this.busiestMinute, times.length - requestsPerJob * this.#jobsMade.length);
  }
}

/** It and its files are made, looked at, read and removed; its pod, too, is looked at. */
const requestsPerJob = 10;

/** Nothing answers; a client says what it had asked for. */
export class Gone extends Error {}

/** 429, 500, 503: a client asks again. */
export class Overloaded extends HpoError {
  constructor() {
    super('HPO-2465', 'the cluster is overloaded', 'wait');
  }
}
