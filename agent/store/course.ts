import type { StudyEvent } from '../protocol/events.ts';
import { unreachable } from '../protocol/view.ts';
import type { EventRow } from './chain.ts';

/** `pausedItself`: it may go on by itself. `retried`: it has ended, and is about to go on for a trial that is retried. */
type Phase = 'running' | 'paused' | 'pausedItself' | 'stopping' | 'ended' | 'retried' | 'deleted';

/** What becomes of a study of which later events are lost. */
export type Fate = 'goesOn' | 'waits' | 'ended' | 'deleted';

interface LiveAttempt {
  readonly number: number;
  readonly attempt: number;
}

const lostInRepair = {
  kind: 'preempted',
  // As after any attempt that was taken away, the trial is tried again.
  code: 'HPO-3009',
  message: 'How the attempt went on was lost in a repair of the journal.',
} as const;

/**
 * How a study stood, by its events up to where one is lost, and by those after it that can still be read. What was deleted, stopped or
 * paused, or had ended, must not run again because the event that said so could not be kept.
 */
export class Course {
  readonly #live = new Map<number, LiveAttempt>();
  /** Up to the cut. */
  #kept: Phase = 'running';
  #keptSeq = 0;
  #at = 0;
  /** By all that can be read; null where what is lost may have changed it. */
  #last: Phase | null = 'running';

  /** An event that is kept. */
  keep(row: EventRow): void {
    // Our own words: the row's hash fits.
    const event: StudyEvent = JSON.parse(row.body);
    this.#kept = phaseAfter(this.#kept, event) ?? this.#kept;
    this.#keptSeq = row.seq;
    this.#at = event.at;
    this.#last = this.#kept;
    if (event.type === 'attemptRequested') this.#live.set(event.number, { number: event.number, attempt: event.attempt });
    else if (event.type === 'attemptEnded') this.#live.delete(event.number);
  }

  /** An event that can be read, behind one that is lost. */
  leaveOut(row: EventRow): void {
    this.#last = phaseAfter(this.#last, JSON.parse(row.body));
  }

  /** An event that may have been of this study. */
  lose(): void {
    if (this.#last === 'running') this.#last = null;
  }

  /** Of a study of which events are lost. */
  get fate(): Fate {
    if (this.#last === 'deleted' || this.#kept === 'deleted') return 'deleted';
    if (this.#kept === 'stopping' || this.#kept === 'ended') return 'ended';
    return this.#last === 'running' ? 'goesOn' : 'waits';
  }

  /** Why it waits, for people. */
  get why(): string {
    switch (this.#last) {
      case 'ended':
      case 'retried':
        return 'it had ended';
      case 'stopping':
        return 'it was being stopped';
      case 'paused':
      case 'pausedItself':
        return 'it was paused';
      default:
        return 'it may have been stopped since';
    }
  }

  /** `seq` of the last event that is kept. */
  get keptSeq(): number {
    return this.#keptSeq;
  }

  /** What is to follow the events that are kept; `last` is the number that the last of them has now. */
  ending(studyId: string, last: number): readonly StudyEvent[] {
    const at = this.#at;
    const phase = this.#kept;
    const resumed: StudyEvent = { type: 'studyResumed', at };
    // Their processes may be gone, and nothing is to be started in their place.
    const ends = [...this.#live.values()].map(
      (live): StudyEvent => ({ type: 'attemptEnded', at, ...live, exitCode: null, signal: null, failure: lostInRepair }),
    );
    switch (this.fate) {
      case 'goesOn':
        return phase === 'retried' ? [resumed] : [];
      case 'deleted': {
        if (phase === 'deleted') return [];
        const stop: StudyEvent = { type: 'studyStopRequested', at, reason: 'stopped', message: 'Stopped by the user.' };
        const isOver = phase === 'stopping' || phase === 'ended' || phase === 'retried';
        return [...(isOver ? [] : [stop]), { type: 'studyDeleted', at }];
      }
      case 'ended':
        return ends;
      case 'waits': {
        const reason = `What came after event ${last} was lost in a repair of the journal, and ${this.why}. To go on from there: hpo resume ${studyId}`;
        const paused: StudyEvent = { type: 'studyPaused', at, reason };
        if (phase === 'running') return [paused, ...ends];
        return phase === 'retried' || phase === 'pausedItself' ? [resumed, paused, ...ends] : ends;
      }
      default:
        return unreachable(this.fate);
    }
  }
}

function phaseAfter(phase: Phase | null, event: StudyEvent): Phase | null {
  if (phase === 'deleted') return phase;
  switch (event.type) {
    case 'studyCreated':
    case 'studyResumed':
    case 'trialCreated':
    case 'trialPromoted':
    case 'attemptRequested':
      return 'running';
    case 'studyPaused':
      return event.failure === undefined ? 'paused' : 'pausedItself';
    case 'studyStopRequested':
      return 'stopping';
    case 'studyEnded':
      return 'ended';
    case 'studyDeleted':
      return 'deleted';
    case 'trialRetried':
      return phase === 'ended' ? 'retried' : phase;
    default:
      return phase;
  }
}
