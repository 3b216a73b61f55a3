/** log √(2π) */
export const logSqrt2Pi = 0.9189385332046728;

/** φ(x), the standard normal density. */
export function normalPdf(x: number): number {
  return Math.exp(logNormalPdf(x));
}

/** log φ(x) */
export function logNormalPdf(x: number): number {
  return -0.5 * x * x - logSqrt2Pi;
}

/**
 * Φ(x), the standard normal distribution function, to about 1e-15 relative, in the left tail 1e-13 (the rounding of x²).
 *
 * W. J. Cody: Rational Chebyshev approximations for the error function. Mathematics of Computation 23 (1969) 631–637;
 * beyond √32 the continued fraction of Mills' ratio, Abramowitz & Stegun 26.2.14, whose 24 levels suffice there.
 */
export function normalCdf(x: number): number {
  const tail = Math.exp(-0.5 * x * x) * scaledTail(Math.abs(x));
  return x > 0 ? 1 - tail : tail;
}

/** log Φ(x), also where Φ(x) itself underflows. */
export function logNormalCdf(x: number): number {
  if (x > 0) return Math.log1p(-normalCdf(-x));
  if (x === -Infinity) return -Infinity;
  return Math.log(scaledTail(-x)) - 0.5 * x * x;
}

/** (1 − Φ(t)) / φ(t), Mills' ratio, for t ≥ 0. */
export function millsRatio(t: number): number {
  return scaledTail(t) * Math.exp(logSqrt2Pi);
}

/**
 * The x with Φ(x) = p, −∞ at 0 and +∞ at 1, NaN outside; about 1e-15 relative.
 *
 * M. J. Wichura, Algorithm AS 241: the percentage points of the normal distribution. Applied Statistics 37 (1988), PPND16.
 */
export function normalQuantile(p: number): number {
  if (p <= 0 || p >= 1 || Number.isNaN(p)) return p === 0 ? -Infinity : p === 1 ? Infinity : NaN;
  const q = p - 0.5;
  if (Math.abs(q) <= 0.425) {
    const r = 0.180625 - q * q;
    return (q * polynomial(centralAbove, r)) / polynomial(centralBelow, r);
  }
  const r = Math.sqrt(-Math.log(q < 0 ? p : 1 - p));
  const x =
    r <= 5
      ? polynomial(middleAbove, r - 1.6) / polynomial(middleBelow, r - 1.6)
      : polynomial(farAbove, r - 5) / polynomial(farBelow, r - 5);
  return q < 0 ? -x : x;
}

/**
 * log h(z), h(z) = φ(z) + z Φ(z): the expected improvement of a normal variable, E max(0, Y − best), is σ h((μ − best) / σ).
 * Exact to a few roundings for every z, as h underflows below −38 and cancels long before.
 *
 * S. Ament et al.: Unexpected improvements to expected improvement for Bayesian optimization. NeurIPS 2023, equation 9. In place
 * of its three branches the left tail has h = φ (1 − t R(t)) = φ R K with t = −z, Mills' ratio R(t) = 1 / (t + K) and the
 * continued fraction K(t) = 1 / (t + 2 / (t + 3 / …)), which subtracts nothing.
 */
export function logExpectedImprovement(z: number): number {
  if (z > -1) return Math.log(normalPdf(z) + z * normalCdf(z));
  if (z === -Infinity) return -Infinity;
  const t = -z;
  if (z > -tailFrom) return logNormalPdf(z) + Math.log1p(z * millsRatio(t));
  const k = tailFraction(t);
  return logNormalPdf(z) - Math.log(t + k) + Math.log(k);
}

/** d log h(z) / dz = Φ(z) / h(z); 1 / K in the left tail. */
export function logExpectedImprovementSlope(z: number): number {
  if (z > -1) {
    const cdf = normalCdf(z);
    return cdf / (normalPdf(z) + z * cdf);
  }
  if (z > -tailFrom) {
    const ratio = millsRatio(-z);
    return ratio / (1 + z * ratio);
  }
  return 1 / tailFraction(-z);
}

/** From here on the continued fraction of Mills' ratio is exact with 24 levels: √32. */
const tailFrom = 5.656854249492381;

/** K(t) with (1 − Φ(t)) / φ(t) = 1 / (t + K(t)), t ≥ √32. */
function tailFraction(t: number): number {
  let fraction = t;
  for (let k = 24; k >= 2; k--) fraction = t + k / fraction;
  return 1 / fraction;
}

/** (1 − Φ(x)) · exp(x² / 2) for x ≥ 0. Written out, as this is where samplers spend their time. */
function scaledTail(x: number): number {
  if (x <= 0.67448975) {
    const y = x * x;
    const above =
      (((0.06568233791820745 * y + 2.2352520354606837) * y + 161.02823106855587) * y + 1067.6894854603709) * y +
      18154.98125334356;
    const below = (((y + 47.202581904688245) * y + 976.0985517377767) * y + 10260.932208618979) * y + 45507.78933502673;
    return (0.5 - (x * above) / below) * Math.exp(0.5 * y);
  }
  if (x <= tailFrom) {
    const above =
      (((((((1.0765576773720192e-8 * x + 0.39894151208813466) * x + 8.883149794388377) * x + 93.50665613217785) * x +
        597.2702763948002) *
        x +
        2494.5375852903726) *
        x +
        6848.190450536283) *
        x +
        11602.65143764735) *
        x +
      9842.714838383978;
    const below =
      (((((((x + 22.266688044328117) * x + 235.387901782625) * x + 1519.3775994075547) * x + 6485.558298266761) * x +
        18615.571640885097) *
        x +
        34900.95272114598) *
        x +
        38912.00328609327) *
        x +
      19685.429676859992;
    return above / below;
  }
  if (x === Infinity) return 0;
  return Math.exp(-logSqrt2Pi) / (x + tailFraction(x));
}

/** Coefficients stand from the constant up. */
function polynomial(coefficients: readonly number[], x: number): number {
  let sum = 0;
  for (let k = coefficients.length - 1; k >= 0; k--) sum = sum * x + (coefficients[k] ?? 0);
  return sum;
}

const centralAbove = [
  3.3871328727963665, 133.14166789178438, 1971.5909503065513, 13731.69376550946, 45921.95393154987, 67265.7709270087,
  33430.57558358813, 2509.0809287301227,
];
const centralBelow = [
  1, 42.31333070160091, 687.1870074920579, 5394.196021424751, 21213.794301586597, 39307.89580009271, 28729.085735721943,
  5226.495278852854,
];
const middleAbove = [
  1.4234371107496835, 4.630337846156546, 5.769497221460691, 3.6478483247632045, 1.2704582524523684, 0.2417807251774506,
  0.022723844989269184, 0.0007745450142783414,
];
const middleBelow = [
  1, 2.053191626637759, 1.6763848301838038, 0.6897673349851, 0.14810397642748008, 0.015198666563616457, 0.0005475938084995345,
  1.0507500716444169e-9,
];
const farAbove = [
  6.657904643501103, 5.463784911164114, 1.7848265399172913, 0.29656057182850487, 0.026532189526576124, 0.0012426609473880784,
  2.7115555687434876e-5, 2.0103343992922881e-7,
];
const farBelow = [
  1, 0.599832206555888, 0.1369298809227358, 0.014875361290850615, 0.0007868691311456133, 1.8463183175100548e-5,
  1.421511758316446e-7, 2.0442631033899397e-15,
];
