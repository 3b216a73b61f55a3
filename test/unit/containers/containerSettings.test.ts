import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { containerSettings } from '../../../agent/preflight/container/containerSettings.ts';
import { parseScript } from '../../../agent/core/annotations/index.ts';
import type { ContainerSettings } from '../../../agent/protocol/study.ts';

const base = realpathSync(mkdtempSync(join(tmpdir(), 'hpo-settings-')));
const root = join(base, 'project');
const home = join(base, 'home');
const server = createServer();
const image = { name: 'hpo-env:1', id: 'sha256:1', recipe: '1' };

beforeAll(async () => {
  for (const folder of ['project/data', 'project/.ssh', 'project/data/sub', 'home/studies', 'lake', 'sea'])
    mkdirSync(join(base, folder), { recursive: true });
  writeFileSync(join(base, 'lake', 'a.csv'), '1');
  writeFileSync(join(root, '.env'), 'KEY=1');
  symlinkSync(join(base, 'sea'), join(root, 'linked'));
  symlinkSync('/etc', join(root, 'system'));
  await new Promise<void>((resolve) => server.listen(join(base, 'lake', 'some.sock'), resolve));
});
afterAll(async () => {
  await new Promise((resolve) => server.close(resolve));
  rmSync(base, { recursive: true });
});

/** Of a script with these directives. */
function settingsOf(...directives: readonly string[]): Promise<ContainerSettings> {
  const { spec, diagnostics } = parseScript(directives.map((words) => `# @hpo.${words}\n`).join(''), 'train.py');
  expect(diagnostics.filter(({ severity }) => severity === 'error')).toEqual([]);
  return containerSettings({ script: spec, root, home, image });
}

const GB = 1024 ** 3;

it('gives nothing of the machine where nothing is said', async () => {
  expect(await settingsOf()).toEqual({
    image,
    mounts: [],
    network: false,
    memoryBytes: null,
    shmBytes: GB,
    pids: 4_096,
    gpus: 0,
    secrets: [],
  });
});

it.each<[readonly string[], Partial<ContainerSettings>]>([
  [['resources memory=8GB'], { memoryBytes: 8 * GB, shmBytes: GB }],
  // More shared memory than half of all would only look like room.
  [['resources memory=512MB'], { memoryBytes: GB / 2, shmBytes: GB / 4 }],
  [['resources memory=512MB shm=400MB'], { shmBytes: 400 * 1024 ** 2 }],
  [['resources tmp=3GB'], { tmpBytes: 3 * GB }],
  [['resources network=yes'], { network: true }],
  [['resources network=true'], { network: true }],
  [['resources network=no'], { network: false }],
  [['resources gpus=2 pids=64'], { gpus: 2, pids: 64 }],
  [['resources gpus=0'], { gpus: 0 }],
  [['secret A', 'secret B', 'secret A'], { secrets: ['A', 'B'] }],
])('%j', async (directives, expected) => {
  expect(await settingsOf(...directives)).toMatchObject(expected);
});

it.each([
  ['./data -> /data ro', { source: join(root, 'data'), target: '/data', readOnly: true }],
  ['data -> /usr/share/nltk_data', { source: join(root, 'data'), target: '/usr/share/nltk_data', readOnly: false }],
  ['data -> /data/', { source: join(root, 'data'), target: '/data', readOnly: false }],
  ['data -> input/train', { source: join(root, 'data'), target: '/hpo/work/input/train', readOnly: false }],
  ['../sea -> /mnt/../sea ro', { source: join(base, 'sea'), target: '/sea', readOnly: true }],
  ['./data -> ~/data', { source: join(root, 'data'), target: '/hpo/home/data', readOnly: false }],
  [`${join(base, 'lake', 'a.csv')} -> /a.csv`, { source: join(base, 'lake', 'a.csv'), target: '/a.csv', readOnly: false }],
  // Where a program looks for it that was written for this machine.
  ['../sea -> ../sea ro', { source: join(base, 'sea'), target: '/hpo/sea', readOnly: true }],
  ['../sea -> ~/pond ro', { source: join(base, 'sea'), target: '/hpo/home/pond', readOnly: true }],
  // What is mounted is the real place, so that nothing turns the link meanwhile.
  ['linked -> /data', { source: join(base, 'sea'), target: '/data', readOnly: false }],
])('@hpo.data %s', async (words, mount) => {
  expect((await settingsOf(`data ${words}`)).mounts).toEqual([mount]);
});

describe('what no container gets', () => {
  it.each([
    ['/ -> /machine', 'HPO-2455', /belongs to the system/],
    ['/var -> /v ro', 'HPO-2455', /belongs to the system/],
    ['/etc -> /machine ro', 'HPO-2455', /belongs to the system/],
    ['/proc/self -> /p', 'HPO-2455', /belongs to the system/],
    ['system -> /s', 'HPO-2455', /\/etc: it belongs to the system/],
    ['../lake/some.sock -> /var/run/docker.sock', 'HPO-2455', /neither a file nor a folder/],
    ['../home -> /h', 'HPO-2455', /journal/],
    ['../home/studies -> /h', 'HPO-2455', /journal/],
    ['.. -> /h', 'HPO-2455', /journal/],
    [`${homedir()} -> /me`, 'HPO-2455', /belongs to the system|keys/],
    ['.ssh -> /keys ro', 'HPO-2455', /may hold a secret/],
    ['.env -> /env', 'HPO-2455', /may hold a secret/],
    ['../lake -> /lake', 'HPO-2455', /holds the socket some\.sock/],
    ['data -> /usr/', 'HPO-2455', /would hide the system/],
    ['data -> /usr/bin', 'HPO-2455', /would hide programs/],
    ['data -> /lib/x', 'HPO-2455', /\/lib, which the container needs/],
    ['data -> /', 'HPO-2455', /would hide the system/],
    ['data -> .', 'HPO-2455', /would hide the system/],
    ['data -> /proc/x', 'HPO-2455', /\/proc, which the container needs/],
    ['data -> /hpo/attempt', 'HPO-2455', /\/hpo\/attempt, which the container needs/],
    ['data -> ../attempt', 'HPO-2455', /\/hpo\/attempt, which the container needs/],
    ['nothing -> /n', 'HPO-2202', /is not at/],
  ])('@hpo.data %s', async (words, code, message) => {
    await expect(settingsOf(`data ${words}`)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });

  it('refuses one in another that has no place for it', async () => {
    await expect(settingsOf('data data -> /d ro', 'data ../sea -> /d/deep')).rejects.toMatchObject({
      code: 'HPO-2455',
      message: expect.stringMatching(/at \/d\/deep, in what .*data is mounted at, and that has no folder .*data\/deep /),
    });
    expect((await settingsOf('data data -> /d ro', 'data ../sea -> /d/sub')).mounts).toHaveLength(2);
  });

  it('refuses two for one place', async () => {
    await expect(settingsOf('data data -> /d', 'data ../sea -> /d/ ro')).rejects.toMatchObject({
      code: 'HPO-2455',
      message: expect.stringMatching(/both .*data and .*sea at \/d$/),
    });
  });

  it('refuses a share of a GPU', async () => {
    await expect(settingsOf('resources gpus=0.5')).rejects.toMatchObject({ code: 'HPO-4012' });
  });
});
