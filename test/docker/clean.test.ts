import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { beforeAll, expect, it } from 'vitest';
import type { CleanReport } from '../../agent/protocol/requests.ts';
import { bases, engineClient, ensureBases } from '../support/docker.ts';
import { EnvironmentProject } from '../support/environmentProject.ts';

beforeAll(() => ensureBases('python'), 300_000);

const script = '# @hpo.objective loss min\nx = 3.0  # @hpo float(0, 10)\nprint(f"loss={x}")\n';

/** A project whose image is made of the base in a moment. */
function makeProject(text = script): EnvironmentProject {
  const project = new EnvironmentProject();
  project.write('train.py', text);
  project.write('Dockerfile', `FROM ${bases.python}\nLABEL made=${process.pid}-${Math.random()}\n`);
  return project;
}

async function clean(project: EnvironmentProject, ...options: readonly string[]): Promise<CleanReport> {
  const [report] = await project.json<CleanReport>('clean', ...options);
  if (report === undefined) throw new Error('no report');
  return report;
}

it('an image stays while a study has it, and then by its use; --all frees what is made again when it is needed', async () => {
  await using project = makeProject();
  const first = await project.tuneInContainers('train.py', 1);
  project.write('train.py', script.replace('3.0', '4.0'));
  const second = await project.tuneInContainers('train.py', 1);
  expect(second.image).toEqual(first.image);
  const image = { kind: 'image', name: first.image.name };

  // Both have ended: trials of them may be tried again.
  expect(await clean(project, '--dry-run', '--images')).toMatchObject({
    freed: [],
    kept: [{ ...image, reason: expect.stringMatching(/^used by train-\w+ and 1 more$/) }],
    engine: null,
  });
  expect(await clean(project, '--dry-run', '--all')).toMatchObject({ freed: [image], kept: [] });

  // The engine, and nothing of the home, is what was done to it from outside.
  await project.run('delete', '--yes', first.studyId);
  expect(await clean(project)).toMatchObject({ freed: [], kept: [{ ...image, reason: `used by ${second.studyId}` }] });
  expect(readdirSync(join(project.home, 'snapshots'))).toHaveLength(1);

  await project.run('delete', '--yes', second.studyId);
  expect(await clean(project)).toMatchObject({
    freed: [],
    kept: [{ ...image, reason: expect.stringMatching(/^no study uses it/) }],
  });
  expect(readdirSync(join(project.home, 'snapshots'))).toEqual([]);
  expect(await project.labelled()).toEqual([`image ${first.image.name}`]);

  expect((await clean(project, '--all')).freed).toMatchObject([image]);
  expect(await project.labelled()).toEqual([]);
  expect(readdirSync(join(project.home, 'images'))).toEqual([]);
});

it('--all takes the image of a study that has ended, whose trial is tried again all the same', async () => {
  await using project = makeProject(
    script
      .replace('print', 'import os\nassert os.path.exists("/gate/open")\nprint')
      .replace('x =', '# @hpo.data ./gate -> /gate ro\nx ='),
  );
  project.write('gate/README', '');
  const { stdout } = await project.run('tune', 'train.py', '--on', 'docker', '-n', '1', '--json');
  const studyId = /"studyId":"([^"]+)"/.exec(stdout)?.[1] ?? '';
  await project.ended(studyId);
  expect((await clean(project, '--all')).freed).toMatchObject([
    { kind: 'image', reason: expect.stringMatching(/^it is made again/) },
  ]);
  expect(await project.labelled()).toEqual([]);
  expect(await clean(project, '--all')).toMatchObject({ freed: [], kept: [] });
  project.write('gate/open', '');
  expect(await project.run('retry', studyId, '0')).toMatchObject({ code: 0 });
  await project.ended(studyId);
  expect(await project.json('trials', studyId)).toMatchObject([{ state: 'complete', attempts: 2 }]);
  await project.free(studyId);
});

it('a study that is deleted while it runs leaves no container and no code', async () => {
  await using project = makeProject(script.replace('print', 'import time\nprint("began", flush=True)\ntime.sleep(600)\nprint'));
  const [started] = await project.json<{ studyId: string }>(
    'tune',
    'train.py',
    '--on',
    'docker',
    '-n',
    '4',
    '--parallel',
    '2',
    '--detach',
  );
  const containers = async (): Promise<number> => (await project.labelled()).filter((one) => one.startsWith('container')).length;
  const until = async (condition: () => Promise<boolean>): Promise<void> => {
    for (const deadline = Date.now() + 60_000; !(await condition()); await delay(100))
      if (Date.now() > deadline) throw new Error(`it did not come to that: ${(await project.labelled()).join(', ')}`);
  };
  await until(async () => (await containers()) === 2);
  expect(await project.run('delete', '--yes', started?.studyId ?? '')).toMatchObject({ code: 0 });
  await until(async () => (await containers()) === 0);
  await until(() => Promise.resolve(readdirSync(join(project.home, 'studies')).length === 0));
  await until(() => Promise.resolve(readdirSync(join(project.home, 'snapshots')).length === 0));
  await clean(project, '--all');
  expect(await project.labelled()).toEqual([]);
  // The user's own image, which this one was made from, is nobody's to remove.
  expect(await engineClient().getImage(bases.python).inspect()).toMatchObject({ Id: expect.any(String) });
});
