/**
 * Small dense linear systems A x = b by Gaussian elimination with partial pivoting, for matrices that are symmetric but not
 * definite. Matrices stand row-major, row i from i · stride on.
 */

/**
 * Replaces A by its factors L (unit diagonal, below) and U, `pivots` by the row taken at each step. False where A is singular
 * to working precision or not finite.
 */
export function factorLu(a: Float64Array, n: number, stride: number, pivots: Int32Array): boolean {
  for (let k = 0; k < n; k++) {
    let pivot = k;
    for (let i = k + 1; i < n; i++) if (Math.abs(a[i * stride + k] ?? 0) > Math.abs(a[pivot * stride + k] ?? 0)) pivot = i;
    const value = a[pivot * stride + k] ?? 0;
    if (!(Math.abs(value) > 0 && Math.abs(value) < Infinity)) return false;
    pivots[k] = pivot;
    if (pivot !== k)
      for (let j = 0; j < n; j++) {
        const held = a[k * stride + j] ?? 0;
        a[k * stride + j] = a[pivot * stride + j] ?? 0;
        a[pivot * stride + j] = held;
      }
    for (let i = k + 1; i < n; i++) {
      const factor = (a[i * stride + k] ?? 0) / value;
      a[i * stride + k] = factor;
      if (factor !== 0)
        for (let j = k + 1; j < n; j++) a[i * stride + j] = (a[i * stride + j] ?? 0) - factor * (a[k * stride + j] ?? 0);
    }
  }
  return true;
}

/** Solves A x = b in place on `b`, with what `factorLu` made of A. */
export function solveLu(lu: Float64Array, n: number, stride: number, pivots: Int32Array, b: Float64Array): void {
  for (let k = 0; k < n; k++) {
    const pivot = pivots[k] ?? k;
    const value = b[pivot] ?? 0;
    b[pivot] = b[k] ?? 0;
    b[k] = value;
  }
  for (let i = 1; i < n; i++) {
    let sum = b[i] ?? 0;
    for (let k = 0; k < i; k++) sum -= (lu[i * stride + k] ?? 0) * (b[k] ?? 0);
    b[i] = sum;
  }
  for (let i = n - 1; i >= 0; i--) {
    let sum = b[i] ?? 0;
    for (let k = i + 1; k < n; k++) sum -= (lu[i * stride + k] ?? 0) * (b[k] ?? 0);
    b[i] = sum / (lu[i * stride + i] ?? 0);
  }
}
