import { expect, test } from 'vitest';
import { splitObservations } from '../../../../agent/core/samplers/split.ts';
import { ended, fidelity, Harness, metric, spec } from './harness.ts';

const study = (changes: {
  readonly sampler: 'auto' | 'tpe' | 'random';
  readonly parallel?: number;
  readonly checkpoint?: boolean;
  readonly max?: number;
}) =>
  new Harness(
    spec({
      fidelity: fidelity(1, changes.max ?? 9),
      checkpoint: changes.checkpoint === false ? null : { dir: 'ckpt' },
      search: { scheduler: 'asha-promote', sampler: changes.sampler, parallel: changes.parallel ?? 1 },
      budget: { trials: 40 },
    }),
  );

/** Trains the first live attempt to its target: loss falls with every step, and the nearer lr is to 0.1 the lower it is. */
function trainNext(h: Harness): boolean {
  const [live] = h.state.live.values();
  if (live === undefined) return false;
  const lr = Number(h.state.trial(live.number).params['lr']);
  for (let step = live.base + 1; step <= (live.target ?? 0); step++) {
    h.see(metric(live.number, live.attempt, step, { loss: distance(lr) + 1 / step }));
  }
  h.see(ended(live.number, live.attempt));
  return true;
}

const distance = (lr: number): number => Math.abs(Math.log10(lr) + 1);

test.each([
  ['tpe', 1, true],
  ['tpe', 4, true],
  ['tpe', 4, false],
  ['auto', 1, true],
] as const)('%s learns from paused trials (%i at once, checkpoint %s)', (sampler, parallel, checkpoint) => {
  const h = study({ sampler, parallel, checkpoint });
  while (trainNext(h));
  const trials = h.state.view.trials;
  expect(trials).toHaveLength(40);
  const fromModel = trials.filter(({ reason }) => !/own values|well-spread/.test(reason));
  // One baseline, ten of the start-up, and a few while earlier ones are promoted and so count as running.
  expect(fromModel.length).toBeGreaterThanOrEqual(40 - 11 - parallel - 3);
  const random = study({ sampler: 'random', parallel, checkpoint });
  while (trainNext(random));
  expect(meanDistance(h)).toBeLessThan(0.7 * meanDistance(random));
});

/** Of the later half from the best point. */
function meanDistance(h: Harness): number {
  const late = h.state.view.trials.slice(20);
  return late.reduce((sum, { params }) => sum + distance(Number(params['lr'])), 0) / late.length;
}

test('what a paused trial reached is known until it is promoted, and the farther it came the better it ranks', () => {
  const h = study({ sampler: 'tpe', max: 81 });
  const { history } = h.state;
  while (h.state.view.trials.length < 3) trainNext(h);
  expect(history.at(1)).toMatchObject({
    state: 'pruned',
    resource: 1,
    values: [h.state.view.trials[1]?.curve[0]?.values['loss']],
  });
  expect(history.ended).toBe(2);
  while (h.story().every((line) => !line.startsWith('trialPromoted'))) trainNext(h);
  const [promoted = NaN] = h.state.live.keys();
  expect(history.at(promoted)).toMatchObject({ state: 'pending', resource: 1 });
  trainNext(h);
  expect(history.at(promoted)).toMatchObject({ state: 'pruned', resource: 3 });

  // The two best of those that came to the highest level that four trials reached, by their values there.
  while (history.ended < 11) trainNext(h);
  const { fidelity: levels } = h.state.base;
  const { objectives } = h.state.view.spec;
  const rows = Array.from({ length: history.size }, (_, row) => row);
  const at = (row: number, level: number): number => history.at(row).curve?.[level] ?? NaN;
  const common = (levels?.levels ?? []).findLastIndex(
    (_, level) => rows.filter((row) => !Number.isNaN(at(row, level))).length >= 4,
  );
  expect(common).toBeGreaterThan(0);
  const reached = rows.filter((row) => !Number.isNaN(at(row, common)));
  const best = reached.toSorted((a, b) => at(a, common) - at(b, common)).slice(0, 2);
  const { below } = splitObservations({ history, objectives, liar: 'max', fidelity: levels });
  expect(below).toEqual(best.toSorted((a, b) => a - b));
  expect(h.replay()).toEqual(h.state);
});
