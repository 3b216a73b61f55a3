import { readFileSync, writeFileSync } from 'node:fs';
import { ServeSession } from '../../../agent/cli/serveSession.ts';
import { synthetic } from './problems/synthetic.mjs';
import { mean } from './statistics.mjs';

/**
 * Samplers on problems that need no Python, in one process, through the requests of `hpo serve`. Nothing in it depends on time, so the
 * same sources give the same regrets.
 *
 * A band is the mean regret of five runs with other seeds and what a sampler may reach at worst: two standard deviations above it, which no one of the
 * five can be beyond by chance alone ((n − 1) / √n = 1.8).
 * @typedef {{ regret: number, limit: number }} Band
 */

const trials = 30;
const families = ['branin', 'hartmann6', 'network', 'trees', 'arms', 'lattice'];
/** Number of instances of each family that a sampler is run on. */
const nInstances = { random: 5, qmc: 3, tpe: 3, evolution: 3, cmaes: 3, gp: 2, auto: 2 };
export const samplers = Object.keys(nInstances);

const bandFile = new URL('../results/band.json', import.meta.url);
const known = JSON.parse(readFileSync(new URL('known.json', import.meta.url), 'utf8'));

/** @returns {Record<string, Band>} */
export const readBands = () => JSON.parse(readFileSync(bandFile, 'utf8'));

/** Mean normalised regret after 30 trials. */
export function quickRegret(sampler, seed = 1) {
  const problems = synthetic().filter(({ name }) => {
    const [family, instance] = name.split('-');
    return families.includes(family) && Number(instance) <= nInstances[sampler];
  });
  return mean(problems.map((problem) => regretOf(problem, sampler, seed)));
}

/** What is wrong with a sampler's regret, or null. */
export function fault(sampler, regret, bands) {
  const { limit } = bands[sampler];
  if (regret > limit) return `left its band: regret ${regret.toFixed(4)} is above ${limit.toFixed(4)}`;
  if (sampler !== 'random' && regret > bands.random.regret)
    return `is worse than random: regret ${regret.toFixed(4)} is above ${bands.random.regret.toFixed(4)}`;
  return null;
}

/** Runs and prints all samplers. @returns {boolean} whether all are in their bands */
export function quick({ update }) {
  const bands = update ? record() : readBands();
  let isGood = true;
  for (const sampler of samplers) {
    const start = performance.now();
    const regret = quickRegret(sampler);
    const problem = fault(sampler, regret, bands);
    isGood &&= problem === null;
    const band = `band to ${bands[sampler].limit.toFixed(4)}`;
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    console.log(`${sampler.padEnd(10)} regret ${regret.toFixed(4)}  ${band}  ${seconds} s  ${problem ?? 'ok'}`);
  }
  return isGood;
}

function record() {
  const bands = Object.fromEntries(
    samplers.map((sampler) => {
      const regrets = [1, 2, 3, 4, 5].map((seed) => quickRegret(sampler, seed));
      const regret = mean(regrets);
      const deviation = Math.sqrt(regrets.reduce((sum, value) => sum + (value - regret) ** 2, 0) / 4);
      const limit = regret + 2 * deviation;
      return [sampler, { regret: Number(regret.toFixed(5)), limit: Number(limit.toFixed(5)) }];
    }),
  );
  writeFileSync(bandFile, `${JSON.stringify(bands, null, 2)}\n`);
  return bands;
}

function regretOf({ name, parameters, measure }, sampler, seed) {
  const session = new ServeSession();
  const send = (request) => {
    const answer = JSON.parse(session.answer(JSON.stringify(request)));
    if (answer.error !== undefined) throw new Error(`${sampler} on ${name}: ${answer.error.message}`);
    return answer;
  };
  const objectives = [{ metric: 'loss', direction: 'min' }];
  send({ create: { parameters, objectives, sampler, scheduler: 'none', seed, maxTrials: trials, parallel: 1 } });
  let least = Infinity;
  for (let k = 0; k < trials; k++) {
    const [trial] = send({ ask: { n: 1 } }).trials;
    if (trial === undefined) break;
    const { values } = measure(trial.params);
    least = Math.min(least, values.loss);
    send({ tell: { number: trial.number, state: 'complete', values } });
  }
  const { best, typical } = known[name];
  return (least - best) / (typical - best);
}
