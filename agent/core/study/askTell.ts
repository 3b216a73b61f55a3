import { HpoError } from '../../protocol/errors.ts';
import type { StudyEvent } from '../../protocol/events.ts';
import { paretoFront } from '../../protocol/gain.ts';
import type { Params } from '../../protocol/space.ts';
import type { BestTrial, Failure, MetricValues, StudySpec } from '../../protocol/study.ts';
import { bestTrial, metricNumber, type StudyView, type TrialView } from '../../protocol/view.ts';
import { scaleSlots } from '../resources/index.ts';
import type { Decision } from '../schedulers/index.ts';
import { decide } from './decide.ts';
import { createStudy, fold } from './fold.ts';
import type { LiveAttempt, StudyState } from './state.ts';

/** A trial that the caller is to run, or to go on with. */
export interface AskedTrial {
  readonly number: number;
  /** Active parameters only. */
  readonly params: Params;
  /** Resource up to which it is to run now; null without a fidelity. */
  readonly resource: number | null;
  /** Whether it ran before and goes on from where it was paused. */
  readonly resume: boolean;
  /** The trial whose checkpoint it begins with (population-based training); absent: it begins afresh. */
  readonly parent?: number;
  /** Why this point, in a sentence. */
  readonly reason: string;
}

/** How a caller says that a trial ended. */
export const toldStates = ['complete', 'pruned', 'failed', 'infeasible'] as const;
export type ToldState = (typeof toldStates)[number];

/** With several objectives `front` has the Pareto front in the order of the first objective, and the first of it is the best. */
export type Best = BestTrial & { readonly front?: readonly BestTrial[] };

/**
 * A study whose trials run in the caller's hands: the same events, fold and decisions as in the agent, without a clock.
 * Differs in what the caller owns: any number of trials may be asked for at once, and failures never end the study.
 *
 * @throws HpoError when the spec cannot be run (see `createStudy`).
 */
export class AskTell {
  readonly #state: StudyState;
  #seq = 1;

  constructor(spec: StudySpec) {
    this.#state = createStudy({ seq: 1, studyId: 'ask-tell', event: { type: 'studyCreated', at: 0, spec } });
  }

  /** Up to `n` trials to run; fewer, or none, when the budget is used or the scheduler waits for results. */
  ask(n: number): readonly AskedTrial[] {
    const asked: AskedTrial[] = [];
    for (let trial = this.#next(); trial !== null; trial = asked.length < n ? this.#next() : null) asked.push(trial);
    return asked;
  }

  /** Why `ask` gives no trial now. */
  get waitReason(): string {
    const { view } = this.#state;
    return view.state === 'ended' ? view.message : 'Nothing before more is told of the trials that run.';
  }

  /**
   * Values at a step. `stop`: end the trial and tell that it is pruned. `pause`: it has what it was asked for; keep what it
   * needs to go on, as a later `ask` may name it again, and tell nothing.
   *
   * @throws HpoError HPO-4503, HPO-4504
   */
  report(number: number, step: number, values: MetricValues): Decision {
    const trial = this.#unended(number);
    const live = this.#state.live.get(number);
    if (live === undefined) return 'pause';
    if (live.stopReason !== null) return 'stop';
    this.#metric(live, step, values);
    // The same rule by which an attempt that ends at its target waits for a promotion.
    if (this.#isBelowFull(live.target) && live.lastStep >= (live.target ?? Infinity)) this.#endAttempt(live, null);
    this.#settle();
    if (trial.state === 'paused') return 'pause';
    return this.#state.live.get(number)?.stopReason === null ? 'continue' : 'stop';
  }

  /**
   * The end of a trial. Without values, what was reported last counts. A trial told to be complete that was asked for less
   * than the full resource is paused; one that breaks a constraint is infeasible.
   *
   * @throws HpoError HPO-4503, HPO-4504, HPO-4505; then nothing has changed.
   */
  tell(number: number, told: ToldState, values: MetricValues): void {
    this.#unended(number);
    const live = this.#state.live.get(number);
    const latest = this.#state.latest.get(number) ?? {};
    const all = { ...latest, ...values };
    if (told === 'complete') {
      // It paused with its last report: nothing is left to tell.
      if (live === undefined) return;
      this.#complete(live, latest, all);
      return;
    }
    const failure: Failure | null =
      told === 'failed' ? { kind: 'userError', code: 'HPO-3001', message: 'The caller told that it failed.' } : null;
    if (live !== undefined) this.#endAttempt(live, failure);
    this.#record([{ type: 'trialEnded', at: 0, number, state: told, values: all, failure }]);
    // A caller that asks on after failures does what a user does who resumes a study.
    if (failure !== null) this.#record([{ type: 'studyResumed', at: 0 }]);
  }

  /** The best complete trial. @throws HpoError HPO-4506 when there is none. */
  best(): Best {
    const { view } = this.#state;
    const front = view.spec.objectives.length > 1 ? sortedFront(view) : null;
    const best = front === null ? bestTrial(view) : front[0];
    if (best === null || best === undefined)
      throw new HpoError('HPO-4506', 'no trial is complete yet', 'ask for the best after a trial was told to be complete');
    return front === null ? best : { ...best, front };
  }

  #next(): AskedTrial | null {
    const state = this.#state;
    state.slots = scaleSlots(state.slots, state.live.size + 1);
    for (;;) {
      const events = decide(state, { now: 0, hasCapacity: true });
      if (events.length === 0) return null;
      this.#record(events);
      const request = events.find((event) => event.type === 'attemptRequested');
      if (request === undefined) continue;
      const { number, target, attempt } = request;
      const { params, parent, reason } = state.trial(number);
      const isFork = attempt === 1 && parent !== null;
      return { number, params, resource: target, resume: attempt > 1, ...(isFork ? { parent } : {}), reason };
    }
  }

  #complete(live: LiveAttempt, latest: MetricValues, all: MetricValues): void {
    const { requiredMetrics } = this.#state;
    for (const name of requiredMetrics) {
      if (!Object.hasOwn(all, name))
        throw new HpoError(
          'HPO-4505',
          `trial ${live.number} is told to be complete, but "${name}" has no value`,
          'add it to "values", or report it before; "nan" is a value',
        );
    }
    const isNew = requiredMetrics.some((name) => all[name] !== latest[name]);
    const last = live.target ?? 1;
    if (isNew || live.lastStep < last) this.#metric(live, Math.max(last, live.lastStep), all);
    this.#endAttempt(live, null);
    this.#settle();
  }

  #metric({ number, attempt }: LiveAttempt, step: number, values: MetricValues): void {
    this.#record([{ type: 'metricReported', at: 0, number, attempt, step, values, cursor: {} }]);
  }

  #endAttempt({ number, attempt }: LiveAttempt, failure: Failure | null): void {
    this.#record([{ type: 'attemptEnded', at: 0, number, attempt, exitCode: failure === null ? 0 : 1, signal: null, failure }]);
  }

  /** All decisions but the start of further attempts. */
  #settle(): void {
    const state = this.#state;
    state.slots = scaleSlots(state.slots, state.live.size);
    for (;;) {
      const events = decide(state, { now: 0, hasCapacity: false });
      if (events.length === 0) return;
      this.#record(events);
    }
  }

  #record(events: readonly StudyEvent[]): void {
    for (const event of events) fold(this.#state, { seq: ++this.#seq, studyId: this.#state.view.studyId, event });
  }

  #isBelowFull(target: number | null): boolean {
    const { fidelity } = this.#state.view.spec;
    return fidelity !== null && target !== null && target < fidelity.max;
  }

  #unended(number: number): TrialView {
    const trial = this.#state.view.trials[number];
    if (trial === undefined)
      throw new HpoError('HPO-4503', `there is no trial ${number}`, 'use the number that "ask" gave with the trial');
    if (this.#state.live.has(number) || this.#state.paused.has(number)) return trial;
    throw new HpoError(
      'HPO-4504',
      `trial ${number} is over: it is ${trial.state}`,
      'report and tell each trial until its end only',
    );
  }
}

/** The Pareto front, by the first objective from its best, then by the next ones. */
function sortedFront(view: StudyView): readonly BestTrial[] {
  const { objectives } = view.spec;
  return paretoFront(view)
    .flatMap((number) => view.trials[number] ?? [])
    .map(({ number, params, values }) => ({
      best: { number, params, values },
      losses: objectives.map(({ metric, direction }) => metricNumber(values[metric]) * (direction === 'min' ? 1 : -1)),
    }))
    .sort((a, b) => compareLosses(a.losses, b.losses))
    .map(({ best }) => best);
}

function compareLosses(a: readonly number[], b: readonly number[]): number {
  for (const [k, loss] of a.entries()) {
    const other = b[k] ?? NaN;
    if (loss !== other) return loss < other ? -1 : 1;
  }
  return 0;
}
