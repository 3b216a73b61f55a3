import { philox } from './philox.ts';
import { normalQuantile } from './normal.ts';

/** A stream of random numbers. Equal seeds and keys give equal streams on every machine. */
export interface Rng {
  /** Uniform in [0, 1), 53 random bits. */
  readonly next: () => number;
  /** Uniform in 0 … n − 1, for n up to 2^53. */
  readonly int: (n: number) => number;
  /** Standard normal. */
  readonly normal: () => number;
}

/**
 * The stream that belongs to a seed and any number of keys (trial number, purpose …), all integers.
 *
 * Counter-based: draw k of a stream is a function of (seed, keys, k) alone, so streams need no stored state, do not depend
 * on the order in which they are used, and never overlap in practice. Seed and keys are folded into the 64-bit Philox key by
 * Philox itself; the draw is the counter.
 */
export function createRng(seed: number, ...keys: readonly number[]): Rng {
  const block = new Uint32Array(4);
  let key0 = 0;
  let key1 = 0;
  [seed, ...keys].forEach((value, position) => {
    philox(low32(value), high32(value), position, 0x48504f, key0, key1, block);
    key0 = block[0] ?? 0;
    key1 = block[1] ?? 0;
  });

  let draw = 0;
  const next = (): number => {
    // One block of 128 bits serves two draws.
    const isSecond = draw % 2 === 1;
    if (!isSecond) philox(low32(draw / 2), high32(draw / 2), 0, 0, key0, key1, block);
    draw++;
    const high = (isSecond ? block[2] : block[0]) ?? 0;
    const low = (isSecond ? block[3] : block[1]) ?? 0;
    return ((high >>> 5) * 2 ** 26 + (low >>> 6)) / 2 ** 53;
  };
  return {
    next,
    int: (n) => Math.floor(next() * n),
    // The middle of the 2^-53 cell: never 0, where the quantile is infinite.
    normal: () => normalQuantile(next() + 2 ** -54),
  };
}

function low32(value: number): number {
  return value >>> 0;
}

/** The upper half of an integer of up to 53 bits and a sign. */
function high32(value: number): number {
  return Math.floor(value / 2 ** 32) >>> 0;
}
