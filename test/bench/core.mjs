/**
 * The tuning core beside its peers: the same problems, seeds and budgets, each through its own ask and tell.
 *
 *   npm run bench -- core [--data PATH] [--problems 32] [--seeds 10] [--methods auto,tpe,optuna-tpe] [--budget-minutes 30]
 *   npm run bench -- core --report            the tables from what is recorded, without running anything
 *   npm run bench -- core --again optuna-gp   forgets what is recorded of a method and runs it anew
 *   npm run bench -- core --quick [--update]  ours alone on problems without Python, checked against results/band.json
 *
 * Environments are made from PyPI. `--data` is a folder with YAHPO's surrogates (problems/surrogates.mjs); without it the problems are those
 * that packages ship. What was run is kept in results/recorded, so an interrupted run goes on where it was, and peers are not run again.
 * Writes results/core.json, core.md, the charts beside them, and the table in the README.
 */
import { parseArgs } from 'node:util';
import { Cells } from './core/cells.mjs';
import { askCosts, rungCosts } from './core/costs.mjs';
import { methods } from './core/methods.mjs';
import { openProblems, panel, remembered } from './core/problems.mjs';
import { quick } from './core/quick.mjs';
import { inOrder, record } from './core/record.mjs';
import { writeResults } from './core/results.mjs';

const { values: options } = parseArgs({
  options: {
    data: { type: 'string' },
    problems: { type: 'string', default: '32' },
    seeds: { type: 'string', default: '10' },
    methods: { type: 'string' },
    again: { type: 'string' },
    'budget-minutes': { type: 'string', default: '30' },
    quick: { type: 'boolean', default: false },
    update: { type: 'boolean', default: false },
    report: { type: 'boolean', default: false },
    'no-costs': { type: 'boolean', default: false },
  },
});

if (options.quick) process.exitCode = quick({ update: options.update }) ? 0 : 1;
else await compare();

async function compare() {
  const names = options.methods?.split(',') ?? methods.map(({ name }) => name);
  const unknown = names.filter((name) => !methods.some((method) => method.name === name));
  if (unknown.length > 0)
    throw new Error(`no method ${unknown.join(', ')}; there are ${methods.map(({ name }) => name).join(', ')}`);
  const chosen = methods.filter(({ name }) => names.includes(name));
  const cells = new Cells();
  if (options.again !== undefined) cells.drop(options.again);
  const opened = await openProblems({ data: options.data ?? null });
  const { problems } = opened;
  const taken = panel(problems, Number(options.problems));
  try {
    if (!options.report)
      await record(plan(chosen, taken, Number(options.seeds)), { cells, minutes: Number(options['budget-minutes']) });
    const costs = options.report || options['no-costs'] ? null : { asks: await askCosts(), rungs: rungCosts() };
    const present = new Set(problems.map(({ name }) => name));
    const others = remembered(
      cells
        .all()
        .map(({ problem }) => problem)
        .filter((name) => !present.has(name)),
    );
    writeResults({ cells: cells.all(), problems: [...problems, ...others], costs });
  } finally {
    opened.close();
  }
}

/**
 * The cells that are wanted, what costs little first. Dear tuners run on fewer seeds and problems: at most about ten hours of them
 * in all, of which a run does as much as its budget allows.
 */
function plan(chosen, taken, seeds) {
  const tier = (from, to) => chosen.filter(({ cost }) => cost >= from && cost < to);
  const sequential = (tuners, nProblems, nSeeds) =>
    inOrder({ methods: tuners, problems: taken.slice(0, nProblems), seeds: Math.min(seeds, nSeeds), trials: 60, workers: 1 });
  const parallel = (workers) =>
    inOrder({
      methods: chosen.filter(({ name }) => ['auto', 'tpe', 'random', 'optuna-tpe'].includes(name)),
      problems: taken.slice(0, 12),
      seeds: Math.min(seeds, 4),
      trials: 96,
      workers,
    });
  return [
    ...sequential(tier(0, 10), taken.length, seeds),
    ...[1, 8, 32].flatMap(parallel),
    // Problem by problem, so that those two have the same cells wherever a run ends.
    ...Array.from({ length: Math.min(seeds, 4) }, (_, k) => k + 1).flatMap((seed) =>
      taken.slice(0, 24).flatMap((problem) => tier(10, 100).map((method) => ({ method, problem, seed, trials: 60, workers: 1 }))),
    ),
    ...sequential(tier(100, Infinity), 12, 1),
  ];
}
