import { runCell } from './cells.mjs';
import { openTuner, versionOf } from './tuners.mjs';

/**
 * Runs what is missing of the wanted cells, in their order, one at a time; stops after the given minutes.
 * @param {{ method: import('./methods.mjs').Method, problem: import('./problems.mjs').Problem, seed: number, trials: number, workers: number }[]} wanted
 * @param {{ cells: import('./cells.mjs').Cells, minutes: number }} options
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
    // Ours of other sources cannot be compared with ours of today.
    if (!open.has(method) && method.peer === null) cells.drop(method.name, versionOf(method));
    const tuner = open.get(method) ?? (await openTuner(method));
    open.set(method, tuner);
    const start = performance.now();
    left--;
    try {
      cells.add(await runCell(tuner, problem, { ...rest, method: method.name, version: versionOf(method) }));
    } catch (error) {
      console.error(`· ${method.name} ${problem.name} seed ${rest.seed}: ${error.message}`);
      tuner.close();
      open.delete(method);
      continue;
    }
    const took = ((performance.now() - start) / 1000).toFixed(1);
    console.error(`· ${method.name} ${problem.name} seed ${rest.seed} ×${rest.workers}: ${took} s, ${left} cells left`);
  }
  for (const tuner of open.values()) tuner.close();
}

/**
 * Cells seed by seed, so that an early end leaves all methods with the same ones.
 * @param {{ methods: import('./methods.mjs').Method[], problems: import('./problems.mjs').Problem[], seeds: number, trials: number, workers: number }} wanted
 */
export function inOrder({ methods, problems, seeds, trials, workers }) {
  return Array.from({ length: seeds }, (_, k) => k + 1).flatMap((seed) =>
    methods.flatMap((method) => problems.map((problem) => ({ method, problem, seed, trials, workers }))),
  );
}
