import type { Evidence } from './evidence.ts';
import type { LossModel } from './lossModel.ts';
import { type Importance, leastTrials, type PairImportance, sortedShares } from './importance.ts';

/** Pairs are looked for among this many parameters, those with the largest shares of their own. */
const mostPaired = 6;

/**
 * Importance as the part of the variance over the whole space that a parameter alone, and each pair beyond its parts, explains;
 * mean over the trees of a forest. F. Hutter, H. Hoos, K. Leyton-Brown, ICML 2014. Trials without a value are left out.
 */
export function fanova(evidence: Evidence, model: LossModel | null): Importance {
  const { parameters } = evidence.space;
  const names = parameters.map(({ name }) => name);
  const nothing = (problem: string): Importance => ({
    method: 'fanova',
    parameters: sortedShares(names, []),
    pairs: [],
    problem,
  });
  const { metric } = evidence.objective;
  if (model === null)
    return nothing(
      `Importance needs at least ${leastTrials} trials with a value of ${metric}; there are ${evidence.ranked} so far.`,
    );
  const trees = model.marginals.filter(({ variance }) => variance > 0);
  if (trees.length === 0) return nothing(`All trials reached the same ${metric}.`);

  const mean = (of: (tree: (typeof trees)[number]) => number): number =>
    trees.reduce((sum, tree) => sum + of(tree) / tree.variance, 0) / trees.length;
  const shares = parameters.map(({ index }) => mean((tree) => tree.mainVariance(index)));
  const top = parameters
    .filter(({ size }) => size > 1)
    .toSorted((a, b) => (shares[b.index] ?? 0) - (shares[a.index] ?? 0))
    .slice(0, mostPaired);
  const pairs = top.flatMap((a, place) =>
    top.slice(place + 1).map((b): PairImportance => {
      const own = (shares[a.index] ?? 0) + (shares[b.index] ?? 0);
      return { names: [a.name, b.name], share: Math.max(0, mean((tree) => tree.pairVariance(a.index, b.index)) - own) };
    }),
  );
  return {
    method: 'fanova',
    parameters: sortedShares(names, shares),
    pairs: pairs.toSorted((a, b) => b.share - a.share),
    problem: null,
  };
}
