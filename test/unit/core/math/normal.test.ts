import { describe, expect, test } from 'vitest';
import { logSumExp } from '../../../../agent/core/math/logSumExp.ts';
import {
  logExpectedImprovement,
  logExpectedImprovementSlope,
  logNormalCdf,
  logNormalPdf,
  normalCdf,
  normalPdf,
  normalQuantile,
} from '../../../../agent/core/math/normal.ts';
import { logNormalMass, truncatedNormalQuantile } from '../../../../agent/core/math/truncatedNormal.ts';
import { readFixture } from './fixture.ts';

// Reference values: mpmath 1.3 with 50 digits (ncdf, its logarithm, its inverse by root finding).

function expectClose(actual: number, expected: number, relative: number): void {
  expect(Math.abs(actual - expected)).toBeLessThanOrEqual(relative * Math.abs(expected));
}

describe('normalCdf', () => {
  test.each([
    [-37, 5.725571222524577e-300],
    [-20, 2.7536241186062337e-89],
    [-8, 6.220960574271784e-16],
    [-7.1, 6.237844463331591e-13],
    [-7, 1.279812543885835e-12],
    [-5, 2.866515718791939e-7],
    [-2, 0.02275013194817921],
    [-1, 0.15865525393145705],
    [-0.1, 0.460172162722971],
    [0, 0.5],
    [0.3, 0.6179114221889527],
    [1, 0.8413447460685429],
    [3, 0.9986501019683699],
    [6, 0.9999999990134123],
    [8, 0.9999999999999993],
  ])('%d', (x, expected) => expectClose(normalCdf(x), expected, 2e-13));

  test.each([
    [-Infinity, 0],
    [Infinity, 1],
    [-1e300, 0],
    [NaN, NaN],
  ])('%d → %d', (x, expected) => expect(normalCdf(x)).toBe(expected));
});

describe('logNormalCdf', () => {
  test.each([
    [-10000, -50000010.12927891],
    [-100, -5005.524208694205],
    [-40, -804.6084420137538],
    [-37.6, -711.4266486707762],
    [-10, -53.23128515051247],
    [-7.1, -28.10297152478756],
    [-3, -6.607726221510349],
    [-1, -1.8410216450092636],
    [0, -Math.LN2],
    [0.5, -0.3689464152886564],
    [3, -0.0013508099647481938],
    [8, -6.220960574271786e-16],
  ])('%d', (x, expected) => expectClose(logNormalCdf(x), expected, 2e-13));

  test('agrees with the naive form where that works, and goes on where it is −∞', () => {
    for (let x = -30; x < 4; x += 0.37) expectClose(logNormalCdf(x), Math.log(normalCdf(x)), 1e-10);
    expect(Math.log(normalCdf(-50))).toBe(-Infinity);
    expect(logNormalCdf(-50)).toBeCloseTo(-1254.831361, 5);
    expect(logNormalCdf(-Infinity)).toBe(-Infinity);
  });
});

describe('normalQuantile', () => {
  test.each([
    [1e-300, -37.0470962993612],
    [1e-50, -14.933337534788489],
    [1e-16, -8.222082216130435],
    [1e-8, -5.612001244174789],
    [0.001, -3.0902323061678136],
    [0.02, -2.053748910631823],
    [0.075, -1.439531470938456],
    [0.3, -0.5244005127080408],
    [0.7, 0.5244005127080407],
    [0.975, 1.9599639845400538],
    [0.999999, 4.753424308817087],
  ])('%d', (p, expected) => expectClose(normalQuantile(p), expected, 1e-13));

  test.each([
    [0, -Infinity],
    [1, Infinity],
    [0.5, 0],
    [-0.1, NaN],
    [1.1, NaN],
    [NaN, NaN],
  ])('%d → %d', (p, expected) => {
    expect(normalQuantile(p)).toBe(expected);
  });

  test('inverts the distribution function', () => {
    for (let x = -36; x < 5; x += 0.21) expectClose(normalQuantile(normalCdf(x)), x, 2e-10);
  });
});

describe('logNormalMass', () => {
  test.each([
    [-1, 1, -0.38171514630212605],
    [0, 1e-9, -21.642204370151084],
    [5, 6, -15.068446096529453],
    [-40, -39, -765.0831565643775],
    [30, 31, -454.32124395634327],
    [-3, 0.5, -0.37090055956203255],
    [37, 38, -689.0305855768906],
    [-0.001, 2, -0.7388795230768594],
  ])('%d to %d', (from, to, expected) => expectClose(logNormalMass(from, to), expected, 1e-8));

  test.each([
    [-1e-20, 1e-20, -46.27749321252564],
    [1, 1.00000000000001, -33.65592943255152],
    [3, 3.0001, -14.629428903095286],
    [-0.03, 0.015, -4.020143814823106],
    [-0.02, 0.04, -3.7325492259667663],
    [0.5, 0.56, -3.872907111375893],
    [2, 2.02, -6.850960871992912],
    [5.9, 5.91, -22.95848010295406],
    [-6.01, -6, -23.553975140763892],
    [40, 40.001, -807.8466273114135],
    [50, 50.0009, -1257.9544700877505],
    [-100, -50, -1254.8313611394199],
    [-10000, -9999.9999, -50000009.58795407],
    [1e-300, 2e-300, -691.6944664314184],
  ])('keeps its digits in narrow intervals and tails: %d to %d', (from, to, expected) => {
    expectClose(logNormalMass(from, to), expected, 1e-12);
    expectClose(logNormalMass(-to, -from), expected, 1e-12);
  });

  test('is −∞ for nothing and 0 for everything', () => {
    expect(logNormalMass(1, 1)).toBe(-Infinity);
    expect(logNormalMass(2, 1)).toBe(-Infinity);
    expect(logNormalMass(-Infinity, Infinity)).toBe(0);
  });
});

describe('truncatedNormalQuantile', () => {
  test.each([
    [0.5, 0.1, 0, 1, 0.5, 0.5],
    [0, 1, 0, 1, 0, 0],
    [0, 1, 0, 1, 1, 1],
    [0.2, 1e-12, 0, 1, 0.5, 0.2],
    // Against scipy.stats.truncnorm.ppf.
    [0, 1, 0, 1, 0.5, 0.4417705466865815],
    [0, 1, 2, 3, 0.25, 2.110676270885108],
    [5, 1, 0, 1, 0.5, 0.8409535654307172],
  ])('mean %d, deviation %d, [%d, %d] at %d', (mean, deviation, low, high, p, expected) => {
    expect(truncatedNormalQuantile(mean, deviation, low, high, p)).toBeCloseTo(expected, 9);
  });

  // Reference values: mpmath 1.3 with 60 digits, by bisection.
  test.each([
    [5, 0.001, -1, 1, 0.5, 0.9999998267132194],
    [0, 1, 100, 200, 0.5, 100.00693053875243],
    [0.1, 0.01, 0.5, 1, 0.5, 0.5001731412676466],
    [-3, 0.05, 0, 1, 0.25, 0.00023965895529632372],
    [0, 1, 5, 6, 0.9, 5.421484350937918],
    [0, 1, 6.5, 7, 0.3, 6.551421628526318],
    [0, 1, 7, 7.001, 0.75, 7.00074934292993],
    [0, 1, 8, 8.00001, 0.75, 8.000007499924999],
    [0, 1, 40, 40.001, 0.5, 40.00049500027112],
    [0, 1, -45, -40, 0.01, -40.1148926348116],
    [1e6, 0.001, 0, 1, 0.5, 0.9999999999993069],
    [0.5, 1e9, 0, 1, 0.3, 0.3],
    [2, 1e20, 0, 1, 0.3, 0.3],
    [0.5, 3e4, 0, 1, 0.7, 0.6999999999922222],
    [0, 1, 1, 1.000001, 0.25, 1.0000002499999063],
  ])('far out and very wide: mean %d, deviation %d, [%d, %d] at %d', (mean, deviation, low, high, p, expected) => {
    const x = truncatedNormalQuantile(mean, deviation, low, high, p);
    // Relative to the nearer end, too: that is where the draws of a tail lie.
    const nearer = Math.min(Math.max(mean, low), high);
    expect(Math.abs(x - expected)).toBeLessThanOrEqual(1e-10 * Math.abs(expected - nearer) + 4e-16 * Math.abs(expected));
    expect(truncatedNormalQuantile(mean, deviation, low, high, 0)).toBe(low);
    expect(truncatedNormalQuantile(mean, deviation, low, high, 1)).toBe(high);
  });

  test('rises with p without a jump at the tail', () => {
    for (const mean of [-5.99, -6.01, -0.01, 6.99, 7.01, 300]) {
      let last = -1;
      for (let p = 0; p <= 1; p += 1 / 64) {
        const x = truncatedNormalQuantile(mean, 1, 0, 1, p);
        expect(x).toBeGreaterThanOrEqual(last);
        last = x;
      }
    }
    for (const p of [0.01, 0.5, 0.99])
      expect(truncatedNormalQuantile(-6 - 1e-12, 1, 0, 1, p)).toBeCloseTo(truncatedNormalQuantile(-6 + 1e-12, 1, 0, 1, p), 10);
  });

  test('stays inside for every deviation', () => {
    for (const deviation of [1e-320, 1e-300, 1e-12, 0.01, 1, 1e6, 1e300])
      for (const mean of [-1e300, -40, 0, 1e-9, 0.5, 1, 3, 1e9])
        for (const p of [0, 1e-17, 0.1, 0.999, 1]) {
          const x = truncatedNormalQuantile(mean, deviation, 0, 1, p);
          expect(x >= 0 && x <= 1, `${mean} ${deviation} ${p} gives ${x}`).toBe(true);
        }
  });
});

test.each<[number[], number]>([
  [[0, 0], Math.LN2],
  [[1000, 1000], 1000 + Math.LN2],
  [[-1000, -1001], -1000 + Math.log1p(Math.exp(-1))],
  [[-Infinity, 3], 3],
  [[-Infinity, -Infinity], -Infinity],
  [[Infinity, 1], Infinity],
  [[], -Infinity],
])('logSumExp %j', (values, expected) => {
  const sum = logSumExp(Float64Array.from(values));
  if (Number.isFinite(expected)) expect(sum).toBeCloseTo(expected, 12);
  else expect(sum).toBe(expected);
});

interface NormalRow {
  readonly z: number;
  readonly pdf: number;
  readonly logPdf: number | null;
  readonly cdf: number;
  readonly logH: number | null;
  readonly slope: number;
}

describe.each(readFixture('normal') as NormalRow[])('at $z', ({ z, pdf, logPdf, cdf, logH, slope }) => {
  test('density', () => {
    expectClose(normalPdf(z), pdf, 2e-13);
    if (logPdf === null) expect(logNormalPdf(z)).toBe(-Infinity);
    else expectClose(logNormalPdf(z), logPdf, 1e-15);
  });

  test('distribution', () => expectClose(normalCdf(z), cdf, 2e-13));

  test('log of the expected improvement and its slope', () => {
    if (logH === null) expect(logExpectedImprovement(z)).toBe(-Infinity);
    // Near its zero the logarithm has no relative precision.
    else expect(Math.abs(logExpectedImprovement(z) - logH)).toBeLessThanOrEqual(2e-14 * Math.max(0.5, Math.abs(logH)));
    expectClose(logExpectedImprovementSlope(z), slope, 2e-13);
  });
});

describe('logExpectedImprovement', () => {
  test('agrees with the naive form where that works, which fails from −38 on', () => {
    const naive = (z: number): number => Math.log(normalPdf(z) + z * normalCdf(z));
    for (let z = -4; z < 9; z += 0.13) expectClose(logExpectedImprovement(z), naive(z), 1e-10);
    expect(naive(-40)).not.toBeCloseTo(logExpectedImprovement(-40));
  });

  test('its slope is its derivative', () => {
    for (let z = -30; z < 9; z += 0.173) {
      const difference = (logExpectedImprovement(z + 1e-5) - logExpectedImprovement(z - 1e-5)) / 2e-5;
      expectClose(logExpectedImprovementSlope(z), difference, 1e-7);
    }
  });

  test('rises without a jump where its branches meet', () => {
    for (const seam of [-1, -5.656854249492381])
      for (let step = 1e-12; step < 0.1; step *= 10)
        expect(logExpectedImprovement(seam + step)).toBeGreaterThan(logExpectedImprovement(seam - step));
  });

  test.each([
    [-Infinity, -Infinity, Infinity],
    [Infinity, Infinity, 0],
    [NaN, NaN, NaN],
  ])('%d', (z, value, slope) => {
    expect(logExpectedImprovement(z)).toBe(value);
    expect(logExpectedImprovementSlope(z)).toBe(slope);
  });
});
