/**
 * Tuning with early stopping beside its peers: 8 asynchronous workers on a simulated clock (the problem's own `time`), a budget of 48
 * full trainings, learning curves reported at every step. Ours is driven through `hpo serve`, the peers through their ask and tell.
 *
 *   npm run bench -- multifidelity [--data PATH] [--seeds 4] [--problems lcbench,curves] [--methods auto,…] [--budget-minutes 30]
 *   npm run bench -- multifidelity --report           the tables from what is recorded, without running anything
 *
 * `--data` is a folder with YAHPO's surrogates, of which those of LCBench have learning curves; without it the problems are the made-up
 * curves, in some of which early losses say nothing or the contrary. What was run is kept in results/recorded/multifidelity, seed by seed,
 * so an interrupted run goes on where it was. Writes results/multifidelity.json and multifidelity.md.
 */
import { parseArgs } from 'node:util';
import { createRng } from '../../agent/core/math/index.ts';
import { compileSpace } from '../../agent/core/space/index.ts';
import { openProblems } from './core/problems.mjs';
import { mean } from './core/statistics.mjs';
import { methods, openMethods } from './multifidelity/methods.mjs';
import { Runs } from './multifidelity/runs.mjs';
import { simulate } from './multifidelity/simulate.mjs';
import { writeReport } from './multifidelity/report.mjs';

const { values: options } = parseArgs({
  options: {
    data: { type: 'string' },
    seeds: { type: 'string', default: '4' },
    problems: { type: 'string' },
    methods: { type: 'string' },
    'budget-minutes': { type: 'string', default: '30' },
    report: { type: 'boolean', default: false },
  },
});

const nWorkers = 8;
const nTrainings = 48;
const runs = new Runs();
if (!options.report) await runAll();
writeReport(runs.all());

async function runAll() {
  const chosen = methods.filter(({ name }) => options.methods === undefined || options.methods.split(',').includes(name));
  const wanted = options.problems?.split(',');
  const opened = await openProblems({ data: options.data ?? null });
  const problems = opened.problems
    .filter(({ family }) => family === 'lcbench' || family === 'curves')
    .filter(({ name }) => wanted === undefined || wanted.some((beginning) => name.startsWith(beginning)));
  const open = openMethods();
  const until = Date.now() + Number(options['budget-minutes']) * 60_000;
  const budgets = new Map();
  for (let seed = 1; seed <= Number(options.seeds); seed++) {
    for (const problem of problems) {
      if (!budgets.has(problem.name)) budgets.set(problem.name, await budgetOf(problem));
      for (const method of chosen) {
        const key = { problem: problem.name, seed, method: method.name, version: method.version };
        if (runs.has(key) || Date.now() > until) continue;
        const start = performance.now();
        const run = await simulate(problem, await open.start(method, problem, seed), budgets.get(problem.name), nWorkers);
        const seconds = (performance.now() - start) / 1000;
        runs.add({ ...key, best: problem.best, ...run });
        const [, loss] = run.any.at(-1) ?? [0, NaN];
        console.log(
          `${problem.name} seed ${seed} ${method.name}: ${loss.toPrecision(5)} after ${run.nTrials} trials, ${seconds.toFixed(0)} s`,
        );
      }
    }
  }
  open.close();
  opened.close();
  if (Date.now() > until) console.log('the time is up; run again to go on');
}

/** Time in which the workers could train 48 random points to the end. */
async function budgetOf(problem) {
  const space = compileSpace({ parameters: problem.parameters, where: [] });
  const { next } = createRng(1, 77);
  const points = Array.from({ length: 200 }, () => space.sample(next).params);
  const found = await problem.evaluateMany(points);
  return (mean(found.map(({ time }) => time)) * nTrainings) / nWorkers;
}
