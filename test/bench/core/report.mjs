import { bestAt } from './cells.mjs';
import { interval, mean, ranks, ratio } from './statistics.mjs';

/**
 * What the cells of one comparison say. Regret = (best found − best known) / (median of random points − best known); best known is
 * the least of `known.json` and all cells.
 */
export class Regrets {
  #best = new Map();
  #typical;
  /** method → `problem seed` → cell */
  #cells = new Map();

  /**
   * @param {import('./cells.mjs').Cell[]} cells of any comparison: all of them may hold the best known value
   * @param {import('./problems.mjs').Problem[]} problems
   */
  constructor(cells, problems, { trials, workers, versions }) {
    this.#typical = new Map(problems.map(({ name, typical }) => [name, typical]));
    for (const { name, best } of problems) this.#best.set(name, best ?? Infinity);
    for (const cell of cells) {
      if (this.#typical.get(cell.problem) == null) continue;
      this.#best.set(cell.problem, Math.min(this.#best.get(cell.problem), bestAt(cell, Infinity)));
      if (cell.trials !== trials || cell.workers !== workers || versions.get(cell.method) !== cell.version) continue;
      const rows = this.#cells.get(cell.method) ?? new Map();
      this.#cells.set(cell.method, rows.set(`${cell.problem} ${cell.seed}`, cell));
    }
  }

  get methods() {
    return [...this.#cells.keys()];
  }

  cellsOf(method) {
    return [...(this.#cells.get(method)?.values() ?? [])];
  }

  /** Keys of the cells that all these methods have. */
  shared(methods) {
    const [first, ...others] = methods.map((method) => this.#cells.get(method) ?? new Map());
    return [...first.keys()].filter((key) => others.every((rows) => rows.has(key)));
  }

  cell(method, key) {
    return this.#cells.get(method).get(key);
  }

  regret(method, key, evaluations) {
    return this.regretOf(this.cell(method, key), evaluations);
  }

  regretOf(cell, evaluations) {
    const best = this.#best.get(cell.problem);
    return (bestAt(cell, evaluations) - best) / (this.#typical.get(cell.problem) - best);
  }

  /** Of a loss that was found on a problem. */
  regretOfLoss(problem, loss) {
    const best = this.#best.get(problem);
    return (loss - best) / (this.#typical.get(problem) - best);
  }
}

/** One row a method: regrets and mean ranks over the cells that all of them share. */
export function standings(regrets, methods, at) {
  const keys = regrets.shared(methods);
  const last = at.at(-1);
  const rankRows = keys.map((key) => ranks(methods.map((method) => regrets.regret(method, key, last))));
  return {
    cells: keys.length,
    problems: new Set(keys.map((key) => key.split(' ')[0])).size,
    rows: methods.map((method, column) => ({
      method,
      regret: at.map((evaluations) => mean(keys.map((key) => regrets.regret(method, key, evaluations)))),
      interval: interval(
        keys.map((key) => regrets.regret(method, key, last)),
        mean,
      ),
      rank: mean(rankRows.map((row) => row[column])),
      rankInterval: interval(
        rankRows.map((row) => row[column]),
        mean,
      ),
      ms: mean(keys.map((key) => regrets.cell(method, key).ms)),
    })),
  };
}

/** Ratio of our regret to a peer's over the cells that both have, after so many evaluations. */
export function compare(regrets, ours, theirs, evaluations) {
  const keys = regrets.shared([ours, theirs]);
  if (keys.length === 0) return null;
  const pairs = keys.map((key) => [regrets.regret(ours, key, evaluations), regrets.regret(theirs, key, evaluations)]);
  const wins = pairs.filter(([a, b]) => a < b).length + pairs.filter(([a, b]) => a === b).length / 2;
  return {
    ours,
    theirs,
    cells: keys.length,
    problems: new Set(keys.map((key) => key.split(' ')[0])).size,
    regrets: [mean(pairs.map(([a]) => a)), mean(pairs.map(([, b]) => b))],
    ratio: ratio(pairs),
    wins: wins / keys.length,
    ms: [mean(keys.map((key) => regrets.cell(ours, key).ms)), mean(keys.map((key) => regrets.cell(theirs, key).ms))],
  };
}

/** By family of problems: mean regret of each method on the shared cells. */
export function byFamily(regrets, methods, families, evaluations) {
  const keys = regrets.shared(methods);
  const groups = Object.groupBy(keys, (key) => families.get(key.split(' ')[0]));
  return Object.entries(groups).map(([family, own]) => ({
    family,
    cells: own.length,
    regrets: methods.map((method) => mean(own.map((key) => regrets.regret(method, key, evaluations)))),
  }));
}

/** Points for a chart: mean and interval of regret or rank over the evaluations, on the shared cells. */
export function overTrials(regrets, methods, trials, kind) {
  const keys = regrets.shared(methods);
  const steps = Array.from({ length: trials }, (_, k) => k + 1).filter((k) => k <= 10 || k % 2 === 0);
  const table = steps.map((step) =>
    keys.map((key) => {
      const row = methods.map((method) => regrets.regret(method, key, step));
      return kind === 'rank' ? ranks(row) : row;
    }),
  );
  return methods.map((method, column) => ({
    method,
    points: steps.map((step, k) => {
      const values = table[k].map((row) => row[column]);
      return [step, mean(values), ...interval(values, mean, 400)];
    }),
  }));
}
