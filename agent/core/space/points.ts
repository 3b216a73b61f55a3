import type { Params, ParamValue } from '../../protocol/space.ts';
import { conditionNames } from './condition.ts';
import { contains, fromUnit, toUnit, valueAt } from './distribution.ts';
import { hitAndRun } from './hitAndRun.ts';
import type { CompiledParameter, CompiledSpace } from './space.ts';

export type PointResult =
  | { readonly type: 'ok'; readonly params: Params }
  /** No point was found within the bounds of the search; nothing says that there is none. */
  | { readonly type: 'none'; readonly message: string };

/** Plain draws before the systematic search; a condition that keeps one point in ten still fails them only once in 10^9 cases. */
const maxDraws = 200;
const maxRepairs = 50;
const maxSearches = 3;
const maxNodes = 20_000;
/** Listed once a space: enough for a discrete one of 200,000 points, of which few are valid. */
const maxListNodes = 500_000;
const maxListed = 50_000;

/**
 * A random valid point. `when` is met by construction. For `where`, whole points are drawn first (uniform over the valid
 * ones). Where hardly any point is valid, the valid combinations of the discrete parameters are listed, if there are not too
 * many, and one is drawn; a randomised backtracking search assigns the other parameters one after the other and turns round as
 * soon as a condition is false, and from the point that it finds a walk goes on, as searches often end at the same few. At
 * most 200 draws, 500,000 assignments for the list, three searches of 20,000 and one walk, then `none`.
 */
export function samplePoint(space: CompiledSpace, next: () => number): PointResult {
  for (let draw = 0; draw < maxDraws; draw++) {
    const params = drawPoint(space, next);
    if (space.satisfies(params)) return { type: 'ok', params };
  }
  const texts = space.where.map((condition) => `"${condition.text}"`).join(' and ');
  const { parts, isWhole } = listedParts(space);
  if (parts?.length === 0) return { type: 'none', message: `no point of the space satisfies ${texts}` };
  for (let search = 0; search < maxSearches; search++) {
    const part = parts?.[Math.floor(next() * parts.length)] ?? {};
    if (parts !== null && isWhole) return { type: 'ok', params: { ...part } };
    const found = walkPoints(space, maxNodes, (parameter, assigned) => {
      const value = Object.hasOwn(part, parameter.name) ? part[parameter.name] : undefined;
      return value === undefined ? candidates(parameter, assigned, next) : [value];
    }).next();
    if (found.done !== true) return { type: 'ok', params: hitAndRun(space, found.value, next) };
  }
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
  space: Pick<CompiledSpace, 'ordered' | 'isActive' | 'satisfies'>,
  nodeLimit: number,
  values: (parameter: CompiledParameter, assigned: Params) => Iterable<ParamValue> = allValues,
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
        stack.push(space.isActive(parameter, params) ? values(parameter, params)[Symbol.iterator]() : null);
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

interface PartList {
  /** Null where there are too many to list. */
  readonly parts: readonly Params[] | null;
  /** Whether the parts are whole points. */
  readonly isWhole: boolean;
}

const partLists = new WeakMap<CompiledSpace, PartList>();

/** All combinations of discrete parameters that violate no `where` so far; without those whose `when` reads a continuous one. */
function listedParts(space: CompiledSpace): PartList {
  const known = partLists.get(space);
  if (known !== undefined) return known;
  const names = new Set<string>();
  const ordered = space.ordered.filter(({ name, size, when }) => {
    const isListed = size < Infinity && (when === null || conditionNames(when).every((read) => names.has(read)));
    if (isListed) names.add(name);
    return isListed;
  });
  const found: Params[] = [];
  const walk = walkPoints(
    {
      ordered,
      isActive: (parameter, values) => space.isActive(parameter, values),
      satisfies: (params) => space.satisfies(params),
    },
    maxListNodes,
  );
  let step = walk.next();
  for (; step.done !== true && found.length < maxListed; step = walk.next()) found.push(step.value);
  const isComplete = step.done === true && step.value === 'complete';
  const list = { parts: isComplete ? found : null, isWhole: ordered.length === space.ordered.length };
  partLists.set(space, list);
  return list;
}

function* allValues(parameter: CompiledParameter): Generator<ParamValue> {
  for (let index = 0; index < parameter.size; index++) yield valueAt(parameter.distribution, index);
}

/** Values in random order: all of a short list, else random ones, those of other parameters (for `a == b`) and the two ends. */
function* candidates(parameter: CompiledParameter, assigned: Params, next: () => number): Generator<ParamValue> {
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
  yield* new Set(Object.values(assigned).filter((value) => contains(distribution, value)));
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
