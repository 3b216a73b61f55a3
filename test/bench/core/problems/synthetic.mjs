import { createRng } from '../../../../agent/core/math/index.ts';
import { choice, float, int, parameter } from './space.mjs';

/**
 * Problems with a known optimum that need no Python. Each is a family: the number of the instance moves the optimum or the
 * weights, so that no sampler profits from an optimum that happens to lie in the middle or at an end.
 */
export function synthetic() {
  return [1, 2, 3, 4, 5].flatMap((number) =>
    instance(createRng(number, 999).next).map(({ name, parameters, best, ...rest }) => ({
      name: `${name.split(' ')[0]}-${number}`,
      family: 'synthetic',
      parameters,
      objective: { metric: 'loss', direction: 'min' },
      fidelity: null,
      best,
      measure: (params) => ({ values: { loss: rest.evaluate(params) }, time: 1 }),
    })),
  );
}

/**
 * One instance of each family.
 * @returns {{ name: string, parameters: object[], best: number, evaluate(params: Record<string, any>): number }[]}
 */
function instance(uniform) {
  /** A random number between two ends, fixed for this instance. */
  const between = (low, high) => low + (high - low) * uniform();
  return [
    branin(between),
    hartmann6(between),
    rosenbrock(between),
    ackley(between),
    network(between),
    trees(between),
    arms(between),
    lattice(between),
  ];
}

function branin(between) {
  const [dx, dy] = [between(-1, 1), between(-1, 1)];
  return {
    name: 'branin (2 floats)',
    parameters: [parameter('x', float(-5, 10)), parameter('y', float(0, 15))],
    best: 0.397887,
    evaluate: ({ x: x0, y: y0 }) => {
      const [x, y] = [x0 + dx, y0 + dy];
      return (
        (y - (5.1 / (4 * Math.PI ** 2)) * x * x + (5 / Math.PI) * x - 6) ** 2 + 10 * (1 - 1 / (8 * Math.PI)) * Math.cos(x) + 10
      );
    },
  };
}

function hartmann6(between) {
  const alpha = [1, 1.2, 3, 3.2];
  const a = [
    [10, 3, 17, 3.5, 1.7, 8],
    [0.05, 10, 17, 0.1, 8, 14],
    [3, 3.5, 1.7, 10, 17, 8],
    [17, 8, 0.05, 10, 0.1, 14],
  ];
  const p = [
    [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
    [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
    [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.665],
    [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
  ];
  const shift = Array.from({ length: 6 }, () => between(-0.1, 0.1));
  return {
    name: 'hartmann6 (6 floats)',
    parameters: shift.map((_, k) => parameter(`x${k}`, float(-0.1, 1.1))),
    best: -3.32237,
    evaluate: (params) =>
      -alpha.reduce(
        (sum, weight, i) =>
          sum + weight * Math.exp(-shift.reduce((s, d, k) => s + a[i][k] * (params[`x${k}`] + d - p[i][k]) ** 2, 0)),
        0,
      ),
  };
}

function rosenbrock(between) {
  const shift = Array.from({ length: 4 }, () => between(-0.8, 0.8));
  return {
    name: 'rosenbrock (4 floats, log of the value)',
    parameters: shift.map((_, k) => parameter(`x${k}`, float(-2, 2))),
    best: 0,
    evaluate: (params) => {
      const x = shift.map((d, k) => params[`x${k}`] + d);
      let sum = 0;
      for (let k = 0; k < 3; k++) sum += 100 * (x[k + 1] - x[k] ** 2) ** 2 + (1 - x[k]) ** 2;
      return Math.log1p(sum);
    },
  };
}

function ackley(between) {
  const center = Array.from({ length: 5 }, () => between(-6, 6));
  return {
    name: 'ackley (5 floats)',
    parameters: center.map((_, k) => parameter(`x${k}`, float(-10, 10))),
    best: 0,
    evaluate: (params) => {
      const z = center.map((c, k) => params[`x${k}`] - c);
      const square = z.reduce((s, v) => s + v * v, 0) / 5;
      const wave = z.reduce((s, v) => s + Math.cos(2 * Math.PI * v), 0) / 5;
      return 20 + Math.E - 20 * Math.exp(-0.2 * Math.sqrt(square)) - Math.exp(wave);
    },
  };
}

function network(between) {
  const [lr, decay, dropout, width] = [between(-4, -1.5), between(-5, -2), between(0.05, 0.4), between(5, 8.5)];
  const [layers, momentum] = [Math.round(between(2, 5)), between(0.7, 0.97)];
  return {
    name: 'network (log, int, category, condition)',
    parameters: [
      parameter('lr', float(1e-5, 1, true)),
      parameter('decay', float(1e-7, 1e-1, true)),
      parameter('dropout', float(0, 0.7)),
      parameter('width', int(8, 1024, true)),
      parameter('layers', int(1, 8)),
      parameter('optimizer', choice('adam', 'sgd', 'rmsprop')),
      parameter('momentum', float(0, 0.99), 'optimizer == "sgd"'),
      parameter('activation', choice('relu', 'tanh', 'gelu')),
    ],
    best: 0,
    evaluate: (p) => {
      const rate = Math.log10(p.lr) - lr - (p.optimizer === 'sgd' ? 1 : 0) * 0.8;
      const base =
        0.3 * rate ** 2 * (1 + 0.1 * p.layers) + 0.03 * (Math.log10(p.decay) - decay) ** 2 + (p.dropout - dropout) ** 2;
      const size = 0.04 * (Math.log2(p.width) - width) ** 2 + 0.03 * (p.layers - layers) ** 2;
      const kind = p.optimizer === 'sgd' ? 2 * (p.momentum - momentum) ** 2 : p.optimizer === 'adam' ? 0.05 : 0.25;
      return Math.log1p(base + size + kind + { relu: 0.1, tanh: 0.2, gelu: 0 }[p.activation]);
    },
  };
}

function trees(between) {
  const [depth, rate, leaves, sub, alpha] = [
    Math.round(between(3, 10)),
    between(-2.2, -0.7),
    between(4, 8),
    between(0.5, 0.95),
    between(-3, 1),
  ];
  return {
    name: 'trees (int, log, interactions)',
    parameters: [
      parameter('depth', int(1, 14)),
      parameter('rounds', int(10, 2000, true)),
      parameter('eta', float(1e-3, 1, true)),
      parameter('subsample', float(0.2, 1)),
      parameter('columns', float(0.2, 1)),
      parameter('alpha', float(1e-5, 100, true)),
      parameter('leaf', int(1, 100, true)),
    ],
    best: 0,
    evaluate: (p) => {
      const steps = Math.log(p.rounds) / Math.LN10 + Math.log10(p.eta) - (rate + 2.5);
      const fit = 0.5 * steps ** 2 + 0.1 * Math.max(0, Math.log10(p.eta) - rate) ** 2;
      const tree = 0.015 * (p.depth - depth) ** 2 + 0.03 * (Math.log2(p.leaf) - leaves / 2) ** 2;
      return Math.sqrt(
        fit + tree + 0.6 * (p.subsample - sub) ** 2 + 0.3 * (p.columns - sub) ** 2 + 0.01 * (Math.log10(p.alpha) - alpha) ** 2,
      );
    },
  };
}

function arms(between) {
  const [c, gamma, depth, k] = [between(-1, 3), between(-4, 0), Math.round(between(4, 20)), between(1, 6)];
  return {
    name: 'arms (everything conditional on the choice of a model)',
    parameters: [
      parameter('model', choice('svm', 'forest', 'neighbours')),
      parameter('c', float(1e-3, 1e5, true), 'model == "svm"'),
      parameter('gamma', float(1e-6, 1e2, true), 'model == "svm"'),
      parameter('kernel', choice('rbf', 'poly', 'linear'), 'model == "svm"'),
      parameter('trees', int(10, 1000, true), 'model == "forest"'),
      parameter('depth', int(2, 32), 'model == "forest"'),
      parameter('k', int(1, 100, true), 'model == "neighbours"'),
      parameter('scale', choice(true, false)),
    ],
    best: 0,
    evaluate: (p) => {
      const scale = p.scale ? 0 : 0.1;
      if (p.model === 'neighbours') return 0.25 + scale + 0.02 * (Math.log2(p.k) - k) ** 2;
      if (p.model === 'forest') return 0.12 + 0.0008 * (p.depth - depth) ** 2 + 0.04 * (3 - Math.log10(p.trees));
      const kernel = { rbf: 0, poly: 0.06, linear: 0.15 }[p.kernel];
      return (
        scale +
        kernel +
        0.4 *
          (1 - Math.exp(-0.25 * ((Math.log10(p.c) - c) ** 2 + (Math.log10(p.gamma) - gamma + 0.4 * (Math.log10(p.c) - c)) ** 2)))
      );
    },
  };
}

function lattice(between) {
  const center = Array.from({ length: 5 }, () => Math.round(between(1, 10)));
  const label = Math.floor(between(0, 4));
  return {
    name: 'lattice (5 ints, 2 categories)',
    parameters: [
      ...center.map((_, k) => parameter(`n${k}`, int(0, 11))),
      parameter('a', choice('p', 'q', 'r', 's')),
      parameter('b', choice(false, true)),
    ],
    best: 0,
    evaluate: (p) => {
      const distance = center.reduce((sum, c, k) => sum + (p[`n${k}`] - c) ** 2 / (k + 1), 0);
      return Math.sqrt(distance + (p.a === 'pqrs'[label] ? 0 : 6) + (p.b ? 0 : 3));
    },
  };
}
