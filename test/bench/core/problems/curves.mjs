import { createRng } from '../../../../agent/core/math/index.ts';
import { choice, float, int, ordinal, parameter } from './space.mjs';

/**
 * Learning curves of a made-up network, 81 epochs, that need no Python: `plain` ranks early much as it ends, in `crossing` what
 * starts fast ends badly, and in `late` the first tenth of the training says nothing.
 *
 *   loss(e) = end + (2 − end) · (1 + e/τ)^−1.5 + overfitting · (e/81)² + noise,    time(e) = e · cost
 */
export function curves() {
  return ['plain', 'crossing', 'late'].flatMap((kind) =>
    [1, 2, 3].map((number) => ({
      name: `curves-${kind}-${number}`,
      family: 'curves',
      parameters,
      objective: { metric: 'loss', direction: 'min' },
      fidelity: { name: 'epochs', min: 1, max: epochs, reductionFactor: 3 },
      measure: network(kind, number),
    })),
  );
}

const epochs = 81;

const parameters = [
  parameter('lr', float(1e-5, 1, true)),
  parameter('decay', float(1e-7, 1e-1, true)),
  parameter('width', int(16, 1024, true)),
  parameter('layers', int(1, 6)),
  parameter('dropout', float(0, 0.7)),
  parameter('batch', ordinal(16, 32, 64, 128, 256)),
  parameter('schedule', choice('constant', 'cosine', 'step')),
];

function network(kind, number) {
  const { next } = createRng(number, 1001);
  const between = (low, high) => low + (high - low) * next();
  const at = {
    lr: between(-3.5, -1.5),
    decay: between(-5, -2),
    width: between(6, 9),
    layers: between(2, 5),
    dropout: between(0.1, 0.4),
  };
  const schedules = { constant: between(0, 0.1), cosine: between(0, 0.1), step: between(0, 0.1) };
  return (p, resource) => {
    const epoch = resource ?? epochs;
    const rate = Math.log10(p.lr) - at.lr - 0.3 * Math.log2(p.batch / 64);
    const capacity = Math.log2(p.width) - at.width + 0.5 * (p.layers - at.layers);
    const misfit =
      0.12 * rate ** 2 +
      0.02 * (Math.log10(p.decay) - at.decay) ** 2 +
      0.03 * capacity ** 2 +
      0.02 * (p.layers - at.layers) ** 2 +
      0.6 * (p.dropout - at.dropout) ** 2 +
      schedules[p.schedule];
    const end = 0.1 + 1.9 * (1 - Math.exp(-misfit));
    // High rates and small networks learn fast; where curves cross, the more so the worse the end.
    const tau = kind === 'crossing' ? 1 + 14 * Math.exp(-2 * misfit) : Math.min(40, 3 * 10 ** (-0.45 * rate));
    const overfitting = kind === 'plain' ? 0.1 * Math.max(0, capacity) : 0;
    const seen = kind === 'late' ? Math.max(0, epoch - 9) : epoch;
    const loss = end + (2 - end) * (1 + seen / tau) ** -1.5 + overfitting * (epoch / epochs) ** 2;
    const noise = kind === 'late' && seen === 0 ? 0.1 : 0.004;
    const cost = 1 + (p.layers * (p.width / 256) ** 1.5 * 64) / (64 + p.batch);
    return { values: { loss: loss + noise * (hash(number, p, epoch) - 0.5) }, time: epoch * cost };
  };
}

/** In [0, 1), the same for the same point and epoch. */
function hash(number, params, epoch) {
  let h = 2166136261 ^ number;
  for (const character of `${epoch} ${Object.values(params).join(' ')}`) h = Math.imul(h ^ character.charCodeAt(0), 16777619);
  h = Math.imul(h ^ (h >>> 15), 2246822519);
  h = Math.imul(h ^ (h >>> 13), 3266489917);
  return ((h ^ (h >>> 16)) >>> 0) / 2 ** 32;
}
