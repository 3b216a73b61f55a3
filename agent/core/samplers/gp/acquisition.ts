import {
  logExpectedImprovement as logH,
  logExpectedImprovementSlope as slopeOfLogH,
  logNormalCdf,
  logSqrt2Pi,
} from '../../math/index.ts';
import type { GpModel, Prediction } from './model.ts';

/** How useful a trial at a point would be, as a logarithm. Points are rows as `CompiledSpace.encode` writes them. */
export interface Acquisition {
  readonly value: (point: Float64Array) => number;
  /** Also writes the derivatives by the point's numbers, zero for other columns. */
  readonly valueAndGradient: (point: Float64Array, gradient: Float64Array) => number;
}

/**
 * log of the expected improvement E max(best − f(x), 0) = σ h(z), z = (best − μ) / σ, h(z) = φ(z) + z Φ(z), the mean over
 * models of the same columns. The logarithm has gradients where the improvement itself underflows: S. Ament et al.,
 * Unexpected improvements to expected improvement, NeurIPS 2023. `best[k]` is the value to improve on under model k.
 */
export function logExpectedImprovement(models: readonly GpModel[], best: readonly number[]): Acquisition {
  const width = models[0]?.data.layout.columns.length ?? 0;
  const out: Prediction = { mean: 0, variance: 0 };
  const byMean = new Float64Array(width);
  const byVariance = new Float64Array(width);
  const logs = new Float64Array(models.length);
  const gradients = models.map(() => new Float64Array(width));
  const mean = (): number => {
    const max = logs.reduce((a, b) => Math.max(a, b), -Infinity);
    return max + Math.log(logs.reduce((sum, log) => sum + Math.exp(log - max), 0) / logs.length);
  };
  return {
    value: (point) => {
      models.forEach((model, k) => {
        model.predict(point, out);
        const deviation = Math.sqrt(out.variance);
        logs[k] = Math.log(deviation) + logH(((best[k] ?? 0) - out.mean) / deviation);
      });
      return mean();
    },
    valueAndGradient: (point, gradient) => {
      models.forEach((model, k) => {
        model.predictGradient(point, out, byMean, byVariance);
        const deviation = Math.sqrt(out.variance);
        const z = ((best[k] ?? 0) - out.mean) / deviation;
        logs[k] = Math.log(deviation) + logH(z);
        const slope = slopeOfLogH(z);
        const perMean = -slope / deviation;
        const perVariance = (1 - z * slope) / (2 * out.variance);
        const target = gradients[k] ?? gradient;
        for (let d = 0; d < width; d++) target[d] = perMean * (byMean[d] ?? 0) + perVariance * (byVariance[d] ?? 0);
      });
      const value = mean();
      gradient.fill(0);
      gradients.forEach((own, k) => {
        const share = Math.exp((logs[k] ?? 0) - value) / models.length;
        for (let d = 0; d < width; d++) gradient[d] = (gradient[d] ?? 0) + share * (own[d] ?? 0);
      });
      return value;
    },
  };
}

/** The sum of the logarithms: useful in every respect. */
export function product(parts: readonly Acquisition[]): Acquisition {
  const [only] = parts;
  if (only !== undefined && parts.length === 1) return only;
  let own = new Float64Array(0);
  return {
    value: (point) => parts.reduce((sum, part) => sum + part.value(point), 0),
    valueAndGradient: (point, gradient) => {
      if (own.length !== gradient.length) own = new Float64Array(gradient.length);
      gradient.fill(0);
      let sum = 0;
      for (const part of parts) {
        sum += part.valueAndGradient(point, own);
        for (let d = 0; d < own.length; d++) gradient[d] = (gradient[d] ?? 0) + (own[d] ?? 0);
      }
      return sum;
    },
  };
}

/** `weight` log P(f(x) < threshold) under a model. */
export function logProbabilityBelow(model: GpModel, threshold: number, weight = 1): Acquisition {
  const width = model.data.layout.columns.length;
  const out: Prediction = { mean: 0, variance: 0 };
  const byMean = new Float64Array(width);
  const byVariance = new Float64Array(width);
  return {
    value: (point) => {
      model.predict(point, out);
      return weight * logNormalCdf((threshold - out.mean) / Math.sqrt(out.variance));
    },
    valueAndGradient: (point, gradient) => {
      model.predictGradient(point, out, byMean, byVariance);
      const deviation = Math.sqrt(out.variance);
      const z = (threshold - out.mean) / deviation;
      const value = logNormalCdf(z);
      const perZ = weight * Math.exp(-0.5 * z * z - logSqrt2Pi - value);
      for (let d = 0; d < width; d++)
        gradient[d] = perZ * (-(byMean[d] ?? 0) / deviation - (0.5 * z * (byVariance[d] ?? 0)) / out.variance);
      return weight * value;
    },
  };
}

/** The acquisition of models that have further columns behind those of the points, with these values in them. */
export function withColumns(acquisition: Acquisition, width: number, values: readonly number[]): Acquisition {
  const row = new Float64Array(width + values.length);
  const byRow = new Float64Array(width + values.length);
  row.set(values, width);
  return {
    value: (point) => {
      row.set(point);
      return acquisition.value(row);
    },
    valueAndGradient: (point, gradient) => {
      row.set(point);
      const value = acquisition.valueAndGradient(row, byRow);
      gradient.set(byRow.subarray(0, width));
      return value;
    },
  };
}
