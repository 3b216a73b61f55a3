import { createSampler, isHeavy, type Observation, type Proposal, type SamplerContext } from '../core/samplers/index.ts';
import { nextContext, type Proposed, type ProposerAnswer } from '../core/study/index.ts';
import type { Clock } from '../system/clock.ts';
import type { Log, ProposerThread, StartProposer } from './ports.ts';
import type { Study } from './study.ts';

/**
 * Share of a trial's mean duration for which a free slot waits for a proposal that knows all, and its bounds in ms. Where one
 * trial runs after the other the slot waits as long as it takes: what was prepared does not know the only result that is
 * new, and the same seed is to give the same sequence on a busy machine, too. So it does in batches, whose points know all of the
 * batches before.
 */
const patience = { share: 0.02, least: 20, most: 1_000 } as const;
/** Observations sent to the thread at once: well below a millisecond of copying. */
const chunkRows = 200;
/** A thread that broke this often is not started again. */
const maxBreaks = 3;

export interface ProposalsOptions {
  /** Null: everything is computed here. */
  readonly proposer: StartProposer | null;
  readonly clock: Clock;
  readonly log: Log;
  /** A proposal that was on its way is there, or will not come: the study can be decided again. */
  readonly onReady: (study: Study) => void;
}

interface Request {
  readonly id: number;
  readonly number: number;
  /** What of the history it knows, by the history's version; null until all of it has been sent. */
  knows: { readonly seq: number; readonly version: number } | null;
  /** Sent while a slot waited for it. */
  isFresh: boolean;
  /** When it was sent, by the monotonic clock. */
  sentAt: number;
}

interface Desk {
  readonly study: Study;
  isOpen: boolean;
  /** Trials whose observation the thread does not have as it is. */
  readonly unsent: Set<number>;
  request: Request | null;
  answer: { readonly request: Request; readonly proposal: Proposal } | null;
  /** The free slot's trial, and until when (by the monotonic clock) it waits for a proposal that knows all. */
  wait: { readonly number: number; readonly until: number; readonly timer: Disposable | null } | null;
  /** How long the last answer took, in ms. */
  lastMs: number;
  /** Trial for which the thread could not propose: it is done here. */
  failed: number | null;
}

/**
 * Where a study's proposals are computed. What takes long is asked of a thread, which has a mirror of the history. While all
 * slots are busy it prepares the next proposal; a slot that becomes free asks for one that knows all, waits for it a small
 * share of a trial's duration, and then takes the prepared one; at once where it has seen that proposals take longer than that.
 */
export class Proposals implements Disposable {
  readonly #options: ProposalsOptions;
  readonly #desks = new Map<string, Desk>();
  #thread: ProposerThread | null = null;
  #lastId = 0;
  #nBreaks = 0;

  constructor(options: ProposalsOptions) {
    this.#options = options;
  }

  /** The proposal for a free slot; null when it is on its way. */
  propose(study: Study, context: SamplerContext): Proposed | null {
    const desk = this.#deskOf(study, context);
    if (desk?.failed === context.number) this.#endWait(desk);
    if (desk === null || desk.failed === context.number) return this.#proposeHere(study, context);
    const taken = this.#take(desk, context);
    if (taken !== null) return taken;
    if (desk.wait?.number !== context.number) {
      this.#endWait(desk);
      const ms = patienceMs(study, context);
      const { clock, onReady } = this.#options;
      // A timer may be a little early.
      const timer = ms === Infinity ? null : clock.after(ms + 2, () => onReady(study));
      desk.wait = { number: context.number, until: clock.monotonic() + ms, timer };
    }
    this.#ask(desk, context.number);
    return null;
  }

  /** Lets the thread prepare the next proposal while nobody waits for it. */
  prepare(study: Study): void {
    const { view } = study.state;
    if (view.state === 'ended' || view.deleted) return this.forget(study.studyId);
    const number = view.trials.length;
    const known = this.#desks.get(study.studyId);
    const isBusy = known !== undefined && (known.wait?.number === number || known.request !== null || known.failed === number);
    if (view.state !== 'running' || view.parallel === 1 || isBusy || known?.answer?.request.number === number) return;
    const context = nextContext(study.state);
    const desk = context === null ? null : this.#deskOf(study, context);
    if (desk !== null) this.#ask(desk, number);
  }

  /** The observation of a trial may have changed. */
  changed(studyId: string, number: number): void {
    const desk = this.#desks.get(studyId);
    if (desk === undefined) return;
    desk.unsent.add(number);
  }

  /** The study has ended, or is another one than it was. */
  forget(studyId: string): void {
    const desk = this.#desks.get(studyId);
    if (desk === undefined) return;
    this.#endWait(desk);
    this.#desks.delete(studyId);
    if (desk.isOpen) this.#thread?.post({ type: 'close', studyId });
    if (this.#desks.size > 0) return;
    this.#thread?.[Symbol.dispose]();
    this.#thread = null;
  }

  [Symbol.dispose](): void {
    for (const studyId of this.#desks.keys()) this.forget(studyId);
  }

  /** Null for what is computed here. */
  #deskOf(study: Study, context: SamplerContext): Desk | null {
    if (this.#options.proposer === null || this.#nBreaks >= maxBreaks) return null;
    if (!isHeavy(study.state.base.sampler.name, context)) return null;
    const known = this.#desks.get(study.studyId);
    if (known !== undefined) return known;
    const unsent = new Set<number>();
    const desk: Desk = {
      study,
      isOpen: false,
      unsent,
      request: null,
      answer: null,
      wait: null,
      lastMs: 0,
      failed: null,
    };
    this.#desks.set(study.studyId, desk);
    return desk;
  }

  #take(desk: Desk, context: SamplerContext): Proposed | null {
    const { answer, wait } = desk;
    if (answer === null || answer.request.number !== context.number) return null;
    const { isFresh, knows } = answer.request;
    const isCurrent = knows?.version === desk.study.state.history.version || (isFresh && wait !== null);
    // One that knows all would come too late, or has not come in time.
    const isOver =
      desk.lastMs > patienceMs(desk.study, context) || (wait !== null && this.#options.clock.monotonic() >= wait.until);
    // What is not current may be wrong about there being nothing left.
    const isEnough = isOver && answer.proposal.type === 'point';
    if (!isCurrent && !isEnough) return null;
    desk.answer = null;
    this.#endWait(desk);
    const isComplete = knows === null || knows.seq === desk.study.state.view.seq;
    return isComplete ? answer.proposal : { ...answer.proposal, basedOn: knows.seq };
  }

  #endWait(desk: Desk): void {
    desk.wait?.timer?.[Symbol.dispose]();
    desk.wait = null;
  }

  #ask(desk: Desk, number: number): void {
    // One at a time: the answer to an earlier one may be enough.
    if (desk.request !== null) return;
    const request: Request = { id: ++this.#lastId, number, knows: null, isFresh: false, sentAt: 0 };
    desk.request = request;
    // Not within the turn, which may still fold events.
    this.#options.clock.soon(() => this.#send(desk, request));
  }

  /** Sends what the thread does not know, a chunk at a time, and then the question. */
  #send(desk: Desk, request: Request): void {
    const { studyId, state } = desk.study;
    if (this.#desks.get(studyId) !== desk || desk.request !== request) return;
    const context = nextContext(state);
    if (context?.number !== request.number) {
      desk.request = null;
      // A slot may wait for the proposal of another trial by now.
      if (desk.wait !== null) this.#options.onReady(desk.study);
      return;
    }
    const thread = this.#startedThread();
    if (!desk.isOpen) {
      desk.isOpen = true;
      desk.unsent.clear();
      for (let number = 0; number < state.history.size; number++) desk.unsent.add(number);
      thread.post({ type: 'open', studyId, spec: state.view.spec });
    }
    const observations: Observation[] = [];
    for (const number of desk.unsent) {
      if (observations.length === chunkRows) break;
      // A trial is observed when it is created, so its number is its row.
      observations.push(state.history.at(number));
      desk.unsent.delete(number);
    }
    if (observations.length > 0) thread.post({ type: 'observe', studyId, observations });
    if (desk.unsent.size > 0) {
      this.#options.clock.soon(() => this.#send(desk, request));
      return;
    }
    request.knows = { seq: state.view.seq, version: state.history.version };
    request.isFresh = desk.wait?.number === request.number;
    request.sentAt = this.#options.clock.monotonic();
    const { number, parallel, trialMs } = context;
    thread.post({ type: 'propose', studyId, id: request.id, moment: { number, parallel, trialMs } });
  }

  #startedThread(): ProposerThread {
    const { proposer } = this.#options;
    if (proposer === null) throw new TypeError('there is no thread to start');
    if (this.#thread === null) {
      this.#options.log.info('a thread for proposals starts');
      this.#thread = proposer({ answered: (answer) => this.#answered(answer), broke: (reason) => this.#broke(reason) });
    }
    return this.#thread;
  }

  #answered(answer: ProposerAnswer): void {
    const desk = this.#desks.get(answer.studyId);
    const request = desk?.request;
    if (desk === undefined || request === null || request?.id !== answer.id) return;
    desk.request = null;
    desk.lastMs = this.#options.clock.monotonic() - request.sentAt;
    if (answer.type === 'proposed') desk.answer = { request, proposal: answer.proposal };
    else this.#fail(desk, request, answer.message);
    if (desk.wait !== null) this.#options.onReady(desk.study);
  }

  #broke(reason: string): void {
    this.#thread = null;
    this.#nBreaks++;
    const next = this.#nBreaks < maxBreaks ? 'it is started again' : 'proposals are computed in the agent itself from now on';
    this.#options.log.error(`the thread for proposals broke; ${next}`, { reason });
    for (const desk of this.#desks.values()) {
      desk.isOpen = false;
      if (desk.request !== null) this.#fail(desk, desk.request, reason);
      if (desk.wait !== null) this.#options.onReady(desk.study);
    }
  }

  #fail(desk: Desk, { number }: Request, reason: string): void {
    desk.request = null;
    desk.failed = number;
    const { studyId } = desk.study;
    this.#options.log.error('a proposal failed in its thread; it is computed in the agent', { studyId, number, reason });
  }

  /** A study goes on with a random point rather than stand still for a fault of a sampler. */
  #proposeHere({ studyId, state }: Study, context: SamplerContext): Proposal {
    try {
      return state.base.sampler.propose(context);
    } catch (error) {
      this.#options.log.error('a sampler failed; the trial gets a random point', { studyId, error: String(error) });
      return createSampler('random').propose(context);
    }
  }
}

function patienceMs({ state }: Study, { parallel, trialMs }: SamplerContext): number {
  if (parallel === 1 || state.batch !== null) return Infinity;
  return Math.min(patience.most, Math.max(patience.least, patience.share * (trialMs ?? 0)));
}
