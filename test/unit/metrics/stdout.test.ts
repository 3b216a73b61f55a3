import { describe, expect, test } from 'vitest';
import { createMetricParser } from '../../../agent/metrics/metricParser.ts';
import { usualMetricNames as maxNames } from '../../../agent/protocol/study.ts';
import { maxLineBytes } from '../../../agent/metrics/lineSplitter.ts';
import type { MetricSource } from '../../../agent/protocol/space.ts';
import { readAll, show } from './support.ts';

/** Output → what is read from it, written as `step name=value …`. */
const cases: readonly (readonly [what: string, output: string, ...records: string[]])[] = [
  ['name=value', 'loss=0.5\nloss=0.25\n', '1 loss=0.5', '2 loss=0.25'],
  ['several on a line', 'epoch 3 loss=0.41 val_loss=0.35 val_acc=0.93\n', '3 loss=0.41 val_loss=0.35 val_acc=0.93'],
  ['colons', 'loss: 0.5, acc: 1\n', '1 loss=0.5 acc=1'],
  ['padding on both sides', 'eval_loss               =     0.3\n', '1 eval_loss=0.3'],
  ['no newline at the end', 'epoch 1 a=1\nepoch 2 a=2', '1 a=1', '2 a=2'],
  ['Windows line ends', 'a=1\r\na=2\r\n', '1 a=1', '2 a=2'],
  ['exponents and signs', 'a=-1.5e-3 b=+2 c=.5 d=3. e=1E5\n', '1 a=-0.0015 b=2 c=0.5 d=3 e=100000'],
  ['a sentence', 'Final loss: 0.41. Done\n', '1 loss=0.41'],
  ['the values that JSON lacks', 'a=nan b=NaN c=inf d=-Infinity e=+inf f=Infinity\n', '1 a=nan b=nan c=inf d=-inf e=inf f=inf'],
  ['overflow', 'a=1e999 b=-1e999\n', '1 a=inf b=-inf'],
  ['words that only begin so', 'a: information b: nancy c: infant d=0.5x\n'],
  ['percent', 'accuracy: 93.1%\n', '1 accuracy=93.1'],
  ['brackets and bars', '[loss=0.5] (acc=1) |f1=0.2|\n', '1 loss=0.5 acc=1 f1=0.2'],
  ['logging prefixes', '2024-01-01 12:30:01,123 INFO:train:loss=0.5\nINFO:root:loss=0.25\n', '1 loss=0.5', '2 loss=0.25'],
  [
    'timestamps, places, addresses',
    '12:30:01\ntrain.py:12: UserWarning\nmain.py:7\nhttp://localhost:8080/ 127.0.0.1:6006\ndate=2024-01-01 version=1.2.3\n',
  ],
  ['fractions, units, thousands', 'Accuracy: 9836/10000 took=3s n=1,234 size=12MB\n'],
  ['comparisons', 'a==1 b>=2 c!=3 d<=4\n'],
  ['clocks and counters are no metrics', 'loss=1 time=3 eta: 4 steps=7 elapsed: 1.5\n', '1 loss=1'],
  ['data sets before the name', 'Train Loss: 0.3 | Val Loss: 0.4\n', '1 Train_Loss=0.3 Val_Loss=0.4'],
  ['a name twice: the last', 'a=1 a=2\n', '1 a=2'],
  ['numpy and torch', "loss=np.float64(0.5) acc: tensor(0.25, device='cuda:0')\n", '1 loss=0.5 acc=0.25'],
  ['metrics counted each', 'a=1\nb=2\na=3\na=4 b=5\n', '1 a=1', '1 b=2', '2 a=3', '3 a=4 b=5'],

  ['JSON', '{"epoch": 3, "val_loss": 0.25}\n', '3 val_loss=0.25'],
  ['JSON as Python writes it', '{"epoch": 1, "a": NaN, "b": -Infinity, "c": null}\n', '1 a=nan b=-inf'],
  ['JSON nested', '{"epoch": 1, "val": {"loss": 0.3, "deep": {"f1": 1}}, "list": [1, 2]}\n', '1 val.loss=0.3 val.deep.f1=1'],
  ['JSON behind a prefix', 'INFO {"epoch": 2, "loss": 0.5}\n', '2 loss=0.5'],
  ['JSON cut off', '{"epoch": 2, "loss": 0.5, "x\n', '2 loss=0.5'],
  ['Python dictionary', "{'train': {'loss': 0.5}, 'loss': nan, 'ok': True, 'epoch': 4}\n", '4 train.loss=0.5 loss=nan'],
  [
    'Hugging Face Trainer',
    "{'loss': 0.6931, 'grad_norm': 2.1, 'learning_rate': 4.5e-05, 'epoch': 0.53}\n{'eval_loss': 0.41, 'eval_accuracy': 0.82, 'epoch': 1.0}\n{'eval_loss': 0.4, 'epoch': 2.99}\n",
    '1 loss=0.6931 grad_norm=2.1 learning_rate=0.000045',
    '1 eval_loss=0.41 eval_accuracy=0.82',
    '3 eval_loss=0.4',
  ],
  ['Hugging Face Trainer 5', "{'eval_loss': '0.41', 'epoch': '2'}\n", '2 eval_loss=0.41'],
  [
    'Hugging Face, evaluated before training',
    "{'eval_loss': 0.9, 'epoch': 0.0}\n{'eval_loss': 0.5, 'epoch': 1.0}\n",
    '0 eval_loss=0.9',
    '1 eval_loss=0.5',
  ],
  [
    'Keras 3',
    'Epoch 1/2\n\r\u001b[1m 1/10\u001b[0m \u001b[32m━━\u001b[0m\u001b[37m━━\u001b[0m \u001b[1m3s\u001b[0m 400ms/step - accuracy: 0.1000 - loss: 2.5' +
      '\b'.repeat(40) +
      '\r\u001b[1m10/10\u001b[0m \u001b[32m━━━━\u001b[0m\u001b[37m\u001b[0m \u001b[1m1s\u001b[0m 9ms/step - accuracy: 0.5000 - loss: 1.5000 - val_accuracy: 0.6 - val_loss: 1.25\n' +
      'Epoch 2/2\n\r10/10 ━━━━ 0s 2ms/step - accuracy: 0.7 - loss: 1.0 - val_accuracy: 0.8 - val_loss: 0.75\n',
    '1 accuracy=0.5 loss=1.5 val_accuracy=0.6 val_loss=1.25',
    '2 accuracy=0.7 loss=1 val_accuracy=0.8 val_loss=0.75',
  ],
  ['Keras, verbose=2', 'Epoch 1/2\n10/10 - 0s - 5ms/step - loss: 0.41 - val_loss: 0.35\n', '1 loss=0.41 val_loss=0.35'],
  [
    'Keras 2',
    'Epoch 7/9\n 1/10 [==>....] - ETA: 0s - loss: 0.9\b\b\b\b10/10 [=====] - 0s 5ms/step - loss: 0.41\n',
    '7 loss=0.41',
  ],
  [
    'Keras says which epoch was best',
    'Epoch 5/9\nloss: 0.3\nRestoring model weights from the end of the best epoch: 3.\nval_loss: 0.5\n',
    '5 loss=0.3',
    '5 val_loss=0.5',
  ],
  [
    'Lightning',
    '\rEpoch 0:   0%|          | 0/844 [00:00<?, ?it/s]\rEpoch 0:  50%|█████     | 422/844 [00:05<00:05, 80.1it/s, v_num=0, train_loss=0.9]' +
      '\rEpoch 0: 100%|██████████| 844/844 [00:10<00:00, 80.1it/s, v_num=0, train_loss=0.5, val_loss=0.4]' +
      '\rEpoch 1: 100%|██████████| 844/844 [00:10<00:00, 80.1it/s, v_num=0, train_loss=0.25, val_loss=0.2]\n',
    '1 v_num=0 train_loss=0.5 val_loss=0.4',
    '2 v_num=0 train_loss=0.25 val_loss=0.2',
  ],
  [
    'tqdm over epochs',
    '\r  0%|     | 0/3 [00:00<?, ?it/s]\r 33%|███  | 1/3 [00:01<00:02, 1.0it/s, loss=0.5]\r 67%|██   | 2/3 [00:02<00:01, 1.0it/s, loss=0.4]\r100%|███| 3/3 [00:03<00:00, 1.0it/s, loss=0.3]\n',
    '1 loss=0.5',
    '2 loss=0.4',
    '3 loss=0.3',
  ],
  ['a bar that clears itself', '\rloss=0.5\rloss=0.4\r        \r\nacc=1\n', '1 loss=0.4', '1 acc=1'],
  [
    'PyTorch examples',
    'Train Epoch: 1 [640/60000 (1%)]\tLoss: 0.52\n\nTest set: Average loss: 0.0496, Accuracy: 9836/10000 (98%)\n',
    '1 Loss=0.52',
    '1 loss=0.0496',
  ],
  ['batches within an epoch', 'Epoch [2/5], Step [100/600], Loss: 0.5\n', '2 Loss=0.5'],
  ['batches after an epoch line', 'Epoch 2\n  step 100 loss=0.5\n  step 200 loss=0.4\n', '2 loss=0.5', '2 loss=0.4'],
  [
    'XGBoost',
    '[0]\ttrain-rmse:0.5\teval-rmse:0.6\n[1]\ttrain-rmse:0.4\teval-rmse:nan\n',
    '1 train-rmse=0.5 eval-rmse=0.6',
    '2 train-rmse=0.4 eval-rmse=nan',
  ],
  ['XGBoost cv', '[0]\ttrain-rmse:0.5+0.01\ttest-rmse:0.6+0.02\n', '1 train-rmse=0.5 test-rmse=0.6'],
  [
    'LightGBM',
    "[10]\ttraining's l2: 0.1\tvalid_0's auc: 0.9\n[20]\tvalid_0's auc: 0.95\n",
    '10 training-l2=0.1 valid_0-auc=0.9',
    '20 valid_0-auc=0.95',
  ],
  ['LightGBM cv', "[5]\tcv_agg's valid binary_logloss: 0.25 + 0.01\n", '5 valid_binary_logloss=0.25'],
  [
    'CatBoost',
    '0:\tlearn: 0.69\ttest: 0.68\tbest: 0.68 (0)\ttotal: 58ms\tremaining: 58s\n1:\tlearn: 0.5\ttest: 0.6\n',
    '1 learn=0.69 test=0.68 best=0.68',
    '2 learn=0.5 test=0.6',
  ],
  [
    'scikit-learn, verbose',
    'Iteration 1, loss = 2.29\nIteration 2, loss = 1.10\nValidation score: 0.875\n',
    '1 loss=2.29',
    '2 loss=1.1',
    '2 Validation_score=0.875',
  ],
  ['wandb names', 'train/loss=0.5 val/acc=1 trainer/global_step=300\n', '300 train/loss=0.5 val/acc=1'],

  ['counting from 0', 'epoch 0 a=1\nepoch 1 a=2\n', '1 a=1', '2 a=2'],
  ['counting from 0 before the metrics', 'Epoch 0/9\na=1\nEpoch 1/9\na=2\n', '1 a=1', '2 a=2'],
  ['batches from 0, epochs from 1', 'step 0 a=1\nepoch 1 b=1\nepoch 2 b=2\n', '1 a=1', '1 b=1', '2 b=2'],
  ['going on from a checkpoint', 'epoch 4 a=1\n', '4 a=1'],
  [
    'a bar and a dictionary on one line',
    "\r 33%|███▎      | 100/300 [00:10<00:20,  9.9it/s]{'loss': 0.5, 'epoch': 1.0}\n\r 67%|██████▋   | 200/300 [00:20<00:10,  9.9it/s]\r          \r{'loss': 0.4, 'epoch': 2.0}\n",
    '1 loss=0.5',
    '2 loss=0.4',
  ],
  ['OpenMMLab', 'Epoch(train) [2][50/100]  lr: 1.0e-02  eta: 0:01:00  time: 0.2  loss: 0.5\n', '2 lr=0.01 loss=0.5'],
  [
    'Detectron2',
    '[11/22 06:38:24 d2.utils.events]: eta: 0:01:00  iter: 19  total_loss: 3.2  time: 0.2  max_mem: 2M\n',
    '19 total_loss=3.2',
  ],
  ['only a separator makes a metric', 'loss 0.5\n'],
  ['nothing', 'hello\n\n\n{}\n[]\n=\n:\n= = : :\n'],
];

describe('what is read from standard output', () => {
  test.each(cases)('%s', (_what, output, ...records) => {
    expect(readAll(createMetricParser({ sources: [] }), output)).toEqual(records);
  });

  test('the next attempt of a script that counts from 0 goes on counting', () => {
    const first = createMetricParser({ sources: [] });
    expect(first.startsAtZero).toBeUndefined();
    expect(readAll(first, 'epoch 0 a=1\nepoch 1 a=1\n')).toEqual(['1 a=1', '2 a=1']);
    expect(first.startsAtZero).toBe(true);
    const second = createMetricParser({ sources: [], startsAtZero: first.startsAtZero });
    expect(readAll(second, 'epoch 2 a=1\n')).toEqual(['3 a=1']);
  });
});

describe('names that are expected', () => {
  const named: readonly (readonly [what: string, names: readonly string[], output: string, ...records: string[]])[] = [
    ['behind a blank', ['val_loss'], 'epoch 2 val_loss 0.5\nepoch 3 val_loss nan\n', '2 val_loss=0.5', '3 val_loss=nan'],
    ['in words, as nanoGPT prints', ['val_loss'], 'step 250: train loss 2.0874, val loss 2.1823\n', '250 val_loss=2.1823'],
    ['no part of another name', ['loss'], 'val_loss 0.5 loss_x 1 loss 3ms loss 1/2\n'],
    ['the one with a separator wins', ['loss'], 'loss 9 in loss=0.5\n', '1 loss=0.5'],
    ['clocks and counters', ['seconds', 'test/time'], 'seconds=3 test/time: 4 ms=5\n', '1 seconds=3 test/time=4'],
    ['inside JSON', ['time'], '{"time": 3, "ts": 4}\n', '1 time=3'],
    ['without a digit', ['loss'], 'loss inf\n', '1 loss=inf'],
    ['names that are no pattern', ['a.b-c'], 'a.b-c 0.5 axb-c 1\n', '1 a.b-c=0.5'],
  ];
  test.each(named.map(([what, expected, output, ...records]) => ({ what, expected, output, records })))(
    '$what',
    ({ expected, output, records }) => {
      expect(readAll(createMetricParser({ sources: [], expected }), output)).toEqual(records);
    },
  );

  test('are read beyond the limit of names', () => {
    const parser = createMetricParser({ sources: [], expected: ['loss'] });
    const output = Array.from({ length: maxNames + 50 }, (_, index) => `name_${index}=1\n`).join('');
    expect(readAll(parser, `${output}loss=2\n`).at(-1)).toBe('1 loss=2');
  });
});

const stdout = (metric: string, pattern: string, stepPattern: string | null = null): MetricSource => ({
  type: 'stdout',
  metric,
  pattern,
  stepPattern,
});

describe('annotated patterns', () => {
  const patterns: readonly (readonly [what: string, source: MetricSource, output: string, ...records: string[]])[] = [
    ['the group', stdout('val', String.raw`score (\S+)`), 'score 0.5\nscore -inf,\nscore x\n', '1 val=0.5', '2 val=-inf'],
    ['a step on the line', stdout('val', String.raw`score (\S+)`, String.raw`at (\d+)`), 'score 0.5 at 7\n', '7 val=0.5'],
    [
      'a step on an earlier line',
      stdout('val', String.raw`score (\S+)`, String.raw`phase (\d+)`),
      'phase 0\nscore 0.5\nphase 1\nscore 0.4\n',
      '1 val=0.5',
      '2 val=0.4',
    ],
    ['the built-in step', stdout('val', String.raw`score (\S+)`), 'epoch 5\nscore 0.5\n', '5 val=0.5'],
    [
      'wins over the built-in reading',
      stdout('loss', String.raw`total loss=(\S+)`),
      'loss=9\nbatch loss=8 acc=1\ntotal loss=0.5\n',
      '1 acc=1',
      '1 loss=0.5',
    ],
    ['Python group names', stdout('val', '(?P<v>[0-9.]+) points'), '12.5 points\n', '1 val=12.5'],
    ['the group that took part', stdout('val', String.raw`a is (\d+)|b is (\d+)`), 'b is 3\n', '1 val=3'],
    ['lines without any separator or digit', stdout('val', '(inf) points'), 'inf points\n', '1 val=inf'],
  ];
  test.each(patterns.map(([what, source, output, ...records]) => ({ what, source, output, records })))(
    '$what',
    ({ source, output, records }) => {
      expect(readAll(createMetricParser({ sources: [source] }), output)).toEqual(records);
    },
  );

  const refused: readonly (readonly [string, RegExp])[] = [
    ['loss=(', /cannot be used: Unterminated group/],
    ['loss=.*', /no group in parentheses/],
    ['((a+)+)b', /exponential/],
    ['(x|(?:[ab]*,)*)', /exponential/],
    ['(.*){2,}', /exponential/],
  ];
  test.each(refused)('%s is refused', (pattern, message) => {
    expect(() => createMetricParser({ sources: [stdout('loss', pattern)] })).toThrow(message);
    expect(() => createMetricParser({ sources: [stdout('loss', pattern)] })).toThrow(
      expect.objectContaining({ code: 'HPO-3101' }),
    );
  });

  test.each([String.raw`loss[=:] *(\S+)`, String.raw`(\d+(?:\.\d+)?)`, '[(+*]+([a-z]*)', String.raw`\(a+\)+ (x)`, '(a+){2} (b)'])(
    '%s is accepted',
    (pattern) => {
      expect(createMetricParser({ sources: [stdout('loss', pattern)] }).push(Buffer.from('no match\n'))).toEqual([]);
    },
  );

  test('TensorBoard is refused with the next step', () => {
    expect(() => createMetricParser({ sources: [{ type: 'tensorboard', metric: 'loss', dir: 'runs' }] })).toThrow(
      expect.objectContaining({ code: 'HPO-3102', next: expect.stringContaining('print(f"loss={…}")') as unknown }),
    );
  });
});

describe('limits', () => {
  test('a line that is too long is skipped and counted, the next is read', () => {
    const parser = createMetricParser({ sources: [] });
    const fits = `a=1 ${'x'.repeat(maxLineBytes - 4)}`;
    const records = [...parser.push(Buffer.from(`${fits}\n${fits}x\nb=2\n`)), ...parser.end()];
    expect(records.filter(({ values }) => Object.keys(values).length > 0).map(show)).toEqual(['1 a=1', '1 b=2']);
    expect(records.flatMap(({ dropped }) => dropped ?? [])).toEqual([{ limit: 'line', count: 1, names: [] }]);
    expect(parser.skippedLines).toBe(1);
  });

  test('names beyond the limit are left out and counted', () => {
    const parser = createMetricParser({ sources: [] });
    const output = Array.from({ length: maxNames + 50 }, (_, index) => `name_${index}=1\n`).join('');
    const records = parser.push(Buffer.from(`${output}name_0=2\n`));
    expect(records.filter(({ values }) => Object.keys(values).length > 0)).toHaveLength(maxNames + 1);
    const dropped = records.flatMap((record) => record.dropped ?? []);
    expect(dropped).toHaveLength(50);
    expect(dropped[49]).toEqual({ limit: 'names', count: 1, names: [`name_${maxNames + 49}`] });
    expect(parser.namesSeen).toHaveLength(maxNames);
    expect(parser.namesSeen[0]).toBe('name_0');
  });

  test.each<[string, string, readonly unknown[], readonly string[]]>([
    [
      'a name of JSON that is too long',
      `{"${'n'.repeat(200)}": 1, "ok": 2}\n`,
      [{ limit: 'name', count: 1, names: ['n'.repeat(128)] }],
      ['1 ok=2'],
    ],
    [
      'names with blanks, counted once a value',
      "{'val loss': 1, 'val acc': 2}\n".repeat(3),
      [
        { limit: 'name', count: 2, names: ['val loss', 'val acc'] },
        { limit: 'name', count: 2, names: ['val loss', 'val acc'] },
        { limit: 'name', count: 2, names: ['val loss', 'val acc'] },
      ],
      [],
    ],
    ['keys that are no names', '{"0": 1, "/tmp/x": 2, "ok": 3}\n', [], ['1 ok=3']],
    ['text under a bad name', '{"my model": "x", "ok": 3}\n', [], ['1 ok=3']],
    ['an objective with a long name passes', `{"${'q'.repeat(150)}": 1}\n`, [], [`1 ${'q'.repeat(150)}=1`]],
  ])('%s', (_what, output, dropped, shown) => {
    const parser = createMetricParser({ sources: [], expected: ['q'.repeat(150)] });
    const records = parser.push(Buffer.from(output));
    expect(records.flatMap((record) => record.dropped ?? [])).toEqual(dropped);
    expect(records.filter(({ values }) => Object.keys(values).length > 0).map(show)).toEqual(shown);
  });

  test('what a bar leaves out while it is redrawn is counted in bounded memory and told with its line', () => {
    const parser = createMetricParser({ sources: [], maxNames: 1 });
    const records = parser.push(Buffer.from(`${'loss=1 x=2 y=3\r'.repeat(5_000)}\n`));
    expect(records.map(({ values, dropped }) => ({ values, dropped }))).toEqual([
      { values: { loss: 1 }, dropped: [{ limit: 'names', count: 10_000, names: ['x', 'y'] }] },
    ]);
  });

  test('a line of 200 MB without its end is not held in memory', () => {
    const parser = createMetricParser({ sources: [] });
    const chunk = Buffer.alloc(1024 * 1024, 'a=1 ');
    const before = process.memoryUsage();
    for (let i = 0; i < 200; i++) expect(parser.push(chunk)).toEqual([]);
    const after = process.memoryUsage();
    expect(after.arrayBuffers + after.heapUsed - before.arrayBuffers - before.heapUsed).toBeLessThan(32e6);
    expect(parser.push(Buffer.from('\nloss=1\n')).map(show)).toEqual(['0', '1 loss=1']);
  });

  const hostile: readonly (readonly [string, string])[] = [
    ['one long name', 'a'.repeat(60_000)],
    ['separators', '= '.repeat(30_000)],
    ['blanks and separators', `${' '.repeat(39)}=`.repeat(1500)],
    ['digits', '1'.repeat(60_000)],
    ['names and colons', 'a:'.repeat(30_000)],
    ['pairs', 'a=1 '.repeat(15_000)],
    ['step words', 'epoch '.repeat(10_000)],
    ['escapes', '\u001b['.repeat(30_000)],
    ['an open object', `{${'"a":{'.repeat(10_000)}}`],
    ['quotes', `{${"'".repeat(60_000)}}`],
    ['titles', '\u001b]'.repeat(30_000)],
  ];
  test.each(hostile)('%s takes linear time', (_what, line) => {
    const parser = createMetricParser({ sources: [stdout('v', String.raw`.*v=(\S+)`)], expected: ['a_a', 'loss'] });
    const before = process.cpuUsage();
    parser.push(Buffer.from(`${line}\nok=1\n`));
    expect(parser.namesSeen).toContain('ok');
    expect(process.cpuUsage(before).user / 1000).toBeLessThan(1000);
  });
});
