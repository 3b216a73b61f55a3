import { expect, test } from 'vitest';
import {
  countedFailures,
  currentValue,
  environmentText,
  progressText,
  stateText,
  waitingText,
} from '../../../extension/format.ts';
import { scene, type SceneName } from '../../support/views.ts';

test.each<[SceneName, string]>([
  ['empty', '0/40'],
  ['ended', '40/40 · best 0.9721'],
  ['failed', '4/6'],
  ['minimise', '30/30 · best 0.02566'],
])('progress of the study %s is %s', (name, text) => expect(progressText(scene(name))).toBe(text));

test('a study that paused itself reads otherwise than one that was paused', () => {
  expect(stateText(scene('pausedItself'))).toBe('paused by itself');
  expect(stateText({ ...scene('running'), state: 'paused' })).toBe('paused');
});

test('a study that has moved says where it is', () => {
  expect(stateText({ ...scene('running'), movedTo: 'the cluster' })).toBe('moved to the cluster');
});

test.each<[SceneName, string]>([
  ['clusterWaits', '4 waiting'],
  ['preempted', '1 waiting'],
  ['moved', ''],
  ['ended', ''],
  ['running', ''],
])('of the study %s "%s" is said', (name, text) => expect(waitingText(scene(name))).toBe(text));

test('failures with one cause are counted once', () => {
  expect(countedFailures(scene('failed'))).toMatch(/^4 of 4 trials failed: train.py ended with exit code 1/);
  expect(countedFailures(scene('empty'))).toBe('');
});

test('the value of a trial is its final one, else the last report, else none', () => {
  const view = scene('running');
  const [ended, running] = [
    view.trials.find((trial) => trial.state === 'complete'),
    view.trials.find((trial) => trial.state === 'running' && trial.curve.length > 0),
  ];
  expect(ended && currentValue(view, ended)).toBe(ended?.values['val_accuracy']);
  expect(running && currentValue(view, running)).toBe(running?.curve.at(-1)?.values['val_accuracy']);
  expect(scene('waiting').trials.map((trial) => currentValue(view, trial))).toContain(null);
});

test('what trials run in is the interpreter, or the image of their containers, each with its reason', () => {
  const { spec } = scene('running');
  const environment = { interpreter: '/p/.venv/bin/python', version: '3.12.1', reason: 'project .venv' };
  expect(environmentText({ ...spec, environment })).toBe('Python 3.12.1: /p/.venv/bin/python (project .venv)');
  const image = { name: 'hpo-env:5c1d', id: 'sha256:9f', recipe: '5c1d' };
  const limits = { memoryBytes: null, shmBytes: 1, pids: 1, gpus: 0, network: false, mounts: [], secrets: [] };
  const made = { interpreter: 'python', version: '3.12', reason: 'uv.lock beside train.py' };
  expect(environmentText({ ...spec, environment: made, container: { image, ...limits } })).toBe(
    'Docker image hpo-env:5c1d (uv.lock beside train.py)',
  );
});
