import { HpoError } from '../../protocol/errors.ts';
import type { Objective } from '../../protocol/space.ts';
import type { MetricValues, PriorTrial, StudySpec } from '../../protocol/study.ts';
import { metricNumber } from '../../protocol/view.ts';
import { createSampler, type FidelityLevels, History, type Sampler, type SamplerContext } from '../samplers/index.ts';
import { rungLevels } from '../schedulers/index.ts';
import { highestReached } from '../schedulers/rungs.ts';
import { compileSpace, type CompiledSpace, type Condition, parseCondition, violation } from '../space/index.ts';

/** What of a study's present, besides its history, a proposal depends on. Plain JSON. */
export interface ProposalMoment {
  /** Number of the trial to propose. */
  readonly number: number;
  /** Most trials that run at once. */
  readonly parallel: number;
  /** Mean duration of the trials that ended, in ms; null before the first. */
  readonly trialMs: number | null;
}

/**
 * What of a study's spec its proposals follow from. Spec, history and moment give the same proposal in the agent's own
 * thread and in one beside it, now and when the journal is read again.
 */
export class ProposalBase {
  readonly space: CompiledSpace;
  readonly sampler: Sampler;
  readonly constraints: readonly Condition[];
  readonly fidelity: FidelityLevels | null;
  /** What the study was told of earlier results; null for nothing. */
  readonly prior: History | null;
  /** Earlier results that are no points of this space. */
  readonly nPriorSkipped: number;
  readonly #spec: StudySpec;

  /** @throws HpoError when the spec cannot be run. */
  constructor(spec: StudySpec) {
    this.#spec = spec;
    this.space = compileSpace(spec.space);
    this.sampler = createSampler(spec.search.sampler);
    this.constraints = spec.constraints.map(compileConstraint);
    this.fidelity = spec.fidelity === null ? null : { levels: rungLevels(spec.fidelity) };
    const trials = spec.search.prior ?? [];
    const valid = trials.filter(({ params }) => this.space.isValid(params));
    this.prior = valid.length === 0 ? null : new History(this.space);
    valid.forEach((trial, number) => this.#addPrior(trial, number));
    this.nPriorSkipped = trials.length - valid.length;
  }

  context(history: History, moment: ProposalMoment): SamplerContext {
    const { search, objectives, budget } = this.#spec;
    return {
      space: this.space,
      objectives,
      history,
      seed: search.seed,
      budgetTrials: budget.trials,
      liar: search.liar,
      fidelity: this.fidelity,
      prior: this.prior,
      ...moment,
    };
  }

  /** How far each constraint is violated by what was measured at a point. */
  violations(params: PriorTrial['params'], values: MetricValues): readonly number[] {
    const all = { ...params, ...asNumbers(values) };
    return this.constraints.map((constraint) => violation(constraint, all));
  }

  #addPrior({ params, state, values, resource }: PriorTrial, number: number): void {
    const { objectives, fidelity } = this.#spec;
    const numbers = objectiveValues(objectives, values);
    // A study without a resource trained each trial in full.
    const reached = resource ?? (state === 'complete' ? (fidelity?.max ?? 0) : 0);
    const level = this.fidelity === null ? -1 : highestReached(this.fidelity.levels, this.fidelity.levels.length, 0, reached);
    this.prior?.upsert({
      number,
      params,
      state,
      values: numbers,
      resource: reached,
      ...(this.fidelity === null ? {} : { curve: withLevel([], level, numbers[0] ?? NaN) }),
      ...(this.constraints.length === 0 ? {} : { violations: this.violations(params, values) }),
    });
  }
}

/** One per objective; NaN where it was not reported. */
export function objectiveValues(objectives: readonly Objective[], values: MetricValues): number[] {
  return objectives.map(({ metric }) => metricNumber(values[metric]));
}

/** A curve with the value of a level beyond its end; what was passed over without a report is not known. */
export function withLevel(curve: readonly number[], level: number, value: number): readonly number[] {
  if (level < curve.length) return curve;
  return [...curve, ...Array.from({ length: level - curve.length }, () => NaN), value];
}

/** Values as conditions read them. */
export function asNumbers(values: MetricValues): Record<string, number> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, metricNumber(value)]));
}

function compileConstraint(text: string): Condition {
  const parsed = parseCondition(text);
  if (parsed.type === 'ok') return parsed.condition;
  throw new HpoError('HPO-4203', `constraint "${text}": ${parsed.message}`, 'correct the condition of "# @hpo.constraint"');
}
