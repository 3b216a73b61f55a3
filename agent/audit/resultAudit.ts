import { type Condition, evaluate, parseCondition } from '../core/space/index.ts';
import type { OutputCursor, OutputStream, StudyEvent } from '../protocol/events.ts';
import type { Params } from '../protocol/space.ts';
import type { StudySpec } from '../protocol/study.ts';
import { triedBefore } from '../protocol/repeat.ts';
import { metricNumber } from '../protocol/view.ts';
import type { Check } from './check.ts';
import type { KnownAttempt, KnownStudy, KnownTrial } from './known.ts';

type EventOf<T extends StudyEvent['type']> = Extract<StudyEvent, { type: T }>;

/**
 * Reports of an attempt come in the order of its streams, each from beyond what the one before had read: of every stream at
 * least as far, and of one farther. A script may well print a step twice; what is told twice is the same bytes.
 */
export function checkTold({ attempt, cursor }: KnownAttempt, event: EventOf<'metricReported'>, check: Check): void {
  const streams = new Set([...Object.keys(cursor), ...Object.keys(event.cursor)] as OutputStream[]); // the keys of two cursors
  let isFarther = false;
  let back: OutputStream | null = null;
  for (const stream of streams) {
    const change = (event.cursor[stream] ?? 0) - (cursor[stream] ?? 0);
    if (change > 0) isFarther = true;
    if (change < 0) back = stream;
  }
  const name = `step ${event.step} of trial ${event.number}, attempt ${attempt},`;
  check('toldOnce', isFarther && back === null, () =>
    back === null
      ? `${name} is told again: ${places(cursor)} was read before`
      : `${name} is told from ${back} ${event.cursor[back] ?? 0}, after ${back} ${cursor[back] ?? 0}`,
  );
}

function places(cursor: OutputCursor): string {
  return Object.entries(cursor)
    .map(([stream, offset]) => `${stream} up to ${offset}`)
    .join(', ');
}

/** A point may come back in a fork, which goes on from a checkpoint, and where the sampler has no other and says so. */
export function checkRepeat(study: KnownStudy, { number, params, parent, reason }: EventOf<'trialCreated'>, check: Check): void {
  const key = pointKey(params);
  const first = study.points.get(key);
  const isAllowed = parent !== undefined || reason.includes(triedBefore);
  check('noRepeat', first === undefined || isAllowed, () => `trial ${number} has the point of trial ${first}: ${key}`);
  if (first === undefined) study.points.set(key, number);
}

/** Equal for equal points, in whatever order their parameters stand. */
function pointKey(params: Params): string {
  return JSON.stringify(Object.entries(params).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/**
 * Values of a trial that ended are its last reports (of one that was stopped in a batch: reports of its own), and its state
 * follows from them.
 */
export class ResultAudit {
  readonly #spec: StudySpec;
  readonly #params = new Map<number, Params>();
  readonly #constraints: readonly Condition[];

  constructor(spec: StudySpec) {
    this.#spec = spec;
    this.#constraints = spec.constraints.flatMap((text) => {
      const parsed = parseCondition(text);
      return parsed.type === 'ok' ? [parsed.condition] : [];
    });
  }

  created({ number, params }: EventOf<'trialCreated'>): void {
    this.#params.set(number, params);
  }

  ended(study: KnownStudy, trial: KnownTrial, event: EventOf<'trialEnded'>, check: Check): void {
    const { number, state, values } = event;
    const latest = trial.latest ?? new Map();
    const name = `trial ${number}`;
    for (const [metric, value] of Object.entries(values)) {
      const told = latest.get(metric);
      const isStopped = state === 'pruned' || state === 'cancelled';
      const isTold = value === told || (isStopped && trial.told?.get(metric)?.has(value) === true);
      check('best', isTold, () => `${name} ended with ${metric} ${value}, but its last report was ${told ?? 'none'}`);
    }
    for (const { metric } of this.#spec.objectives) {
      const told = latest.get(metric);
      check(
        'best',
        told === undefined || Object.hasOwn(values, metric),
        () => `${name} ended without ${metric}, but reported ${told}`,
      );
      if (state !== 'complete') continue;
      check('best', Number.isFinite(metricNumber(values[metric])), () => `${name} is complete with ${metric} ${values[metric]}`);
    }
    if (state === 'complete' || state === 'infeasible') this.#checkFeasible(event, check);
    if (state === 'complete') this.#compare(study, event);
  }

  #checkFeasible({ number, state, values }: EventOf<'trialEnded'>, check: Check): void {
    const known = { ...this.#params.get(number) };
    for (const [metric, value] of Object.entries(values)) known[metric] = metricNumber(value);
    const isFeasible = this.#constraints.every((constraint) => evaluate(constraint, known) === true);
    check(
      'best',
      isFeasible === (state === 'complete'),
      () => `trial ${number} is ${state} although its constraints ${isFeasible ? 'hold' : 'do not hold'}`,
    );
  }

  /** Of several with the best value the one with the lowest number holds it. */
  #compare(study: KnownStudy, { number, values }: EventOf<'trialEnded'>): void {
    const [objective, ...others] = this.#spec.objectives;
    if (objective === undefined || others.length > 0) return;
    const value = metricNumber(values[objective.metric]);
    if (!Number.isFinite(value)) return;
    const { best } = study;
    const isFurther = (a: number, b: number): boolean => (objective.direction === 'min' ? a < b : a > b);
    if (best === null || isFurther(value, best.value) || (value === best.value && number < best.number))
      study.best = { number, value };
  }
}
