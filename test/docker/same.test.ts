import { beforeAll, expect, it } from 'vitest';
import { ensureBases } from '../support/docker.ts';
import { EnvironmentProject } from '../support/environmentProject.ts';
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

it.concurrent.each([
  ['gp', 'none'],
  // A stopped trial ends where it hears of it; only what does not stop can be the same to the last number.
  ['tpe', 'sha'],
] as const)('a study with %s and %s is the same in processes and in containers', async (sampler, scheduler) => {
  await using project = new EnvironmentProject();
  copyExample(project, 'node');
  project.write('.python-version', '3.11\n');
  const path = project.write('train.py', wineScript);
  const results = [];
  for (const executor of ['local', 'docker']) {
    const search = ['--search', sampler, '--scheduler', scheduler, '--seed', '11', '--parallel', '1', '-n', '16'];
    const lines = await project.json<{ type: string; studyId: string }>('tune', path, '--on', executor, ...search);
    const { studyId = '', type } = lines.at(-1) ?? {};
    expect(type).toBe('studyEnded');
    const trials = await project.json<Trial>('trials', studyId);
    results.push(trials.map(({ number, state, params, values, resource }) => ({ number, state, params, values, resource })));
    if (executor === 'docker') await project.free(studyId);
  }
  const [local, docker] = results;
  expect(local).toHaveLength(16);
  // Searched, and not sixteen times the same.
  expect(new Set(local?.map(({ values }) => JSON.stringify(values))).size).toBeGreaterThan(12);
  expect(docker).toEqual(local);
});
