/** A rising map of losses to values that are nearly normal with mean 0 and deviation 1, as the model assumes them. */
export interface OutputTransform {
  readonly apply: (loss: number) => number;
  readonly invert: (value: number) => number;
}

/**
 * Fitted to finite losses, at least one. In order: centred at the median and divided by the spread; the bad tail cut, as how
 * bad a bad trial was matters little; Yeo and Johnson's power transform with its most probable exponent (I.-K. Yeo,
 * R. A. Johnson, Biometrika 87 (2000)); standardised.
 */
export function fitOutputTransform(losses: Float64Array): OutputTransform {
  const sorted = losses.toSorted();
  const center = quantile(sorted, 0.5);
  // Halves, so that a range beyond the largest double does not overflow.
  const spread = firstPositive([
    quantile(sorted, 0.75) / 2 - quantile(sorted, 0.25) / 2,
    quantile(sorted, 0.5) / 2 - (sorted[0] ?? 0) / 2,
    (sorted.at(-1) ?? 0) / 2 - (sorted[0] ?? 0) / 2,
  ]);
  const scaled = (loss: number): number => (loss / 2 - center / 2) / spread;
  const cut = (z: number): number => Math.min(worstKept, z);
  const values = sorted.map((loss) => cut(scaled(loss)));
  const lambda = powerOf(values);
  for (let i = 0; i < values.length; i++) values[i] = yeoJohnson(values[i] ?? 0, lambda);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  const deviation = variance > 1e-24 ? Math.sqrt(variance) : 1;
  return {
    apply: (loss) => (yeoJohnson(cut(scaled(loss)), lambda) - mean) / deviation,
    invert: (value) => center + 2 * spread * inverseYeoJohnson(value * deviation + mean, lambda),
  };
}

/** Interquartile ranges above the median beyond which losses count alike. */
const worstKept = 4;

function firstPositive(values: readonly number[]): number {
  return values.find((value) => value > 0 && Number.isFinite(1 / value)) ?? 0.5;
}

function quantile(sorted: Float64Array, share: number): number {
  const place = share * (sorted.length - 1);
  const below = Math.floor(place);
  const low = sorted[below] ?? 0;
  const high = sorted[Math.min(below + 1, sorted.length - 1)] ?? 0;
  return low * (1 - (place - below)) + high * (place - below);
}

/** The exponent with the largest likelihood, by golden section on [−2, 4], where it has one maximum. */
function powerOf(values: Float64Array): number {
  const ratio = (Math.sqrt(5) - 1) / 2;
  let low = -2;
  let high = 4;
  let left = high - ratio * (high - low);
  let right = low + ratio * (high - low);
  let atLeft = logLikelihood(values, left);
  let atRight = logLikelihood(values, right);
  for (let step = 0; step < 20; step++) {
    if (atLeft > atRight) {
      high = right;
      right = left;
      atRight = atLeft;
      left = high - ratio * (high - low);
      atLeft = logLikelihood(values, left);
    } else {
      low = left;
      left = right;
      atLeft = atRight;
      right = low + ratio * (high - low);
      atRight = logLikelihood(values, right);
    }
  }
  return (low + high) / 2;
}

/** Yeo and Johnson, equation 3.1, the mean and variance at their most probable values. */
function logLikelihood(values: Float64Array, lambda: number): number {
  const n = values.length;
  let sum = 0;
  let squares = 0;
  let jacobian = 0;
  for (let i = 0; i < n; i++) {
    const value = values[i] ?? 0;
    const t = yeoJohnson(value, lambda);
    sum += t;
    squares += t * t;
    jacobian += Math.sign(value) * Math.log1p(Math.abs(value));
  }
  const variance = squares / n - (sum / n) ** 2;
  return variance > 0 ? (-n / 2) * Math.log(variance) + (lambda - 1) * jacobian : -Infinity;
}

export function yeoJohnson(y: number, lambda: number): number {
  if (y >= 0) return Math.abs(lambda) < 1e-9 ? Math.log1p(y) : Math.expm1(lambda * Math.log1p(y)) / lambda;
  const mu = 2 - lambda;
  return Math.abs(mu) < 1e-9 ? -Math.log1p(-y) : -Math.expm1(mu * Math.log1p(-y)) / mu;
}

/** NaN-free: beyond the range of the transform the nearest end's value. */
export function inverseYeoJohnson(t: number, lambda: number): number {
  if (t >= 0) return Math.abs(lambda) < 1e-9 ? Math.expm1(t) : Math.expm1(Math.log(Math.max(1e-300, 1 + lambda * t)) / lambda);
  const mu = 2 - lambda;
  return Math.abs(mu) < 1e-9 ? -Math.expm1(-t) : -Math.expm1(Math.log(Math.max(1e-300, 1 - mu * t)) / mu);
}
