import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { ClusterProject } from '../support/clusterProject.ts';
import { ensureBases } from '../support/docker.ts';
import { copyExample } from '../support/examples.ts';

const nTrials = 30;
/** As many as the alpha test of SigOpt Orchestrate had; each asks for a fraction of a processor, so that a small machine has room beside others. */
const parallel = 15;

interface Trial {
  readonly number: number;
  readonly state: string;
  readonly values: Readonly<Record<string, number>>;
  readonly resource: number;
}

beforeAll(() => ensureBases('python'), 900_000);

it(`the digits example runs ${nTrials} trials with ASHA, ${parallel} at once, on a real cluster`, {
  timeout: 1_500_000,
}, async () => {
  await using project = await ClusterProject.create();
  copyExample(project, 'digits');
  // Of which there is a base image here.
  project.write('.python-version', '3.11\n');
  appendFileSync(join(project.project, 'train.py'), '\n# @hpo.resources cpus=0.05 memory=300MB\n');
  const search = ['-n', String(nTrials), '--parallel', String(parallel), '--scheduler', 'asha-promote', '--seed', '3'];
  const lines = await project.json<{ type: string; studyId: string }>('tune', 'train.py', '--on', 'kubernetes', ...search);
  const { studyId = '' } = lines.at(-1) ?? {};
  expect(lines.at(-1)).toMatchObject({ type: 'studyEnded', reason: 'budget' });
  const trials = await project.json<Trial>('trials', studyId);
  expect(trials).toHaveLength(nTrials);
  const losses = trials.map(({ values }) => values['val_loss'] ?? NaN);
  expect(losses).toEqual(losses.filter(Number.isFinite));
  // Most got little, and few got all.
  const epochs = trials.map(({ resource }) => resource);
  expect(Math.max(...epochs)).toBe(27);
  expect(epochs.filter((one) => one === 27).length).toBeLessThan(nTrials / 3);
  expect(Math.min(...losses)).toBeLessThan(0.25);
  await project.free(studyId);
});
