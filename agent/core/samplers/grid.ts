import type { Params, ParamValue } from '../../protocol/space.ts';
import { type CompiledParameter, type CompiledSpace, contains, fromUnit, valueAt, walkPoints } from '../space/index.ts';
import type { Proposal, Sampler, SamplerContext } from './sampler.ts';

/** Points of one grid; above this the grid is coarsened, so that listing it stays a matter of milliseconds. */
const maxPoints = 100_000;
/** Values of a numeric parameter with more than 100 of them when the study has no number of trials to derive it from. */
const defaultSteps = 5;

/**
 * All combinations in a fixed order: the last parameter changes fastest. A list contributes all its choices, a number evenly
 * spaced values (on its log scale if it has one), ends included: as many per parameter as fit into the budget.
 * Points that a trial has already are left out; at the end: `exhausted`.
 */
export const gridSampler: Sampler = {
  name: 'grid',
  propose(context: SamplerContext): Proposal {
    const { space, budgetTrials } = context;
    const steps = gridSteps(space, budgetTrials);
    const values = (parameter: CompiledParameter): ParamValue[] => gridValues(parameter, steps[parameter.index] ?? 1);
    return nextOf(context, walkPoints(space, 10 * maxPoints, values), `the grid of ${describe(space, steps)}`);
  },
};

/** The next of all points of a discrete space. */
export function nextPoint(context: SamplerContext): Proposal {
  return nextOf(context, walkPoints(context.space, 10 * maxPoints), 'the complete list');
}

function nextOf(context: SamplerContext, points: Iterable<Params>, name: string): Proposal {
  for (const params of points) {
    if (!context.history.has(params)) return { type: 'point', params, reason: `The next point of ${name}.` };
  }
  return { type: 'exhausted', reason: `Every point of ${name} has been tried.` };
}

/**
 * Number of values per parameter, by index. Lists keep all their choices; from one value each, the number with the fewest
 * gets another as long as the grid stays within the budget (100,000 points without one) and there is another.
 */
export function gridSteps(space: CompiledSpace, budgetTrials: number | null): number[] {
  const limit = Math.min(budgetTrials ?? maxPoints, maxPoints);
  const most = space.parameters.map(({ size }) => (budgetTrials === null && size > 100 ? defaultSteps : size));
  const isList = space.parameters.map(({ distribution: { type } }) => type === 'categorical' || type === 'ordinal');
  const steps = space.parameters.map(({ size }, index) => (isList[index] === true ? size : 1));
  let points = steps.reduce((product, count) => product * count, 1);
  for (;;) {
    let best = -1;
    for (let index = 0; index < steps.length; index++) {
      const count = steps[index] ?? 1;
      const canGrow = isList[index] !== true && count < (most[index] ?? 1) && (points / count) * (count + 1) <= limit;
      if (canGrow && (best < 0 || count < (steps[best] ?? 1))) best = index;
    }
    if (best < 0) return steps;
    const count = steps[best] ?? 1;
    steps[best] = count + 1;
    points = (points / count) * (count + 1);
  }
}

/** `count` of the parameter's values, evenly over its range: both ends, or the default (else the middle) for a single one. */
function gridValues(parameter: CompiledParameter, count: number): ParamValue[] {
  const { distribution, size } = parameter;
  if (count === 1 && size > 1) {
    const isAllowed = parameter.default !== undefined && contains(distribution, parameter.default);
    return [isAllowed && parameter.default !== undefined ? parameter.default : fromUnit(distribution, 0.5)];
  }
  return Array.from({ length: count }, (_, k) =>
    size === Infinity ? fromUnit(distribution, k / Math.max(1, count - 1)) : valueAt(distribution, spread(k, count, size)),
  );
}

/** Index k of `count` evenly spread over 0 … size − 1, ends included. */
function spread(k: number, count: number, size: number): number {
  return count === 1 ? 0 : Math.round((k * (size - 1)) / (count - 1));
}

function describe(space: CompiledSpace, steps: readonly number[]): string {
  const shown = space.parameters.slice(0, 5).map(({ name, index }) => `${name}: ${steps[index] ?? 1}`);
  return `${steps.length > 5 ? [...shown, '…'].join(', ') : shown.join(', ') || 'no parameters'} values`;
}
