import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { keyText } from '../../../../agent/executors/attempt/studyFolders.ts';
import type { ClusterHome } from '../../../../agent/executors/kubernetes/clusterHome.ts';
import type { ClusterView, Seen } from '../../../../agent/executors/kubernetes/clusterView.ts';
import { PodAttempt } from '../../../../agent/executors/kubernetes/podAttempt.ts';
import { QuotaTurns } from '../../../../agent/executors/kubernetes/quotaTurns.ts';
import type { AttemptKey } from '../../../../agent/protocol/study.ts';
import { HpoError } from '../../../../agent/protocol/errors.ts';
import { nodeClock } from '../../../../agent/system/nodeClock.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const nothing: Seen = { job: null, pods: [] };
const pod = (phase: string): Seen => ({ job: {}, pods: [{ status: { phase } }] });

/** One namespace with a full quota, in which attempts have pods, or wait for theirs. */
class World implements Disposable {
  /** Whose Job was tried, as `study/trial`. */
  readonly tried: string[] = [];
  refusal: HpoError | null = null;
  readonly #seen = new Map<string, Seen>();
  readonly #live = new Map<string, PodAttempt>();
  readonly #view: ClusterView;
  readonly #turns: QuotaTurns;

  constructor() {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- nothing else of it is asked
    this.#view = {
      home: 'h',
      all: this.#seen,
      of: (key: AttemptKey) => this.#seen.get(keyText(key)) ?? nothing,
      cluster: {
        patch: (kind: string, name: string) => {
          this.tried.push(name.replace(/^hpo-h-/, '').replace(/-t(\d+)-a1$/, '/$1'));
          return this.refusal === null ? Promise.resolve({ kind }) : Promise.reject(this.refusal);
        },
      },
    } as unknown as ClusterView;
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- nothing else of it is asked
    this.#turns = new QuotaTurns({
      system: { clock: nodeClock },
      live: this.#live,
      refuseTakenOver: () => Promise.resolve(),
      background: (work: Promise<void>) => void work.catch(() => {}),
      isDisposed: false,
    } as unknown as ClusterHome);
  }

  runs(...names: readonly string[]): void {
    for (const name of names) this.#see(name, pod('Running'));
  }

  /** `ms`: since so long. */
  waits(name: string, ms = 0, job: NonNullable<Seen['job']> = {}): void {
    const live = new PodAttempt(keyOf(name), '/x', null);
    live.view = this.#view;
    live.waitKind = 'queued';
    live.waitsSince = nodeClock.monotonic() - ms;
    this.#live.set(idOf(name), live);
    this.#see(name, { job, pods: [] });
  }

  ends(...names: readonly string[]): void {
    for (const name of names) this.#see(name, pod('Succeeded'));
  }

  gets(name: string): void {
    this.#live.delete(idOf(name));
    this.#see(name, pod('Pending'));
  }

  isGone(name: string): void {
    this.#see(name, nothing);
  }

  look(): void {
    this.#turns.afterLook(this.#view);
  }

  /** Whose turn it was in the time that passes now. */
  async in(ms: number): Promise<readonly string[]> {
    await vi.advanceTimersByTimeAsync(ms);
    return this.tried.splice(0);
  }

  #see(name: string, seen: Seen): void {
    if (seen === nothing) this.#seen.delete(idOf(name));
    else this.#seen.set(idOf(name), seen);
    this.#turns.heard(this.#view, idOf(name));
  }

  [Symbol.dispose](): void {
    this.#turns[Symbol.dispose]();
  }
}

function keyOf(name: string): AttemptKey {
  const [studyId = '', trial] = name.split('/');
  return { studyId, trial: Number(trial), attempt: 1 };
}
const idOf = (name: string): string => keyText(keyOf(name));

it('what becomes free goes to the study with the fewest pods, then to who waits for longest', async () => {
  using world = new World();
  world.runs('a/0', 'a/1', 'b/0');
  for (const [i, name] of ['c/0', 'b/2', 'b/1', 'a/2'].entries()) world.waits(name, i);
  expect(await world.in(60_000)).toEqual([]);
  world.ends('a/0');
  expect(await world.in(500)).toEqual(['c/0']);
  world.gets('c/0');
  world.ends('a/1');
  expect(await world.in(1_000)).toEqual(['a/2']);
  world.gets('a/2');
  world.ends('b/0');
  expect(await world.in(1_000)).toEqual(['b/1']);
});

it('as many are tried as places became free, one each second, and each end counts once', async () => {
  using world = new World();
  world.runs('a/0', 'a/1', 'a/2');
  for (const name of ['b/0', 'b/1', 'b/2', 'b/3']) world.waits(name);
  world.ends('a/0', 'a/1');
  world.ends('a/0');
  world.isGone('a/0');
  expect(await world.in(900)).toEqual(['b/0']);
  expect(await world.in(200)).toEqual(['b/1']);
  world.ends('a/2');
  expect(await world.in(800)).toEqual([]);
  expect(await world.in(60_000)).toEqual(['b/2']);
});

it('who had three places in vain lets others have the next', async () => {
  using world = new World();
  world.runs('a/0', 'a/1', 'a/2', 'a/3');
  for (const name of ['b/0', 'c/0']) world.waits(name);
  const tried: string[] = [];
  for (const end of ['a/0', 'a/1', 'a/2', 'a/3']) {
    world.ends(end);
    tried.push(...(await world.in(5_000)));
  }
  expect(tried).toEqual(['b/0', 'b/0', 'b/0', 'c/0']);
});

it('one is tried now and then where nothing is known to be free, and the next at once where it had room', async () => {
  using world = new World();
  for (const name of ['a/0', 'a/1', 'a/2']) world.waits(name);
  world.look();
  expect(await world.in(14_000)).toEqual(['a/0']);
  world.look();
  expect(await world.in(1_000)).toEqual([]);
  world.look();
  expect(await world.in(100)).toEqual(['a/0']);
  world.gets('a/0');
  expect(await world.in(1_000)).toEqual(['a/1']);
  world.gets('a/1');
  expect(await world.in(1_000)).toEqual(['a/2']);
  world.gets('a/2');
  world.look();
  expect(await world.in(60_000)).toEqual([]);
});

it('what a queue holds back, and what has ended, is not tried', async () => {
  using world = new World();
  world.runs('a/0');
  world.waits('b/0', 0, { spec: { suspend: true, template: {} } });
  world.waits('b/1', 0, { status: { conditions: [{ type: 'Failed', status: 'True' }] } });
  world.look();
  world.ends('a/0');
  expect(await world.in(60_000)).toEqual([]);
});

it('nothing is asked for a while after it was refused', async () => {
  using world = new World();
  world.runs('a/0', 'a/1', 'a/2');
  world.waits('b/0');
  world.refusal = new HpoError('HPO-2464', 'it may not patch jobs', 'have the right');
  world.ends('a/0');
  expect(await world.in(5_000)).toEqual(['b/0']);
  world.ends('a/1');
  world.look();
  expect(await world.in(290_000)).toEqual([]);
  world.refusal = null;
  await world.in(10_000);
  world.ends('a/2');
  expect(await world.in(1_000)).toEqual(['b/0']);
});
