import type { JournalEntry, StudyEvent } from '../../protocol/events.ts';
import { createSampler, type Proposal, type SamplerContext } from '../samplers/index.ts';
import { canonicalJson } from '../space/canonical.ts';
import { command } from './command.ts';
import { decide, type Proposed } from './decide.ts';
import { createStudy, fold } from './fold.ts';
import { nextContext } from './nextTrial.ts';
import type { StudyState } from './state.ts';

/** A decision that does not follow from the journal before it. */
export interface Difference {
  readonly seq: number;
  /** Null where more was to be recorded than is. */
  readonly recorded: StudyEvent | null;
  /** Null where nothing was to be decided. */
  readonly recomputed: StudyEvent | null;
}

export interface VerifyOptions {
  /** Whether the sampler is asked again for this trial's point; the others' are taken as recorded. Absent: for all. */
  readonly isAsked?: (number: number) => boolean;
}

/**
 * Folds the journal of one study and makes each of its decisions again: points and the reasons for them, promotions, stops,
 * pauses, ends of trials, batches and the study, in their order and with slots, targets, values and words.
 *
 * Taken from the record, as they follow from more than the journal:
 * - everything that was seen: starts, reports, what was left out of them, and ends of attempts with the cause of a failure, which
 *   was read from the program's output
 * - everything that a user did: pauses, resumes, stops, retries, points, the number of trials at once
 * - when a decision was made (`at`, by which back-offs and the budget of time are judged), and that there was capacity for a start, which
 *   other studies use too; so a start that was left out is not noticed, another one in its place is
 * - how much of what was known a point that took long to compute knew: `basedOn`
 *
 * A decision is compared when it is recorded: one that is missing shows at the next that is not.
 */
export class DecisionCheck {
  readonly state: StudyState;
  nDecisions = 0;
  /** Points that the sampler was asked for again. */
  nAsked = 0;
  /** Why an entry cannot follow at all, so that nothing after it can be compared; null while there is none. */
  fault: string | null = null;
  readonly #options: VerifyOptions;
  /** The study as a proposal knew it, which is behind `state` by `#ahead`. */
  readonly #known: StudyState;
  #ahead: JournalEntry[] = [];
  /** What the last decision has besides what was recorded of it. */
  #due: StudyEvent[] = [];

  /** @throws as `createStudy`. */
  constructor(first: JournalEntry, options: VerifyOptions = {}) {
    this.state = createStudy(first);
    this.#known = createStudy(first);
    this.#options = options;
  }

  /** Compares and folds the next entry; to be asked no more once there is a `fault`. */
  next(entry: JournalEntry): Difference | null {
    const difference = this.#compare(entry);
    try {
      fold(this.state, entry);
    } catch (error) {
      this.fault = error instanceof Error ? error.message : String(error);
      return difference ?? { seq: entry.seq, recorded: entry.event, recomputed: null };
    }
    this.#ahead.push(entry);
    return difference;
  }

  #compare({ seq, event }: JournalEntry): Difference | null {
    const [due] = this.#due;
    if (due !== undefined) {
      this.#due.shift();
      if (isSame(due, event)) return null;
      this.#due = [];
      return { seq, recorded: event, recomputed: due };
    }
    if (!isDecision(event)) return null;
    const [decided, ...others] = this.#decide(seq, event);
    if (decided !== undefined && isSame(decided, event)) {
      this.nDecisions++;
      this.#due = others;
      return null;
    }
    if (this.#isCommand(event)) return null;
    this.nDecisions++;
    return { seq, recorded: event, recomputed: decided ?? null };
  }

  #decide(seq: number, event: StudyEvent): readonly StudyEvent[] {
    return decide(this.state, {
      now: event.at,
      hasCapacity: true,
      propose: (context) => (event.type === 'trialCreated' ? this.#propose(seq, event) : proposal(this.state, context)),
    });
  }

  #propose(seq: number, event: Extract<StudyEvent, { type: 'trialCreated' }>): Proposed | null {
    const { number, params, reason, basedOn } = event;
    const late = basedOn === undefined ? {} : { basedOn };
    if (this.#options.isAsked?.(number) === false) return { type: 'point', params, reason, ...late };
    this.nAsked++;
    // What it knew cannot lie in the future, nor before what the point before it knew.
    if (basedOn !== undefined && (basedOn >= seq || basedOn < this.#known.view.seq)) return null;
    const first = this.#ahead.findIndex((entry) => entry.seq > (basedOn ?? seq));
    const isKnown = first < 0 ? this.#ahead : this.#ahead.slice(0, first);
    this.#ahead = first < 0 ? [] : this.#ahead.slice(first);
    for (const entry of isKnown) fold(this.#known, entry);
    const context = nextContext(this.#known);
    return context?.number === number ? { ...proposal(this.#known, context), ...late } : null;
  }

  /** Whether it may be what a user asked for. */
  #isCommand(event: StudyEvent): boolean {
    switch (event.type) {
      case 'studyPaused':
        return event.failure === undefined;
      case 'studyStopRequested':
        return event.reason === 'stopped';
      case 'studyResumed':
        return true;
      case 'trialEnded': {
        const asked = command(this.state, { type: 'stopTrial', trial: event.number }, event.at);
        return !('code' in asked) && asked.length === 1 && isSame(asked[0] ?? null, event);
      }
      default:
        return false;
    }
  }
}

function isDecision(event: StudyEvent): boolean {
  switch (event.type) {
    case 'studyPaused':
    case 'studyResumed':
    case 'studyStopRequested':
    case 'studyEnded':
    case 'trialCreated':
    case 'trialPromoted':
    case 'attemptRequested':
    case 'trialPaused':
    case 'trialEnded':
    case 'batchEnded':
      return true;
    case 'attemptStopRequested':
      return event.why !== 'user' && event.why !== 'outputLimit';
    default:
      return false;
  }
}

/** As the agent asks: a study goes on with a random point rather than stand still for a fault of a sampler. */
function proposal(state: StudyState, context: SamplerContext): Proposal {
  try {
    return state.base.sampler.propose(context);
  } catch {
    return createSampler('random').propose(context);
  }
}

function isSame(a: StudyEvent | null, b: StudyEvent): boolean {
  return canonicalJson(a) === canonicalJson(b);
}
