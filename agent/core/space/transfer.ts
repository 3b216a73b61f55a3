import type {
  Fidelity,
  FloatDistribution,
  IntDistribution,
  Objective,
  Params,
  ParamValue,
  SearchSpace,
} from '../../protocol/space.ts';
import type { MetricValue, PriorTrial } from '../../protocol/study.ts';
import { contains, fromUnit, toUnit, valuesEqual } from './distribution.ts';
import type { CompiledParameter, CompiledSpace } from './space.ts';
import { matchNames } from './transferNames.ts';

/** What has to be known of a study to learn from its trials, or to tell it of others. */
export interface SearchedSpace<Space> {
  readonly space: Space;
  readonly objectives: readonly Objective[];
  readonly fidelity: Pick<Fidelity, 'max'> | null;
}

/** How far a value may be moved to become one of this space, as a share of its range on its own axis. */
const tolerance = 0.02;

/**
 * A point of another space as one of this space, or null where it has no place here.
 *
 * Parameters correspond by name (`matchNames`). A number counts as int, float or member of a list alike, whatever scale or step
 * it had; outside of the range or off the grid it is moved by 2 % of the range at most. A choice must still exist, in any
 * case. What the other space did not have, or had inactive, gets `literals`' value, else the script's own. What only the other
 * space has is left out. Null where a value has no place, a value is missing, `where` is violated, or nothing corresponds.
 *
 * `from` names the parameters of the other space, so that what corresponds does not differ from point to point; the point's own
 * ones without it.
 */
export function mapPoint(
  to: CompiledSpace,
  params: Params,
  from?: Pick<SearchSpace, 'parameters'>,
  literals: Params = {},
): Params | null {
  const names = from === undefined ? Object.keys(params) : from.parameters.map(({ name }) => name);
  return mapped(to, params, parameterMatches(to, names), literals);
}

/**
 * Trials of another study as earlier results for this one; those without a place here are left out.
 *
 * Points as `mapPoint` has them. Metrics correspond by name, and by synonyms where the direction is the same; values stay as
 * they were measured. A trial that ended well but lacks all of this study's objectives says nothing and is left out. One that was
 * complete at a smaller resource than this study's full one counts as pruned there.
 */
export function mapObservations(
  to: SearchedSpace<CompiledSpace>,
  from: SearchedSpace<Pick<SearchSpace, 'parameters'>>,
  trials: readonly PriorTrial[],
): PriorTrial[] {
  const names = from.space.parameters.map(({ name }) => name);
  const matches = parameterMatches(to.space, names);
  const metrics = metricMatches(to.objectives, from.objectives);
  const isShorter = to.fidelity !== null && from.fidelity !== null && from.fidelity.max < to.fidelity.max;
  return trials.flatMap((trial): PriorTrial[] => {
    const params = mapped(to.space, trial.params, matches, {});
    if (params === null) return [];
    const values: Record<string, MetricValue> = {};
    for (const { metric } of to.objectives) {
      const value = trial.values[metrics.get(metric) ?? metric];
      if (value !== undefined) values[metric] = value;
    }
    const endedWell = trial.state === 'complete' || trial.state === 'pruned';
    if (endedWell && to.objectives.length > 0 && Object.keys(values).length === 0) return [];
    const isComplete = trial.state === 'complete';
    const reached = trial.resource ?? (isComplete ? (from.fidelity?.max ?? null) : null);
    const resource = to.fidelity === null || from.fidelity === null ? null : reached;
    return [{ params, state: isComplete && isShorter ? 'pruned' : trial.state, values, resource }];
  });
}

function parameterMatches(to: CompiledSpace, from: readonly string[]): Map<string, string> {
  return matchNames(
    to.parameters.map(({ name }) => name),
    from,
  );
}

/** Another name for an objective is believed only where it is searched in the same direction. */
function metricMatches(to: readonly Objective[], from: readonly Objective[]): Map<string, string> {
  const matches = matchNames(
    to.map(({ metric }) => metric),
    from.map(({ metric }) => metric),
  );
  for (const { metric, direction } of to) {
    const source = from.find((objective) => objective.metric === matches.get(metric));
    if (source !== undefined && source.metric !== metric && source.direction !== direction) matches.delete(metric);
  }
  return matches;
}

function mapped(to: CompiledSpace, params: Params, matches: ReadonlyMap<string, string>, literals: Params): Params | null {
  const values: Record<string, ParamValue> = {};
  let nKnown = 0;
  for (const parameter of to.ordered) {
    if (!to.isActive(parameter, values)) continue;
    const source = valueOf(params, matches.get(parameter.name));
    const literal = valueOf(literals, parameter.name);
    if (source !== undefined) nKnown++;
    const known = source === undefined ? literal : source;
    const value = known === undefined ? parameter.default : mappedValue(parameter, known);
    if (value === undefined) return null;
    values[parameter.name] = value;
  }
  return nKnown > 0 && to.isValid(values) ? values : null;
}

function valueOf(params: Params, name: string | undefined): ParamValue | undefined {
  return name !== undefined && Object.hasOwn(params, name) ? params[name] : undefined;
}

/** The value of the parameter that means the same, or undefined. */
function mappedValue({ distribution }: CompiledParameter, value: ParamValue): ParamValue | undefined {
  if (distribution.type === 'categorical' || distribution.type === 'ordinal') {
    const same = distribution.choices.find((choice) => valuesEqual(choice, value));
    if (same !== undefined || typeof value !== 'string') return same;
    const alike = distribution.choices.filter(
      (choice) => typeof choice === 'string' && choice.toLowerCase() === value.toLowerCase(),
    );
    return alike.length === 1 ? alike[0] : undefined;
  }
  if (typeof value !== 'number' || !Number.isFinite(value)) return undefined;
  if (contains(distribution, value)) return value;
  // A fraction is no int, however near.
  if (distribution.type === 'int' && !Number.isInteger(value)) return undefined;
  const nearest = fromUnit(distribution, toUnit(distribution, value));
  return axisShare(distribution, value, Number(nearest)) <= tolerance ? nearest : undefined;
}

/** Distance of two values as a share of the range, on the distribution's axis beyond its ends, too; NaN off the axis. */
function axisShare(distribution: FloatDistribution | IntDistribution, a: number, b: number): number {
  const { low, high, log, revlog } = distribution;
  const place = (x: number): number => (log ? Math.log(x) : revlog ? -Math.log(low + high - x) : x);
  return Math.abs(place(a) / 2 - place(b) / 2) / (place(high) / 2 - place(low) / 2);
}
