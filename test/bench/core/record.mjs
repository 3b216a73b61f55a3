import { Cells, runCell } from './cells.mjs';
import { openTuner, versionOf } from './tuners.mjs';

/**
 * Runs what is missing of the wanted cells, in their order, one at a time; stops after the given minutes.
 * @param {{ method: import('./methods.mjs').Method, problem: import('./problems.mjs').Problem, seed: number, trials: number, workers: number }[]} wanted
 * @param {{ cells: Cells, minutes: number }} options
 */
export async function record(wanted, { cells, minutes }) {
  const until = Date.now() + minutes * 60_000;
  const missing = wanted.filter(({ method, problem, ...rest }) => {
    return cells.get({ ...rest, problem: problem.name, method: method.name, version: versionOf(method) }) === undefined;
  });
  const open = new Map();
  let left = missing.length;
  for (const { method, problem, ...rest } of missing) {
    if (Date.now() > until) break;
    const tuner = open.get(method) ?? (await openTuner(method));
    open.set(method, tuner);
    const start = performance.now();
    cells.add(await runCell(tuner, problem, { ...rest, method: method.name, version: versionOf(method) }));
    left--;
    const took = ((performance.now() - start) / 1000).toFixed(1);
    console.error(`· ${method.name} ${problem.name} seed ${rest.seed} ×${rest.workers}: ${took} s, ${left} cells left`);
  }
  for (const tuner of open.values()) tuner.close();
}

/**
 * Cells in an order whose every beginning is balanced: methods that cost little first; within a method seed by seed.
 * @param {{ methods: import('./methods.mjs').Method[], problems: import('./problems.mjs').Problem[], seeds: number }} plan
 */
export function inOrder({ methods, problems, seeds, trials, workers }) {
  return methods.flatMap((method) =>
    Array.from({ length: seeds }, (_, k) =>
      problems.map((problem) => ({ method, problem, seed: k + 1, trials, workers })),
    ).flat(),
  );
}
