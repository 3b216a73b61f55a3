import type { StudyState } from '../core/study/index.ts';
import { type ExecutorName, executorNames, type StudySpec } from '../protocol/study.ts';
import type { Clock } from '../system/clock.ts';
import type { Study } from './study.ts';

/**
 * What waits for room holds others off for so long, from when it first does: a pod that another's end makes room for begins sooner, and one
 * that does not waits for what nobody here can give it.
 */
export const patienceMs = 60_000;

const machine = 'machine';

export interface PlacesOptions {
  readonly clock: Clock;
  /** Most attempts that an executor of this machine may run; a study may ask for more. */
  readonly capacity: (executor: ExecutorName) => number;
  /** What holds others off does so no more: they are to be decided again. */
  readonly onRelease: () => void;
}

/**
 * Who may ask for one more attempt, where studies share a place.
 *
 * Processes and containers share this machine: together they have what it has, or more where the user asked for more in one of them.
 *
 * On a cluster a place is a namespace, and places have nothing to do with each other. How much room there is is for the cluster's scheduler,
 * quotas and queues to say, so a study asks for as many as its number, however much others have. But what is asked for last is tried first,
 * and takes what becomes free from those that have waited for long; so a study asks for no more while another one of the place has fewer
 * attempts with room and one that waits for room. What becomes free is the other's, until both have as many. Nothing holds others off
 * for longer than `patienceMs`.
 */
export class Places implements Disposable {
  readonly #options: PlacesOptions;
  /** Studies that wanted one more attempt and were held off. */
  readonly #held = new Set<Study>();
  /** Attempts that wait for room and have held others off, since when by the monotonic clock. */
  readonly #holding = new Map<string, number>();
  #timer: Disposable | null = null;

  constructor(options: PlacesOptions) {
    this.#options = options;
  }

  /** Studies that were held off when they were asked last: whatever happens may be what they wait for. */
  get held(): ReadonlySet<Study> {
    return this.#held;
  }

  /** Whether the study may ask for one more attempt, as all of them are now. */
  mayAsk(study: Study, all: Iterable<Study>): boolean {
    const { view, nRunning } = study.state;
    const place = placeOf(view.spec);
    const here = [...all].filter(({ state: other }) => other.view.movedTo === null && placeOf(other.view.spec) === place);
    if (place === machine) return this.#hasMachineRoom(here);
    // One whose slots are taken asks for nothing: nobody holds it off.
    const isHeld = nRunning < view.parallel && this.#isOthersTurn(study, here);
    if (isHeld) this.#held.add(study);
    else this.#held.delete(study);
    return !isHeld;
  }

  #hasMachineRoom(here: readonly Study[]): boolean {
    let limit = 1;
    let nRunning = 0;
    for (const { state } of here) {
      nRunning += state.nRunning;
      if (state.view.state === 'running') limit = Math.max(limit, state.view.parallel);
    }
    for (const executor of executorNames)
      if (executor !== 'kubernetes') limit = Math.max(limit, this.#options.capacity(executor));
    return nRunning < limit;
  }

  #isOthersTurn(study: Study, here: readonly Study[]): boolean {
    const { clock } = this.#options;
    const now = clock.monotonic();
    const nOwn = study.state.nRunning - waitingForRoom(study.state).length;
    let isTurn = false;
    for (const other of here) {
      if (other === study) continue;
      const waiting = waitingForRoom(other.state);
      if (other.state.nRunning - waiting.length >= nOwn) continue;
      for (const attempt of waiting) {
        const key = `${other.studyId}/${attempt}`;
        const since = this.#holding.get(key) ?? now;
        this.#holding.set(key, since);
        isTurn ||= now - since < patienceMs;
      }
    }
    if (isTurn) this.#timer ??= clock.after(patienceMs, () => this.#release());
    return isTurn;
  }

  #release(): void {
    this.#timer = null;
    this.#options.onRelease();
  }

  /** Forgets studies that are not there any more, and what does not wait for room any more. */
  forget(all: ReadonlyMap<string, Study>): void {
    for (const study of this.#held) if (all.get(study.studyId) !== study) this.#held.delete(study);
    if (this.#holding.size === 0) return;
    const waiting = new Set<string>();
    for (const { studyId, state } of all.values())
      for (const attempt of waitingForRoom(state)) waiting.add(`${studyId}/${attempt}`);
    for (const key of this.#holding.keys()) if (!waiting.has(key)) this.#holding.delete(key);
  }

  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = null;
  }
}

/** Attempts that were asked for and wait for a place of their own, or in a queue, as `trial/attempt`. */
function waitingForRoom(state: StudyState): readonly string[] {
  const found: string[] = [];
  for (const [number, { attempt }] of state.live) {
    const kind = state.trial(number).attempts.at(-1)?.waits?.kind;
    if (kind === 'unschedulable' || kind === 'queued') found.push(`${number}/${attempt}`);
  }
  return found;
}

/** By its name in the kubeconfig, whoever's mark its objects have: homes share the room of a namespace. */
function placeOf({ executor, cluster }: StudySpec): string {
  return executor === 'kubernetes' ? JSON.stringify([cluster?.context, cluster?.namespace]) : machine;
}
