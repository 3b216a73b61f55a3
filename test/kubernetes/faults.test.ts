import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { startCluster } from '../../.ci/cluster.mjs';
import { ensureNodeImage } from '../support/cluster.ts';
import { FaultedStudy, quickly, steadyScript } from '../support/clusterFaults.ts';
import { Hpo } from '../support/hpo.ts';
import { NetworkLink } from '../support/networkLink.ts';

/** The whole of it: HPO_TEST_CUT_SECONDS=120 vitest run … faults.test.ts */
const cutSeconds = Number(process.env['HPO_TEST_CUT_SECONDS'] ?? 20);
const nTrials = 24;
const steps = 8;
const parallel = 4;
const search = [
  '-n',
  String(nTrials),
  '--parallel',
  String(parallel),
  '--batch',
  String(parallel),
  '--search',
  'tpe',
  '--scheduler',
  'none',
  '--seed',
  '5',
];

it('20 deletions, 5 evictions, restarts of all parts, a cut of the network and 5 killed agents lose and double nothing', {
  timeout: 900_000 + cutSeconds * 1_000,
}, async () => {
  await using cluster = await startCluster();
  await using link = await NetworkLink.to(cluster.server);
  const kubeconfig = join(cluster.folder, 'link.kubeconfig');
  link.writeKubeconfig(readFileSync(cluster.kubeconfig, 'utf8'), kubeconfig);
  // The last ones wait until all faults are done: so all of it is done to a study that runs, however long that takes.
  const script = steadyScript(await ensureNodeImage('python', cluster), steps, nTrials - parallel);
  await using study = await FaultedStudy.begin(cluster, kubeconfig, script, steps, search);

  for (let n = 0; n < 10; n++) await study.deletePod(n);
  for (let n = 0; n < 2; n++) await study.killAgent();
  await cluster.restart('apiserver');
  for (let n = 0; n < 5; n++) await study.evictPod(n);
  await cluster.restart('kubelet');
  await study.killAgent();
  await cluster.restart('apiserver');
  {
    using _cut = link.cut();
    await delay(cutSeconds * 1_000);
    // Nothing went on without the agent that it does not know of.
    expect(await study.isRunning()).toBe(true);
  }
  for (let n = 0; n < 10; n++) await study.deletePod(n);
  await cluster.restart('etcd');
  await study.killAgent();
  await cluster.restart('apiserver');
  await study.killAgent();
  expect(await study.isRunning()).toBe(true);
  study.openGate();

  const trials = await study.trialsAtTheEnd(400_000);
  expect(trials).toHaveLength(nTrials);
  // Only what took pods away cost attempts.
  const further = trials.reduce((sum, { attempts }) => sum + attempts - 1, 0);
  expect(further).toBeGreaterThan(0);
  expect(further).toBeLessThanOrEqual(25);
  expect(decisions(trials)).toEqual(await undisturbed(script));
  await study.project.free(study.studyId);
});

/** The same study in processes of this machine. */
async function undisturbed(script: string): Promise<unknown> {
  await using hpo = new Hpo();
  hpo.write('train.py', quickly(script));
  const lines = await hpo.json<{ studyId: string }>('tune', 'train.py', '--on', 'local', ...search);
  return decisions(await hpo.json('trials', lines.at(-1)?.studyId ?? ''));
}

function decisions(trials: readonly { readonly number: number; readonly params: unknown; readonly values: unknown }[]): unknown {
  return trials.map(({ number, params, values }) => ({ number, params, values }));
}
