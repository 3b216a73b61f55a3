import { expect, it } from 'vitest';
import { startCluster } from '../../.ci/cluster.mjs';
import { ensureNodeImage } from '../support/cluster.ts';
import { decisions, FaultedStudy, undisturbed } from '../support/clusterFaults.ts';
import { savingScript } from '../support/clusterScripts.ts';

const nTrials = 4;
const search = ['-n', String(nTrials), '--parallel', '2', '--search', 'random', '--scheduler', 'none', '--seed', '5'];

it('a study goes on elsewhere while one node after the other is drained, from the checkpoints of its trials', {
  timeout: 900_000,
}, async () => {
  await using cluster = await startCluster({ nodes: 2 });
  const script = savingScript(await ensureNodeImage('python', cluster), 0);
  await using study = await FaultedStudy.begin(cluster, cluster.kubeconfig, script, search);
  const kubectl = study.project.namespace.kubectl.bind(study.project.namespace);

  const first = await study.drainNode();
  const [second] = cluster.nodes.filter((name) => name !== first);
  await expect.poll(() => study.nodes(), { timeout: 180_000, interval: 1_000 }).toEqual([second, second]);
  await kubectl('uncordon', first);
  expect(await study.drainNode()).toBe(second);
  await expect.poll(() => study.nodes(), { timeout: 180_000, interval: 1_000 }).toEqual([first, first]);
  await kubectl('uncordon', second ?? '');
  study.openGate();

  const trials = await study.trialsAtTheEnd(300_000);
  expect(trials).toHaveLength(nTrials);
  expect(decisions(trials)).toEqual(decisions(await undisturbed(script, search)));
  expect(trials.reduce((sum, { attempts }) => sum + attempts, 0)).toBeGreaterThanOrEqual(nTrials + 3);
  expect(study.resumed()).toBeGreaterThan(0);
  await study.free();
});
