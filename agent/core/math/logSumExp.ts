/** log Σ exp(values[i]) over [from, to), without overflow: the largest value is taken out of the sum. −∞ for no values. */
export function logSumExp(values: Float64Array, from = 0, to = values.length): number {
  let max = -Infinity;
  for (let k = from; k < to; k++) {
    const value = values[k] ?? NaN;
    if (value > max) max = value;
  }
  if (max === -Infinity || max === Infinity) return max;
  let sum = 0;
  for (let k = from; k < to; k++) {
    const below = (values[k] ?? NaN) - max;
    // exp(−45) is below the last digit of the sum.
    if (!(below < -45)) sum += Math.exp(below);
  }
  return max + Math.log(sum);
}
