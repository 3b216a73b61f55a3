import { describe, expect, test } from 'vitest';
import type { ContainerSettings } from '../../../../agent/protocol/study.ts';
import { ended, Harness, spec } from './harness.ts';

const container: ContainerSettings = {
  image: { name: 'hpo-env:1-mark', id: 'sha256:1', recipe: '1' },
  mounts: [],
  network: false,
  memoryBytes: null,
  shmBytes: 1,
  pids: 1,
  gpus: 0,
  secrets: [],
};

const traceback = (error: string) =>
  `Traceback (most recent call last):\n  File "/hpo/work/train.py", line 3, in <module>\n    fit()\n${error}\n`;

/** The failure of the first attempt of a study in containers. */
function failureOf(ending: Parameters<typeof ended>[2], changes: Partial<ContainerSettings> | null = {}) {
  const h = new Harness(spec(changes === null ? {} : { executor: 'docker', container: { ...container, ...changes } }));
  h.see({ type: 'started', number: 0, attempt: 1, pid: 1 }, ended(0, 1, ending));
  return h.state.view.trials[0]?.attempts[0]?.failure;
}

test('a limit of disk on a cluster is a failure of the trial, and says what raises it', () => {
  const detail = 'it wrote more than 1Gi into /tmp. Say # @hpo.resources tmp=4GB';
  expect(failureOf({ exitCode: null, signal: 'SIGKILL', detail })).toEqual({
    kind: 'userError',
    code: 'HPO-3023',
    message: `The trial was ended for a limit of its own: ${detail}.`,
  });
});

describe('what fails for being in a container says what mends it there', () => {
  test.each<[string, string, Partial<ContainerSettings>, string, RegExp]>([
    [
      'a folder of the code',
      traceback("OSError: [Errno 30] Read-only file system: 'src/out.txt'"),
      {},
      'HPO-3016',
      /^OSError.*out\.txt' \(train\.py, line 3\)\. In a container the code, .*@hpo\.data \.\/out -> out/,
    ],
    [
      'the code, by Node',
      "Error: EROFS: read-only file system, open 'lib/x'\n",
      {},
      'HPO-3016',
      /^Error: EROFS.*cannot be written/,
    ],
    ['the code, by a shell', 'run.sh: 3: cannot create lib/x: Read-only file system\n', {}, 'HPO-3016', /cannot be written/],
    [
      'a folder in memory',
      traceback("OSError: [Errno 28] No space left on device: '/tmp/cache.bin'"),
      {},
      'HPO-3021',
      /cache\.bin' \(train\.py, line 3\)\. \/tmp and HOME of a container .* tmp=4GB/,
    ],
    [
      'shared memory, by PyTorch',
      traceback('RuntimeError: unable to write to file </torch_123>: No space left on device (28), in shared memory'),
      {},
      'HPO-3021',
      /shm=4GB/,
    ],
    [
      'a name of the network',
      traceback('socket.gaierror: [Errno -3] Temporary failure in name resolution'),
      {},
      'HPO-3017',
      /# @hpo\.resources network=yes/,
    ],
    [
      'a name of the network that it has',
      traceback('socket.gaierror: [Errno -3] Temporary failure in name resolution'),
      { network: true },
      'HPO-3001',
      /See the trial's log/,
    ],
    ['the network, by curl', 'curl: (6) Could not resolve host: example.org\n', {}, 'HPO-3017', /network=yes/],
    [
      'a module',
      traceback("ModuleNotFoundError: No module named 'torch'"),
      {},
      'HPO-3018',
      /^ModuleNotFoundError: No module named 'torch' \(train\.py, line 3\)\. The image hpo-env:1-mark lacks it: add it to what/,
    ],
    [
      'a module of an image of the user',
      traceback("ModuleNotFoundError: No module named 'torch'"),
      { image: { name: 'mine:1', id: 'sha256:2', recipe: null } },
      'HPO-3018',
      /mine:1 lacks it: name another one/,
    ],
    [
      'a module that was left out of the code',
      traceback("ModuleNotFoundError: No module named 'shared.loader'"),
      {
        leftOut: [
          { path: 'notes', reason: 'left out by .hpoignore' },
          { path: 'src/shared', reason: 'a link out of the project' },
        ],
      },
      'HPO-3018',
      /hpo left src\/shared of the project out of the stored code: a link out of the project\. If the program needs it, put a copy/,
    ],
    ['its own value', traceback('ValueError: lr too high'), {}, 'HPO-3001', /^ValueError/],
  ])('%s', (_name, outputTail, changes, code, message) => {
    expect(failureOf({ exitCode: 1, outputTail }, changes)).toMatchObject({
      kind: 'userError',
      code,
      message: expect.stringMatching(message),
    });
  });

  test('the same as a process of the machine is what it was', () => {
    const outputTail = traceback("OSError: [Errno 30] Read-only file system: '/x'");
    expect(failureOf({ exitCode: 1, outputTail }, null)).toMatchObject({ code: 'HPO-3001' });
    expect(failureOf({ exitCode: 1, outputTail: traceback("ModuleNotFoundError: No module named 'a'") }, null)).toMatchObject({
      code: 'HPO-3012',
    });
  });

  test('a program that the image lacks', () => {
    const outputTail = '/hpo/shim.sh: 69: exec: python: not found\n';
    expect(failureOf({ exitCode: 127, outputTail })).toMatchObject({
      code: 'HPO-3002',
      message: expect.stringMatching(/^The program "python" cannot be run/),
    });
  });
});

describe('memory', () => {
  const killed = { exitCode: 137, isOutOfMemory: true, outputTail: 'epoch 3\n' };

  test('beyond the limit of the container: another attempt, alone, would have no more of it', () => {
    const h = new Harness(
      spec({ executor: 'docker', container: { ...container, memoryBytes: 512 * 1024 ** 2 }, search: { parallel: 2 } }),
    );
    for (const number of [0, 1]) h.see({ type: 'started', number, attempt: 1, pid: 1 });
    h.see(ended(0, 1, killed));
    expect(h.state.view.trials[0]).toMatchObject({
      state: 'failed',
      failure: {
        kind: 'outOfMemory',
        code: 'HPO-3019',
        message: expect.stringMatching(
          /more memory than the 512 MB of its container \(epoch 3\)\. Raise the limit \(# @hpo\.resources memory=\), or narrow/,
        ),
      },
    });
  });

  test('of the machine, where the container has no limit: it is tried again alone', () => {
    const h = new Harness(spec({ executor: 'docker', container, search: { parallel: 2 } }));
    for (const number of [0, 1]) h.see({ type: 'started', number, attempt: 1, pid: 1 });
    h.see(ended(0, 1, killed));
    expect(h.state.view.trials[0]?.attempts[0]?.failure).toMatchObject({ code: 'HPO-3006' });
    expect(h.state.view.trials[0]?.state).toBe('waiting');
  });

  test('a full folder of which nobody knows where it is may be in memory, or the disk', () => {
    expect(failureOf({ exitCode: 1, outputTail: traceback('OSError: [Errno 28] No space left on device') })).toMatchObject({
      kind: 'infrastructure',
      code: 'HPO-3011',
      message: expect.stringMatching(/^The disk is full .*; or, if that was in \/tmp or HOME: .* tmp=4GB/) as string,
    });
  });
});
