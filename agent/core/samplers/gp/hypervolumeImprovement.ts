import { logExpectedImprovement as logH, logExpectedImprovementSlope as slopeOfLogH } from '../../math/index.ts';
import type { Acquisition } from './acquisition.ts';
import type { GpModel, Prediction } from './model.ts';

/**
 * log of the expected gain in hypervolume of two objectives, both minimised, with independent models. `front`: pairs of losses
 * that no other dominates; `reference`: the corner up to which volume counts.
 *
 * With the front sorted by the first loss as (a_i, b_i), the region that is not dominated falls into strips s_i ≤ y_1 < s_{i+1},
 * s = (−∞, a_1 … a_m, r_1), of the heights h = (r_2, b_1 … b_m). With ψ_k(c) = E max(c − f_k(x), 0)
 *
 *   EHVI = Σ_i (ψ_1(s_{i+1}) − ψ_1(s_i)) ψ_2(h_i)
 *
 * M. Emmerich et al.: A tutorial on multiobjective optimization, 2018; K. Yang et al., Multi-objective Bayesian global
 * optimization using expected hypervolume improvement gradient, Swarm and Evolutionary Computation 44 (2019).
 */
export function logHypervolumeImprovement(
  models: readonly [GpModel, GpModel],
  front: readonly (readonly [number, number])[],
  reference: readonly [number, number],
): Acquisition {
  const sorted = front.filter(([a, b]) => a < reference[0] && b < reference[1]).toSorted((p, q) => p[0] - q[0]);
  const ends = Float64Array.from([...sorted.map(([a]) => a), reference[0]]);
  const heights = Float64Array.from([reference[1], ...sorted.map(([, b]) => b)]);
  const width = models[0].data.layout.columns.length;
  const first: Prediction = { mean: 0, variance: 0 };
  const second: Prediction = { mean: 0, variance: 0 };
  const workspace = (): Float64Array => new Float64Array(width);
  const [byMean1, byVariance1, byMean2, byVariance2] = [workspace(), workspace(), workspace(), workspace()];
  /** Derivatives of the value by mean and variance of both. */
  const partials = new Float64Array(4);

  const value = (): number => {
    const sigma1 = Math.sqrt(first.variance);
    const sigma2 = Math.sqrt(second.variance);
    // Relative to the largest of each, which are those at the reference.
    const top1 = logPsi(reference[0], first.mean, sigma1);
    const top2 = logPsi(reference[1], second.mean, sigma2);
    let sum = 0;
    let before = 0;
    partials.fill(0);
    let beforeByMean = 0;
    let beforeByVariance = 0;
    for (let i = 0; i < ends.length; i++) {
      const z1 = ((ends[i] ?? 0) - first.mean) / sigma1;
      const psi1 = Math.exp(Math.log(sigma1) + logH(z1) - top1);
      const slope1 = slopeOfLogH(z1);
      const byMean = (-psi1 * slope1) / sigma1;
      const byVariance = (psi1 * (1 - z1 * slope1)) / (2 * first.variance);
      const z2 = ((heights[i] ?? 0) - second.mean) / sigma2;
      const psi2 = Math.exp(Math.log(sigma2) + logH(z2) - top2);
      const slope2 = slopeOfLogH(z2);
      sum += (psi1 - before) * psi2;
      partials[0] = (partials[0] ?? 0) + (byMean - beforeByMean) * psi2;
      partials[1] = (partials[1] ?? 0) + (byVariance - beforeByVariance) * psi2;
      partials[2] = (partials[2] ?? 0) - ((psi1 - before) * psi2 * slope2) / sigma2;
      partials[3] = (partials[3] ?? 0) + ((psi1 - before) * psi2 * (1 - z2 * slope2)) / (2 * second.variance);
      before = psi1;
      beforeByMean = byMean;
      beforeByVariance = byVariance;
    }
    const total = Math.max(sum, 1e-300);
    for (let k = 0; k < 4; k++) partials[k] = (partials[k] ?? 0) / total;
    return top1 + top2 + Math.log(total);
  };

  return {
    value: (point) => {
      models[0].predict(point, first);
      models[1].predict(point, second);
      return value();
    },
    valueAndGradient: (point, gradient) => {
      models[0].predictGradient(point, first, byMean1, byVariance1);
      models[1].predictGradient(point, second, byMean2, byVariance2);
      const result = value();
      for (let d = 0; d < width; d++)
        gradient[d] =
          (partials[0] ?? 0) * (byMean1[d] ?? 0) +
          (partials[1] ?? 0) * (byVariance1[d] ?? 0) +
          (partials[2] ?? 0) * (byMean2[d] ?? 0) +
          (partials[3] ?? 0) * (byVariance2[d] ?? 0);
      return result;
    },
  };
}

/** log E max(c − Y, 0), Y normal. */
function logPsi(c: number, mean: number, sigma: number): number {
  return Math.log(sigma) + logH((c - mean) / sigma);
}
