import type { JournalEntry, StudyEvent } from '../protocol/events.ts';
import { createView, firstParallel, foldView, type StudyView } from '../protocol/view.ts';
import { checkBudget, consumed, reservation, uncharged, usedBy } from './budgetAudit.ts';
import type { Check } from './check.ts';
import type { KnownAttempt, KnownStudy, KnownTrial } from './known.ts';
import { orderFault } from './order.ts';
import { checkRepeat, checkTold, ResultAudit } from './resultAudit.ts';

type EventOf<T extends StudyEvent['type']> = Extract<StudyEvent, { type: T }>;

/** The audit of one study. Knows what it needs by itself, and compares that with the view that everyone sees. */
export class StudyAudit {
  readonly #study: KnownStudy;
  readonly #results: ResultAudit;
  /** Null once an event was left out of account: the view can no longer be compared. */
  #view: StudyView | null;

  /** @throws TypeError for an entry that is not `studyCreated`. */
  constructor(entry: JournalEntry) {
    this.#view = createView(entry);
    const { spec, createdAt } = this.#view;
    this.#results = new ResultAudit(spec);
    this.#study = {
      spec,
      createdAt,
      state: 'running',
      endReason: null,
      isDeleted: false,
      moves: 0,
      isAway: false,
      parallel: firstParallel(spec),
      trials: [],
      nOpen: 0,
      nLive: 0,
      slots: new Map(),
      points: new Map(),
      spent: 0,
      cost: 0,
      gpuMs: 0,
      reserved: 0,
      idleMs: 0,
      idleSince: null,
      best: null,
    };
  }

  see(entry: JournalEntry, check: Check): void {
    const { event } = entry;
    const fault = orderFault(this.#study, event);
    check('oneCounts', fault?.invariant !== 'oneCounts', () => fault?.what ?? '');
    check('order', fault?.invariant !== 'order', () => fault?.what ?? '');
    if (fault !== null) {
      this.#view = null;
      return;
    }
    this.#apply(event, check);
    checkBudget(this.#study, event, check);
    if (this.#view === null) return;
    foldView(this.#view, entry);
    this.#compare(this.#view, event, check);
  }

  end(check: Check, mayGoOn: boolean): void {
    const { state, isDeleted, isAway, nOpen, nLive } = this.#study;
    if (isDeleted || isAway || (mayGoOn && state !== 'ended')) return;
    const left = `${nOpen} of its trials have not ended, and ${nLive} attempts run`;
    check('progress', state === 'ended' || state === 'paused', () => `the study is ${state} and nothing happens: ${left}`);
    if (state === 'ended') this.#checkNothingIsLeft(check);
  }

  #apply(event: StudyEvent, check: Check): void {
    const study = this.#study;
    switch (event.type) {
      case 'studyCreated':
      case 'pointEnqueued':
      case 'batchEnded':
        return;
      case 'studyPaused':
        check('progress', event.reason.trim() !== '', () => 'the study is paused and says not why');
        study.state = 'paused';
        study.idleSince ??= event.at;
        return;
      case 'studyResumed':
        study.state = 'running';
        study.endReason = null;
        if (study.idleSince !== null) study.idleMs += Math.max(0, event.at - study.idleSince);
        study.idleSince = null;
        return;
      case 'studyScaled':
        study.parallel = event.parallel;
        return;
      case 'studyStopRequested':
        study.state = 'stopping';
        return;
      case 'studyEnded':
        study.state = 'ended';
        study.endReason = event.reason;
        study.idleSince ??= event.at;
        this.#checkNothingIsLeft(check);
        return;
      case 'studyDeleted':
        study.isDeleted = true;
        return;
      case 'studyMovedAway':
      case 'studyMovedHere':
        study.moves = event.epoch;
        study.isAway = event.type === 'studyMovedAway';
        return;
      case 'trialCreated':
        this.#create(event, check);
        return;
      default: {
        const trial = study.trials[event.number];
        if (trial !== undefined) this.#applyToTrial(trial, event, check);
      }
    }
  }

  #nothingTold(): KnownTrial['told'] {
    return this.#study.spec.search.batch === undefined ? null : new Map();
  }

  #create(event: EventOf<'trialCreated'>, check: Check): void {
    const study = this.#study;
    checkRepeat(study, event, check);
    this.#results.created(event);
    const parent = event.parent === undefined || study.spec.checkpoint === null ? undefined : study.trials[event.parent];
    const resource = parent?.resource ?? 0;
    study.nOpen++;
    study.trials.push({
      number: event.number,
      state: 'waiting',
      target: event.target,
      resource,
      nAttempts: 0,
      live: null,
      lastEnd: null,
      values: {},
      latest: new Map(),
      told: this.#nothingTold(),
      lastReported: resource,
    });
  }

  #applyToTrial(
    trial: KnownTrial,
    event: Exclude<Extract<StudyEvent, { number: number }>, { type: 'trialCreated' }>,
    check: Check,
  ): void {
    const { live } = trial;
    switch (event.type) {
      case 'trialPromoted':
        trial.state = 'waiting';
        trial.target = event.target;
        trial.lastEnd = null;
        return;
      case 'trialRetried':
        Object.assign(trial, {
          state: 'waiting',
          target: event.target,
          lastEnd: null,
          // What it had reported still counts where it goes on from a checkpoint.
          latest: new Map(Object.entries(trial.values)),
          told: this.#nothingTold(),
        });
        this.#study.nOpen++;
        return;
      case 'attemptRequested':
        this.#request(trial, event, check);
        return;
      case 'attemptWaits':
        return;
      case 'attemptStarted':
        if (live !== null) Object.assign(live, { isStarted: true, startedAt: event.at });
        return;
      case 'metricReported':
        if (live !== null) this.#report(trial, live, event, check);
        return;
      // What was left out, up to the cursor: the same place as the last report's where part of a line was.
      case 'metricsDropped':
        if (live !== null) live.cursor = event.cursor;
        return;
      case 'attemptStopRequested':
        if (live !== null) live.why = event.why;
        return;
      case 'attemptEnded':
        if (live !== null) this.#endAttempt(trial, live, event);
        return;
      case 'trialPaused':
        trial.lastEnd?.live.after?.splice(0);
        trial.state = 'paused';
        trial.resource = Math.max(trial.resource, event.resource);
        return;
      case 'trialEnded':
        this.#results.ended(this.#study, trial, event, check);
        this.#study.spent -= uncharged(trial, event);
        trial.lastEnd?.live.after?.splice(0);
        trial.state = event.state;
        trial.values = event.values;
        trial.latest = null;
        trial.told = null;
        this.#study.nOpen--;
        return;
      default:
        event satisfies never;
    }
  }

  #request(trial: KnownTrial, { number, attempt, slot, target, rate }: EventOf<'attemptRequested'>, check: Check): void {
    const study = this.#study;
    const isContinued = study.spec.checkpoint !== null;
    if (!isContinued) trial.latest = new Map();
    const live: KnownAttempt = {
      attempt,
      slot,
      target,
      base: isContinued ? Math.min(trial.resource, target ?? 0) : 0,
      reportedBefore: trial.lastReported,
      isStarted: false,
      startedAt: null,
      rate: rate ?? null,
      why: null,
      cursor: {},
      nReports: 0,
      firstStep: 0,
      lastStep: 0,
      previousStep: 0,
      after: study.spec.search.batch === undefined || study.spec.budget.resource === null ? null : [],
    };
    Object.assign(trial, { state: 'running', live, nAttempts: attempt, lastEnd: null });
    study.nLive++;
    study.reserved += reservation(live);
    const name = `attempt ${attempt} of trial ${number}`;
    check(
      'slots',
      study.nLive <= study.parallel,
      () => `${name} is one of ${study.nLive} that run at once, allowed are ${study.parallel}`,
    );
    const isSlot = Number.isInteger(slot) && slot >= 0 && slot < study.parallel;
    check('slots', isSlot, () => `${name} is in slot ${slot} of ${study.parallel}`);
    const holder = study.slots.get(slot);
    check('slots', holder === undefined, () => `${name} is in slot ${slot}, which trial ${holder} has`);
    study.slots.set(slot, number);
  }

  #report(trial: KnownTrial, live: KnownAttempt, event: EventOf<'metricReported'>, check: Check): void {
    checkTold(live, event, check);
    live.cursor = event.cursor;
    trial.lastReported = event.step;
    trial.resource = Math.max(trial.resource, event.step);
    for (const [metric, value] of Object.entries(event.values)) {
      trial.latest?.set(metric, value);
      if (trial.told !== null) trial.told.set(metric, (trial.told.get(metric) ?? new Set()).add(value));
    }
    const [objective] = this.#study.spec.objectives;
    if (objective === undefined || !Object.hasOwn(event.values, objective.metric)) return;
    if (live.nReports === 0) live.firstStep = event.step;
    live.nReports++;
    if (event.step > live.lastStep) Object.assign(live, { previousStep: live.lastStep, lastStep: event.step });
    const { nReports, firstStep, lastStep, previousStep } = live;
    live.after?.push({ nReports, firstStep, lastStep, previousStep, latest: new Map(trial.latest) });
  }

  #endAttempt(trial: KnownTrial, live: KnownAttempt, { failure, at }: EventOf<'attemptEnded'>): void {
    const study = this.#study;
    const use = usedBy(live, at);
    study.cost += use.cost;
    study.gpuMs += use.gpuMs;
    const { why } = live;
    study.nLive--;
    study.reserved -= reservation(live);
    study.spent += consumed(live, failure === null && why === null);
    if (study.slots.get(live.slot) === trial.number) study.slots.delete(live.slot);
    Object.assign(trial, { state: 'waiting', live: null, lastEnd: { live, failure, why } });
  }

  #checkNothingIsLeft(check: Check): void {
    const { nOpen, nLive, slots, reserved } = this.#study;
    check('progress', nOpen === 0, () => `the study ended, but ${nOpen} of its trials have not`);
    check('slots', nLive === 0 && slots.size === 0, () => `the study ended with ${slots.size} slots in use`);
    check('budget', Math.abs(reserved) < 1e-6, () => `the study ended with ${reserved} set aside`);
  }

  /** Of the view, what the event may have changed. */
  #compare(view: StudyView, event: StudyEvent, check: Check): void {
    const { state, parallel, trials, best } = this.#study;
    const differs = (name: string, shown: unknown, known: unknown): void => {
      check(
        'view',
        shown === known,
        () => `after ${event.type} the view shows ${name} ${String(shown)} instead of ${String(known)}`,
      );
    };
    differs('the state', view.state, state);
    differs('trials at once:', view.parallel, parallel);
    differs('trials:', view.trials.length, trials.length);
    check(
      'best',
      view.incumbent === (best?.number ?? null),
      () =>
        `the view's best trial is ${view.incumbent}, but it is ${best === null ? 'none' : `${best.number} with ${best.value}`}`,
    );
    if (!('number' in event)) return;
    const shown = view.trials[event.number];
    const known = trials[event.number];
    differs(`trial ${event.number} as`, shown?.state, known?.state);
    differs(`trial ${event.number} with the resource`, shown?.resource, known?.resource);
    differs(`trial ${event.number} with the target`, shown?.target, known?.target);
    differs(`trial ${event.number} with attempts:`, shown?.attempts.length, known?.nAttempts);
  }
}
