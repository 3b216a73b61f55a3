import { isDeepStrictEqual } from 'node:util';
import {
  createStudy,
  decide,
  fold,
  nextContext,
  observe,
  command,
  type Observation,
  type StudyState,
  type World,
} from '../../../../agent/core/study/index.ts';
import type { JournalEntry, StudyEvent } from '../../../../agent/protocol/events.ts';
import type { StudyCommand } from '../../../../agent/protocol/requests.ts';
import type { Distribution, Fidelity, Parameter, ParamValue } from '../../../../agent/protocol/space.ts';
import type { MetricValues, StudySpec } from '../../../../agent/protocol/study.ts';

const site = { file: 'train.py', line: 1, column: 1 };

/** A study of `train.py` with lr in [1e-4, 1] and loss to be minimised; random, without a fidelity, 6 trials, one at once. */
export function spec(
  changes: Omit<Partial<StudySpec>, 'search' | 'budget' | 'limits'> & {
    search?: Partial<StudySpec['search']>;
    budget?: Partial<StudySpec['budget']>;
    limits?: Partial<StudySpec['limits']>;
  } = {},
): StudySpec {
  const { search, budget, limits, ...rest } = changes;
  return {
    name: 'train',
    root: '/project',
    script: 'train.py',
    command: ['python', '{script}'],
    space: {
      parameters: [parameter('lr', { type: 'float', low: 1e-4, high: 1, log: true, revlog: false, step: null }, 0.01)],
      where: [],
    },
    objectives: [{ metric: 'loss', direction: 'min', goal: null }],
    constraints: [],
    fidelity: null,
    metrics: [],
    search: { sampler: 'random', scheduler: 'auto', seed: 7, parallel: 1, liar: 'mean', ...search },
    budget: { trials: 6, wallTimeMs: null, resource: null, ...budget },
    limits: { timeoutMs: null, graceMs: 1000, outputBytes: 100 * 1024 ** 2, cpus: 1, ...limits },
    checkpoint: null,
    executor: 'local',
    environment: { interpreter: '/usr/bin/python3', version: '3.12.1', reason: 'PATH' },
    snapshot: 'abc',
    spaceHash: 'def',
    ...rest,
  };
}

export function parameter(name: string, distribution: Distribution, value?: ParamValue): Parameter {
  const given = value === undefined ? {} : { default: value };
  return { name, distribution, ...given, when: null, sink: { type: 'literal' }, site, literal: null };
}

export function fidelity(min: number, max: number, reductionFactor = 3): Fidelity {
  return { name: 'epochs', min, max, reductionFactor, default: max, sink: { type: 'literal' }, site, literal: null };
}

/** An end as an executor sees it: by itself with exit code 0 unless said otherwise. */
export function ended(
  number: number,
  attempt: number,
  changes: Partial<Extract<Observation, { type: 'ended' }>> = {},
): Observation {
  return {
    type: 'ended',
    number,
    attempt,
    exitCode: 0,
    signal: null,
    isTimeout: false,
    isOutOfMemory: false,
    isLost: false,
    outputTail: '',
    ...changes,
  };
}

export function metric(
  number: number,
  attempt: number,
  step: number,
  values: MetricValues,
): Extract<Observation, { type: 'metric' }> {
  return { type: 'metric', number, attempt, step, values, cursor: { out: step, metrics: 0 } };
}

/** Folds a journal anew, as after a crash. */
export function replay(journal: readonly JournalEntry[]): StudyState {
  const [first, ...rest] = journal;
  if (first === undefined) throw new RangeError('an empty journal');
  const state = createStudy(first);
  for (const entry of rest) fold(state, entry);
  return state;
}

/**
 * Proposes every sampler's point again from the journal up to what it knew, and throws for one that comes out otherwise.
 * Returns how many there are, and how many of them did not know all before them.
 */
export function proposeAgain(journal: readonly JournalEntry[]): { readonly all: number; readonly late: number } {
  const seen = { all: 0, late: 0 };
  journal.forEach(({ event }, i) => {
    if (event.type !== 'trialCreated' || event.origin !== 'sampler' || event.parent !== undefined) return;
    const { basedOn, number } = event;
    seen.all++;
    if (basedOn !== undefined) seen.late++;
    const state = replay(basedOn === undefined ? journal.slice(0, i) : journal.filter(({ seq }) => seq <= basedOn));
    const context = nextContext(state);
    const again = context?.number === number ? state.base.sampler.propose(context) : null;
    const told = { type: 'point', params: event.params, reason: event.reason };
    if (!isDeepStrictEqual(again, told))
      throw new Error(`trial ${number}: ${JSON.stringify(told)}, again ${JSON.stringify(again)}`);
  });
  return seen;
}

/** A study with its journal and a clock that only moves when told; decides after everything that happens, as the driver does. */
export class Harness {
  state: StudyState;
  readonly journal: JournalEntry[] = [];
  now = 1_000;
  hasCapacity = true;
  /** Stands in for the sampler. */
  propose: NonNullable<World['propose']> | null = null;

  constructor(studySpec: StudySpec) {
    const entry: JournalEntry = { seq: 1, studyId: 's1', event: { type: 'studyCreated', at: this.now, spec: studySpec } };
    this.journal.push(entry);
    this.state = createStudy(entry);
    this.decide();
  }

  replay(): StudyState {
    return replay(this.journal);
  }

  see(...observations: readonly Observation[]): void {
    for (const observation of observations) {
      this.record(observe(this.state, observation, this.now));
      this.decide();
    }
  }

  /** Starts, reports and ends normally the live attempt of a trial. */
  run(number: number, ...losses: readonly MetricValues[string][]): void {
    const attempt = this.state.live.get(number)?.attempt ?? NaN;
    this.see({ type: 'started', number, attempt, pid: 100 + number });
    losses.forEach((loss, i) => this.see(metric(number, attempt, i + 1, { loss })));
    this.see(ended(number, attempt));
  }

  command(asked: StudyCommand): void {
    const result = command(this.state, asked, this.now);
    if ('code' in result) throw new Error(`${result.code}: ${result.message}`);
    this.record(result);
    this.decide();
  }

  /** Moves the clock and asks for decisions. */
  wait(ms: number): void {
    this.now += ms;
    this.decide();
  }

  record(events: readonly StudyEvent[]): void {
    for (const event of events) {
      const entry: JournalEntry = { seq: this.journal.length + 1, studyId: 's1', event };
      this.journal.push(entry);
      fold(this.state, entry);
    }
  }

  decide(): void {
    for (let round = 0; ; round++) {
      const events = decide(this.state, {
        now: this.now,
        hasCapacity: this.hasCapacity,
        ...(this.propose === null ? {} : { propose: this.propose }),
      });
      if (events.length === 0) return;
      if (round > 100_000) throw new Error('decisions without end');
      this.record(events);
    }
  }

  /** Types of the events from an index on, with what tells them apart. */
  story(from = 0): readonly string[] {
    return this.journal.slice(from).map(({ event }) => tell(event));
  }

  states(): string {
    return this.state.view.trials.map((trial) => trial.state).join(' ');
  }
}

function tell(event: StudyEvent): string {
  switch (event.type) {
    case 'attemptRequested':
      return `attemptRequested ${event.number}.${event.attempt}${event.target === null ? '' : ` to ${event.target}`}`;
    case 'attemptStopRequested':
      return `attemptStopRequested ${event.number}.${event.attempt} ${event.why}`;
    case 'trialEnded':
      return `trialEnded ${event.number} ${event.state}`;
    case 'trialCreated':
    case 'trialPaused':
    case 'trialPromoted':
      return `${event.type} ${event.number}`;
    case 'attemptStarted':
    case 'metricReported':
    case 'attemptEnded':
      return `${event.type} ${event.number}.${event.attempt}`;
    case 'studyStopRequested':
    case 'studyEnded':
      return `${event.type} ${event.reason}`;
    default:
      return event.type;
  }
}
