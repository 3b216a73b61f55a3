/**
 * What is compared. Ours go through `hpo serve`, each peer through ask and tell of its own in an environment of its own.
 * `cost` orders them: what costs more is run on fewer cells.
 * @typedef {{ name: string, label: string, peer: null | { env: string, script: string, requirements: string[], alone?: string },
 *   sampler?: string, cost: number }} Method  alone: a package that is installed without what it says it needs
 */

const torch = 'torch==2.15.0';
const optuna = {
  env: 'core-peer-optuna',
  script: 'peers/optuna_peer.py',
  requirements: ['optuna==5.0.0', 'scipy', 'cmaes==0.13.1', torch],
};
const smac = { env: 'core-peer-smac', script: 'peers/smac_peer.py', requirements: ['smac==2.4.1'] };
const hebo = {
  env: 'core-peer-hebo',
  script: 'peers/hebo_peer.py',
  requirements: [torch, 'pymoo==0.6.2', 'botorch==0.18.1', 'disjoint_set', 'pandas', 'scikit-learn'],
  // It names versions of NumPy and pymoo that are no longer built, and runs with newer ones.
  alone: 'hebo==0.3.6',
};

/** @type {Method[]} */
export const methods = [
  { name: 'auto', label: 'ours: auto', peer: null, sampler: 'auto', cost: 2 },
  { name: 'gp', label: 'ours: gp', peer: null, sampler: 'gp', cost: 2 },
  { name: 'tpe', label: 'ours: tpe', peer: null, sampler: 'tpe', cost: 0 },
  { name: 'evolution', label: 'ours: evolution', peer: null, sampler: 'evolution', cost: 0 },
  { name: 'cmaes', label: 'ours: cmaes', peer: null, sampler: 'cmaes', cost: 0 },
  { name: 'qmc', label: 'ours: qmc', peer: null, sampler: 'qmc', cost: 0 },
  { name: 'random', label: 'ours: random', peer: null, sampler: 'random', cost: 0 },
  { name: 'optuna-tpe', label: 'Optuna TPE (multivariate, liar)', peer: optuna, cost: 1 },
  { name: 'optuna-tpe4', label: 'Optuna TPE (univariate, as in ≤ 4)', peer: optuna, cost: 1 },
  { name: 'optuna-gp', label: 'Optuna GPSampler', peer: optuna, cost: 35 },
  { name: 'optuna-cmaes', label: 'Optuna CmaEsSampler', peer: optuna, cost: 1 },
  { name: 'optuna-qmc', label: 'Optuna QMCSampler', peer: optuna, cost: 1 },
  { name: 'optuna-random', label: 'Optuna RandomSampler', peer: optuna, cost: 1 },
  { name: 'smac', label: 'SMAC3', peer: smac, cost: 42 },
  { name: 'hebo', label: 'HEBO', peer: hebo, cost: 240 },
];
