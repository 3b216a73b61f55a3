import { choice, float, int, ordinal, parameter } from './space.mjs';

/** Real training in scikit-learn and LightGBM on data that scikit-learn ships; `training.py` has the other half. */
export function training() {
  const problem = (name, metric, parameters, fidelity = null) => ({
    name,
    family: 'training',
    parameters,
    objective: { metric, direction: 'min' },
    fidelity,
    key: { family: 'training', name },
  });
  return [
    problem('digits-svc', 'error', [
      parameter('c', float(1e-3, 1e3, true)),
      parameter('kernel', choice('rbf', 'poly', 'sigmoid', 'linear')),
      parameter('gamma', float(1e-4, 10, true), 'kernel != "linear"'),
      parameter('degree', int(2, 5), 'kernel == "poly"'),
      parameter('coef0', float(-1, 1), 'kernel == "poly" or kernel == "sigmoid"'),
      parameter('shrinking', choice(true, false)),
    ]),
    problem('cancer-boosting', 'loss', [
      parameter('rate', float(1e-3, 1, true)),
      parameter('rounds', int(5, 60, true)),
      parameter('leaves', int(2, 31, true)),
      parameter('leaf_size', int(1, 60, true)),
      parameter('l2', float(1e-6, 100, true)),
      parameter('features', float(0.1, 1)),
    ]),
    problem('diabetes-lightgbm', 'rmse', [
      parameter('rate', float(1e-3, 1, true)),
      parameter('rounds', int(5, 200, true)),
      parameter('leaves', int(2, 63, true)),
      parameter('leaf_size', int(1, 100, true)),
      parameter('features', float(0.2, 1)),
      parameter('l2', float(1e-6, 1e3, true)),
      parameter('bagging', choice(true, false)),
      parameter('rows', float(0.2, 1), 'bagging == true'),
    ]),
    problem(
      'digits-mlp',
      'loss',
      [
        parameter('lr', float(1e-5, 1, true)),
        parameter('alpha', float(1e-6, 1, true)),
        parameter('width', int(8, 64, true)),
        parameter('layers', int(1, 2)),
        parameter('batch', ordinal(16, 32, 64, 128)),
        parameter('solver', choice('adam', 'sgd')),
        parameter('momentum', float(0, 0.99), 'solver == "sgd"'),
        parameter('activation', choice('relu', 'tanh', 'logistic')),
      ],
      { name: 'epochs', min: 1, max: 27, reductionFactor: 3 },
    ),
  ];
}
