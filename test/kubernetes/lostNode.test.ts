import { expect, it } from 'vitest';
import { startCluster } from '../../.ci/cluster.mjs';
import { ensureNodeImage } from '../support/cluster.ts';
import { decisions, FaultedStudy, undisturbed } from '../support/clusterFaults.ts';
import { pulsing, savingScript } from '../support/clusterScripts.ts';

const nTrials = 4;
const search = ['-n', String(nTrials), '--parallel', '2', '--search', 'random', '--scheduler', 'none', '--seed', '5'];
/** A node is taken for lost 50 s after it was heard last, and its pods are deleted so many seconds later: by default 300. */
const seconds = 5;
const template = {
  spec: {
    tolerations: ['not-ready', 'unreachable'].map((taint) => ({
      key: `node.kubernetes.io/${taint}`,
      operator: 'Exists',
      effect: 'NoExecute',
      tolerationSeconds: seconds,
    })),
  },
};

it('trials of a node that is away for long go on elsewhere, and what ran on there meanwhile harms nothing and goes when it is back', {
  timeout: 900_000,
}, async () => {
  await using cluster = await startCluster({ nodes: 2 });
  const script = pulsing(savingScript(await ensureNodeImage('python', cluster), 0));
  await using study = await FaultedStudy.begin(cluster, cluster.kubeconfig, script, search, template);
  // Both wait for the gate, with all but one step done.
  const isHeld = (trial: number, attempt: number): boolean => study.pulse(trial, attempt).includes(String(attempt));
  await expect.poll(() => isHeld(0, 1) && isHeld(1, 1), { timeout: 180_000, interval: 500 }).toBe(true);
  const [{ node: away } = { node: '' }] = await study.pods();
  const lost = (await study.pods()).filter(({ node }) => node === away).map(({ trial }) => trial);
  const number = cluster.nodes.indexOf(away);

  await cluster.stop('kubelet', number, 'SIGKILL');
  const onElsewhere = async (): Promise<boolean> => lost.every((trial) => isHeld(trial, 2));
  await expect.poll(onElsewhere, { timeout: 300_000, interval: 1_000 }).toBe(true);
  const pods = await study.pods();
  for (const trial of lost) {
    expect(pods.find((pod) => pod.trial === trial && pod.attempt === 2)?.node).not.toBe(away);
    // What is cut off goes on, and writes: into a folder that nobody reads any more.
    const written = study.pulse(trial, 1).length;
    await expect.poll(() => study.pulse(trial, 1).length, { timeout: 30_000 }).toBeGreaterThan(written + 2);
    const latest = study.pulse(trial, 2);
    expect(latest.slice(latest.indexOf('2')).every((attempt) => attempt === '2')).toBe(true);
  }

  await cluster.start('kubelet', number);
  const first = async (): Promise<readonly number[]> =>
    (await study.pods()).filter(({ trial, attempt }) => lost.includes(trial) && attempt === 1).map(({ trial }) => trial);
  await expect.poll(first, { timeout: 180_000, interval: 1_000 }).toEqual([]);
  // And with its pod the program.
  await expect.poll(() => study.running(), { timeout: 60_000, interval: 500 }).toHaveLength(2);
  for (const trial of [0, 1]) expect(await study.running()).toContain(`${trial}/${lost.includes(trial) ? 2 : 1}`);
  study.openGate();

  const trials = await study.trialsAtTheEnd(
    300_000,
    lost.map((trial) => study.besideOf(trial)),
  );
  expect(trials).toHaveLength(nTrials);
  expect(decisions(trials)).toEqual(decisions(await undisturbed(script, search)));
  expect(trials.map(({ attempts }) => attempts)).toEqual([0, 1, 2, 3].map((trial) => (lost.includes(trial) ? 2 : 1)));
  for (const trial of lost) expect(study.ending(trial, 1)).toMatchObject({ preempted: true });
  expect(study.resumed()).toBe(lost.length);
  await study.free();
});
