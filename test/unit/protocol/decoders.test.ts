import { describe, expect, it } from 'vitest';
import { decodeName, decodeParams, requestNames } from '../../../agent/protocol/decoders.ts';
import { HpoError, wireErrorSchema } from '../../../agent/protocol/errors.ts';
import type { RequestName } from '../../../agent/protocol/requests.ts';
import { executorNames, samplerNames, schedulerNames } from '../../../agent/protocol/study.ts';

const fullTune = {
  script: '/p/train.py',
  trials: 30,
  parallel: 2,
  batch: 4,
  seed: 0,
  sampler: 'tpe',
  scheduler: 'asha-stop',
  executor: 'local',
  budget: { hours: '1', trials: '30' },
  objective: { metric: 'val_loss', direction: 'min' },
  interpreter: { path: '/usr/bin/python3', reason: 'setting' },
  env: 'auto',
  trialTimeoutMs: 1_500.5,
};

/** Something that each request accepts. */
const accepted: { readonly [N in RequestName]: readonly unknown[] } = {
  hello: [{ protocolVersion: 1, client: 'cli', version: '1.0.0', token: '' }],
  'agent/status': [{}],
  'agent/reach': [{}],
  'agent/stop': [{}],
  'agent/clean': [{ dryRun: true, images: false, all: true }],
  'image/describe': [fullTune, { script: 'x' }],
  'image/build': [{ request: { script: 'x' }, isFresh: true }],
  'study/preflight': [fullTune, { script: 'x' }],
  'study/create': [fullTune, { script: 'x' }],
  'study/list': [{}],
  'study/view': [{ studyId: 's' }],
  'study/pages': [
    { studyId: 's', stream: 1 },
    { studyId: null, stream: 2 },
  ],
  'study/subscribe': [
    { studyId: null, from: 0 },
    { studyId: 's', from: 7 },
  ],
  'study/unsubscribe': [{ subscription: 1 }],
  'move/pack': [{ studyId: 's', isRest: false }],
  'move/read': [{ studyId: 's', offset: 1048576 }],
  'move/write': [{ studyId: 's', offset: 0, data: 'aGFsbG8=' }],
  'move/unpack': [{ studyId: 's', sha256: 'a'.repeat(64), isRest: true }],
  'move/leave': [{ studyId: 's', to: 'the cluster', agent: '0123456789ab', epoch: 1 }],
  'move/arrive': [{ studyId: 's', from: 'this machine' }],
  'move/takeBack': [{ studyId: 's', from: 'the cluster' }],
  'move/done': [{ studyId: 's' }],
  'study/command': [
    { studyId: 's', command: { type: 'pause' } },
    { studyId: 's', command: { type: 'resume' } },
    { studyId: 's', command: { type: 'stop' } },
    { studyId: 's', command: { type: 'delete' } },
    { studyId: 's', command: { type: 'scale', parallel: 4 } },
    { studyId: 's', command: { type: 'stopTrial', trial: 0 } },
  ],
  'trial/log': [
    { studyId: 's', trial: 0, offset: 0 },
    { studyId: 's', trial: 3, attempt: 2, offset: 100 },
  ],
};

describe('what a request accepts', () => {
  it.each(requestNames.flatMap((name) => accepted[name].map((params) => [name, params] as const)))('%s %j', (name, params) =>
    expect(decodeParams(name, params)).toEqual(params),
  );
});

describe('what a request refuses, with the field and what it should be', () => {
  it.each<[RequestName, unknown, RegExp]>([
    ['study/list', null, /^study\/list: Invalid input: expected object/],
    ['study/list', [], /^study\/list: Invalid input: expected object/],
    ['agent/clean', { dryRun: true, all: true }, /^agent\/clean: images: Invalid input: expected boolean/],
    ['study/view', { studyId: 's', more: 1 }, /^study\/view: Unrecognized key: "more"/],
    ['study/create', { ...fullTune, parralel: 2 }, /^study\/create: Unrecognized key: "parralel"/],
    ['study/view', {}, /^study\/view: studyId: Invalid input: expected string/],
    ['study/view', { studyId: '' }, /studyId: Too small: expected string to have >=1 characters/],
    ['study/view', { studyId: 'x'.repeat(201) }, /studyId: Too big/],
    ['study/subscribe', { studyId: 's', from: -1 }, /from: Too small: expected number to be >=0/],
    ['study/subscribe', { studyId: 's', from: 1.5 }, /from: Invalid input: expected int/],
    ['study/subscribe', { from: 1 }, /studyId/],
    ['study/create', { ...fullTune, trials: 0 }, /trials: Too small: expected number to be >=1/],
    ['study/create', { ...fullTune, trials: 1e7 }, /trials: Too big/],
    ['study/create', { ...fullTune, trials: '3' }, /trials: Invalid input: expected (int|number), received string/],
    ['study/create', { ...fullTune, seed: -1 }, /seed: Too small/],
    ['study/create', { ...fullTune, sampler: 'magic' }, /sampler: Invalid option: expected one of "auto"\|"random"/],
    ['study/create', { ...fullTune, objective: { metric: 'm', direction: 'up' } }, /objective\.direction: Invalid option/],
    ['study/create', { ...fullTune, objective: { metric: '', direction: 'min' } }, /objective\.metric: Too small/],
    ['study/create', { ...fullTune, budget: { hours: 1 } }, /budget\.hours: Invalid input: expected string/],
    ['study/create', { ...fullTune, trialTimeoutMs: 0 }, /trialTimeoutMs: Too small: expected number to be >0/],
    ['study/create', { ...fullTune, trialTimeoutMs: Infinity }, /trialTimeoutMs/],
    ['study/create', { ...fullTune, env: 'none' }, /env: Invalid option/],
    ['move/leave', { studyId: 's', to: '', agent: 'a', epoch: 1 }, /to: Too small/],
    ['move/leave', { studyId: 's', to: 'x', agent: 'a', epoch: 0 }, /epoch: Too small/],
    ['move/unpack', { studyId: 's', sha256: 'a', isRest: true }, /sha256: Too small/],
    ['move/read', { studyId: 's', offset: -1 }, /offset: Too small/],
    ['study/command', { studyId: 's', command: { type: 'explode' } }, /command\.type: Invalid/],
    ['study/command', { studyId: 's', command: { type: 'scale' } }, /command\.parallel/],
    ['study/command', { studyId: 's', command: { type: 'stopTrial', trial: -1 } }, /command\.trial: Too small/],
    ['trial/log', { studyId: 's', trial: 0, attempt: 0, offset: 0 }, /attempt: Too small/],
    ['hello', { protocolVersion: 1, client: 'c'.repeat(101), version: '', token: '' }, /client: Too big/],
  ])('%s %j', (name, params, message) => {
    const error = refusal(() => decodeParams(name, params));
    expect(error).toMatchObject({ code: 'HPO-5010', exitCode: 2 });
    expect(error.message).toMatch(message);
  });
});

describe('names given by a user', () => {
  it.each([
    ...samplerNames.map((name) => ['sampler', name] as const),
    ...schedulerNames.map((name) => ['scheduler', name] as const),
    ...executorNames.map((name) => ['executor', name] as const),
  ])('%s %s', (kind, name) => expect(decodeName(kind, name)).toBe(name));

  it.each([
    ['sampler', 'asha-stop'],
    ['scheduler', 'TPE'],
    ['executor', ''],
  ] as const)('there is no %s "%s"', (kind, name) => {
    const error = refusal(() => decodeName(kind, name));
    expect(error).toMatchObject({ code: 'HPO-4010', exitCode: 2, message: `there is no ${kind} "${name}"` });
    expect(error.next).toMatch(/^choose one of: \w+, /);
  });
});

describe('an error on its way over the socket', () => {
  it('keeps what people read', () => {
    const { code, message, next, exitCode } = new HpoError('HPO-4004', 'what', 'next', { exitCode: 3 });
    const wire = JSON.parse(JSON.stringify({ code, message, next, exitCode }));
    expect(wireErrorSchema.parse(wire)).toEqual({ code: 'HPO-4004', message: 'what', next: 'next', exitCode: 3 });
  });

  it.each([
    [{}],
    [null],
    [{ code: 'HPO-1', message: 'm', next: 'n', exitCode: 5 }],
    [{ code: 1, message: 'm', next: 'n', exitCode: 1 }],
  ])('is not %j', (data) => expect(wireErrorSchema.safeParse(data).success).toBe(false));
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
