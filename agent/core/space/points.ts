import type { Params, ParamValue } from '../../protocol/space.ts';
import { contains, fromUnit, toUnit, valueAt } from './distribution.ts';
import type { CompiledParameter, CompiledSpace } from './space.ts';

export type PointResult =
  | { readonly type: 'ok'; readonly params: Params }
  /** No point was found within the bounds of the search; nothing says that there is none. */
  | { readonly type: 'none'; readonly message: string };

/** Plain draws before the systematic search; a condition that keeps one point in ten still fails them only once in 10^9 cases. */
const maxDraws = 200;
const maxRepairs = 50;
const maxNodes = 20_000;

/**
 * A random valid point. `when` is met by construction. For `where`, whole points are drawn first (uniform over the valid
 * ones); where hardly any point is valid, a randomised backtracking search assigns one parameter after the other and turns
 * round as soon as a condition is false. At most 200 draws and 20,000 assignments, then `none`.
 */
export function samplePoint(space: CompiledSpace, next: () => number): PointResult {
  for (let draw = 0; draw < maxDraws; draw++) {
    const params = drawPoint(space, next);
    if (space.satisfies(params)) return { type: 'ok', params };
  }
  const first = walkPoints(space, maxNodes, (parameter) => candidates(parameter, next)).next();
  if (first.done !== true) return { type: 'ok', params: first.value };
  const texts = space.where.map((condition) => `"${condition.text}"`).join(' and ');
  return { type: 'none', message: `no point of the space was found that satisfies ${texts}` };
}

/**
 * The point itself where it is valid. Else inactive values are dropped, missing ones drawn and wrong ones moved to the
 * nearest allowed value; as long as `where` is violated, more and more of the values are drawn anew, up to all of them.
 */
export function repairPoint(space: CompiledSpace, params: Params, next: () => number): PointResult {
  for (let attempt = 0; attempt <= maxRepairs; attempt++) {
    const redraw = attempt === 0 ? 0 : Math.max(1 / space.parameters.length, attempt / maxRepairs);
    const values: Record<string, ParamValue> = {};
    for (const parameter of space.ordered) {
      if (!space.isActive(parameter, values)) continue;
      const kept = attempt === 0 || next() >= redraw ? nearest(parameter, params) : undefined;
      // Null is a value, too.
      values[parameter.name] = kept === undefined ? fromUnit(parameter.distribution, next()) : kept;
    }
    if (space.satisfies(values)) return { type: 'ok', params: values };
  }
  return samplePoint(space, next);
}

/**
 * All valid points in lexicographic order of `ordered`, depth first; branches in which a `where` is already false are not
 * entered. Ends with `cut` after `nodeLimit` assignments. `values` lists what is tried of a parameter; the default is all
 * values of a discrete one.
 */
export function* walkPoints(
  space: CompiledSpace,
  nodeLimit: number,
  values: (parameter: CompiledParameter) => Iterable<ParamValue> = allValues,
): Generator<Params, 'complete' | 'cut'> {
  const { ordered } = space;
  const params: Record<string, ParamValue> = {};
  /** Iterators of the assigned levels; null where the parameter is inactive. */
  const stack: (Iterator<ParamValue> | null)[] = [];
  let nodes = 0;
  const canGoOn = (): boolean => space.satisfies(params);
  for (;;) {
    if (stack.length === ordered.length) {
      if (canGoOn()) yield { ...params };
    } else {
      const parameter = ordered[stack.length];
      if (parameter !== undefined) {
        stack.push(space.isActive(parameter, params) ? values(parameter)[Symbol.iterator]() : null);
        if (stack.at(-1) === null) continue;
      }
    }
    // Advance the deepest level that has another value; drop the levels below it.
    let isAdvanced = false;
    while (stack.length > 0 && !isAdvanced) {
      const name = ordered[stack.length - 1]?.name ?? '';
      const step = stack.at(-1)?.next();
      if (step === undefined || step.done === true) {
        delete params[name];
        stack.pop();
        continue;
      }
      nodes++;
      if (nodes > nodeLimit) return 'cut';
      params[name] = step.value;
      isAdvanced = canGoOn();
    }
    if (!isAdvanced) return 'complete';
  }
}

function* allValues(parameter: CompiledParameter): Generator<ParamValue> {
  for (let index = 0; index < parameter.size; index++) yield valueAt(parameter.distribution, index);
}

/** Values in random order: all of a short list, else random ones between the two ends. */
function* candidates(parameter: CompiledParameter, next: () => number): Generator<ParamValue> {
  const { distribution, size } = parameter;
  if (size <= 1024) {
    const order = Array.from({ length: size }, (_, index) => index);
    for (let last = size - 1; last >= 0; last--) {
      const pick = Math.floor(next() * (last + 1));
      yield valueAt(distribution, order[pick] ?? 0);
      order[pick] = order[last] ?? 0;
    }
    return;
  }
  for (let draw = 0; draw < 14; draw++) yield fromUnit(distribution, next());
  yield fromUnit(distribution, 0);
  yield fromUnit(distribution, 1);
}

function drawPoint(space: CompiledSpace, next: () => number): Params {
  const values: Record<string, ParamValue> = {};
  for (const parameter of space.ordered) {
    if (space.isActive(parameter, values)) values[parameter.name] = fromUnit(parameter.distribution, next());
  }
  return values;
}

/** The parameter's value in `params`, moved to the nearest allowed one; undefined where there is none of its kind. */
function nearest(parameter: CompiledParameter, params: Params): ParamValue | undefined {
  const { name, distribution } = parameter;
  const value = Object.hasOwn(params, name) ? params[name] : undefined;
  if (value === undefined || contains(distribution, value)) return value;
  if (distribution.type === 'categorical' || distribution.type === 'ordinal') return undefined;
  return typeof value === 'number' && !Number.isNaN(value) ? fromUnit(distribution, toUnit(distribution, value)) : undefined;
}
