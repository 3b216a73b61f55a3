import { beforeAll, expect, it } from 'vitest';
import { ClusterProject } from '../support/clusterProject.ts';
import { ensureBases } from '../support/docker.ts';
import { copyExample } from '../support/examples.ts';
import { wineScript } from '../support/wine.ts';

interface Trial {
  readonly number: number;
  readonly state: string;
  readonly params: unknown;
  readonly values: unknown;
  readonly resource: number;
}

beforeAll(() => ensureBases('python'), 900_000);

it('a study is the same in processes, in containers and in pods', { timeout: 600_000 }, async () => {
  await using project = await ClusterProject.create();
  copyExample(project, 'node');
  project.write('.python-version', '3.11\n');
  project.write('requirements.txt', 'six==1.17.0\n');
  const path = project.write('train.py', `# @hpo.resources cpus=1\n${wineScript}`);
  const results = [];
  for (const executor of ['local', 'docker', 'kubernetes']) {
    const search = ['--search', 'tpe', '--scheduler', 'sha', '--seed', '11', '--parallel', '1', '-n', '10'];
    const lines = await project.json<{ type: string; studyId: string }>('tune', path, '--on', executor, ...search);
    const { studyId = '', type } = lines.at(-1) ?? {};
    expect(type).toBe('studyEnded');
    const trials = await project.json<Trial>('trials', studyId);
    results.push(trials.map(({ number, state, params, values, resource }) => ({ number, state, params, values, resource })));
    if (executor === 'kubernetes') await project.free(studyId);
  }
  const [local, docker, kubernetes] = results;
  expect(local).toHaveLength(10);
  // Searched, and not ten times the same.
  expect(new Set(local?.map(({ values }) => JSON.stringify(values))).size).toBeGreaterThan(7);
  expect(docker).toEqual(local);
  expect(kubernetes).toEqual(local);
});
