/**
 * Cholesky factors of symmetric positive definite matrices, A = L Lᵀ.
 *
 * Notation: matrices stand row-major in a Float64Array, row i from i · stride on, so a matrix can grow inside a larger array.
 * Only the lower triangle is read and written; what stands above the diagonal is left as it is. n is the size in use.
 * G. H. Golub, C. F. Van Loan: Matrix Computations, 4th edition, sections 4.2 and 6.5.
 */

/**
 * Replaces the lower triangle of A by L. False where A is not positive definite to working precision or not finite; the
 * triangle then holds nothing of use. n³/3 operations, four rows at a time so that each number loaded serves four products.
 */
export function cholesky(a: Float64Array, n: number, stride = n): boolean {
  let row = 0;
  for (; row + 4 <= n; row += 4) {
    const row0 = row * stride;
    const row1 = row0 + stride;
    const row2 = row1 + stride;
    const row3 = row2 + stride;
    let column = 0;
    for (; column + 2 <= row; column += 2) eliminatePair(a, column, stride, row0, row1, row2, row3);
    for (let i = row; i < row + 4; i++) if (!factorRow(a, i, column, stride)) return false;
  }
  for (; row < n; row++) if (!factorRow(a, row, 0, stride)) return false;
  return true;
}

/**
 * Extends L from n to n + 1: row n holds the new row of A up to its diagonal, and becomes the new row of L. False where the
 * larger matrix is not positive definite; then row n holds nothing of use and the rows before it are as they were. O(n²).
 */
export function choleskyAppend(l: Float64Array, n: number, stride: number): boolean {
  return factorRow(l, n, 0, stride);
}

/** Makes L the factor of A + x xᵀ, by rotations; `x` (n values) is used up. O(n²). */
export function choleskyUpdate(l: Float64Array, n: number, stride: number, x: Float64Array): void {
  for (let k = 0; k < n; k++) {
    const diagonal = l[k * stride + k] ?? 0;
    const value = x[k] ?? 0;
    if (value === 0) continue;
    const radius = Math.hypot(diagonal, value);
    const cosine = diagonal / radius;
    const sine = value / radius;
    l[k * stride + k] = radius;
    for (let i = k + 1; i < n; i++) {
      const at = i * stride + k;
      const left = l[at] ?? 0;
      const right = x[i] ?? 0;
      l[at] = cosine * left + sine * right;
      x[i] = cosine * right - sine * left;
    }
  }
}

/** Solves L y = b in place: b stands in `b[offset …]` and becomes y. */
export function solveLower(l: Float64Array, n: number, stride: number, b: Float64Array, offset = 0): void {
  for (let i = 0; i < n; i++) {
    const at = i * stride;
    b[offset + i] = ((b[offset + i] ?? 0) - dot(l, at, b, offset, i)) / (l[at + i] ?? 0);
  }
}

/** Solves Lᵀ y = b in place: b stands in `b[offset …]` and becomes y. */
export function solveLowerTransposed(l: Float64Array, n: number, stride: number, b: Float64Array, offset = 0): void {
  for (let i = n - 1; i >= 0; i--) {
    const at = i * stride;
    const y = (b[offset + i] ?? 0) / (l[at + i] ?? 0);
    b[offset + i] = y;
    for (let k = 0; k < i; k++) b[offset + k] = (b[offset + k] ?? 0) - y * (l[at + k] ?? 0);
  }
}

/** Writes A⁻¹ to `out`, both triangles, rows at the same stride as those of L; `out` must not be L's array. ⅔ n³ operations. */
export function choleskyInverse(l: Float64Array, n: number, stride: number, out: Float64Array): void {
  // Rows of M = L⁻¹: M_i = (e_i − Σ_{k<i} L_ik M_k) / L_ii, two at a time. Zeros above the diagonal let four rows be added at once.
  for (let i = 0; i < n; i += 2) {
    const at = i * stride;
    const next = i + 1 < n ? at + stride : at;
    out.fill(0, at, at + n);
    out.fill(0, next, next + n);
    const last = next === at ? 0 : i;
    let k = 0;
    for (; k + 4 <= last; k += 4) addToTwoRows(out, at, next, k * stride, stride, k + 4, l, at + k, next + k, 1);
    for (let j = k; j < i; j++) addRow(out, at, j * stride, j + 1, l[at + j] ?? 0);
    scaleInverseRow(out, at, i, l[at + i] ?? 0);
    if (next === at) break;
    for (let j = k; j <= i; j++) addRow(out, next, j * stride, j + 1, l[next + j] ?? 0);
    scaleInverseRow(out, next, i + 1, l[next + i + 1] ?? 0);
  }
  // A⁻¹ = Mᵀ M: row i up to its diagonal is Σ_{k≥i} M_ki M_k, for which rows below i are still those of M.
  for (let i = 0; i < n; i += 2) {
    const at = i * stride;
    const next = at + stride;
    const isPair = i + 1 < n;
    const corner = isPair ? (out[next + i] ?? 0) : 0;
    scaleRow(out, at, i + 1, out[at + i] ?? 0);
    if (!isPair) break;
    addRow(out, at, next, i + 1, corner);
    scaleRow(out, next, i + 2, out[next + i + 1] ?? 0);
    // The column right of row i's diagonal is above it, and gets its value from row i + 1 below.
    let k = i + 2;
    for (; k + 4 <= n; k += 4)
      addToTwoRows(out, at, next, k * stride, stride, i + 2, out, k * stride + i, k * stride + i + 1, stride);
    for (; k < n; k++) {
      const left = out[k * stride + i] ?? 0;
      addRow(out, next, k * stride, i + 2, out[k * stride + i + 1] ?? 0);
      addRow(out, at, k * stride, i + 1, left);
    }
  }
  for (let i = 1; i < n; i++) for (let j = 0; j < i; j++) out[j * stride + i] = out[i * stride + j] ?? 0;
}

/** log det A = 2 Σ log L_ii. */
export function logDeterminant(l: Float64Array, n: number, stride: number): number {
  let sum = 0;
  for (let i = 0; i < n; i++) sum += Math.log(l[i * stride + i] ?? NaN);
  return 2 * sum;
}

/** Entries `from` … i of row i of L; those before are done. False where the pivot is not positive and finite. */
function factorRow(a: Float64Array, i: number, from: number, stride: number): boolean {
  const at = i * stride;
  for (let j = from; j < i; j++) {
    const atColumn = j * stride;
    a[at + j] = ((a[at + j] ?? 0) - dot(a, at, a, atColumn, j)) / (a[atColumn + j] ?? 0);
  }
  const pivot = (a[at + i] ?? 0) - dot(a, at, a, at, i);
  if (!(pivot > 0 && pivot < Infinity)) return false;
  a[at + i] = Math.sqrt(pivot);
  return true;
}

/** Columns j and j + 1 of the four rows that begin at row0 … row3, all below row j + 1. */
function eliminatePair(a: Float64Array, j: number, stride: number, row0: number, row1: number, row2: number, row3: number): void {
  const left = j * stride;
  const right = left + stride;
  let left0 = a[row0 + j] ?? 0;
  let left1 = a[row1 + j] ?? 0;
  let left2 = a[row2 + j] ?? 0;
  let left3 = a[row3 + j] ?? 0;
  let right0 = a[row0 + j + 1] ?? 0;
  let right1 = a[row1 + j + 1] ?? 0;
  let right2 = a[row2 + j + 1] ?? 0;
  let right3 = a[row3 + j + 1] ?? 0;
  for (let k = 0; k < j; k++) {
    const x = a[left + k] ?? 0;
    const y = a[right + k] ?? 0;
    const v0 = a[row0 + k] ?? 0;
    left0 -= x * v0;
    right0 -= y * v0;
    const v1 = a[row1 + k] ?? 0;
    left1 -= x * v1;
    right1 -= y * v1;
    const v2 = a[row2 + k] ?? 0;
    left2 -= x * v2;
    right2 -= y * v2;
    const v3 = a[row3 + k] ?? 0;
    left3 -= x * v3;
    right3 -= y * v3;
  }
  const pivot = a[left + j] ?? 0;
  const below = a[right + j] ?? 0;
  const nextPivot = a[right + j + 1] ?? 0;
  left0 /= pivot;
  left1 /= pivot;
  left2 /= pivot;
  left3 /= pivot;
  a[row0 + j] = left0;
  a[row1 + j] = left1;
  a[row2 + j] = left2;
  a[row3 + j] = left3;
  a[row0 + j + 1] = (right0 - below * left0) / nextPivot;
  a[row1 + j + 1] = (right1 - below * left1) / nextPivot;
  a[row2 + j + 1] = (right2 - below * left2) / nextPivot;
  a[row3 + j + 1] = (right3 - below * left3) / nextPivot;
}

/** Σ a[fromA + k] b[fromB + k] over k < n, in four sums that do not wait for one another. */
function dot(a: Float64Array, fromA: number, b: Float64Array, fromB: number, n: number): number {
  let sum0 = 0;
  let sum1 = 0;
  let sum2 = 0;
  let sum3 = 0;
  let k = 0;
  for (; k + 4 <= n; k += 4) {
    sum0 += (a[fromA + k] ?? 0) * (b[fromB + k] ?? 0);
    sum1 += (a[fromA + k + 1] ?? 0) * (b[fromB + k + 1] ?? 0);
    sum2 += (a[fromA + k + 2] ?? 0) * (b[fromB + k + 2] ?? 0);
    sum3 += (a[fromA + k + 3] ?? 0) * (b[fromB + k + 3] ?? 0);
  }
  for (; k < n; k++) sum0 += (a[fromA + k] ?? 0) * (b[fromB + k] ?? 0);
  return sum0 + sum1 + (sum2 + sum3);
}

/** Row i of M from the sum of the rows before it: (e_i − sum) / pivot. */
function scaleInverseRow(m: Float64Array, at: number, i: number, pivot: number): void {
  scaleRow(m, at, i, -1 / pivot);
  m[at + i] = 1 / pivot;
}

function scaleRow(m: Float64Array, at: number, length: number, scale: number): void {
  for (let j = 0; j < length; j++) m[at + j] = (m[at + j] ?? 0) * scale;
}

/**
 * Adds to `length` values at `to0` and `to1` those of four rows, the first at `from`, times the four numbers of `scales` at `at0` and
 * at `at1`, `step` apart. Each number of the four rows is loaded once for both.
 */
function addToTwoRows(
  m: Float64Array,
  to0: number,
  to1: number,
  from: number,
  stride: number,
  length: number,
  scales: Float64Array,
  at0: number,
  at1: number,
  step: number,
): void {
  const from1 = from + stride;
  const from2 = from1 + stride;
  const from3 = from2 + stride;
  const a0 = scales[at0] ?? 0;
  const a1 = scales[at0 + step] ?? 0;
  const a2 = scales[at0 + 2 * step] ?? 0;
  const a3 = scales[at0 + 3 * step] ?? 0;
  const b0 = scales[at1] ?? 0;
  const b1 = scales[at1 + step] ?? 0;
  const b2 = scales[at1 + 2 * step] ?? 0;
  const b3 = scales[at1 + 3 * step] ?? 0;
  for (let j = 0; j < length; j++) {
    const v0 = m[from + j] ?? 0;
    const v1 = m[from1 + j] ?? 0;
    const v2 = m[from2 + j] ?? 0;
    const v3 = m[from3 + j] ?? 0;
    m[to0 + j] = (m[to0 + j] ?? 0) + (a0 * v0 + a1 * v1) + (a2 * v2 + a3 * v3);
    m[to1 + j] = (m[to1 + j] ?? 0) + (b0 * v0 + b1 * v1) + (b2 * v2 + b3 * v3);
  }
}

/** Adds to `length` values at `to` those of the row at `from`, times `scale`. */
function addRow(m: Float64Array, to: number, from: number, length: number, scale: number): void {
  for (let j = 0; j < length; j++) m[to + j] = (m[to + j] ?? 0) + scale * (m[from + j] ?? 0);
}
