import { float, int, parameter } from './space.mjs';

/**
 * The 24 noiseless functions of COCO in 2, 5 and 10 dimensions, and those of `bbob-mixint` in 5 and 10, where four fifths of the
 * variables are integers with 2, 4, 8 and 16 values; instances 1 to 5. Hansen et al., "COCO", Optim. Methods Softw. 2021.
 */
export function bbob() {
  const functions = Array.from({ length: 24 }, (_, k) => k + 1);
  return [
    ...functions.flatMap((f) => [2, 5, 10].flatMap((d) => instances.map((i) => problem('bbob', f, d, i, continuous(d))))),
    ...functions.flatMap((f) => [5, 10].flatMap((d) => instances.map((i) => problem('bbob-mixint', f, d, i, mixed(d))))),
  ];
}

const instances = [1, 2, 3, 4, 5];

const continuous = (d) => Array.from({ length: d }, (_, k) => parameter(`x${k}`, float(-5, 5)));

function mixed(d) {
  const group = d / 5;
  return Array.from({ length: d }, (_, k) => {
    const level = Math.floor(k / group);
    return parameter(`x${k}`, level < 4 ? int(0, 2 ** (level + 1) - 1) : float(-5, 5));
  });
}

const problem = (suite, f, dimension, instance, parameters) => ({
  name: `${suite}-f${f}-d${dimension}-i${instance}`,
  family: suite,
  parameters,
  objective: { metric: 'value', direction: 'min' },
  fidelity: null,
  key: { family: 'bbob', suite, function: f, dimension, instance },
});
