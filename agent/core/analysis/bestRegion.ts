import { formatNumber, formatValue, plural } from '../../protocol/format.ts';
import type { FloatDistribution, IntDistribution, ParamValue } from '../../protocol/space.ts';
import { contains, fromUnit, toUnit, valueAt, type CompiledParameter } from '../space/index.ts';
import type { Evidence } from './evidence.ts';

/** A change of the space that the trials speak for; `text` says it to people in one sentence. */
export type Suggestion =
  | {
      readonly type: 'narrow';
      readonly name: string;
      readonly low: number;
      readonly high: number;
      readonly text: string;
    }
  | {
      readonly type: 'widen';
      readonly name: string;
      readonly end: 'low' | 'high';
      /** A new end to try; in the same steps if there are any. */
      readonly to: number;
      readonly text: string;
    }
  | {
      readonly type: 'drop';
      readonly name: string;
      readonly choices: readonly ParamValue[];
      readonly text: string;
    };

/** Part of the trials that count as good here, the fewest that a range may rest on, and the most that it takes. */
const goodPart = 0.15;
const leastGood = 5;
const mostGood = 50;
/** How unlikely chance alone has to be: a range is looked for in every parameter, at both ends. */
const significance = 0.01;
/** A range that keeps more of the axis than this is not worth changing. */
const mostKept = 0.7;
/** Part of the axis that is "at the border". */
const border = 0.1;

/**
 * What to change in the space for the next study: ranges to narrow, ends to widen where the best trials stand at them, and choices
 * to drop; in the order of the script, nothing where the trials do not say it clearly.
 *
 * Good are the best 15 % of the trials that ended, at most 50. A range is the least that holds all good ones plus the mean gap between
 * them at either side. It is suggested where so many good ones would fall into it by chance in at most one case of a hundred, if
 * goodness had nothing to do with the parameter (hypergeometric, given where all trials stand: a sampler that looked at one
 * place only has no evidence against the others). The same test is applied to ends and choices.
 */
export function bestRegion(evidence: Evidence): Suggestion[] {
  const { space, losses, ranked, count } = evidence;
  const width = space.parameters.length;
  const nGood = Math.max(leastGood, Math.min(mostGood, Math.ceil(goodPart * count)));
  if (ranked < nGood || count < 2 * nGood) return [];
  const cutoff = losses.toSorted()[nGood - 1] ?? -Infinity;

  return space.parameters.flatMap((parameter) => {
    const active: Place[] = [];
    for (let row = 0; row < count; row++) {
      const u = evidence.unit[row * width + parameter.index] ?? NaN;
      if (!Number.isNaN(u)) active.push({ u, isGood: (losses[row] ?? Infinity) <= cutoff });
    }
    const good = active.filter(({ isGood }) => isGood);
    // Where every trial is as good as the best there is nothing to choose by.
    if (parameter.size === 1 || good.length < leastGood || 2 * good.length > active.length) return [];
    const { distribution } = parameter;
    if (distribution.type === 'categorical') return droppedChoices(parameter, distribution.choices, active);
    if (distribution.type === 'ordinal') return droppedChoices(parameter, distribution.choices, active);
    const widened = widenedEnd(parameter.name, distribution, active);
    return [...(widened === null ? [] : [widened]), ...narrowedRange(parameter, distribution, active, widened)];
  });
}

interface Place {
  readonly u: number;
  readonly isGood: boolean;
}

function narrowedRange(
  { name }: CompiledParameter,
  distribution: FloatDistribution | IntDistribution,
  active: readonly Place[],
  widened: Suggestion | null,
): Suggestion[] {
  const places = active.filter(({ isGood }) => isGood).map(({ u }) => u);
  const least = places.reduce((low, u) => Math.min(low, u), 1);
  const most = places.reduce((high, u) => Math.max(high, u), 0);
  const margin = Math.max(0.02, (most - least) / (places.length - 1));
  const from = least - margin < border ? 0 : least - margin;
  const to = most + margin > 1 - border ? 1 : most + margin;
  const inside = active.filter(({ u }) => u >= from && u <= to).length;
  if (to - from > mostKept || chanceAllInside(active.length, inside, places.length) > significance) return [];
  const low = from === 0 ? distribution.low : rounded(Number(fromUnit(distribution, from)), distribution, 'down');
  const high = to === 1 ? distribution.high : rounded(Number(fromUnit(distribution, to)), distribution, 'up');
  // Rounding may have brought it back to nearly the whole.
  const kept = toUnit(distribution, high) - toUnit(distribution, low);
  if (kept > mostKept || !(low < high)) return [];
  const range = `${formatNumber(low)} … ${formatNumber(high)}`;
  const from0 = widened === null ? `from ${formatNumber(distribution.low)} … ${formatNumber(distribution.high)}` : 'beside that';
  const text = `narrow ${name} to ${range} (${from0}): all of the best ${places.length} trials lie there, and ${active.length - inside} of the other ${active.length - places.length} do not`;
  return [{ type: 'narrow', name, low, high, text }];
}

/** More good trials at an end of the range than chance puts there, and no fewer, of those tried, than a little further in. */
function widenedEnd(
  name: string,
  distribution: FloatDistribution | IntDistribution,
  active: readonly Place[],
): Suggestion | null {
  const nGood = active.filter(({ isGood }) => isGood).length;
  const goodIn = (places: readonly Place[]): number => places.filter(({ isGood }) => isGood).length;
  for (const end of ['low', 'high'] as const) {
    const fromEnd = ({ u }: Place): number => (end === 'low' ? u : 1 - u);
    const there = active.filter((place) => fromEnd(place) <= border);
    const beside = active.filter((place) => fromEnd(place) > border && fromEnd(place) <= 2 * border);
    const goodThere = goodIn(there);
    if (goodThere * beside.length < goodIn(beside) * there.length) continue;
    if (chanceOfAtLeast(active.length, there.length, nGood, goodThere) > significance) continue;
    const to = beyond(distribution, end);
    if (to === null) continue;
    const side = end === 'low' ? 'below' : 'above';
    const text = `widen ${name} ${side} ${formatNumber(distribution[end])}, for example to ${formatNumber(to)}, if the script allows it: ${goodThere} of the best ${nGood} trials stand at this end, among ${there.length} that were tried there`;
    return { type: 'widen', name, end, to, text };
  }
  return null;
}

/** A third of the axis further; null at 0 and 1, which are ends by nature for most parameters that have them. */
function beyond(distribution: FloatDistribution | IntDistribution, end: 'low' | 'high'): number | null {
  const { low, high, log, revlog, type } = distribution;
  if (distribution[end] === 0 || (type === 'float' && end === 'high' && high === 1)) return null;
  if (revlog) return null;
  const ratio = (high / low) ** (1 / 3);
  const length = (high - low) / 3;
  const raw = log ? (end === 'low' ? low / ratio : high * ratio) : end === 'low' ? low - length : high + length;
  // A range of positive numbers stays one.
  const to = rounded(end === 'low' && low > 0 && raw <= 0 ? low / 2 : raw, null, end === 'low' ? 'down' : 'up');
  const whole = type === 'int' ? (end === 'low' ? Math.floor(to) : Math.ceil(to)) : to;
  const isBeyond = end === 'low' ? whole < low && (low <= 0 || whole > 0) : whole > high;
  return isBeyond && Number.isFinite(whole) ? whole : null;
}

/** Choices that none of the good trials has, although they were tried often enough; of ordered ones only from the ends. */
function droppedChoices(
  { name, size, distribution }: CompiledParameter,
  choices: readonly ParamValue[],
  active: readonly Place[],
): Suggestion[] {
  const tried = new Float64Array(size);
  const good = new Float64Array(size);
  for (const { u, isGood } of active) {
    const index = Math.min(size - 1, Math.floor(u * size));
    tried[index] = (tried[index] ?? 0) + 1;
    if (isGood) good[index] = (good[index] ?? 0) + 1;
  }
  const nGood = good.reduce((sum, value) => sum + value, 0);
  let dropped = Array.from(choices, (_, index) => index).filter(
    (index) =>
      good[index] === 0 && chanceAllInside(active.length, active.length - (tried[index] ?? 0), nGood) <= significance * 5,
  );
  if (distribution.type === 'ordinal') {
    const isDropped = new Set(dropped);
    const first = choices.findIndex((_, index) => !isDropped.has(index));
    const last = choices.findLastIndex((_, index) => !isDropped.has(index));
    dropped = dropped.filter((index) => index < first || index > last);
  }
  if (dropped.length === 0) return [];
  const values = dropped.map((index) => valueAt(distribution, index));
  const trials = dropped.reduce((sum, index) => sum + (tried[index] ?? 0), 0);
  const list = values.map((value) => formatValue(value)).join(', ');
  const text = `drop ${list} from ${name}: ${plural(trials, 'trial')} with ${values.length === 1 ? 'it' : 'them'}, none among the best ${nGood}`;
  return [{ type: 'drop', name, choices: values, text }];
}

/** P(all `drawn` of `total` lie among the `inside`), drawn without putting back. */
function chanceAllInside(total: number, inside: number, drawn: number): number {
  return chanceOfAtLeast(total, inside, drawn, drawn);
}

/** P(at least `least` of `drawn` among the `inside` of `total`), hypergeometric; O(drawn). */
function chanceOfAtLeast(total: number, inside: number, drawn: number, least: number): number {
  const outside = total - inside;
  const first = Math.max(least, drawn - outside);
  if (first > Math.min(drawn, inside)) return 0;
  let term = Math.exp(logChoose(inside, first) + logChoose(outside, drawn - first) - logChoose(total, drawn));
  let sum = 0;
  for (let hits = first; hits <= Math.min(drawn, inside); hits++) {
    sum += term;
    term *= ((inside - hits) * (drawn - hits)) / ((hits + 1) * (outside - drawn + hits + 1));
  }
  return Math.min(1, sum);
}

function logChoose(n: number, k: number): number {
  let sum = 0;
  for (let i = 1; i <= Math.min(k, n - k); i++) sum += Math.log((n - i + 1) / i);
  return sum;
}

/** Outwards to two digits, to a whole number, or to the next step: a range that a person would write. */
function rounded(value: number, distribution: FloatDistribution | IntDistribution | null, way: 'down' | 'up'): number {
  const round = way === 'down' ? Math.floor : Math.ceil;
  const isStepped = distribution !== null && (distribution.type === 'int' || distribution.step !== null);
  if (isStepped) {
    const step = distribution.step ?? 1;
    const onGrid = distribution.low + round((value - distribution.low) / step) * step;
    const exact = Number(onGrid.toPrecision(15));
    return contains(distribution, exact) ? exact : value;
  }
  if (value === 0 || !Number.isFinite(value)) return value;
  const unit = 10 ** (Math.floor(Math.log10(Math.abs(value))) - 1);
  const nice = unit > 0 ? Number((round(value / unit) * unit).toPrecision(2)) : value;
  if (distribution === null) return nice;
  return Math.min(distribution.high, Math.max(distribution.low, nice));
}
