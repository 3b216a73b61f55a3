import { PassThrough } from 'node:stream';
import type { WriteStream } from 'node:tty';
import { expect, test } from 'vitest';
import { CommandLine } from '../../../agent/cli/commandLine.ts';
import { Progress } from '../../../agent/cli/progress.ts';
import { scene } from '../../support/views.ts';

test('a cause is told once, also where the trials took longer or shorter', () => {
  const stderr = new PassThrough() as unknown as WriteStream; // all that a stream that is no terminal is used for
  using progress = new Progress(new CommandLine(stderr, stderr, {}), 0);
  const view = scene('pausedItself');
  const [first] = view.trials;
  if (first === undefined) throw new Error('the scene has no trial');
  ['after 12 ms', 'after 3 s', 'otherwise'].forEach((message, number) => {
    const failure = { kind: 'badMetric', code: 'HPO-3003', message } as const;
    const trials = [{ ...first, number: 0, failure }];
    const event = { type: 'trialEnded', at: 0, number: 0, state: 'failed', values: {}, failure } as const;
    progress.update({ ...view, trials: trials.map((trial) => ({ ...trial, number })) }, event);
  });
  const lines = String((stderr as unknown as PassThrough).read())
    .trim()
    .split('\n');
  expect(lines).toEqual([
    expect.stringContaining('after 12 ms'),
    expect.stringContaining('the same error as trial 0'),
    expect.stringContaining('otherwise'),
  ]);
});
