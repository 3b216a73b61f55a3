import { isDeepStrictEqual } from 'node:util';
import type { Violation } from '../../agent/audit/invariants.ts';
import { createJournalAudit } from '../../agent/audit/journalAudit.ts';
import { createRng, type Rng } from '../../agent/core/math/index.ts';
import {
  command,
  createStudy,
  decide,
  fold,
  intents,
  nextWakeup,
  observe,
  pointOf,
  type Observation,
  type Proposed,
  type StudyState,
} from '../../agent/core/study/index.ts';
import type { SamplerContext } from '../../agent/core/samplers/index.ts';
import type { JournalEntry, StudyEvent } from '../../agent/protocol/events.ts';
import type { StudyCommand } from '../../agent/protocol/requests.ts';
import type { Params } from '../../agent/protocol/space.ts';
import { endedTrialStates, type Failure, type MetricValue, type StudySpec } from '../../agent/protocol/study.ts';
import { metricNumber, metricValue } from '../../agent/protocol/view.ts';
import { ended, replay } from '../unit/core/study/harness.ts';

/** How often things go wrong; each a probability per attempt unless said otherwise. */
export interface Faults {
  readonly lost: number;
  readonly preempted: number;
  readonly failed: number;
  readonly nan: number;
  readonly endsEarly: number;
  /** Out of memory, where others run beside it; alone it fits. */
  readonly outOfMemory: number;
  /** Per observation: all running attempts are preempted at once. */
  readonly storm: number;
  /** Per observation: for a while no attempt can be started. */
  readonly outage: number;
  /** Per observation: delivered twice, or once more much later. */
  readonly repeated: number;
  /** Per observation: the agent dies and reads its journal. */
  readonly crash: number;
  /** Per observation: a user gives some command. */
  readonly command: number;
  /** Per proposal: it comes later, and knows less. */
  readonly delayed: number;
  /** Per report: the next one is read together with it, before anything is decided. */
  readonly grouped: number;
}

export const noFaults: Faults = {
  lost: 0,
  preempted: 0,
  failed: 0,
  nan: 0,
  endsEarly: 0,
  outOfMemory: 0,
  storm: 0,
  outage: 0,
  repeated: 0,
  crash: 0,
  command: 0,
  delayed: 0,
  grouped: 0,
};

/** What a trial reports at a step; null: it fails there. */
export type LossOf = (number: number, params: Params, step: number) => number | null;

interface Process {
  readonly number: number;
  readonly attempt: number;
  isOver: boolean;
  isStopAsked: boolean;
}

interface Happening {
  readonly at: number;
  readonly order: number;
  readonly act: () => void;
}

/**
 * A study on a virtual clock: asynchronous workers train, report, die and are stopped; all chance comes from one seed.
 * Does what the driver does (observations and commands become events, then decisions, then the world follows the intents)
 * and checks after each step what must always hold. Throws with the seed in the message where something does not.
 */
export class VirtualStudy {
  state: StudyState;
  readonly journal: JournalEntry[] = [];
  /** Steps trained, by trial; what a checkpoint would hold. */
  readonly trained = new Map<number, number>();
  now = 0;
  readonly audit = createJournalAudit();
  readonly #seed: number;
  readonly #faults: Faults;
  readonly #rng: Rng;
  readonly #lossOf: LossOf;
  readonly #processes = new Map<string, Process>();
  readonly #endedTrials = new Set<number>();
  /** Until when nothing can be started. */
  #outageUntil = -1;
  /** When failures before were last forgiven. */
  #forgivenAt = -1;
  #nRetriesLeft = 6;
  /** A proposal that is on its way, or has come and waits for its slot. */
  #late: { readonly proposed: Proposed; readonly number: number; isThere: boolean } | null = null;
  #happenings: Happening[] = [];
  #order = 0;

  constructor(seed: number, spec: StudySpec, faults: Faults, lossOf: LossOf) {
    this.#seed = seed;
    this.#faults = faults;
    this.#rng = createRng(seed, 77);
    this.#lossOf = lossOf;
    const entry: JournalEntry = { seq: 1, studyId: 's', event: { type: 'studyCreated', at: 0, spec } };
    this.journal.push(entry);
    this.state = createStudy(entry);
    this.#audit(this.audit.see(entry));
    this.#settle();
  }

  /** Runs until the study has ended. */
  run(): void {
    for (let step = 0; this.state.view.state !== 'ended' || this.#retryAfterEnd(); step++) {
      if (step > 100_000) this.#fail('does not end');
      this.#next();
    }
    this.#checkEnd();
  }

  /** A user who was given time retries something of a study that has ended; false when nothing is. */
  #retryAfterEnd(): boolean {
    const retriable = this.state.view.trials.filter(({ state }) => state === 'failed' || state === 'cancelled');
    const some = retriable[this.#rng.int(retriable.length)];
    if (this.#faults.command === 0 || some === undefined || this.#nRetriesLeft-- <= 0) return false;
    this.now += this.#rng.int(10_000);
    const nTrials = this.state.view.trials.length;
    const before = this.state.view.endReason;
    this.#command({ type: 'retry', number: some.number });
    if (this.state.view.state === 'ended') return some.endedAt !== this.state.trial(some.number).endedAt;
    // Only a study that had failed goes on with everything.
    if (before !== 'failed' && this.state.view.trials.length > nTrials)
      this.#fail(`a study that ended (${before}) creates trials`);
    return true;
  }

  #next(): void {
    const wakeup = nextWakeup(this.state, this.now);
    const first = this.#happenings.reduce<Happening | null>(
      (a, b) => (a === null || b.at < a.at || (b.at === a.at && b.order < a.order) ? b : a),
      null,
    );
    if (first === null && wakeup === null) {
      // Nothing will happen by itself: only a paused study may wait for its user.
      if (this.state.view.state !== 'paused') this.#fail(`waits for nothing in state ${this.state.view.state}`);
      this.#command({ type: 'resume' });
    } else if (wakeup !== null && (first === null || wakeup <= first.at)) {
      this.now = Math.max(this.now, wakeup);
    } else if (first !== null) {
      this.now = Math.max(this.now, first.at);
      this.#happenings = this.#happenings.filter((happening) => happening !== first);
      first.act();
    }
    this.#settle();
    if (this.#chance(this.#faults.crash)) this.#crash();
    if (this.#chance(this.#faults.command)) this.#someCommand();
    if (this.#chance(this.#faults.outage)) this.#outageUntil = this.now + this.#rng.int(60_000);
    if (this.#chance(this.#faults.storm)) {
      for (const process of this.#processes.values())
        if (!process.isOver && !process.isStopAsked)
          this.#later(this.#rng.int(3), () => this.#end(process, { isPreempted: true, exitCode: null }));
    }
  }

  #chance(probability: number): boolean {
    return probability > 0 && this.#rng.next() < probability;
  }

  #later(delay: number, act: () => void): void {
    this.#happenings.push({ at: this.now + delay, order: this.#order++, act });
  }

  #settle(): void {
    for (let round = 0; ; round++) {
      const hasCapacity = !this.#chance(this.#faults.command);
      const events = decide(this.state, { now: this.now, hasCapacity, propose: (context) => this.#propose(context) });
      if (events.length === 0) {
        // Without capacity it was not asked in earnest.
        if (hasCapacity) break;
        continue;
      }
      if (round > 10_000) this.#fail('decides without end');
      this.#record(events);
    }
    for (const intent of intents(this.state)) {
      if (intent.type === 'startAttempt') this.#start(intent.number, intent.attempt, intent.target);
      else this.#stop(intent.number, intent.attempt);
    }
  }

  /** At once, or null until what the sampler knew now has come. */
  #propose(context: SamplerContext): Proposed | null {
    if (this.#late?.number === context.number) {
      const { isThere, proposed } = this.#late;
      if (isThere) this.#late = null;
      return isThere ? proposed : null;
    }
    const proposed = this.state.base.sampler.propose(context);
    if (!this.#chance(this.#faults.delayed)) return proposed;
    const late = { proposed: { ...proposed, basedOn: this.state.view.seq }, number: context.number, isThere: false };
    this.#late = late;
    this.#later(this.#rng.int(300), () => {
      late.isThere = true;
    });
    return null;
  }

  #record(events: readonly StudyEvent[]): void {
    for (const event of events) {
      const entry: JournalEntry = { seq: this.journal.length + 1, studyId: 's', event };
      // As it comes back from the journal.
      this.journal.push(JSON.parse(JSON.stringify(entry)));
      fold(this.state, entry);
      this.#audit(this.audit.see(entry));
      this.#check(event);
    }
  }

  #see(observation: Observation): void {
    this.#record(observe(this.state, observation, this.now));
    if (!this.#chance(this.#faults.repeated)) return;
    this.#later(this.#rng.int(2_000), () => this.#record(observe(this.state, observation, this.now)));
  }

  #start(number: number, attempt: number, target: number | null): void {
    const key = `${number}/${attempt}`;
    if (this.#processes.has(key)) return;
    const process: Process = { number, attempt, isOver: false, isStopAsked: false };
    this.#processes.set(key, process);
    const { parent } = pointOf(this.state, number);
    if (parent !== null && !this.trained.has(number)) this.trained.set(number, this.trained.get(parent) ?? 0);
    if (this.now < this.#outageUntil) {
      this.#later(this.#rng.int(20), () => this.#end(process, { isLost: true, exitCode: null, outputTail: 'no room for it' }));
      return;
    }
    if (this.#chance(this.#faults.lost)) {
      this.#later(this.#rng.int(20), () => this.#end(process, { isLost: true, exitCode: null }));
      return;
    }
    this.#later(this.#rng.int(20), () => this.#see({ type: 'started', number, attempt, pid: 1 }));
    this.#later(20, () => this.#train(process, target));
  }

  #train(process: Process, target: number | null): void {
    if (process.isOver) return;
    const { number } = process;
    const isContinued = this.state.view.spec.checkpoint !== null;
    const begin = isContinued ? (this.trained.get(number) ?? 0) : 0;
    const { params } = pointOf(this.state, number);
    const last = target ?? 3;
    const stepMs = 1 + this.#rng.int(100);
    // What befalls it, and after which step; Infinity is never.
    const befalls = (probability: number) =>
      this.#chance(probability) ? begin + this.#rng.int(Math.ceil(last - begin) + 1) : Infinity;
    const dies = {
      preempted: befalls(this.#faults.preempted),
      failed: befalls(this.#faults.failed),
      early: befalls(this.#faults.endsEarly),
      crowded: befalls(this.#faults.outOfMemory),
    };
    const isNan = this.#chance(this.#faults.nan);
    const goOn = (step: number): void => {
      if (process.isOver) return;
      if (step > begin) {
        this.trained.set(number, step);
        const found = this.#lossOf(number, params, step);
        if (found === null) return this.#end(process, { exitCode: 1, outputTail: 'trouble' });
        const loss: MetricValue = isNan ? 'nan' : metricValue(found);
        this.#see({
          type: 'metric',
          number,
          attempt: process.attempt,
          step,
          values: { loss },
          cursor: { out: step, metrics: 0 },
        });
      }
      if (step >= dies.crowded && this.state.live.size > 1)
        this.#end(process, { exitCode: null, signal: 'SIGKILL', isOutOfMemory: true });
      else if (step >= dies.preempted) this.#end(process, { isPreempted: true, exitCode: null });
      else if (step >= dies.failed)
        this.#end(process, { exitCode: 1, outputTail: `${number % 2 === 0 ? 'even' : 'odd'} trouble` });
      else if (step >= last || (step >= dies.early && step > begin)) this.#end(process, {});
      else if (this.#chance(this.#faults.grouped)) goOn(Math.min(last, step + 1));
      else this.#later(stepMs, () => goOn(Math.min(last, step + 1)));
    };
    goOn(begin);
  }

  #end(process: Process, ending: Partial<Extract<Observation, { type: 'ended' }>>): void {
    if (process.isOver) return;
    process.isOver = true;
    this.#see(ended(process.number, process.attempt, ending));
  }

  #stop(number: number, attempt: number): void {
    const process = this.#processes.get(`${number}/${attempt}`) ?? { number, attempt, isOver: false, isStopAsked: false };
    this.#processes.set(`${number}/${attempt}`, process);
    if (process.isStopAsked) return;
    process.isStopAsked = true;
    this.#later(this.#rng.int(200), () => this.#end(process, { exitCode: null, signal: 'SIGTERM' }));
  }

  #someCommand(): void {
    const nTrials = this.state.view.trials.length;
    const commands: readonly StudyCommand[] = [
      { type: 'pause' },
      { type: 'resume' },
      { type: 'scale', parallel: 1 + this.#rng.int(6) },
      { type: 'retry', number: this.#rng.int(nTrials + 1) },
      { type: 'retry', number: this.#rng.int(nTrials + 1) },
      { type: 'stopTrial', trial: this.#rng.int(nTrials + 1) },
      { type: 'enqueue', params: this.state.baseline === null ? {} : { ...this.state.baseline.params, ...this.#somePoint() } },
      ...(this.#chance(0.1) ? [{ type: 'stop' } as const] : []),
    ];
    // A study that has ended stays so here: that it can be resumed is a row of the table.
    if (this.state.view.state !== 'ended') this.#command(commands[this.#rng.int(commands.length)] ?? { type: 'pause' });
  }

  #somePoint(): Params {
    const hasRate = this.state.space.parameters.some(({ name }) => name === 'lr');
    return hasRate ? { lr: 10 ** -(1 + this.#rng.int(3)) } : { a: this.#rng.next() < 0.5 };
  }

  #command(asked: StudyCommand): void {
    const result = command(this.state, asked, this.now);
    if (!('code' in result)) this.#record(result);
    this.#settle();
  }

  /** The agent dies; the next one reads the journal and must know and decide the same. */
  #crash(): void {
    const again = replay(this.journal);
    if (!isDeepStrictEqual(again, this.state)) this.#fail('the replayed state differs from the live one');
    const world = { now: this.now, hasCapacity: true };
    if (!isDeepStrictEqual(decide(again, world), decide(this.state, world))) this.#fail('the replayed state decides otherwise');
    this.state = again;
    // It was asked for by the one that died.
    this.#late = null;
  }

  #check(event: StudyEvent): void {
    const { state } = this;
    const { view } = state;
    const { budget } = view.spec;
    if (budget.trials !== null && view.trials.length > budget.trials)
      this.#fail(`${view.trials.length} trials, budget ${budget.trials}`);
    if (budget.resource !== null && state.spent + state.reserved > budget.resource * (1 + 1e-9))
      this.#fail(`resource ${state.spent} + ${state.reserved} of ${budget.resource}`);
    if (event.type === 'trialRetried') this.#endedTrials.delete(event.number);
    if (event.type === 'trialRetried' || event.type === 'studyResumed') this.#forgivenAt = this.now;
    if (event.type === 'studyPaused' && event.failure !== undefined) this.#checkPause(event.failure);
    if (event.type === 'attemptRequested') {
      this.#checkPatience(event.number);
      for (const { isAlone } of state.live.values())
        if (isAlone && state.live.size > 1) this.#fail(`${state.live.size} attempts, one of which was to be alone`);
      if (state.live.size > view.parallel) this.#fail(`${state.live.size} attempts in ${view.parallel} slots`);
      if (event.slot >= view.parallel) this.#fail(`slot ${event.slot} of ${view.parallel}`);
      const attempts = view.trials[event.number]?.attempts ?? [];
      if (attempts.filter((attempt) => attempt.state !== 'ended').length !== 1)
        this.#fail(`trial ${event.number} has two live attempts`);
      if (this.#endedTrials.has(event.number)) this.#fail(`trial ${event.number} starts after its end`);
    }
    if (event.type === 'trialEnded') {
      if (this.#endedTrials.has(event.number)) this.#fail(`trial ${event.number} ended twice`);
      this.#endedTrials.add(event.number);
    }
  }

  #audit(violations: readonly Violation[]): void {
    for (const { invariant, what } of violations) this.#fail(`${invariant}: ${what}`);
  }

  /** A study pauses itself for a machine on which nothing starts, or where no trial has done well. */
  #checkPause({ kind }: Failure): void {
    const hasDoneWell = this.state.view.trials.some(({ state }) =>
      ['complete', 'pruned', 'paused', 'infeasible'].includes(state),
    );
    if (kind !== 'infrastructure' && hasDoneWell) this.#fail('a study in which a trial has done well pauses itself');
    if (kind === 'infrastructure' && this.#faults.outage === 0 && this.#faults.lost === 0)
      this.#fail('it blames a machine that is well');
  }

  /** A trial that was preempted again and again without progress does not spin. */
  #checkPatience(number: number): void {
    if (this.state.view.spec.checkpoint !== null) return;
    const attempts = this.state.trial(number).attempts.slice(0, -1);
    const others = attempts.findLastIndex(
      ({ failure, endedAt }) => failure?.kind !== 'preempted' || (endedAt ?? 0) <= this.#forgivenAt,
    );
    const last = attempts.at(-1);
    if (attempts.length - others - 1 > 3 && last?.endedAt != null && this.now - last.endedAt < 1_000)
      this.#fail(
        `trial ${number} comes back ${this.now - last.endedAt} ms after it was preempted for the ${attempts.length - others - 1}th time`,
      );
  }

  #checkEnd(): void {
    const { state } = this;
    this.#audit(this.audit.end());
    const { view } = state;
    if (state.live.size + state.waiting.size + state.paused.size + state.unsettled.size + state.latest.size > 0)
      this.#fail('something is left');
    if (state.slots.taken.length > 0 || Math.abs(state.reserved) > 1e-9) this.#fail('a slot or a reservation is left');
    for (const trial of view.trials)
      if (!(endedTrialStates as readonly string[]).includes(trial.state)) this.#fail(`trial ${trial.number} is ${trial.state}`);
    const complete = view.trials.filter((trial) => trial.state === 'complete');
    // The best value is recomputed; of several trials that have it, the first to complete holds it.
    const losses = complete.map((trial) => metricNumber(trial.values['loss']));
    const incumbent = view.incumbent === null ? undefined : metricNumber(view.trials[view.incumbent]?.values['loss']);
    const best = losses.length === 0 ? undefined : Math.min(...losses);
    if (incumbent !== best) this.#fail(`the best loss is ${best}, not ${incumbent}`);
    if (!isDeepStrictEqual(replay(this.journal), state)) this.#fail('the replayed state differs from the live one');
  }

  #fail(what: string): never {
    throw new Error(`seed ${this.#seed}, event ${this.journal.length}: ${what}`);
  }
}
