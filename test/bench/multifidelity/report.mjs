import { mkdirSync, writeFileSync } from 'node:fs';
import { interval, mean, median } from '../core/statistics.mjs';
import { methods } from './methods.mjs';

const folder = new URL('../results/', import.meta.url);
const shares = [0.25, 0.5, 1];

/**
 * For each family of problems a table of the methods that have nearly all runs, and one of all methods, over the problems and seeds
 * that all methods in it have.
 *
 * - gap: loss of the best model so far, at any step of any trial, over the least loss known (percentage points where the metric is in percent);
 * - sooner: budget ÷ time at which the median of random's final losses was reached, the median over cells;
 * - failures: cells in which it never was.
 *
 * @param {import('./runs.mjs').Recorded[]} runs
 */
export function writeReport(runs) {
  const tables = ['lcbench', 'curves-plain', 'curves-crossing', 'curves-late'].flatMap((family) => {
    const own = runs.filter(({ problem }) => problem.startsWith(family));
    if (!own.some(({ method }) => method === 'random')) return [];
    const most = table(family, own, 0.9);
    const all = table(family, own, 0.1);
    return all.rows.length > most.rows.length && all.cells > 0 ? [most, all] : [most];
  });
  mkdirSync(folder, { recursive: true });
  writeFileSync(new URL('multifidelity.json', folder), `${JSON.stringify(tables, null, 2)}\n`);
  const text = `# Multi-fidelity\n\n8 asynchronous workers in simulated time, a budget of 48 full trainings. Intervals: 95 %, bootstrap over cells.\n${tables.map(markdown).join('')}`;
  writeFileSync(new URL('multifidelity.md', folder), text);
  console.log(text);
}

/** `leastShare`: of the largest number of runs that a method must have to stand in the table. */
function table(family, runs, leastShare) {
  const of = (method) => new Map(runs.filter((run) => run.method === method).map((run) => [`${run.problem} ${run.seed}`, run]));
  const byMethod = new Map(methods.map(({ name }) => [name, of(name)]).filter(([, own]) => own.size > 0));
  const most = Math.max(...[...byMethod.values()].map(({ size }) => size));
  const whole = [...byMethod].filter(([, own]) => own.size >= most * leastShare);
  const cells = [...(byMethod.get('random')?.keys() ?? [])].filter((cell) => whole.every(([, own]) => own.has(cell)));
  const problems = new Set(cells.map((cell) => cell.split(' ')[0]));
  const least = new Map();
  const reference = new Map();
  for (const problem of problems) {
    const own = runs.filter((run) => run.problem === problem);
    least.set(problem, Math.min(...own.map((run) => Math.min(run.best ?? Infinity, lossAt(run, 1)))));
    reference.set(problem, median(own.filter(({ method }) => method === 'random').map((run) => lossAt(run, 1))));
  }
  const rows = whole.map(([method, own]) => {
    const taken = cells.map((cell) => own.get(cell));
    const times = taken.map((run) => run.any.find(([, loss]) => loss <= reference.get(run.problem))?.[0] ?? Infinity);
    const gaps = shares.map((share) => {
      const values = taken.map((run) => lossAt(run, share) - least.get(run.problem));
      return { share, mean: mean(values), interval: interval(values, mean) };
    });
    return {
      method,
      version: taken[0]?.version,
      gaps,
      sooner: 1 / median(times),
      soonerInterval: interval(times, median)
        .map((time) => 1 / time)
        .toReversed(),
      failures: times.filter((time) => time === Infinity).length,
      trials: mean(taken.map(({ nTrials }) => nTrials)),
      fullTrainings: mean(taken.map(({ nFull }) => nFull)),
    };
  });
  return { family, cells: cells.length, problems: [...problems], rows };
}

/** Least loss up to a share of the budget; before the first report the worst that was ever reported. */
function lossAt(run, share) {
  return run.any.findLast(([time]) => time <= share)?.[1] ?? run.any[0]?.[1] ?? Infinity;
}

function markdown({ family, cells, problems, rows }) {
  const digits = family === 'lcbench' ? 2 : 3;
  const lines = rows.map((row) => {
    const gaps = row.gaps.map(
      (gap) => `${gap.mean.toFixed(digits)} (${gap.interval.map((end) => end.toFixed(digits)).join(' to ')})`,
    );
    const sooner =
      row.sooner === 0 ? '–' : `${row.sooner.toFixed(1)}× (${row.soonerInterval.map((end) => end.toFixed(1)).join(' to ')})`;
    return `| ${[row.method, ...gaps, sooner, `${row.failures} of ${cells}`, row.trials.toFixed(0), row.fullTrainings.toFixed(0)].join(' | ')} |`;
  });
  const heads = [
    'method',
    ...shares.map((share) => `gap at ${share * 100} %`),
    "random's quality sooner",
    'failures',
    'trials',
    'full',
  ];
  return `\n## ${family}: ${problems.length} problems, ${cells} cells\n\n| ${heads.join(' | ')} |\n|${heads.map(() => ' --- |').join('')}\n${lines.join('\n')}\n`;
}
