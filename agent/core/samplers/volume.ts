import { hypervolume, hypervolumeContributions } from '../math/index.ts';
import { leastCrowded } from './pareto.ts';

/**
 * The `count` members of a front that together cover the most hypervolume, one after the other the one that adds most: at least
 * 63 % of the best choice (A. P. Guerreiro, C. M. Fonseca, L. Paquete: Greedy hypervolume subset selection in low dimensions,
 * Evolutionary Computation 24 (2016)). What a member adds only shrinks as others are taken, so most need not be asked again.
 * Of a long front, and beyond four objectives, where volumes are slow, the least crowded.
 */
export function largestVolume(front: readonly number[], losses: readonly (readonly number[])[], count: number): number[] {
  const m = losses[front[0] ?? 0]?.length ?? 0;
  if (m > maxObjectives) return leastCrowded(front, losses, count);
  const rows = front.length > maxFront ? leastCrowded(front, losses, maxFront) : [...front];
  const places = normalised(rows.map((row) => losses[row] ?? []));
  const taken = new Float64Array(count * m);
  const reference = new Float64Array(m).fill(end);
  const waiting = rows.map((row, k) => ({ row, place: places.subarray(k * m, (k + 1) * m), gain: Infinity, round: -1 }));
  const chosen: number[] = [];
  for (let volume = 0; chosen.length < count && waiting.length > 0; ) {
    const next = waiting.reduce((best, candidate) => (candidate.gain > best.gain ? candidate : best));
    taken.set(next.place, chosen.length * m);
    if (next.round < chosen.length) {
      next.gain = hypervolume(taken.subarray(0, (chosen.length + 1) * m), reference) - volume;
      next.round = chosen.length;
      continue;
    }
    volume += next.gain;
    chosen.push(next.row);
    waiting.splice(waiting.indexOf(next), 1);
  }
  return chosen;
}

/** The part of the volume that only this point covers, of the sum of these parts; all alike where that is not known. */
export function volumeShares(losses: readonly (readonly number[])[]): Float64Array {
  const m = losses[0]?.length ?? 0;
  const uniform = new Float64Array(losses.length).fill(1 / losses.length);
  if (m > maxObjectives) return uniform;
  const contributions = hypervolumeContributions(normalised(losses), new Float64Array(m).fill(end));
  const total = contributions.reduce((sum, value) => sum + value, 0);
  return total > 0 ? contributions.map((value) => value / total) : uniform;
}

const maxObjectives = 4;
const maxFront = 64;
/** The reference, in every objective: a tenth of the range beyond the worst. */
const end = 1.1;

/** Row-major; each objective's finite losses in [0, 1], what is worse than all of them at the reference. */
function normalised(losses: readonly (readonly number[])[]): Float64Array {
  const m = losses[0]?.length ?? 0;
  const places = new Float64Array(losses.length * m);
  for (let k = 0; k < m; k++) {
    let low = Infinity;
    let high = -Infinity;
    for (const loss of losses) {
      const value = loss[k] ?? NaN;
      if (!Number.isFinite(value)) continue;
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
    // Halves: the range of doubles is wider than a double.
    const range = high / 2 - low / 2;
    losses.forEach((loss, row) => {
      const value = loss[k] ?? NaN;
      const place = value === -Infinity || range === 0 ? 0 : (value / 2 - low / 2) / range;
      places[row * m + k] = value < Infinity ? place : end;
    });
  }
  return places;
}
