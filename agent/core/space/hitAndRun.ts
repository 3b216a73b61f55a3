import type { Params, ParamValue } from '../../protocol/space.ts';
import { fromUnit } from './distribution.ts';
import type { CompiledSpace } from './space.ts';

const maxSteps = 60;
const maxShrinks = 50;

/**
 * A random valid point that is reached from a valid one by changing numbers alone; the active parameters stay the same. At
 * most 60 steps along random lines of the unit cube, by turns along all axes and along one; each draws a place of the line
 * and, where that is invalid, again from what lies between it and the point, at most 50 times. A thin set is thus found
 * from one of its points, however thin it is, and its points come close to equally likely.
 *
 * R. L. Smith, Operations Research 32 (1984) 1296–1308 (hit and run); R. M. Neal: Slice sampling. Annals of Statistics 31
 * (2003), section 4.1 (shrinkage).
 */
export function hitAndRun(space: CompiledSpace, start: Params, next: () => number): Params {
  const moving = space.parameters.filter(
    ({ name, size, distribution }) =>
      size > 1 && (distribution.type === 'float' || distribution.type === 'int') && Object.hasOwn(start, name),
  );
  let point = start;
  const unit = space.encode(start);
  const direction = new Float64Array(unit.length);
  const nSteps = moving.length === 0 ? 0 : Math.min(maxSteps, 10 + 2 * moving.length);
  for (let step = 0; step < nSteps; step++) {
    const only = step % 2 === 0 ? moving[Math.floor(next() * moving.length)] : undefined;
    // The part of the line that lies in the cube.
    let from = -Infinity;
    let to = Infinity;
    for (const parameter of moving) {
      const by = only === undefined || parameter === only ? 2 * next() - 1 : 0;
      direction[parameter.index] = by;
      if (by === 0) continue;
      const ends = [-(unit[parameter.index] ?? 0) / by, (1 - (unit[parameter.index] ?? 0)) / by];
      from = Math.max(from, Math.min(...ends));
      to = Math.min(to, Math.max(...ends));
    }
    for (let shrink = 0; shrink < maxShrinks && from < to; shrink++) {
      const by = from + next() * (to - from);
      const moved = movedBy(by);
      if (moved !== null) {
        point = moved;
        for (const { index } of moving) unit[index] = (unit[index] ?? 0) + by * (direction[index] ?? 0);
        break;
      }
      if (by < 0) from = by;
      else to = by;
    }
  }
  return point;

  /** The valid point that far along the line, or null. */
  function movedBy(by: number): Params | null {
    const values: Record<string, ParamValue> = {};
    for (const parameter of space.ordered) {
      const { name, index, distribution } = parameter;
      const value = point[name];
      if (space.isActive(parameter, values) !== (value !== undefined)) return null;
      if (value === undefined) continue;
      values[name] = moving.includes(parameter)
        ? fromUnit(distribution, (unit[index] ?? 0) + by * (direction[index] ?? 0))
        : value;
    }
    return space.satisfies(values) ? values : null;
  }
}
