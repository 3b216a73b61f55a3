import type { Params } from '../../../protocol/space.ts';
import { minimizeBounded, type Rng, ScrambledSobol } from '../../math/index.ts';
import { type CompiledParameter, type CompiledSpace, fromUnit, toUnit, valueAt } from '../../space/index.ts';
import type { Acquisition } from './acquisition.ts';

export interface Search {
  readonly space: CompiledSpace;
  readonly acquisition: Acquisition;
  /** Places in the unit cube of good observations, around which more is drawn; NaN where inactive. */
  readonly incumbents: readonly Float64Array[];
  readonly isTaken: (params: Params) => boolean;
  readonly rng: Rng;
  /** Numbers that one rating handles, about: above 1,000 fewer points are rated, so that the time of a search has a bound. */
  readonly cost: number;
}

export interface Found {
  readonly params: Params;
  /** Its row, NaN where inactive. */
  readonly row: Float64Array;
  readonly value: number;
}

/** Values of a discrete parameter up to which it is searched value by value; larger ones are climbed and then rounded. */
const maxEnumerated = 24;
/** Points drawn and rated, points climbed from, and values of discrete parameters tried in a climb; fewer where ratings cost much. */
const nDraws = 400;
const nClimbs = 6;
const maxTries = 200;

/**
 * The valid, free point with the largest acquisition that is found; null where all points met were taken or excluded.
 *
 * Points spread over the space and around the incumbents are rated; the best are climbed: numbers together by gradient (a
 * quasi-Newton method within the cube), then each discrete parameter over its values, in turns until nothing gains.
 */
export function maximizeAcquisition(search: Search): Found | null {
  const climber = new Climber(search);
  const drawn = climber.draw();
  const results: Candidate[] = [];
  for (const start of climber.choose(drawn)) results.push(climber.climb(start));
  const best = (found: readonly Candidate[]): Found | null => {
    for (const { row, value } of found.toSorted((a, b) => b.value - a.value)) {
      const params = search.space.decode(row);
      if (!search.isTaken(params)) return { params, row, value };
    }
    return null;
  };
  return best(results) ?? best(drawn);
}

/**
 * How far numbers move in one turn of a climb. The acquisition's summits are often corners of the cube, which say little about
 * the rest: nearer summits do as well and teach more.
 */
const reach = 0.15;

interface Candidate {
  readonly row: Float64Array;
  readonly value: number;
  /** Every parameter has a place here, also one that is inactive: what it has once it becomes active. */
  readonly full: Float64Array;
}

class Climber {
  private readonly search: Search;
  private readonly width: number;
  /** Columns climbed by gradient, and those searched value by value. */
  private readonly smooth: readonly CompiledParameter[];
  private readonly listed: readonly CompiledParameter[];
  /** Places in the unit cube of each value of short lists, by column. */
  private readonly places = new Map<number, Float64Array>();
  private nTries = 0;
  private readonly nDraws: number;
  private readonly nClimbs: number;
  private readonly maxTries: number;
  private readonly maxRounds: number;

  constructor(search: Search) {
    const { parameters } = search.space;
    this.search = search;
    const effort = Math.min(1, 1000 / search.cost);
    this.nDraws = Math.max(100, Math.round(nDraws * effort));
    this.nClimbs = Math.max(2, Math.round(nClimbs * Math.sqrt(effort)));
    this.maxTries = Math.max(40, Math.round(maxTries * effort));
    this.maxRounds = effort < 1 ? 2 : 4;
    this.width = parameters.length;
    const varied = parameters.filter(({ size }) => size > 1);
    const isListed = ({ distribution, size }: CompiledParameter): boolean =>
      distribution.type === 'categorical' || size <= maxEnumerated;
    this.listed = varied.filter(isListed);
    this.smooth = varied.filter((parameter) => !isListed(parameter));
    for (const { index, size, distribution } of this.listed) {
      if (size > maxEnumerated) continue;
      this.places.set(
        index,
        Float64Array.from({ length: size }, (_, k) => toUnit(distribution, valueAt(distribution, k))),
      );
    }
  }

  /** Rated points: spread evenly at first, then around the incumbents, nearer and nearer, and the incumbents' neighbours. */
  draw(): Candidate[] {
    const { rng, incumbents, space } = this.search;
    const drawn: Candidate[] = [];
    const nAround = incumbents.length === 0 ? 0 : Math.floor(this.nDraws / 2);
    const sobol = new ScrambledSobol(this.width, rng.int(2 ** 32));
    const full = new Float64Array(this.width);
    for (let k = 0; k < this.nDraws; k++) {
      const base = k < nAround ? incumbents[k % incumbents.length] : undefined;
      if (base === undefined) sobol.point(k, full);
      else this.perturb(base, full, 0.5 ** (1 + (k % 5)));
      const candidate = this.rate(full);
      if (candidate !== null) drawn.push(candidate);
    }
    if (drawn.length > 0) return drawn;
    // Hardly any place of the cube is allowed: bend some into the allowed region.
    for (let k = 0; k < Math.min(this.nDraws, 50); k++) {
      const point = space.sample(rng.next);
      if (point.type === 'none') break;
      space.encode(point.params, full);
      for (let d = 0; d < this.width; d++) if (Number.isNaN(full[d])) full[d] = rng.next();
      const candidate = this.rate(full);
      if (candidate !== null) drawn.push(candidate);
    }
    return drawn;
  }

  /** The best, and some of the others, the better the likelier: the best alone often share one hill. */
  choose(drawn: readonly Candidate[]): Candidate[] {
    const { rng } = this.search;
    const order = drawn.toSorted((a, b) => b.value - a.value);
    const chosen = order.slice(0, Math.ceil(this.nClimbs / 2));
    const rest = order.slice(chosen.length);
    // Gumbel's trick: the largest of log weight + noise is a draw by weight.
    const keys = new Map(rest.map((candidate) => [candidate, candidate.value - Math.log(-Math.log(rng.next() + 2 ** -54))]));
    rest.sort((a, b) => (keys.get(b) ?? 0) - (keys.get(a) ?? 0));
    return [...chosen, ...rest.slice(0, this.nClimbs - chosen.length)];
  }

  climb(start: Candidate): Candidate {
    let current = start;
    this.nTries = 0;
    for (let round = 0; round < this.maxRounds; round++) {
      const before = current.value;
      current = this.climbSmooth(current);
      current = this.climbListed(current);
      if (this.listed.length === 0 || this.smooth.length === 0 || !(current.value > before + 1e-4)) break;
    }
    return current;
  }

  private climbSmooth(start: Candidate): Candidate {
    const { acquisition } = this.search;
    const free = this.smooth.filter(({ index }) => !Number.isNaN(start.row[index]));
    if (free.length === 0) return start;
    const row = start.row.slice();
    const byRow = new Float64Array(this.width);
    const { x } = minimizeBounded(
      (at, gradient) => {
        free.forEach(({ index }, k) => (row[index] = at[k] ?? 0));
        const value = acquisition.valueAndGradient(row, byRow);
        free.forEach(({ index }, k) => (gradient[k] = -(byRow[index] ?? 0)));
        return -value;
      },
      Float64Array.from(free, ({ index }) => start.row[index] ?? 0),
      Float64Array.from(free, ({ index }) => Math.max(0, (start.row[index] ?? 0) - reach)),
      Float64Array.from(free, ({ index }) => Math.min(1, (start.row[index] ?? 0) + reach)),
      { maxIterations: 30, maxEvaluations: 50, gradientTolerance: 1e-3, valueTolerance: 1e-6 },
    );
    const full = start.full.slice();
    const toward = new Float64Array(this.width);
    // A `where` may forbid the summit: then the way back to the start is halved until a point is allowed.
    for (let step = 1; step > 0.05; step /= 2) {
      toward.set(full);
      free.forEach(({ index }, k) => (toward[index] = (full[index] ?? 0) * (1 - step) + (x[k] ?? 0) * step));
      const reached = this.rate(toward);
      if (reached !== null) return reached.value > start.value ? reached : start;
    }
    return start;
  }

  private climbListed(start: Candidate): Candidate {
    const { rng } = this.search;
    let current = start;
    const full = new Float64Array(this.width);
    // In random order, as not all may have their turn.
    const order = this.listed.map(({ index, size }) => ({ index, size, key: rng.next() })).sort((a, b) => a.key - b.key);
    for (const { index, size } of order) {
      if (this.nTries >= this.maxTries) break;
      if (Number.isNaN(current.row[index])) continue;
      const places = this.places.get(index);
      const nTried = Math.min(size, maxEnumerated);
      for (let k = 0; k < nTried; k++) {
        full.set(current.full);
        full[index] = nTried === size ? (places?.[k] ?? 0.5) : rng.next();
        if (full[index] === current.full[index]) continue;
        this.nTries++;
        const tried = this.rate(full, true);
        if (tried !== null && tried.value > current.value) current = tried;
      }
    }
    return current;
  }

  /** A place near `base`: all numbers moved a little, or a few of the values drawn anew. */
  private perturb(base: Float64Array, target: Float64Array, scale: number): void {
    const { rng, space } = this.search;
    const share = rng.next() < 0.5 ? 1 : Math.min(1, 2 / this.width);
    for (const { index, size, distribution } of space.parameters) {
      const value = base[index] ?? NaN;
      if (Number.isNaN(value)) target[index] = rng.next();
      else if (rng.next() >= share || size === 1) target[index] = value;
      else if (distribution.type === 'categorical') target[index] = rng.next() < scale ? rng.next() : value;
      else target[index] = reflected(value + scale * rng.normal());
    }
  }

  /** The valid point at a place with its acquisition; null where a `where` forbids it. `isSnapped`: it is one already. */
  private rate(full: Float64Array, isSnapped = false): Candidate | null {
    const { space, acquisition } = this.search;
    let row: Float64Array;
    if (space.hasConditions) {
      const params = space.decode(full);
      if (!space.satisfies(params)) return null;
      row = space.encode(params);
    } else row = isSnapped ? full.slice() : this.snapped(full);
    const value = acquisition.value(row);
    const own = { row, value: Number.isNaN(value) ? -Infinity : value };
    if (!space.hasConditions) return { ...own, full: row };
    const kept = full.slice();
    for (let d = 0; d < this.width; d++) if (!Number.isNaN(row[d])) kept[d] = row[d] ?? 0;
    return { ...own, full: kept };
  }

  /** `encode(decode(full))` of a space without conditions, without the detour where it is long. */
  private snapped(full: Float64Array): Float64Array {
    const row = full.slice();
    for (const { index, size, distribution } of this.search.space.parameters) {
      const u = row[index] ?? 0;
      if (size === Infinity) continue;
      const isList = distribution.type === 'categorical' || distribution.type === 'ordinal';
      row[index] =
        isList || !(distribution.log || distribution.revlog)
          ? (Math.min(size - 1, Math.floor(u * size)) + 0.5) / size
          : toUnit(distribution, fromUnit(distribution, u));
    }
    return row;
  }
}

/** Into [0, 1], as if its ends were mirrors. */
function reflected(u: number): number {
  const wrapped = Math.abs(u) % 2;
  return wrapped > 1 ? 2 - wrapped : wrapped;
}
