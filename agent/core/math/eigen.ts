/**
 * Replaces a symmetric matrix (row-major, n × n, both triangles) by its eigenvectors, one a row, of length 1 and orthogonal to
 * one another; `values` gets the eigenvalues, ascending. Errors are a few roundings of the largest eigenvalue. False where an
 * entry is not finite; `a` and `values` then hold nothing of use. About 4 n³ operations.
 *
 * Householder's reduction to a tridiagonal matrix T = QᵀAQ with diagonal d and off-diagonal e, then implicit QR steps with
 * Wilkinson's shift: G. H. Golub, C. F. Van Loan: Matrix Computations, 4th edition, sections 8.3.1 and 8.3.5. Qᵀ is kept instead of
 * Q, so that all inner loops run along rows.
 */
export function symmetricEigen(a: Float64Array, n: number, values: Float64Array): boolean {
  let largest = 0;
  for (let k = 0; k < n * n; k++) {
    const size = Math.abs(a[k] ?? NaN);
    if (!(size < Infinity)) return false;
    if (size > largest) largest = size;
  }
  // With entries of about 1, squares neither overflow nor vanish. Two powers of two, as one may not be a double.
  const exponent = largest === 0 ? 0 : Math.floor(Math.log2(largest));
  const half = 2 ** Math.trunc(exponent / 2);
  const rest = 2 ** (exponent - Math.trunc(exponent / 2));
  for (let k = 0; k < n * n; k++) a[k] = (a[k] ?? 0) / half / rest;

  const off = new Float64Array(n);
  tridiagonalize(a, n, values, off);
  if (!diagonalize(a, n, values, off)) return false;
  sortRows(a, n, values);
  for (let k = 0; k < n; k++) values[k] = (values[k] ?? 0) * half * rest;
  return true;
}

/** A → Qᵀ, diagonal and off-diagonal of T. Reflections H = I − v vᵀ with vᵀv = 2; v_k waits in row k, right of the diagonal. */
function tridiagonalize(a: Float64Array, n: number, d: Float64Array, e: Float64Array): void {
  const p = new Float64Array(n);
  for (let k = 0; k + 1 < n; k++) {
    const row = k * n;
    d[k] = a[row + k] ?? 0;
    const first = a[row + k + 1] ?? 0;
    let below = 0;
    for (let j = k + 2; j < n; j++) below += (a[row + j] ?? 0) ** 2;
    if (below === 0) {
      e[k] = first;
      for (let j = k + 1; j < n; j++) a[row + j] = 0;
      continue;
    }
    const alpha = first > 0 ? -Math.sqrt(first * first + below) : Math.sqrt(first * first + below);
    e[k] = alpha;
    const lead = first - alpha;
    const scale = Math.sqrt(2 / (lead * lead + below));
    a[row + k + 1] = lead * scale;
    for (let j = k + 2; j < n; j++) a[row + j] = (a[row + j] ?? 0) * scale;
    // A ← H A H = A − v wᵀ − w vᵀ with p = A v, w = p − ½ (pᵀv) v.
    let pv = 0;
    for (let i = k + 1; i < n; i++) {
      let sum = 0;
      for (let j = k + 1; j < n; j++) sum += (a[i * n + j] ?? 0) * (a[row + j] ?? 0);
      p[i] = sum;
      pv += sum * (a[row + i] ?? 0);
    }
    for (let i = k + 1; i < n; i++) p[i] = (p[i] ?? 0) - 0.5 * pv * (a[row + i] ?? 0);
    for (let i = k + 1; i < n; i++) {
      const vi = a[row + i] ?? 0;
      const wi = p[i] ?? 0;
      for (let j = k + 1; j < n; j++) a[i * n + j] = (a[i * n + j] ?? 0) - vi * (p[j] ?? 0) - wi * (a[row + j] ?? 0);
    }
  }
  if (n > 0) {
    d[n - 1] = a[n * n - 1] ?? 0;
    a[n * n - 1] = 1;
  }
  // Qᵀ = H_{n−2} … H_0, from the left end on: what is done so far fills the block right of and below k.
  for (let k = n - 2; k >= 0; k--) {
    const row = k * n;
    for (let i = k + 1; i < n; i++) {
      let sum = 0;
      for (let j = k + 1; j < n; j++) sum += (a[i * n + j] ?? 0) * (a[row + j] ?? 0);
      if (sum !== 0) for (let j = k + 1; j < n; j++) a[i * n + j] = (a[i * n + j] ?? 0) - sum * (a[row + j] ?? 0);
      a[i * n + k] = 0;
    }
    a.fill(0, row + k, row + n);
    a[row + k] = 1;
  }
}

/** QR steps until T is diagonal; the rotations turn the rows of Qᵀ into eigenvectors. */
function diagonalize(rows: Float64Array, n: number, d: Float64Array, e: Float64Array): boolean {
  // Two or three steps an eigenvalue are usual.
  let steps = 60 * n;
  let high = n - 1;
  while (high > 0) {
    if (isNegligible(d, e, high - 1)) {
      high--;
      continue;
    }
    let low = high - 1;
    while (low > 0 && !isNegligible(d, e, low - 1)) low--;
    if (steps-- === 0) return false;

    const last = e[high - 1] ?? 0;
    const half = ((d[high - 1] ?? 0) - (d[high] ?? 0)) / 2;
    const radius = Math.sqrt(half * half + last * last);
    const shift = (d[high] ?? 0) - (last * last) / (half + (half < 0 ? -radius : radius));
    let x = (d[low] ?? 0) - shift;
    let z = e[low] ?? 0;
    for (let k = low; k < high; k++) {
      const r = Math.sqrt(x * x + z * z);
      const c = r === 0 ? 1 : x / r;
      const s = r === 0 ? 0 : z / r;
      if (k > low) e[k - 1] = r;
      const a = d[k] ?? 0;
      const b = d[k + 1] ?? 0;
      const o = e[k] ?? 0;
      d[k] = c * c * a + 2 * c * s * o + s * s * b;
      d[k + 1] = s * s * a - 2 * c * s * o + c * c * b;
      x = c * s * (b - a) + (c * c - s * s) * o;
      e[k] = x;
      if (k + 1 < high) {
        z = s * (e[k + 1] ?? 0);
        e[k + 1] = c * (e[k + 1] ?? 0);
      }
      const upper = k * n;
      const lower = upper + n;
      for (let j = 0; j < n; j++) {
        const u = rows[upper + j] ?? 0;
        const l = rows[lower + j] ?? 0;
        rows[upper + j] = c * u + s * l;
        rows[lower + j] = c * l - s * u;
      }
    }
  }
  return true;
}

/** Whether e_k is below the last digit of its neighbours on the diagonal, or of the whole matrix, whose entries are about 1. */
function isNegligible(d: Float64Array, e: Float64Array, k: number): boolean {
  const size = Math.abs(e[k] ?? 0);
  return size <= Number.EPSILON * (Math.abs(d[k] ?? 0) + Math.abs(d[k + 1] ?? 0)) || size < 1e-18;
}

function sortRows(rows: Float64Array, n: number, values: Float64Array): void {
  for (let k = 0; k + 1 < n; k++) {
    let least = k;
    for (let i = k + 1; i < n; i++) if ((values[i] ?? 0) < (values[least] ?? 0)) least = i;
    if (least === k) continue;
    const value = values[k] ?? 0;
    values[k] = values[least] ?? 0;
    values[least] = value;
    for (let j = 0; j < n; j++) {
      const held = rows[k * n + j] ?? 0;
      rows[k * n + j] = rows[least * n + j] ?? 0;
      rows[least * n + j] = held;
    }
  }
}
