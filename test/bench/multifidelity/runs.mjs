import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';

const folder = new URL('../results/recorded/multifidelity/', import.meta.url);

/**
 * What was run before, one file of JSON lines a method, so that an interrupted run loses one line at most.
 * @typedef {import('./simulate.mjs').Run & { problem: string, seed: number, method: string, version: string, best: number | null }} Recorded
 */
export class Runs {
  /** @type {Map<string, Recorded>} */
  #runs = new Map();

  constructor() {
    if (!existsSync(folder)) return;
    for (const name of readdirSync(folder))
      for (const line of readFileSync(new URL(name, folder), 'utf8').split('\n').filter(Boolean)) {
        const run = JSON.parse(line);
        this.#runs.set(keyOf(run), run);
      }
  }

  has(wanted) {
    return this.#runs.get(keyOf(wanted))?.version === wanted.version;
  }

  /** @param {Recorded} run */
  add(run) {
    this.#runs.set(keyOf(run), run);
    mkdirSync(folder, { recursive: true });
    const file = `${run.method.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')}.jsonl`;
    appendFileSync(new URL(file, folder), `${JSON.stringify(run, rounded)}\n`);
  }

  all() {
    return [...this.#runs.values()];
  }
}

const keyOf = ({ problem, seed, method }) => `${problem} ${seed} ${method}`;
const rounded = (_, value) => (typeof value === 'number' ? Number(value.toPrecision(8)) : value);
