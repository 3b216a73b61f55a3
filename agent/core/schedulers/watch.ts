import type { WatchState } from './scheduler.ts';

/** Trials that a rung remembers of those that went on to the next. */
const windowSize = 48;
/** As many before a rung is judged, and one in so many that the rung would stop goes on to tell whether it was right. */
const nJudged = 12;
const nPerProbe = 8;
/** Part of what a perfect rung would keep of the next rung's best that one must keep to go on stopping; drawing lots keeps 0. */
const leastLift = 0.3;

/**
 * Watches whether the rungs of successive halving say anything: every eighth trial that a rung would stop goes on, standing for
 * eight. Of the best third of trials at the next rung, the rung is to have kept more than its share of all, which is what drawing
 * lots would keep; one that does not lets everyone pass until it does. So where early losses say nothing of late ones, or
 * the contrary, trainings are not stopped by them.
 */
export interface Watch {
  /** Whether a trial goes on from rung `index` (the number of rungs stands for the full resource), and whether it is among the best there. */
  judge(index: number, isKept: boolean): WatchJudgement;
  /** The trial's score there, after it was judged. */
  learn(number: number, index: number, score: number, isKept: boolean, judged: WatchJudgement): void;
  forget(number: number): void;
}

export interface WatchJudgement {
  /** Whether the trial goes on. */
  readonly passes: boolean;
  /** Whether the rung would stop it; if it passes nonetheless, it stands for eight. */
  readonly isRefused: boolean;
}

/** `state` has an entry for each rung and is changed. `share`: of trials that a rung keeps. */
export function createWatch(state: WatchState, share: number): Watch {
  function judge(index: number, isKept: boolean): WatchJudgement {
    const rung = state.rungs[index];
    const isRefused = rung !== undefined && !isKept && !rung.isMute;
    return { passes: !isRefused || rung.nRefused % nPerProbe === 0, isRefused };
  }

  function learn(number: number, index: number, score: number, isKept: boolean, judged: WatchJudgement): void {
    arrive(number, index, score);
    const rung = state.rungs[index];
    if (rung === undefined) return;
    if (judged.isRefused) rung.nRefused++;
    if (judged.passes) state.live.push({ number, index, isKept, weight: judged.isRefused ? nPerProbe : 1 });
  }

  /** The rung that the trial comes from learns how it went on. */
  function arrive(number: number, index: number, score: number): void {
    const at = state.live.findIndex((trial) => trial.number === number);
    const before = state.live[at];
    if (at >= 0) state.live.splice(at, 1);
    const last = before === undefined ? undefined : state.rungs[before.index];
    if (before !== undefined && last !== undefined && before.index === index - 1) {
      last.seen.push({ score, isKept: before.isKept, weight: before.weight });
      if (last.seen.length > windowSize) last.seen.shift();
      last.isMute = last.seen.length >= nJudged && liftOf(last.seen, share) < leastLift;
    }
  }

  return {
    judge,
    learn,
    forget(number) {
      const at = state.live.findIndex((trial) => trial.number === number);
      if (at >= 0) state.live.splice(at, 1);
    },
  };
}

export function createWatchState(nRungs: number): WatchState {
  return { rungs: Array.from({ length: nRungs }, () => ({ seen: [], nRefused: 0, isMute: false })), live: [] };
}

type Seen = WatchState['rungs'][number]['seen'];

/** 0: of the best, as many were kept as of all; 1: as many as could be. */
function liftOf(seen: Seen, share: number): number {
  const total = seen.reduce((sum, { weight }) => sum + weight, 0);
  const kept = seen.reduce((sum, { isKept, weight }) => sum + (isKept ? weight : 0), 0) / total;
  let room = share * total;
  let keptOfBest = 0;
  for (const { isKept, weight } of seen.toSorted((a, b) => a.score - b.score)) {
    const counted = Math.min(room, weight);
    if (isKept) keptOfBest += counted;
    room -= counted;
    if (room <= 0) break;
  }
  const most = Math.min(1, kept / share);
  return most > kept ? (keptOfBest / (share * total) - kept) / (most - kept) : 1;
}
