import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { canonicalJson } from '../../../agent/core/space/index.ts';

/**
 * One run of a method on a problem: `trials` evaluations by `workers` that run at once. Simulated: each evaluation takes the time that
 * the problem says, a worker that is free asks at once, and a value is told when its time is over.
 *
 * @typedef {object} Cell
 * @property {string} problem
 * @property {number} seed
 * @property {string} method
 * @property {string} version
 * @property {number} trials
 * @property {number} workers
 * @property {[index: number, loss: number, time: number][]} best  each improvement: number of evaluations that had ended, and when
 * @property {number} end         time of the last end
 * @property {number} duplicates  evaluations of a point that had been asked for before
 * @property {number} ms          mean time of an ask and its tell
 */

/** @returns {Promise<Cell>} */
export async function runCell(tuner, problem, { seed, method, version, trials, workers }) {
  await tuner.create({ parameters: problem.parameters, seed, trials, workers });
  const running = [];
  const seen = new Set();
  const best = [];
  let [asked, ended, seconds, time, duplicates] = [0, 0, 0, 0, 0];
  for (;;) {
    while (running.length < workers && asked < trials) {
      const proposal = await tuner.ask();
      if (proposal === null) break;
      asked++;
      seconds += proposal.seconds;
      const key = canonicalJson(proposal.params);
      if (seen.has(key)) duplicates++;
      seen.add(key);
      const { values, time: duration } = await problem.evaluate(proposal.params);
      running.push({ number: proposal.number, loss: problem.loss(values), ends: time + duration });
    }
    if (running.length === 0) break;
    running.sort((a, b) => a.ends - b.ends || a.number - b.number);
    const { number, loss, ends } = running.shift();
    time = ends;
    ended++;
    seconds += await tuner.tell(number, loss);
    if (best.length === 0 || loss < best.at(-1)[1]) best.push([ended, round(loss, 9), round(time, 5)]);
  }
  const ms = round((seconds / Math.max(1, asked)) * 1000, 4);
  return { problem: problem.name, seed, method, version, trials, workers, best, end: round(time, 5), duplicates, ms };
}

const round = (value, digits) => Number(value.toPrecision(digits));

/** Least loss after so many evaluations. */
export function bestAt(cell, evaluations) {
  return cell.best.findLast(([index]) => index <= evaluations)?.[1] ?? Infinity;
}

const folder = new URL('../results/recorded/', import.meta.url);

/** What was run before, by method; one file of JSON lines each, so that an interrupted run loses one cell at most. */
export class Cells {
  /** @type {Map<string, Cell>} */
  #cells = new Map();

  constructor() {
    mkdirSync(folder, { recursive: true });
    for (const name of readdirSync(folder).filter((file) => file.endsWith('.jsonl')))
      for (const line of readFileSync(new URL(name, folder), 'utf8').split('\n').filter(Boolean)) {
        const cell = JSON.parse(line);
        this.#cells.set(keyOf(cell), cell);
      }
  }

  /** @returns {Cell | undefined} of the version asked for */
  get(wanted) {
    const cell = this.#cells.get(keyOf(wanted));
    return cell?.version === wanted.version ? cell : undefined;
  }

  add(cell) {
    this.#cells.set(keyOf(cell), cell);
    appendFileSync(new URL(`${cell.method}.jsonl`, folder), `${JSON.stringify(cell)}\n`);
  }

  /** Forgets a method's cells, or those of other versions of it. */
  drop(method, keptVersion = null) {
    const file = new URL(`${method}.jsonl`, folder);
    for (const [key, cell] of this.#cells) if (cell.method === method && cell.version !== keptVersion) this.#cells.delete(key);
    if (!existsSync(file)) return;
    const rows = [...this.#cells.values()].filter((cell) => cell.method === method);
    writeFileSync(file, rows.map((cell) => `${JSON.stringify(cell)}\n`).join(''));
  }

  all() {
    return [...this.#cells.values()];
  }
}

const keyOf = ({ problem, seed, method, trials, workers }) => `${problem} ${seed} ${method} ${trials} ${workers}`;
