import { describe, expect, test } from 'vitest';
import { command, decide } from '../../../../agent/core/study/index.ts';
import type { StudyCommand } from '../../../../agent/protocol/requests.ts';
import { ended, fidelity, Harness, metric, spec } from './harness.ts';

const killed = { exitCode: null, signal: 'SIGTERM' } as const;

describe('pause', () => {
  test('without a checkpoint what runs goes on, nothing new starts, and that is said', () => {
    const h = new Harness(spec({ search: { parallel: 2 } }));
    h.command({ type: 'pause' });
    expect(h.state.view.message).toBe(
      'Paused. The 2 running trials go on to the end, as the script keeps no checkpoint; no new trial starts.',
    );
    h.run(0, 0.5);
    expect(h.states()).toBe('complete running');
    h.command({ type: 'resume' });
    expect(h.states()).toBe('complete running running');
  });

  test('with a checkpoint what runs is stopped and goes on later, its reports kept', () => {
    const h = new Harness(spec({ checkpoint: { dir: 'c' }, fidelity: fidelity(1, 9), search: { scheduler: 'none' } }));
    h.see(metric(0, 1, 1, { loss: 3 }));
    h.command({ type: 'pause' });
    expect(h.story().at(-1)).toBe('attemptStopRequested 0.1 studyPaused');
    expect(h.state.view.message).toBe('Paused. The running trial stops and will go on from the checkpoint.');
    h.see(metric(0, 1, 2, { loss: 2 }), ended(0, 1, killed));
    expect(h.states()).toBe('waiting');
    h.command({ type: 'resume' });
    expect(h.state.live.get(0)).toMatchObject({ attempt: 2, base: 2, target: 9 });
    for (let step = 3; step <= 9; step++) h.see(metric(0, 2, step, { loss: 1 }));
    h.see(ended(0, 2));
    expect(h.state.view.trials[0]).toMatchObject({ state: 'complete', values: { loss: 1 }, resource: 9 });
    expect(h.state.spent).toBe(9);
  });

  test.each([
    [1, 'complete'],
    ['nan', 'failed'],
  ] as const)('one that came to its end (%j) before it heard of the pause is %s', (loss, state) => {
    const h = new Harness(spec({ checkpoint: { dir: 'c' }, fidelity: fidelity(1, 2), search: { scheduler: 'none' } }));
    h.command({ type: 'pause' });
    h.see(metric(0, 1, 1, { loss: 2 }), metric(0, 1, 2, { loss }), ended(0, 1));
    expect(h.states()).toBe(state);
  });

  test('says why, where the user was not who wanted it', () => {
    const h = new Harness(spec({}));
    h.command({ type: 'pause', because: 'Its place on the cluster was removed.' });
    expect(h.state.view).toMatchObject({ state: 'paused', message: 'Its place on the cluster was removed.', failure: null });
  });

  test('then stop', () => {
    const h = new Harness(spec({ checkpoint: { dir: 'c' } }));
    h.command({ type: 'pause' });
    h.see(metric(0, 1, 1, { loss: 2 }), ended(0, 1, killed));
    h.command({ type: 'stop' });
    expect(h.states()).toBe('cancelled');
    expect(h.state.view).toMatchObject({ state: 'ended', endReason: 'stopped' });
  });
});

describe('stop', () => {
  test('running ones are cancelled, paused ones pruned, and the study ends when all have', () => {
    const h = new Harness(spec({ fidelity: fidelity(1, 9), checkpoint: { dir: 'c' }, search: { parallel: 2 } }));
    h.see(metric(1, 1, 1, { loss: 2 }), ended(1, 1), metric(2, 1, 1, { loss: 2 }));
    h.command({ type: 'stop' });
    expect(h.states()).toBe('running pruned running');
    h.see(ended(0, 1, killed));
    expect(h.state.view.state).toBe('stopping');
    h.see(ended(2, 1, killed));
    expect(h.states()).toBe('cancelled pruned cancelled');
    expect(h.state.view).toMatchObject({ state: 'ended', endReason: 'stopped', message: 'Stopped by the user.' });
  });

  test('a stopped study goes on when resumed, with what is left of its budget', () => {
    const h = new Harness(spec({ budget: { trials: 3 } }));
    h.run(0, 1);
    h.command({ type: 'stop' });
    h.see(ended(1, 1, killed));
    h.command({ type: 'resume' });
    expect(h.states()).toBe('complete cancelled running');
    expect(h.state.view.endReason).toBeNull();
    h.run(2, 1);
    expect(h.state.view).toMatchObject({ state: 'ended', endReason: 'budget' });
  });
});

test('delete stops, and nothing is decided any more', () => {
  const h = new Harness(spec());
  h.command({ type: 'delete' });
  expect(h.story().slice(-2)).toEqual(['studyStopRequested stopped', 'studyDeleted']);
  expect(decide(h.state, { now: h.now, hasCapacity: true })).toEqual([]);
});

describe('scale', () => {
  test('up at once, down as attempts end', () => {
    const h = new Harness(spec({ budget: { trials: 20 } }));
    h.command({ type: 'scale', parallel: 3 });
    expect(h.state.live.size).toBe(3);
    h.command({ type: 'scale', parallel: 1 });
    h.run(0, 1);
    expect(h.state.live.size).toBe(2);
    h.run(2, 1);
    h.run(1, 1);
    expect([...h.state.live.values()].map(({ slot }) => slot)).toEqual([0]);
  });
});

describe('stop one trial', () => {
  test('running, paused and waiting ones are cancelled; the study goes on', () => {
    const h = new Harness(spec({ fidelity: fidelity(1, 9), checkpoint: { dir: 'c' } }));
    h.command({ type: 'stopTrial', trial: 0 });
    h.see(ended(0, 1, killed), metric(1, 1, 1, { loss: 2 }), ended(1, 1));
    expect(h.states()).toBe('cancelled paused running');
    h.command({ type: 'stopTrial', trial: 1 });
    h.see(ended(2, 1, { isLost: true }));
    h.command({ type: 'stopTrial', trial: 2 });
    expect(h.states()).toBe('cancelled cancelled cancelled running');
  });

  test('asked twice it is stopped once', () => {
    const h = new Harness(spec());
    h.command({ type: 'stopTrial', trial: 0 });
    const before = h.journal.length;
    h.command({ type: 'stopTrial', trial: 0 });
    expect(h.story(before)).toEqual([]);
  });
});

describe('commands that make no sense say why', () => {
  const refusals: readonly [string, StudyCommand, string, RegExp][] = [
    ['pause the ended', { type: 'pause' }, 'HPO-4301', /cannot be paused: it has ended/],
    ['stop the ended', { type: 'stop' }, 'HPO-4301', /cannot be stopped/],
    ['resume one that used its budget', { type: 'resume' }, 'HPO-4302', /has ended: The trial is done/],
    ['scale the ended', { type: 'scale', parallel: 2 }, 'HPO-4301', /cannot be scaled/],
    ['scale to none', { type: 'scale', parallel: 0 }, 'HPO-4303', /cannot run 0 trials/],
    ['scale to a half', { type: 'scale', parallel: 1.5 }, 'HPO-4303', /1\.5/],
    ['a trial that is not there', { type: 'stopTrial', trial: 9 }, 'HPO-4304', /no trial 9/],
    ['a trial that has ended', { type: 'stopTrial', trial: 0 }, 'HPO-4305', /has ended: complete/],
  ];
  test.each(refusals)('%s', (_name, asked, code, message) => {
    const h = new Harness(spec({ budget: { trials: 1 } }));
    h.run(0, 1);
    expect(command(h.state, asked, h.now)).toEqual({
      code,
      message: expect.stringMatching(message),
      next: expect.stringMatching(/./),
    });
  });

  test('resume one that failed to its last trial: it names what goes on, and the reason of the end stays', () => {
    const h = new Harness(spec({ budget: { trials: 1 } }));
    h.see(ended(0, 1, { exitCode: 1 }));
    expect(h.state.view).toMatchObject({ state: 'ended', endReason: 'failed' });
    expect(command(h.state, { type: 'resume' }, h.now)).toEqual({
      code: 'HPO-4302',
      message: expect.stringMatching(/^The study has ended, and nothing is left to do in it: .*exit code 1/),
      next: expect.stringMatching(/hpo retry s1 --failed.*hpo tune train\.py/),
    });
    h.command({ type: 'retry', number: 0 });
    expect(h.states()).toBe('running');
  });

  test.each([
    ['running', 'resume'],
    ['paused', 'pause'],
    ['stopping', 'stop'],
  ] as const)('what is so already needs nothing: %s, %s', (state, type) => {
    const h = new Harness(spec());
    if (state === 'paused') h.command({ type: 'pause' });
    if (state === 'stopping') h.command({ type: 'stop' });
    expect(h.state.view.state).toBe(state);
    expect(command(h.state, { type }, h.now)).toEqual([]);
  });

  test('a study that is being stopped can be neither paused nor resumed', () => {
    const h = new Harness(spec());
    h.command({ type: 'stop' });
    expect(command(h.state, { type: 'pause' }, h.now)).toMatchObject({ code: 'HPO-4301' });
    expect(command(h.state, { type: 'resume' }, h.now)).toMatchObject({ code: 'HPO-4302' });
  });
});
