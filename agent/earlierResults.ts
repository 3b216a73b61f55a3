import { compileSpace, mapObservations } from './core/space/index.ts';
import { HpoError } from './protocol/errors.ts';
import type { PriorTrial, StudySpec } from './protocol/study.ts';
import type { StudyView, TrialView } from './protocol/view.ts';

/** A study that also learns from the trials of others, as far as they have a place in its space; and how far that is, in words. */
export interface InformedSpec {
  readonly spec: StudySpec;
  /** One for each of the other studies. */
  readonly messages: readonly string[];
}

/**
 * Adds the ended trials of other studies to what a study knows at its start. They are copied into its spec: it keeps them when
 * the others are deleted. They count as results of other code: what the sampler expects, never as a trial of this study.
 *
 * @throws HpoError HPO-4031 for a study of which nothing has a place here.
 */
export function withEarlierResults(spec: StudySpec, others: readonly StudyView[]): InformedSpec {
  if (others.length === 0) return { spec, messages: [] };
  const to = { space: compileSpace(spec.space), objectives: spec.objectives, fidelity: spec.fidelity };
  const prior: PriorTrial[] = [];
  const messages = others.map((other) => {
    const trials = other.trials.flatMap(priorTrial);
    const mapped = mapObservations(to, other.spec, trials);
    if (mapped.length === 0) throw nothingApplies(other, trials.length);
    prior.push(...mapped);
    return `The search learns from ${mapped.length} of the ${trials.length} ended trials of ${other.studyId}.`;
  });
  return { spec: { ...spec, search: { ...spec.search, prior: [...(spec.search.prior ?? []), ...prior] } }, messages };
}

/** A trial that never ended, or that someone took away, says nothing of its point. */
function priorTrial({ state, params, values, resource }: TrialView): readonly PriorTrial[] {
  const isKnown = state === 'complete' || state === 'pruned' || state === 'failed' || state === 'infeasible';
  return isKnown ? [{ state, params, values, resource: resource === 0 ? null : resource }] : [];
}

function nothingApplies({ studyId, spec }: StudyView, nEnded: number): HpoError {
  const names = spec.space.parameters.map(({ name }) => name).join(', ');
  const seen = nEnded === 0 ? 'it has no trial that ended' : `none of its ${nEnded} ended trials has a place in this space`;
  return new HpoError(
    'HPO-4031',
    `nothing can be learned from the study ${studyId} (parameters ${names}; ${spec.objectives.map(({ metric }) => metric).join(', ')}): ${seen}`,
    'name a study of a like script, with the same names of parameters and metrics, or leave --from out',
  );
}
