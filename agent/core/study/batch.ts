import type { StudyEvent } from '../../protocol/events.ts';
import type { MetricValues } from '../../protocol/study.ts';
import type { Observation } from '../samplers/index.ts';

/** What a trial came to. */
export interface TrialResult {
  readonly event: Extract<StudyEvent, { type: 'trialPaused' | 'trialEnded' }>;
  /** What the sampler learns from it. */
  readonly observation: Observation;
}

/** What a trial had shown when the scheduler stopped it: of later reports nothing counts. */
export interface StoppedTrial {
  readonly values: MetricValues;
  readonly resource: number;
  readonly curve: readonly number[];
}

/**
 * Where a study in batches stands (`search.batch`). All starts of a batch (new trials, and paused ones that go on) are decided by what
 * was known before it and by the starts before them; reports by that and by the trial's own. What trials come to is kept
 * here, and counts, in the order of their numbers, when nothing of the batch runs or waits any more (`batchEnded`, also where the
 * study ends within it). So with the same seed the same trials get the same points, targets and ends, whatever the number of workers,
 * the order and time of their ends, preemptions, lost attempts and crashes, as long as a trial with the same values reports the same.
 *
 * Told by their results like any other: trials that failed, broke a constraint, or were pruned (with what they had shown
 * when they were stopped, whatever came later). A lost or preempted attempt is repeated within the batch. A goal ends the study, and
 * failures with one cause pause it, after a batch.
 *
 * A trial that the scheduler stopped is also charged to a budget of resource up to the report that decided, and no farther
 * (`attemptCost`): what it does until it hears of that depends on the machine. So more than the budget may really be
 * consumed: by each stopped trial at most what was left to its target.
 *
 * Not the same in two runs: what was seen of a trial after its stop. The view keeps that: the resource that a pruned trial reached,
 * its curve and its log, in exports too. Its values are those of the stop. And what depends on time or on people: a budget of time
 * cuts the last batch short, and one of resource ends sooner where attempts were lost, as what they used up is gone; the trials of
 * whole batches before are the same. Time limits of trials, reports left out because they came too fast, trials that lost every
 * attempt, commands of users: each changes what is known, and what follows is decided by it. So does `--from` such a study, for
 * which counts what was seen.
 */
export interface BatchState {
  /** Most starts of a batch. */
  readonly size: number;
  /** Starts of the present batch so far, and the resource that they may consume. */
  nStarts: number;
  cost: number;
  /** Resource that was charged before it. */
  spentBefore: number;
  /** What its trials came to, in the order of their ends. */
  results: TrialResult[];
  /** Trials that the scheduler has stopped and that have not ended. */
  readonly stopped: Map<number, StoppedTrial>;
}

/** Null for a study in which whatever is known counts at once. */
export function createBatch(size: number | undefined): BatchState | null {
  return size === undefined ? null : { size, nStarts: 0, cost: 0, spentBefore: 0, results: [], stopped: new Map() };
}

/** Whether no further start belongs to the present batch. */
export function isBatchFull(batch: BatchState | null): boolean {
  return batch !== null && batch.nStarts >= batch.size;
}

/** Numbers of the trials whose results the present batch has, as they will be told. */
export function toldTrials({ results }: BatchState): readonly number[] {
  return [...new Set(results.map(({ event }) => event.number))].sort((a, b) => a - b);
}

/** Begins the next batch; returns what the last one came to, in the order in which it is told. */
export function nextBatch(batch: BatchState, spent: number): readonly TrialResult[] {
  const told = batch.results.toSorted((a, b) => a.event.number - b.event.number);
  Object.assign(batch, { nStarts: 0, cost: 0, spentBefore: spent, results: [] });
  return told;
}
