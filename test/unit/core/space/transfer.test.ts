import { describe, expect, test } from 'vitest';
import { compileSpace } from '../../../../agent/core/space/index.ts';
import { mapObservations, mapPoint } from '../../../../agent/core/space/transfer.ts';
import { matchNames } from '../../../../agent/core/space/transferNames.ts';
import type { Distribution, Objective, Params, ParamValue } from '../../../../agent/protocol/space.ts';
import type { PriorTrial } from '../../../../agent/protocol/study.ts';
import { choice, float, int, ordinal, parameter, searchSpace } from './builders.ts';

describe('matchNames', () => {
  test.each<[string, string[], string[], [string, string][]]>([
    [
      'the same',
      ['lr', 'x'],
      ['x', 'lr'],
      [
        ['lr', 'lr'],
        ['x', 'x'],
      ],
    ],
    ['nothing alike', ['lr'], ['momentum'], []],
    [
      'case and separators',
      ['learningRate', 'Batch-Size'],
      ['learning_rate', 'batch_size'],
      [
        ['learningRate', 'learning_rate'],
        ['Batch-Size', 'batch_size'],
      ],
    ],
    ['the end of a path', ['lr'], ['optimizer.lr'], [['lr', 'optimizer.lr']]],
    ['not the end of two paths', ['lr'], ['encoder.lr', 'decoder.lr'], []],
    [
      'paths as they are',
      ['encoder.lr', 'decoder.lr'],
      ['decoder.lr', 'encoder.lr'],
      [
        ['encoder.lr', 'encoder.lr'],
        ['decoder.lr', 'decoder.lr'],
      ],
    ],
    [
      'a synonym',
      ['lr', 'bs'],
      ['learning_rate', 'batch_size'],
      [
        ['lr', 'learning_rate'],
        ['bs', 'batch_size'],
      ],
    ],
    ['a synonym at the end of a path', ['model.lr'], ['learning_rate'], [['model.lr', 'learning_rate']]],
    ['the same name before a synonym', ['lr'], ['learning_rate', 'lr'], [['lr', 'lr']]],
    ['not two synonyms', ['lr'], ['learning_rate', 'eta'], []],
    ['not one for two', ['lr', 'eta'], ['learning_rate'], []],
    [
      'a name that is taken is no synonym any more',
      ['lr', 'eta'],
      ['eta', 'learning_rate'],
      [
        ['eta', 'eta'],
        ['lr', 'learning_rate'],
      ],
    ],
    ['no synonym of a part of a name', ['lr'], ['lr_decay', 'min_lr'], []],
  ])('%s', (_, to, from, expected) => expect(matchNames(to, from)).toEqual(new Map(expected)));
});

describe('a value', () => {
  test.each<[string, Distribution, ParamValue, ParamValue | null]>([
    ['in range', float(0, 1), 0.25, 0.25],
    ['an end of the range', float(0, 1), 1, 1],
    ['just outside', float(0, 1), 1.019, 1],
    ['too far outside', float(0, 1), 1.021, null],
    ['just outside on the log axis', float(1e-4, 1e-1, { log: true }), 0.9e-4, 1e-4],
    ['too far outside on the log axis', float(1e-4, 1e-1, { log: true }), 0.8e-4, null],
    ['not on a log axis at all', float(1e-4, 1e-1, { log: true }), 0, null],
    ['just outside on the revlog axis', float(0.9, 0.999, { revlog: true }), 1, 0.999],
    ['too far outside on the revlog axis', float(0.9, 0.999, { revlog: true }), 1.002, null],
    ['beyond a revlog axis', float(0.9, 0.999, { revlog: true }), 2, null],
    ['on the grid', float(0, 1, { step: 0.1 }), 0.3, 0.3],
    ['near the grid', float(0, 1, { step: 0.1 }), 0.31, 0.3],
    ['between the grid points', float(0, 1, { step: 0.1 }), 0.35, null],
    ['NaN', float(0, 1), NaN, null],
    ['infinite', float(0, 1), Infinity, null],
    ['text for a number', float(0, 1), '0.5', null],
    ['true for a number', int(0, 1), true, null],
    ['null for a number', float(0, 1), null, null],
    ['float to int, exact', int(1, 9), 4.0, 4],
    ['float to int, not exact', int(1, 9), 4.001, null],
    ['int to float', float(1, 9), 4, 4],
    ['int just outside', int(1, 100), 101, 100],
    ['int outside of a small range', int(1, 9), 10, null],
    ['int near a step', int(0, 1000, { step: 100 }), 110, 100],
    ['a single value', int(3, 3), 3, 3],
    ['another than the single value', int(3, 3), 4, null],
    ['a huge range', float(-1e308, 1e308), 1e307, 1e307],
    ['int to ordinal', ordinal(16, 32, 64), 32, 32],
    ['int that is no member', ordinal(16, 32, 64), 48, null],
    ['a choice', choice('adam', 'sgd'), 'sgd', 'sgd'],
    ['a choice in another case', choice('Adam', 'SGD'), 'sgd', 'SGD'],
    ['a choice that two have in another case', choice('Adam', 'ADAM'), 'adam', null],
    ['a choice that is gone', choice('adam', 'sgd'), 'lion', null],
    ['null as a choice', choice(null, 'l2'), null, null],
    ['true is not 1', choice(0, 1), true, null],
    ['a list', choice([64, 64], [128, 64]), [128, 64], [128, 64]],
    ['another list', choice([64, 64]), [64], null],
  ])('%s', (name, distribution, value, expected) => {
    const space = compileSpace(searchSpace([parameter('p', distribution)]));
    const isMapped = expected !== null || name === 'null as a choice';
    expect(mapPoint(space, { p: value })).toEqual(isMapped ? { p: expected } : null);
  });
});

describe('mapPoint', () => {
  const space = compileSpace(
    searchSpace(
      [
        parameter('lr', float(1e-5, 1e-1, { log: true }), { default: 1e-3 }),
        parameter('optimizer', choice('adam', 'sgd'), { default: 'adam' }),
        parameter('momentum', float(0, 0.99), { default: 0.9, when: 'optimizer == "sgd"' }),
        parameter('layers', int(1, 8)),
      ],
      ['lr * layers < 0.2'],
    ),
  );
  test.each<[string, Params, Params | null]>([
    ['as it is', { lr: 0.01, optimizer: 'adam', layers: 2 }, { lr: 0.01, optimizer: 'adam', layers: 2 }],
    ['what is missing is the default', { lr: 0.01, layers: 2 }, { lr: 0.01, optimizer: 'adam', layers: 2 }],
    ['nothing without a default', { lr: 0.01, optimizer: 'adam' }, null],
    [
      'the default of one that was inactive there',
      { lr: 0.01, optimizer: 'sgd', layers: 2 },
      { lr: 0.01, optimizer: 'sgd', momentum: 0.9, layers: 2 },
    ],
    [
      'without what is inactive here',
      { lr: 0.01, optimizer: 'adam', momentum: 0.3, layers: 2 },
      { lr: 0.01, optimizer: 'adam', layers: 2 },
    ],
    [
      'without what is unknown here',
      { lr: 0.01, optimizer: 'adam', layers: 2, dropout: 0.1 },
      { lr: 0.01, optimizer: 'adam', layers: 2 },
    ],
    [
      'by synonyms',
      { learning_rate: 0.01, optim: 'SGD', momentum: 0.5, n_layers: 3 },
      { lr: 0.01, optimizer: 'sgd', momentum: 0.5, layers: 3 },
    ],
    ['not a value without a place, though there is a default', { lr: 0.5, optimizer: 'adam', layers: 2 }, null],
    ['not against the conditions', { lr: 0.1, optimizer: 'adam', layers: 4 }, null],
    ['nothing in common', { depth: 3 }, null],
  ])('%s', (_, params, expected) => expect(mapPoint(space, params)).toEqual(expected));

  test('old literals before the default', () => {
    expect(mapPoint(space, { lr: 0.01 }, undefined, { layers: 5, optimizer: 'sgd' })).toEqual({
      lr: 0.01,
      optimizer: 'sgd',
      momentum: 0.9,
      layers: 5,
    });
  });

  test('the other space decides what corresponds, not the single point', () => {
    const from = searchSpace([
      parameter('a.lr', float(0, 1), { when: 'kind == 1' }),
      parameter('b.lr', float(0, 1), { when: 'kind == 2' }),
      parameter('kind', choice(1, 2)),
      parameter('layers', int(1, 8)),
    ]);
    expect(mapPoint(space, { 'a.lr': 0.01, kind: 1, layers: 2 })).toMatchObject({ lr: 0.01 });
    expect(mapPoint(space, { 'a.lr': 0.01, kind: 1, layers: 2 }, from)).toMatchObject({ lr: 1e-3 });
  });
});

describe('mapObservations', () => {
  const objective = (metric: string, direction: 'min' | 'max'): Objective => ({ metric, direction, goal: null });
  const space = searchSpace([parameter('x', float(0, 1))]);
  const trial = (values: PriorTrial['values'], more: Partial<PriorTrial> = {}): PriorTrial => ({
    params: { x: 0.5 },
    state: 'complete',
    values,
    resource: 27,
    ...more,
  });
  const map = (
    to: readonly Objective[],
    from: readonly Objective[],
    trials: readonly PriorTrial[],
    [toMax, fromMax]: readonly [number | null, number | null] = [null, null],
  ): PriorTrial[] =>
    mapObservations(
      { space: compileSpace(space), objectives: to, fidelity: toMax === null ? null : { max: toMax } },
      { space, objectives: from, fidelity: fromMax === null ? null : { max: fromMax } },
      trials,
    );

  test.each<[string, Objective, Objective, PriorTrial['values'], PriorTrial['values'] | null]>([
    ['the same metric', objective('loss', 'min'), objective('loss', 'min'), { loss: 1 }, { loss: 1 }],
    [
      'the same metric, now the other way round: measured is measured',
      objective('time', 'max'),
      objective('time', 'min'),
      { time: 1 },
      { time: 1 },
    ],
    ['a metric that was no objective', objective('loss', 'min'), objective('time', 'min'), { time: 1, loss: 2 }, { loss: 2 }],
    ['a synonym', objective('acc', 'max'), objective('accuracy', 'max'), { accuracy: 0.5 }, { acc: 0.5 }],
    ['no synonym in the other direction', objective('acc', 'max'), objective('accuracy', 'min'), { accuracy: 0.5 }, null],
    ['another metric', objective('loss', 'min'), objective('accuracy', 'max'), { accuracy: 0.5 }, null],
    ['a NaN', objective('loss', 'min'), objective('loss', 'min'), { loss: 'nan' }, { loss: 'nan' }],
  ])('%s', (_, to, from, values, expected) => {
    expect(map([to], [from], [trial(values)]).map((one) => one.values)).toEqual(expected === null ? [] : [expected]);
  });

  test('a part of several objectives is kept', () => {
    const both = [objective('loss', 'min'), objective('time', 'min')];
    expect(map(both, [objective('loss', 'min')], [trial({ loss: 1 })])).toMatchObject([{ values: { loss: 1 } }]);
  });

  test('failures are kept for their place alone, points without a place are not', () => {
    const mapped = map(
      [objective('loss', 'min')],
      [objective('acc', 'max')],
      [trial({}, { state: 'failed' }), trial({}, { state: 'infeasible' }), trial({ loss: 1 }, { params: { x: 7 } })],
    );
    expect(mapped.map(({ state, params }) => [state, params])).toEqual([
      ['failed', { x: 0.5 }],
      ['infeasible', { x: 0.5 }],
    ]);
  });

  test.each<[string, [number | null, number | null], Partial<PriorTrial>, [PriorTrial['state'], number | null]]>([
    ['complete at the same resource', [27, 27], {}, ['complete', 27]],
    ['complete at a smaller one', [81, 27], {}, ['pruned', 27]],
    ['complete at a smaller one that is not told', [81, 27], { resource: null }, ['pruned', 27]],
    ['complete at a larger one', [9, 27], {}, ['complete', 27]],
    ['pruned', [81, 27], { state: 'pruned', resource: 9 }, ['pruned', 9]],
    ['only there a fidelity', [null, 27], {}, ['complete', null]],
    ['only here a fidelity', [27, null], { resource: null }, ['complete', null]],
  ])('%s', (_, maxima, more, expected) => {
    const [first] = map([objective('loss', 'min')], [objective('loss', 'min')], [trial({ loss: 1 }, more)], maxima);
    expect([first?.state, first?.resource]).toEqual(expected);
  });
});
