/**
 * Constants of one run of CMA-ES, from the number of coordinates d and of members of a generation λ. Names and values:
 * N. Hansen: The CMA evolution strategy, a tutorial, arXiv 1604.00772 (2016), table 1.
 */
export interface Strategy {
  readonly d: number;
  readonly lambda: number;
  /** C is diagonal: R. Ros, N. Hansen: A simple modification in CMA-ES achieving linear time and space complexity, PPSN X (2008). */
  readonly isSeparable: boolean;
  /** λ weights of the members from the best to the worst: the positive ones sum to 1, the others are negative. */
  readonly weights: Float64Array;
  readonly sumOfWeights: number;
  /** Members with a positive weight. */
  readonly mu: number;
  readonly muEff: number;
  readonly cSigma: number;
  readonly dSigma: number;
  readonly cC: number;
  readonly c1: number;
  readonly cMu: number;
  /** Mean length of a standard normal vector. */
  readonly chi: number;
  /**
   * Longest step, in deviations, that a member counts with, as it may stem from an older distribution or another sampler:
   * N. Hansen: Injecting external solutions into CMA-ES, INRIA RR-7748 (2011).
   */
  readonly longest: number;
}

/**
 * Coordinates up to which correlations are learned. With more, a matrix takes more trials to learn than studies have: the
 * separable form is as good below about 100 d trials, by its authors' figures.
 */
const mostCorrelated = 20;

export function strategyOf(nCoordinates: number, lambda: number): Strategy {
  const d = Math.max(1, nCoordinates);
  const raw = Float64Array.from({ length: lambda }, (_, i) => Math.log((lambda + 1) / 2) - Math.log(i + 1));
  const mu = Math.floor(lambda / 2);
  const muEff = effectiveSize(raw.subarray(0, mu));
  const muEffOfRest = effectiveSize(raw.subarray(mu));
  const isSeparable = d > mostCorrelated;
  // A diagonal has fewer entries, so it can be learned faster.
  const speed = isSeparable ? (d + 2) / 3 : 1;
  const c1 = (speed * 2) / ((d + 1.3) ** 2 + muEff);
  const cMu = Math.min(1 - c1, (speed * 2 * (0.25 + muEff + 1 / muEff - 2)) / ((d + 2) ** 2 + muEff));
  const cSigma = (muEff + 2) / (d + muEff + 5);
  const most = Math.min(1 + c1 / cMu, 1 + (2 * muEffOfRest) / (muEff + 2), (1 - c1 - cMu) / (d * cMu));
  const positive = sum(raw.filter((weight) => weight > 0));
  const negative = -sum(raw.filter((weight) => weight < 0));
  const weights = raw.map((weight) => (weight >= 0 ? weight / positive : (most * weight) / negative));
  return {
    d,
    lambda,
    isSeparable,
    weights,
    sumOfWeights: sum(weights),
    mu,
    muEff,
    cSigma,
    dSigma: 1 + 2 * Math.max(0, Math.sqrt((muEff - 1) / (d + 1)) - 1) + cSigma,
    cC: (4 + muEff / d) / (d + 4 + (2 * muEff) / d),
    c1,
    cMu,
    chi: Math.sqrt(d) * (1 - 1 / (4 * d) + 1 / (21 * d * d)),
    longest: Math.sqrt(d) + (2 * d) / (d + 2),
  };
}

/** (Σ w)² / Σ w² */
function effectiveSize(weights: Float64Array): number {
  const squares = weights.reduce((total, weight) => total + weight * weight, 0);
  return squares === 0 ? 0 : sum(weights) ** 2 / squares;
}

function sum(values: Float64Array): number {
  return values.reduce((total, value) => total + value, 0);
}
