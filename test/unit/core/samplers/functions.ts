import { createRng } from '../../../../agent/core/math/index.ts';
import { type CompiledSpace, compileSpace } from '../../../../agent/core/space/index.ts';
import type { Params, SearchSpace } from '../../../../agent/protocol/space.ts';
import { choice, float, int, ordinal, parameter, searchSpace } from '../space/builders.ts';

/** A function to minimise, its optimum at a place that the instance's number draws. */
export interface TestFunction {
  readonly space: CompiledSpace;
  readonly lossAt: (params: Params) => number;
}

const cube = (dimensions: number): SearchSpace =>
  searchSpace(Array.from({ length: dimensions }, (_, k) => parameter(`x${k}`, float(-5, 5))));

/** A function of the distances to the optimum, in a cube from −5 to 5. */
function shifted(dimensions: number, instance: number, of: (z: readonly number[]) => number): TestFunction {
  const rng = createRng(instance, 1);
  const optimum = Array.from({ length: dimensions }, () => -3 + 6 * rng.next());
  return {
    space: compileSpace(cube(dimensions)),
    lossAt: (params) => of(optimum.map((at, k) => Number(params[`x${k}`]) - at)),
  };
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** After N. Hansen et al.: Real-parameter black-box optimization benchmarking, the unrotated forms. */
export const functions = {
  sphere: (instance: number) => shifted(5, instance, (z) => sum(z.map((x) => x * x))),
  rosenbrock: (instance: number) =>
    shifted(4, instance, (z) => {
      const y = z.map((x) => 0.5 * x + 1);
      return sum(y.slice(1).map((next, k) => 100 * (next - (y[k] ?? 0) ** 2) ** 2 + ((y[k] ?? 0) - 1) ** 2));
    }),
  rastrigin: (instance: number) => shifted(4, instance, (z) => sum(z.map((x) => x * x - 10 * Math.cos(2 * Math.PI * x) + 10))),
  mixedInt: (instance: number): TestFunction => {
    const space = compileSpace(
      searchSpace([
        parameter('rate', float(1e-5, 1, { log: true })),
        parameter('decay', float(0, 1)),
        parameter('layers', int(1, 12)),
        parameter('width', int(8, 512, { log: true })),
        parameter('batch', ordinal(16, 32, 64, 128)),
        parameter('kind', choice('a', 'b', 'c')),
      ]),
    );
    const rng = createRng(instance, 2);
    const optimum = space.decode(Array.from({ length: 6 }, rng.next));
    const at = space.encode(optimum);
    return {
      space,
      lossAt: (params) =>
        sum(Array.from(space.encode(params).subarray(0, 5), (u, k) => (1 + k) * (u - (at[k] ?? 0)) ** 2)) +
        (params['kind'] === optimum['kind'] ? 0 : 0.3),
    };
  },
} satisfies Record<string, (instance: number) => TestFunction>;
