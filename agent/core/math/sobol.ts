import { philox } from './philox.ts';
import { sobolTable } from './sobolTable.ts';

/** Dimensions that have direction numbers. */
export const sobolDimensions = 256;

/**
 * A scrambled Sobol sequence: points that fill the unit cube more evenly than random ones. Any point is had by its index alone.
 *
 * Owen's nested uniform scrambling makes each point uniform in the cube and keeps the net: of every 2^k points from a multiple of
 * 2^k on, each dyadic interval of length 2^−k holds one in every dimension. By hash: B. Burley, Practical hash-based Owen
 * scrambling, Journal of Computer Graphics Techniques 9 (2020), with the constants of N. Vegdahl. Equal seeds give equal points.
 *
 * Dimensions beyond the table's 256 are random numbers of the Philox stream that belongs to seed, index and dimension.
 */
export class ScrambledSobol {
  private readonly dimensions: number;
  private readonly key: readonly [number, number];
  /** Scramble of each dimension. */
  private readonly seeds: Uint32Array;
  private readonly block = new Uint32Array(4);

  constructor(dimensions: number, seed: number) {
    this.dimensions = dimensions;
    this.key = [seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0];
    this.seeds = new Uint32Array(Math.min(dimensions, sobolDimensions));
    for (let dimension = 0; dimension < this.seeds.length; dimension++)
      this.seeds[dimension] = this.random(dimension, 0, scrambleStream);
  }

  /** Writes point `index`, 0 … 2^32 − 1, to `target`: each coordinate strictly inside (0, 1), a middle of 2^32 cells. */
  point(index: number, target: Float64Array): void {
    for (let dimension = 0; dimension < this.dimensions; dimension++) {
      const bits =
        dimension < sobolDimensions
          ? scramble(sobolBits(index, dimension), this.seeds[dimension] ?? 0)
          : this.random(dimension, index, plainStream);
      target[dimension] = (bits + 0.5) / 2 ** 32;
    }
  }

  private random(dimension: number, index: number, stream: number): number {
    philox(index, dimension, stream, 0x50b01, this.key[0], this.key[1], this.block);
    return this.block[0] ?? 0;
  }
}

const scrambleStream = 0;
const plainStream = 1;

/**
 * The unscrambled sequence: coordinate · 2^32 of point `index` (0 … 2^32 − 1) in `dimension` (0 … 255). In the order of the Gray
 * code, as I. A. Antonov, V. M. Saleev, 1979, and most libraries have it.
 */
export function sobolBits(index: number, dimension: number): number {
  let bits = 0;
  let at = dimension * 32;
  for (let rest = (index ^ (index >>> 1)) >>> 0; rest !== 0; rest >>>= 1) {
    if ((rest & 1) === 1) bits ^= directions[at] ?? 0;
    at++;
  }
  return bits >>> 0;
}

/** A permutation of 32 bits in which each bit depends on the higher ones and the seed only. */
function scramble(bits: number, seed: number): number {
  let x = reverse(bits);
  x ^= Math.imul(x, 0x3d20adea);
  x = (x + seed) | 0;
  x = Math.imul(x, (seed >>> 16) | 1);
  x ^= Math.imul(x, 0x05526c56);
  x ^= Math.imul(x, 0x53a22864);
  return reverse(x);
}

/** The bits in reverse order. */
function reverse(bits: number): number {
  let x = bits;
  x = ((x >>> 1) & 0x55555555) | ((x & 0x55555555) << 1);
  x = ((x >>> 2) & 0x33333333) | ((x & 0x33333333) << 2);
  x = ((x >>> 4) & 0x0f0f0f0f) | ((x & 0x0f0f0f0f) << 4);
  x = ((x >>> 8) & 0x00ff00ff) | ((x & 0x00ff00ff) << 8);
  return ((x >>> 16) | (x << 16)) >>> 0;
}

/** v_j of each dimension at dimension · 32 + j, j = 0 for the last bit of the index. */
const directions = readDirections();

/** Bratley, Fox: Algorithm 659, ACM TOMS 14 (1988), equation 2: m_j = 2 a_1 m_{j−1} ⊕ … ⊕ 2^s m_{j−s} ⊕ m_{j−s}, v_j = m_j 2^{31−j}. */
function readDirections(): Uint32Array {
  const v = new Uint32Array(sobolDimensions * 32);
  for (let j = 0; j < 32; j++) v[j] = 2 ** (31 - j);
  const words = sobolTable.trim().split(/\s+/);
  let next = 0;
  for (let at = 32; at < v.length; at += 32) {
    const polynomial = parseInt(words[next++] ?? '', 36);
    const degree = 31 - Math.clz32(polynomial);
    for (let j = 0; j < 32; j++) {
      if (j < degree) {
        v[at + j] = parseInt(words[next++] ?? '', 36) << (31 - j);
        continue;
      }
      const before = v[at + j - degree] ?? 0;
      let bits = before ^ (before >>> degree);
      for (let k = 1; k < degree; k++) if (((polynomial >>> (degree - k)) & 1) === 1) bits ^= v[at + j - k] ?? 0;
      v[at + j] = bits;
    }
  }
  return v;
}
