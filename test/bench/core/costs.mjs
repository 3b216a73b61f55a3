import { createRng } from '../../../agent/core/math/index.ts';
import { createSampler, History } from '../../../agent/core/samplers/index.ts';
import { createScheduler } from '../../../agent/core/schedulers/index.ts';
import { compileSpace } from '../../../agent/core/space/index.ts';
import { median } from './statistics.mjs';
import { methods } from './methods.mjs';
import { choice, float, int, parameter } from './problems/space.mjs';
import { openTuner } from './tuners.mjs';

/** Ten parameters of all kinds. */
const parameters = [
  ...Array.from({ length: 4 }, (_, k) => parameter(`f${k}`, float(0, 1))),
  parameter('g', float(1e-5, 1, true)),
  ...Array.from({ length: 3 }, (_, k) => parameter(`n${k}`, int(1, 20))),
  ...Array.from({ length: 2 }, (_, k) => parameter(`c${k}`, choice('a', 'b', 'c'))),
];

/** Ours, the peer, the sizes of the history, and the share of the peer's time that is to be reached. */
const contests = [
  { ours: 'random', theirs: 'optuna-random', sizes: [50, 100, 1000, 10_000], absolute: 0.05 },
  {
    ours: 'tpe',
    theirs: 'optuna-tpe',
    sizes: [50, 100, 200, 500, 1000, 5000, 10_000],
    share: { 100: 0.1, 1000: 0.1, 10_000: 0.2 },
  },
  { ours: 'gp', theirs: 'optuna-gp', sizes: [50, 100, 200, 500], share: { 50: 0.2, 200: 0.2, 500: 1 / 3 } },
  { ours: 'auto', theirs: 'optuna-tpe', sizes: [50, 100, 200, 500, 1000, 5000, 10_000] },
];

/**
 * Time of an ask after n trials, ours and the peer's in turn, each within its process. Medians, in ms.
 * @returns {Promise<{ ours: string, theirs: string, n: number, msOurs: number, msTheirs: number, target: string | null, met: boolean | null }[]>}
 */
export async function askCosts() {
  const rows = [];
  const known = new Map();
  for (const { ours, theirs, sizes, share = {}, absolute = null } of contests)
    for (const n of sizes) {
      const history = randomHistory(n);
      const repeats = n >= 500 && ours === 'gp' ? 5 : 11;
      const msOurs = ourTime(ours, history, repeats);
      const key = `${theirs} ${n}`;
      if (!known.has(key)) known.set(key, await peerTime(theirs, history, repeats));
      const msTheirs = known.get(key);
      rows.push({ ours, theirs, n, msOurs, msTheirs, ...judge(msOurs, msTheirs, absolute, share[n] ?? null) });
      console.error(`· ask after ${n}: ${ours} ${msOurs.toFixed(3)} ms, ${theirs} ${msTheirs.toFixed(2)} ms`);
    }
  return rows;
}

function judge(msOurs, msTheirs, absolute, share) {
  if (absolute !== null) return { target: `≤ ${absolute} ms`, met: msOurs <= absolute };
  if (share !== null) return { target: `≤ 1/${Math.round(1 / share)}`, met: msOurs <= share * msTheirs };
  return { target: null, met: null };
}

function randomHistory(n) {
  const space = compileSpace({ parameters, where: [] });
  const rng = createRng(5, n);
  return Array.from({ length: n }, () => {
    const { params } = space.sample(rng.next);
    return [
      params,
      (params.f0 - 0.3) ** 2 +
        (Math.log10(params.g) + 3) ** 2 / 10 +
        params.n0 / 100 +
        (params.c0 === 'a' ? 0 : 0.2) +
        0.02 * rng.normal(),
    ];
  });
}

/** A peer's own time, in its process: it is asked, told, and asked again. */
async function peerTime(name, history, repeats) {
  const tuner = await openTuner(methods.find((method) => method.name === name));
  const rng = createRng(6, history.length);
  await tuner.create({ parameters, seed: 1, trials: history.length + 1000, workers: 1, history });
  const times = [];
  // The first ones also prepare what the later ones keep.
  for (let k = -2; k < repeats; k++) {
    const { number, seconds } = await tuner.ask();
    if (k >= 0) times.push(seconds * 1000);
    await tuner.tell(number, rng.next());
  }
  tuner.close();
  return median(times);
}

/** The same of a sampler of ours, called as the study calls it. */
function ourTime(name, rows, repeats) {
  // The engine compiles what is called often: another study of the kind comes first.
  const isModel = name === 'gp' || (name === 'auto' && rows.length <= 500);
  if (!isModel) askTimes(name, rows, 60);
  return median(askTimes(name, rows, isModel ? repeats : 2 * repeats).slice(2));
}

function askTimes(name, rows, nAsks) {
  const space = compileSpace({ parameters, where: [] });
  const complete = (params, loss, number) => ({ number, params, state: 'complete', values: [loss], resource: 1 });
  const history = new History(
    space,
    rows.map(([params, loss], number) => complete(params, loss, number)),
  );
  const sampler = createSampler(name);
  const rng = createRng(6, rows.length);
  const objectives = [{ metric: 'loss', direction: 'min', goal: null }];
  const study = { space, history, objectives, seed: 1, parallel: 1, liar: 'max', fidelity: null, prior: null, trialMs: null };
  return Array.from({ length: nAsks }, () => {
    const number = history.size;
    const start = performance.now();
    const { params } = sampler.propose({ ...study, number, budgetTrials: number + 1000 });
    const ms = performance.now() - start;
    history.upsert(complete(params, rng.next(), number));
    return ms;
  });
}

/**
 * A trial's report at the lowest rung after so many trials, with what follows from it, in µs: asynchronous successive halving, by stopping
 * and by promotion. Medians of the means of 100 in a row, as a single one is shorter than what the clock tells.
 */
export function rungCosts(sizes = [1000, 100_000]) {
  return ['asha-stop', 'asha-promote'].flatMap((name) => {
    rungCost(name, 5000);
    return sizes.map((n) => ({ name, n, us: rungCost(name, n) }));
  });
}

function rungCost(name, n) {
  const scheduler = createScheduler(name, {
    fidelity: { min: 1, max: 81, reductionFactor: 3 },
    directions: ['min'],
    parallel: 8,
    seed: 1,
    mode: 'standard',
    hasCheckpoint: true,
    baseline: null,
    maxTrials: null,
  });
  const rng = createRng(1, n);
  const arrive = (number) => {
    const value = rng.next();
    scheduler.onCreated(number, 1, null);
    const decision = scheduler.onReport(number, 1, [value]);
    if (decision === 'pause') scheduler.onPaused(number, 1, [value]);
    if (decision === 'stop') scheduler.onEnded(number, false);
    const promotion = scheduler.nextPromotion(false);
    if (promotion !== null) scheduler.onPromoted(promotion.number, promotion.target);
  };
  for (let number = 0; number < n; number++) arrive(number);
  const times = [];
  for (let batch = 0; batch < 30; batch++) {
    const start = performance.now();
    for (let k = 0; k < 100; k++) arrive(n + batch * 100 + k);
    times.push(((performance.now() - start) / 100) * 1000);
  }
  return median(times);
}
