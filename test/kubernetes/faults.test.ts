import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { startCluster } from '../../.ci/cluster.mjs';
import { ensureNodeImage } from '../support/cluster.ts';
import { decisions, FaultedStudy, type Trial, undisturbed } from '../support/clusterFaults.ts';
import { savingScript } from '../support/clusterScripts.ts';
import { NetworkLink } from '../support/networkLink.ts';

const cutSeconds = 120;
const nTrials = 24;
const parallel = 4;
/** What is decided follows from the seed alone, whatever ends when: each batch is decided from what those before it came to. */
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
  'asha-promote',
  '--seed',
  '5',
];

it('20 deletions, 5 evictions, restarts of all parts, a cut of the network and 5 killed agents lose and double nothing', {
  timeout: 1_200_000,
}, async () => {
  await using cluster = await startCluster();
  await using link = await NetworkLink.to(cluster.server);
  const kubeconfig = join(cluster.folder, 'link.kubeconfig');
  link.writeKubeconfig(readFileSync(cluster.kubeconfig, 'utf8'), kubeconfig);
  // The last ones wait until all faults are done: so all of it is done to a study that runs, however long that takes.
  const script = savingScript(await ensureNodeImage('python', cluster), nTrials - parallel);
  await using study = await FaultedStudy.begin(cluster, kubeconfig, script, search);

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
  const calm = await undisturbed(script, search);
  expect(trials).toHaveLength(nTrials);
  expect(decisions(trials)).toEqual(decisions(calm));
  // Only what took pods away cost attempts, and most of these went on where the pod had been.
  const further = attemptsOf(trials) - attemptsOf(calm);
  expect(further).toBeGreaterThan(10);
  expect(further).toBeLessThanOrEqual(25);
  expect(study.resumed() - (attemptsOf(calm) - nTrials)).toBeGreaterThan(further / 2);
  await study.free();
});

function attemptsOf(trials: readonly Trial[]): number {
  return trials.reduce((sum, { attempts }) => sum + attempts, 0);
}
