import { homedir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { toRequest, type TuneOptions, wholeNumber } from '../../../agent/cli/tuneOptions.ts';
import { decodeParams } from '../../../agent/protocol/decoders.ts';
import { HpoError } from '../../../agent/protocol/errors.ts';
import type { TuneRequest } from '../../../agent/protocol/requests.ts';

const script = resolve('train.py');

it.each<[TuneOptions, Omit<TuneRequest, 'script'>]>([
  [{}, {}],
  [
    { trials: '30', parallel: '2', batch: '4', seed: '0' },
    { trials: 30, parallel: 2, batch: 4, seed: 0 },
  ],
  [
    { search: 'tpe', scheduler: 'asha-stop', on: 'local' },
    { sampler: 'tpe', scheduler: 'asha-stop', executor: 'local' },
  ],
  [{ budget: ['hours=1', 'trials=30'] }, { budget: { hours: '1', trials: '30' } }],
  [{ objective: ' val_loss   min ' }, { objective: { metric: 'val_loss', direction: 'min' } }],
  [
    { python: '/usr/bin/python3', env: 'current' },
    { interpreter: { path: '/usr/bin/python3', reason: '--python' }, env: 'current' },
  ],
  [{ retry: ['lost=5', 'error=0'] }, { retry: { lost: '5', error: '0' } }],
  [
    { on: 'docker', image: 'python:3.12-slim', allowLarge: true },
    { executor: 'docker', image: 'python:3.12-slim', allowLarge: true },
  ],
  [
    { on: 'docker', image: './docker/Dockerfile' },
    { executor: 'docker', image: resolve('docker/Dockerfile') },
  ],
  [
    { on: 'docker', image: 'package.json' },
    { executor: 'docker', image: resolve('package.json') },
  ],
  [{ timeout: '90s' }, { trialTimeoutMs: 90_000 }],
  [{ timeout: '2h' }, { trialTimeoutMs: 7_200_000 }],
  [{ point: ['lr=1e-3 kind=adam', 'lr=0.1'] }, { points: [{ lr: 0.001, kind: 'adam' }, { lr: 0.1 }] }],
  [{ json: true, detach: true, file: 'hpo.yml' }, {}],
])('options %j ask for %j', (options, request) => {
  const made = toRequest('train.py', options, {});
  expect(made).toEqual({ script, ...request });
  // What the command line sends is what the agent takes.
  expect(decodeParams('study/create', made)).toEqual(made);
});

describe('a cluster is known by the kubeconfig of the caller, as the agent may have been started with another one', () => {
  const usual = join(homedir(), '.kube', 'config');

  it.each<[TuneOptions, Record<string, string>, TuneRequest['cluster']]>([
    [{ on: 'kubernetes' }, { KUBECONFIG: '/g.yml' }, { kubeconfig: ['/g.yml'] }],
    [{ on: 'kubernetes' }, { KUBECONFIG: ['/a', '/b'].join(delimiter) }, { kubeconfig: ['/a', '/b'] }],
    [{ on: 'kubernetes' }, { KUBECONFIG: '' }, { kubeconfig: [usual] }],
    [{ on: 'kubernetes', context: 'test' }, {}, { context: 'test', kubeconfig: [usual] }],
    [{ on: 'docker' }, { KUBECONFIG: '/g.yml' }, undefined],
    [{}, { KUBECONFIG: 'g.yml' }, undefined],
  ])('options %j with %j ask for %j', (options, env, cluster) => {
    const made = toRequest('train.py', options, env);
    expect(made.cluster).toEqual(cluster);
    expect(decodeParams('study/create', made)).toEqual(made);
  });

  it('and never by a path that counts from the current folder', () => {
    expect(refusal(() => toRequest('train.py', { on: 'kubernetes' }, { KUBECONFIG: 'g.yml' })).code).toBe('HPO-2460');
    const cluster = { kubeconfig: ['g.yml'] };
    expect(() => decodeParams('study/create', { script, cluster })).toThrow(/cluster\.kubeconfig\.0: no absolute path/);
  });
});

describe('wrong usage names the option and what to write', () => {
  it.each<[TuneOptions, string, RegExp]>([
    [{ on: 'docker', image: ' ' }, 'HPO-4036', /^the image has no name/],
    [{ image: 'auto' }, 'HPO-4037', /^--image counts for trials in containers only/],
    [{ on: 'local', image: 'auto' }, 'HPO-4037', /^--image counts/],
    [{ trials: 'many' }, 'HPO-4018', /^-n many: not a whole number of at least 1/],
    [{ trials: '0' }, 'HPO-4018', /^-n 0/],
    [{ parallel: '1.5' }, 'HPO-4018', /^--parallel 1\.5/],
    [{ seed: '-1' }, 'HPO-4018', /^--seed -1: not a whole number of at least 0/],
    [{ search: 'magic' }, 'HPO-4010', /no sampler "magic"/],
    [{ scheduler: 'magic' }, 'HPO-4010', /no scheduler "magic"/],
    [{ on: 'moon' }, 'HPO-4010', /no executor "moon"/],
    [{ budget: ['hours'] }, 'HPO-4017', /"hours" is not a budget/],
    [{ budget: ['days=1'] }, 'HPO-4017', /"days=1"/],
    [{ budget: ['hours=1=2'] }, 'HPO-4017', /"hours=1=2"/],
    [{ retry: ['lost'] }, 'HPO-4032', /"lost" does not say how often/],
    [{ retry: ['lost=-1'] }, 'HPO-4032', /"lost=-1"/],
    [{ retry: ['gone=1'] }, 'HPO-4032', /"gone=1"/],
    [{ objective: 'val_loss' }, 'HPO-4016', /"val_loss" is not an objective/],
    [{ objective: 'val_loss down' }, 'HPO-4016', /"val_loss down"/],
    [{ objective: 'val_loss min max' }, 'HPO-4016', /"val_loss min max"/],
    [{ objective: '' }, 'HPO-4016', /"" is not an objective/],
    [{ timeout: 'soon' }, 'HPO-4013', /"soon" is not a duration/],
  ])('%j', (options, code, message) => {
    const error = refusal(() => toRequest('train.py', options, {}));
    expect(error).toMatchObject({ code, exitCode: 2 });
    expect(error.message).toMatch(message);
    expect(error.next).not.toBe('');
  });

  it('gives an example that would do', () => {
    const { next } = refusal(() => wholeNumber('scale', 'x', 1));
    expect(next).toBe('write for example: scale 20');
  });
});

function refusal(run: () => unknown): HpoError {
  try {
    run();
  } catch (error) {
    if (error instanceof HpoError) return error;
    throw error;
  }
  throw new Error('it was accepted');
}

it('takes the environment that is active in the shell, unless another one is named', () => {
  const of = (options: TuneOptions, env: NodeJS.ProcessEnv): unknown => toRequest('train.py', options, env).interpreter;
  expect(of({}, {})).toBeUndefined();
  expect(of({}, { VIRTUAL_ENV: '/v' })).toEqual({ path: '/v/bin/python', reason: 'active: VIRTUAL_ENV' });
  expect(of({}, { CONDA_PREFIX: '/c' })).toEqual({ path: '/c/bin/python', reason: 'active: CONDA_PREFIX' });
  expect(of({ python: '/p' }, { VIRTUAL_ENV: '/v' })).toEqual({ path: '/p', reason: '--python' });
});
