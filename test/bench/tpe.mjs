/**
 * Our TPE beside Optuna's (multivariate, constant liar): regret on eight problems, sequentially, and time per proposal.
 * `node test/bench/tpe.mjs [--seeds 10] [--trials 60] [--first-seed 1]`. Makes an environment with Optuna from PyPI once.
 *
 * Regret = (best found − optimum) / (median of random points − optimum). The interval is a bootstrap over seeds.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createRng } from '../../agent/core/math/index.ts';
import { createSampler, History } from '../../agent/core/samplers/index.ts';
import { compileSpace } from '../../agent/core/space/index.ts';
import { pythonEnv } from '../support/python.ts';
import { instance as problems } from './core/problems/synthetic.mjs';

const { values: options } = parseArgs({
  options: {
    seeds: { type: 'string', default: '10' },
    trials: { type: 'string', default: '60' },
    'first-seed': { type: 'string', default: '1' },
  },
});
const nSeeds = Number(options.seeds);
const nTrials = Number(options.trials);
const firstSeed = Number(options['first-seed']);
const objectives = [{ metric: 'loss', direction: 'min', goal: null }];

const python = await pythonEnv('tpe-peer', ['optuna==5.0.0']);
const child = spawn(python, [fileURLToPath(new URL('tpe_peer.py', import.meta.url))], { stdio: ['pipe', 'pipe', 'inherit'] });
const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
const ask = async (request) => {
  child.stdin.write(`${JSON.stringify(request)}\n`);
  const { value, done } = await lines.next();
  if (done) throw new Error(`the peer ended while asked for ${Object.keys(request).join()}`);
  return JSON.parse(value);
};

/** Results by problem: one entry a seed. */
const results = new Map();
let version = '';
for (let seed = firstSeed; seed < firstSeed + nSeeds; seed++) {
  for (const problem of problems(createRng(seed, 999).next)) {
    const typical = medianOfRandom(problem, seed);
    const regret = (value) => (value - problem.best) / (typical - problem.best);
    const row = results.get(problem.name) ?? { ours: [], theirs: [], random: [] };
    results.set(problem.name, row);
    row.ours.push(regret(runOurs(problem, seed, 'tpe')));
    row.random.push(regret(runOurs(problem, seed, 'random')));
    row.theirs.push(regret(await runPeer(problem, seed)));
  }
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const total = (side, pick = (list) => list) => mean([...results.values()].map((row) => mean(pick(row[side]))));
console.log(
  `mean normalised regret after ${nTrials} trials, seeds ${firstSeed} to ${firstSeed + nSeeds - 1} (Optuna ${version})`,
);
const format = (name, row) => console.log([name.padEnd(42), ...row.map((value) => value.toFixed(4).padStart(9))].join(''));
console.log(`${''.padEnd(42)}     ours   Optuna   random`);
for (const [name, row] of results) format(name, [mean(row.ours), mean(row.theirs), mean(row.random)]);
format('all', [total('ours'), total('theirs'), total('random')]);

const resample = createRng(1, 1);
const ratios = Array.from({ length: 2000 }, () => {
  const picks = Array.from({ length: nSeeds }, () => resample.int(nSeeds));
  const pick = (list) => picks.map((index) => list[index]);
  return total('ours', pick) / total('theirs', pick);
}).sort((a, b) => a - b);
const ratio = total('ours') / total('theirs');
console.log(
  `ratio of regrets ours / Optuna: ${ratio.toFixed(3)}, 95 % interval ${ratios[50].toFixed(3)} to ${ratios[1949].toFixed(3)} (to reach: 1.05)`,
);

for (const n of [100, 1000]) {
  const { ours, theirs } = await askTimes(n);
  console.log(
    `ask with ${n} trials of 10 mixed parameters: ours ${ours.toFixed(2)} ms, Optuna ${theirs.toFixed(2)} ms, ratio ${(ours / theirs).toFixed(3)}`,
  );
}
child.stdin.end();

function context(space, history, seed, number) {
  return {
    space,
    objectives,
    history,
    seed,
    number,
    budgetTrials: null,
    liar: 'max',
    parallel: 1,
    fidelity: null,
    prior: null,
    trialMs: null,
  };
}

function runOurs(problem, seed, name) {
  const space = compileSpace({ parameters: problem.parameters, where: [] });
  const history = new History(space);
  const sampler = createSampler(name);
  let best = Infinity;
  for (let number = 0; number < nTrials; number++) {
    const { params } = sampler.propose(context(space, history, seed, number));
    const value = problem.evaluate(params);
    best = Math.min(best, value);
    history.upsert({ number, params, state: 'complete', values: [value], resource: 1 });
  }
  return best;
}

async function runPeer(problem, seed) {
  ({ version } = await ask({ create: { parameters: problem.parameters, seed } }));
  let best = Infinity;
  for (let number = 0; number < nTrials; number++) {
    const { params } = await ask({ ask: {} });
    const value = problem.evaluate(params);
    best = Math.min(best, value);
    await ask({ tell: { value } });
  }
  return best;
}

function medianOfRandom(problem, seed) {
  const space = compileSpace({ parameters: problem.parameters, where: [] });
  const rng = createRng(seed, 1000);
  const values = Array.from({ length: 501 }, () => problem.evaluate(space.sample(rng.next).params)).sort((a, b) => a - b);
  return values[250];
}

/** Milliseconds per ask with a random history of n trials; medians of 20. */
async function askTimes(n) {
  const numeric = { log: false, revlog: false, step: null };
  const distributions = [
    ...Array.from({ length: 5 }, () => ({ type: 'float', low: 0, high: 1, ...numeric })),
    ...Array.from({ length: 3 }, () => ({ type: 'int', low: 1, high: 20, ...numeric })),
    ...Array.from({ length: 2 }, () => ({ type: 'categorical', choices: ['a', 'b', 'c'] })),
  ];
  const parameters = distributions.map((distribution, k) => ({ name: `p${k}`, distribution, when: null }));
  const space = compileSpace({ parameters, where: [] });
  const history = new History(space);
  const random = createSampler('random');
  const values = createRng(5, n);
  for (let number = 0; number < n; number++) {
    const { params } = random.propose(context(space, history, 3, number));
    history.upsert({ number, params, state: 'complete', values: [values.next()], resource: 1 });
  }
  const sampler = createSampler('tpe');
  const median = (times) => times.sort((a, b) => a - b)[times.length / 2];
  const ours = Array.from({ length: 40 }, (_, k) => {
    const start = performance.now();
    sampler.propose(context(space, history, 3, n + k));
    return performance.now() - start;
  }).slice(20);
  const past = Array.from({ length: n }, (_, row) => [history.at(row).params, history.at(row).values[0]]);
  await ask({ create: { parameters, seed: 1, history: past } });
  const theirs = [];
  for (let k = 0; k < 20; k++) {
    theirs.push((await ask({ ask: {} })).ms);
    await ask({ tell: { value: values.next() } });
  }
  return { ours: median(ours), theirs: median(theirs) };
}
