import { HpoError } from '../../protocol/errors.ts';
import { isReservedName } from '../../protocol/metricNames.ts';
import type { Distribution, Params, ParamValue, SearchSpace } from '../../protocol/space.ts';
import { canonicalJson } from './canonical.ts';
import { type Condition, conditionNames, evaluate } from './condition.ts';
import { conditionCycle, conditionNeeds } from './conditionCycle.ts';
import { parseCondition } from './conditionParser.ts';
import { contains, fromUnit, size, toUnit, validateDistribution } from './distribution.ts';
import { type PointResult, repairPoint, samplePoint, walkPoints } from './points.ts';

export interface CompiledParameter {
  readonly name: string;
  /** Place in `CompiledSpace.parameters`, which is also its column of an encoded point. */
  readonly index: number;
  readonly distribution: Distribution;
  /** Number of different values; Infinity when continuous. */
  readonly size: number;
  readonly when: Condition | null;
  readonly default: ParamValue | undefined;
}

/**
 * A search space ready for use. A parameter exists ("is active") when its `when` is true; one whose condition reads an
 * inactive parameter is inactive. A `where` that reads an inactive parameter does not apply.
 */
export class CompiledSpace {
  /** In the order of the script. */
  readonly parameters: readonly CompiledParameter[];
  /** The same parameters, each after those that its condition reads. */
  readonly ordered: readonly CompiledParameter[];
  readonly where: readonly Condition[];
  /** Product of the parameters' sizes: the number of points, or an upper bound where there are conditions. */
  readonly cardinality: number;
  readonly hasConditions: boolean;

  constructor(parameters: readonly CompiledParameter[], ordered: readonly CompiledParameter[], where: readonly Condition[]) {
    this.parameters = parameters;
    this.ordered = ordered;
    this.where = where;
    this.cardinality = parameters.reduce((product, parameter) => product * parameter.size, 1);
    this.hasConditions = where.length > 0 || parameters.some((parameter) => parameter.when !== null);
  }

  /** Names of the parameters that exist at this point. */
  activeNames(params: Params): Set<string> {
    return new Set(Object.keys(this.prune(params)));
  }

  /** The point without values of inactive and unknown parameters. */
  prune(params: Params): Params {
    const kept: Record<string, ParamValue> = {};
    for (const parameter of this.ordered) {
      const value = Object.hasOwn(params, parameter.name) ? params[parameter.name] : undefined;
      if (value !== undefined && this.isActive(parameter, kept)) kept[parameter.name] = value;
    }
    return kept;
  }

  /** Whether a parameter exists, given the values of all active parameters before it in `ordered`. */
  isActive(parameter: CompiledParameter, values: Params): boolean {
    return parameter.when === null || evaluate(parameter.when, values) === true;
  }

  /** Whether no `where` condition is violated; of a part of a point: whether none is violated yet. */
  satisfies(params: Params): boolean {
    return this.where.every((condition) => evaluate(condition, params) !== false);
  }

  /** Whether a trial may be started here: exactly the active parameters, each with a value of its distribution. */
  isValid(params: Params): boolean {
    const values: Record<string, ParamValue> = {};
    for (const parameter of this.ordered) {
      if (!this.isActive(parameter, values)) continue;
      const value = Object.hasOwn(params, parameter.name) ? params[parameter.name] : undefined;
      if (value === undefined || !contains(parameter.distribution, value)) return false;
      values[parameter.name] = value;
    }
    return Object.keys(params).length === Object.keys(values).length && this.satisfies(values);
  }

  /** The script's own values, the baseline; null where one is missing, out of range or excluded by a condition. */
  defaults(): Params | null {
    const values: Record<string, ParamValue> = {};
    for (const parameter of this.ordered) {
      if (!this.isActive(parameter, values)) continue;
      if (parameter.default === undefined) return null;
      values[parameter.name] = parameter.default;
    }
    return this.isValid(values) ? values : null;
  }

  /**
   * Writes the point's place in the unit cube, one column a parameter in the script's order, to `target` from `offset`.
   * Inactive parameters, and values that are no choice of this space, are NaN.
   */
  encode(params: Params, target: Float64Array = new Float64Array(this.parameters.length), offset = 0): Float64Array {
    for (const { name, index, distribution } of this.parameters) {
      const value = Object.hasOwn(params, name) ? params[name] : undefined;
      target[offset + index] = value !== undefined && hasPlace(distribution, value) ? toUnit(distribution, value) : NaN;
    }
    return target;
  }

  /**
   * The point at a place of the unit cube; only active parameters are read and returned. Where an active one is NaN, it gets
   * its default, or the middle where there is none. `where` is not looked at: see `repair`.
   */
  decode(unit: ArrayLike<number>, offset = 0): Params {
    const values: Record<string, ParamValue> = {};
    for (const parameter of this.ordered) {
      if (!this.isActive(parameter, values)) continue;
      const u = unit[offset + parameter.index] ?? NaN;
      const { distribution } = parameter;
      const fallback =
        parameter.default !== undefined && contains(distribution, parameter.default)
          ? parameter.default
          : fromUnit(distribution, 0.5);
      values[parameter.name] = Number.isNaN(u) ? fallback : fromUnit(distribution, u);
    }
    return values;
  }

  /** Equal for equal points and only for those; for finding duplicates. */
  key(params: Params): string {
    const parts = this.parameters.map(({ name }) => (Object.hasOwn(params, name) ? canonicalJson(params[name]) : ''));
    return parts.join(',');
  }

  /** A random valid point; `next` draws from [0, 1). Bounded work, see `samplePoint`. */
  sample(next: () => number): PointResult {
    return samplePoint(this, next);
  }

  /** The given point where it is valid, else a valid one near it. Bounded work, see `repairPoint`. */
  repair(params: Params, next: () => number): PointResult {
    return repairPoint(this, params, next);
  }

  /** Number of valid points, or null when there are more than `limit` or counting would take too long. */
  count(limit: number): number | null {
    if (!this.hasConditions) return this.cardinality <= limit ? this.cardinality : null;
    if (this.parameters.some((parameter) => parameter.size === Infinity)) return null;
    const walk = walkPoints(this, 200 * limit + 10_000);
    let count = 0;
    for (let step = walk.next(); ; step = walk.next()) {
      if (step.done === true) return step.value === 'complete' ? count : null;
      count++;
      if (count > limit) return null;
    }
  }
}

/**
 * Prepares a space for use.
 * @throws HpoError HPO-4101 for a bad parameter, HPO-4102 for a bad condition, HPO-4103 for a cycle of conditions.
 */
export function compileSpace(space: SearchSpace): CompiledSpace {
  const names = new Set<string>();
  for (const { name, distribution } of space.parameters) {
    if (names.has(name))
      throw new HpoError('HPO-4101', `the parameter "${name}" stands there twice`, 'Give one of them another name.');
    if (isReservedName(name))
      throw new HpoError(
        'HPO-4101',
        `a parameter cannot be named "${name}": every object has that name`,
        'Give it another name.',
      );
    names.add(name);
    const [problem] = validateDistribution(distribution);
    if (problem !== undefined)
      throw new HpoError('HPO-4101', `parameter "${name}": ${problem.message}`, 'Correct its range or choices.');
  }
  const cycle = conditionCycle(space.parameters);
  if (cycle !== null) {
    const chain = [...cycle, cycle[0]].join(' → ');
    throw new HpoError('HPO-4103', `the conditions of ${chain} need each other`, 'Remove the "when" of one of them.');
  }
  const parameters = space.parameters.map(
    (parameter, index): CompiledParameter => ({
      name: parameter.name,
      index,
      distribution: parameter.distribution,
      size: size(parameter.distribution),
      when: parameter.when === null ? null : compileCondition(parameter.when, names, `"when" of "${parameter.name}"`),
      default: parameter.default,
    }),
  );
  const where = space.where.map((text) => compileCondition(text, names, '"where"'));
  return new CompiledSpace(parameters, topologicalOrder(space, parameters), where);
}

function compileCondition(text: string, names: ReadonlySet<string>, place: string): Condition {
  const parsed = parseCondition(text, names);
  if (parsed.type === 'error') {
    throw new HpoError(
      'HPO-4102',
      `${place}: ${parsed.message} (at ${parsed.offset + 1} of "${text}")`,
      'Correct the condition.',
    );
  }
  const unknown = conditionNames(parsed.condition).find((name) => !names.has(name));
  if (unknown !== undefined) {
    const list = [...names].slice(0, 10).join(', ');
    throw new HpoError(
      'HPO-4102',
      `${place}: there is no parameter "${unknown}" (in "${text}")`,
      `Use one of the parameters: ${list}.`,
    );
  }
  return parsed.condition;
}

function topologicalOrder(space: SearchSpace, parameters: readonly CompiledParameter[]): CompiledParameter[] {
  const needs = conditionNeeds(space.parameters);
  const placed = new Set<string>();
  const order: CompiledParameter[] = [];
  // There is no cycle, so every pass places at least one.
  for (let rest = parameters; rest.length > 0; rest = rest.filter((parameter) => !placed.has(parameter.name))) {
    for (const parameter of rest) {
      if (needs.get(parameter.name)?.every((name) => placed.has(name)) !== true) continue;
      placed.add(parameter.name);
      order.push(parameter);
    }
  }
  return order;
}

/** Numbers outside a range are still nearest to one of its ends; a value that is no choice of a list is nowhere. */
function hasPlace(distribution: Distribution, value: ParamValue): boolean {
  const isListed = distribution.type === 'categorical' || distribution.type === 'ordinal';
  return isListed ? contains(distribution, value) : typeof value === 'number' && Number.isFinite(value);
}
