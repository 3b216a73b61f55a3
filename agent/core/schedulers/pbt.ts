import { createRng } from '../math/index.ts';
import { nSampledOf } from './bracketLayout.ts';
import { frontOrder, type Ranked } from './frontOrder.ts';
import { highestReached } from './rungs.ts';
import { createBestMemo, hasEqual, remember, toScores } from './rungState.ts';
import type { Admission, FidelityConfig, Measured, PbtState, Promotion, Scheduler } from './scheduler.ts';
import { at, createSortedList, insert, remove } from './sortedList.ts';

/**
 * Population-based training: a population trains side by side and pauses at ready points; one that is among the worst
 * fifth of those seen last at its ready point is given up there, and a fork of one of the best fifth takes its place: it
 * goes on from the parent's checkpoint with changed values. So values change during training, and a trial's
 * values are those of its last part.
 *
 * M. Jaderberg et al. (2017), "Population Based Training of Neural Networks", with truncation selection (section 4.1.1).
 * Nothing waits for a generation: a trial is judged when it arrives, and while fewer than five have been at a ready point
 * none is given up there. Values that cannot be told apart are treated alike; NaN is worse than all. Several objectives
 * rank as in `frontOrder`.
 *
 * What has trained least goes first: new members, then paused ones, and at the same resource forks before paused ones, so
 * that a parent's checkpoint is mostly still the one that was judged. A member that failed or has completed
 * gives its place to a new one as long as the budget of trials lasts; when it is used up, nobody is given up any more.
 */
export function createPbt(config: FidelityConfig, reason: string, state?: PbtState): Scheduler {
  const { fidelity, baseline, directions, seed } = config;
  const points = readyPoints(fidelity);
  const top = points.length - 1;
  const size = populationSize(config);
  const maxTrials = config.maxTrials ?? Infinity;
  const own = state ?? createState(top);
  const { members, rungs, paused, due } = own;

  const aboveWorst = createBestMemo((n) => n - nLow(n));
  const isCreating = (): boolean => !own.isClosed && members.length < maxTrials;
  const nFree = (): number => size - own.nLive - own.nDue;

  function nextTrial(number: number): Admission {
    if (number === baseline) return { type: 'trial', target: fidelity.max };
    if (own.isClosed) return { type: 'wait' };
    const fork = nextFork(number);
    if (fork !== null) return { type: 'fork', parent: fork.parent, target: points[members[fork.parent] ?? top] ?? fidelity.max };
    return own.nLive < size ? { type: 'trial', target: points[0] ?? fidelity.max } : { type: 'wait' };
  }

  /** The next fork: at the lowest ready point where one is due and has a parent, which is drawn from those that may be. */
  function nextFork(number: number): { readonly parent: number; readonly index: number } | null {
    for (let index = 0; index < top && own.nDue > 0; index++) {
      const parents = due[index] === 0 ? [] : parentsAt(index);
      const parent = parents[parents.length > 1 ? createRng(seed, number, forkStream).int(parents.length) : 0];
      if (parent !== undefined) return { parent: parent.number, index };
    }
    return null;
  }

  /** The best fifth, and at least one, of the members that have been at the ready point, rank above its worst fifth and are still there. */
  function parentsAt(index: number): readonly Ranked[] {
    const { recent = [] } = rungs[index] ?? {};
    const alive = aboveWorst(recent).filter(({ number }) => typeof members[number] === 'number');
    return frontOrder(alive, Math.max(1, nLow(alive.length)));
  }

  function onCreated(number: number, _target: number | null, parent: number | null): void {
    const fork = parent === null ? null : nextFork(number);
    while (members.length <= number) members.push(null);
    if (number === baseline) return;
    members[number] = parent === null ? 0 : (members[parent] ?? 0);
    own.nLive++;
    if (fork !== null) settleDue(fork.index);
    // A new member has taken a fork's place, for want of a parent.
    while (own.nDue > 0 && nFree() < 0) settleDue(due.findIndex((n) => n > 0));
  }

  function settleDue(index: number): void {
    due[index] = (due[index] ?? 0) - 1;
    own.nDue--;
  }

  /** Whether the trial, which has come to a ready point, is given up there. */
  function judge(number: number, index: number, values: readonly number[]): boolean {
    const rung = rungs[index];
    if (rung === undefined) return false;
    members[number] = index + 1;
    const measured = { number, scores: toScores(values, directions) };
    remember(rung.recent, measured);
    const mayFork = isCreating() && members.length + own.nDue < maxTrials;
    if (!mayFork || !isAmongWorst(rung.recent.length, aboveWorst(rung.recent), measured) || parentsAt(index).length === 0)
      return false;
    members[number] = null;
    own.nLive--;
    due[index] = (due[index] ?? 0) + 1;
    own.nDue++;
    return true;
  }

  function onPaused(number: number, resource: number, values: readonly number[]): void {
    const member = members[number];
    if (member === undefined || member === null) return;
    const index = highestReached(points, top, member, resource);
    // Measured by its last report, unless that came before the ready point or not at all.
    if (index >= 0 && judge(number, index, values)) return;
    const next = members[number] ?? 0;
    remove(paused, next, number);
    insert(paused, next, number);
  }

  function nextPromotion(isClosing: boolean): Promotion | null {
    const first = at(paused, 0);
    if (first === undefined || (!isClosing && isCreationFirst(first.score))) return null;
    return { number: first.number, target: points[first.score] ?? fidelity.max };
  }

  /** Whether a new member or a fork goes before a paused one whose next ready point is `next`. */
  function isCreationFirst(next: number): boolean {
    return isCreating() && (nFree() > 0 || due.findIndex((n) => n > 0) < (own.nDue > 0 ? next : -1));
  }

  return {
    name: 'pbt',
    reason,
    state: own,
    nextTrial,
    onCreated,
    onReport(number, resource, values) {
      const member = members[number];
      if (member === undefined || member === null || member >= top) return 'continue';
      const index = highestReached(points, top, member, resource);
      if (index < 0) return 'continue';
      return judge(number, index, values) ? 'stop' : 'pause';
    },
    onPaused,
    onPromoted(number) {
      const next = members[number] ?? 0;
      // Only the end of a study promotes while others should begin: they will not.
      if (isCreationFirst(next)) own.isClosed = true;
      remove(paused, next, number);
    },
    onEnded(number) {
      const member = members[number];
      if (member === undefined || member === null) return;
      remove(paused, member, number);
      members[number] = null;
      own.nLive--;
    },
    retryTarget: (_, target) => target,
    onRetried(number, target) {
      if (number === baseline) return;
      members[number] = Math.max(0, points.indexOf(target ?? fidelity.max));
      own.nLive++;
    },
    nextPromotion,
  };
}

/** The last key of the stream from which parents are drawn; the samplers' streams are counted from 0. */
const forkStream = 0x9b7;

/** The part of the population that is given up, and of that which is forked (Jaderberg et al. 2017: 20 %). */
const quantile = 0.2;

function nLow(n: number): number {
  return Math.floor(n * quantile + 1e-9);
}

/** Whether a trial is in the lowest quantile of n, and not equal to one above it. */
function isAmongWorst(n: number, above: readonly Ranked[], { number, scores }: Measured): boolean {
  if (nLow(n) === 0) return false;
  return scores === null || (!above.some((other) => other.number === number) && !hasEqual(above, scores));
}

/** Attempts in which a trial trains at most; each ends at a ready point. */
const maxIntervals = 10;

/** Equal parts of the full resource, none shorter than the fidelity's minimum; whole where the range is. The last is the full resource. */
export function readyPoints({ min, max }: { readonly min: number; readonly max: number }): readonly number[] {
  const nIntervals = Math.max(1, Math.min(maxIntervals, Math.floor(max / Math.max(min, max / maxIntervals) + 1e-9)));
  const isWhole = Number.isInteger(min) && Number.isInteger(max);
  return Array.from({ length: nIntervals }, (_, i) => {
    const exact = (max * (i + 1)) / nIntervals;
    return isWhole ? Math.floor(exact + 1e-9) : exact;
  }).filter((point, i, all) => point > (all[i - 1] ?? 0));
}

/**
 * How many train side by side: the most of which the forks still fit into the budget of trials, but one for each slot
 * where there are enough; 20 and more without a budget.
 */
export function populationSize(config: FidelityConfig): number {
  const nTrials = nSampledOf(config);
  if (nTrials === null) return Math.max(20, config.parallel);
  const nPoints = readyPoints(config.fidelity).length - 1;
  let size = 0;
  // Of m that have been at a ready point in random order, the last is among the worst ⌊m/5⌋ with this probability.
  for (let total = 0; size < nTrials; size++) {
    total += 1 + (nPoints * nLow(size + 1)) / (size + 1);
    if (total > nTrials + 1e-9) break;
  }
  return Math.max(1, size, Math.min(config.parallel, nTrials));
}

function createState(nRungs: number): PbtState {
  return {
    type: 'pbt',
    rungs: Array.from({ length: nRungs }, () => ({ recent: [] })),
    members: [],
    paused: createSortedList(),
    due: Array.from({ length: nRungs }, () => 0),
    nDue: 0,
    nLive: 0,
    isClosed: false,
  };
}
