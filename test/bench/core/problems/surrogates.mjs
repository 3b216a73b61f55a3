import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { choice, float, int, parameter } from './space.mjs';

/**
 * YAHPO Gym's surrogates in the folder of `--data`, one folder a scenario with `config_space.json`, `encoding.json` and
 * `model.onnx`. Only the instances at even positions of the sorted names: the others are kept to judge by.
 * Pfisterer et al., "YAHPO Gym", AutoML 2022.
 */
export function surrogates(data) {
  return scenarios
    .filter(({ name }) => existsSync(join(data, name, 'model.onnx')))
    .flatMap((scenario) => {
      const read = (file) => JSON.parse(readFileSync(join(data, scenario.name, file), 'utf8'));
      const [space, encoding] = [read('config_space.json'), read('encoding.json')];
      const instances = Object.keys(encoding[scenario.instance])
        .filter((name) => name !== '#na#')
        .sort();
      return instances
        .filter((_, position) => position % 2 === 0)
        .map((instance) => surrogate(resolve(data, scenario.name, 'model.onnx'), scenario, space, encoding, instance));
    });
}

const rbv2 = {
  instance: 'task_id',
  outputs: ['acc', 'bac', 'auc', 'brier', 'f1', 'logloss', 'timetrain', 'timepredict', 'memory'],
  time: 'timetrain',
  objective: { metric: 'acc', direction: 'max' },
  fixed: { repl: 10 },
  // The resource is the percentage of the rows that are trained on.
  fidelity: { name: 'trainsize', min: 3, max: 100, reductionFactor: 3, scale: 0.01 },
};

const scenarios = [
  {
    name: 'lcbench',
    instance: 'OpenML_task_id',
    categories: ['OpenML_task_id'],
    numbers: 'epoch batch_size learning_rate momentum weight_decay num_layers max_units max_dropout'.split(' '),
    outputs: [
      'time',
      'val_accuracy',
      'val_cross_entropy',
      'val_balanced_accuracy',
      'test_cross_entropy',
      'test_balanced_accuracy',
    ],
    time: 'time',
    objective: { metric: 'val_accuracy', direction: 'max' },
    fixed: {},
    // Epoch 1 is the untrained network, and 52 is odd.
    fidelity: { name: 'epoch', min: 2, max: 51, reductionFactor: 3, scale: 1 },
  },
  {
    ...rbv2,
    name: 'rbv2_xgboost',
    categories: ['task_id', 'booster', 'num.impute.selected.cpo'],
    numbers: (
      'nrounds eta gamma lambda alpha subsample max_depth min_child_weight colsample_bytree colsample_bylevel ' +
      'rate_drop skip_drop trainsize repl'
    ).split(' '),
  },
  {
    ...rbv2,
    name: 'rbv2_rpart',
    categories: ['task_id', 'num.impute.selected.cpo'],
    numbers: 'cp maxdepth minbucket minsplit trainsize repl'.split(' '),
  },
];

/** Names that a condition can hold: no dots, no keywords. */
const identifier = (name) => name.replaceAll('.', '_').replace(/^lambda$/, 'lambda_l2');

function surrogate(file, scenario, space, encoding, instance) {
  const { min, max, reductionFactor } = scenario.fidelity;
  const fixed = new Set([scenario.instance, scenario.fidelity.name, ...Object.keys(scenario.fixed)]);
  return {
    name: `${scenario.name}-${instance}`,
    family: scenario.name,
    parameters: space.hyperparameters
      .filter(({ name }) => !fixed.has(name))
      .map((hyperparameter) =>
        parameter(identifier(hyperparameter.name), distribution(hyperparameter), condition(space, hyperparameter)),
      ),
    objective: scenario.objective,
    fidelity: { name: scenario.fidelity.name, min, max, reductionFactor },
    key: {
      family: 'surrogate',
      file,
      categories: scenario.categories.map((name) => {
        const { '#na#': none, ...codes } = encoding[name];
        return { name: identifier(name), codes, none };
      }),
      numbers: scenario.numbers.map(identifier),
      outputs: scenario.outputs,
      time: scenario.time,
      fixed: { ...scenario.fixed, [scenario.instance]: instance },
      fidelity: { name: scenario.fidelity.name, full: max, scale: scenario.fidelity.scale },
    },
  };
}

function distribution({ type, lower, upper, log, choices }) {
  if (type === 'categorical') return choice(...choices);
  return type === 'uniform_int' ? int(lower, upper, log) : float(lower, upper, log);
}

function condition(space, { name }) {
  const found = space.conditions.find(({ child }) => child === name);
  if (found === undefined) return null;
  const values = found.type === 'EQ' ? [found.value] : found.values;
  return values.map((value) => `${identifier(found.parent)} == ${JSON.stringify(value)}`).join(' or ');
}
