import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { clusterAgent } from '../../agent/cli/agentChoice.ts';
import { homeId } from '../../agent/client/home.ts';
import { readProfiles } from '../../agent/cluster/index.ts';
import type { JournalEntry } from '../../agent/protocol/events.ts';
import { ensureNodeImage } from '../support/cluster.ts';
import { ClusterProject } from '../support/clusterProject.ts';
import { ensureBases } from '../support/docker.ts';
import { testVolume } from './testVolume.ts';

interface Summary {
  readonly state: string;
  readonly movedTo: string | null;
  readonly trials: Readonly<Record<string, number>>;
}

interface Trial {
  readonly state: string;
  readonly attempts: number;
  readonly params: { readonly lr: number };
  readonly values: { readonly loss: number };
}

const nTrials = 8;
/** From this one on trials run until they are let go. */
const firstHeld = 4;
const script = `import os, time
lr = 0.1  # @hpo float(1e-4, 1, log)
# @hpo.objective loss min
# @hpo.resources cpus=0.1 memory=100MB
# @hpo.data pvc://gate -> /gate ro
for step in range(1, 6):
    print(f"loss={lr + 1 / step}", flush=True)
    time.sleep(0.5)
while int(os.environ["HPO_TRIAL"]) >= ${firstHeld} and not os.path.exists("/gate/open"):
    print(f"loss={lr + 1 / 5}", flush=True)
    time.sleep(0.5)
`;

/** One installation, which both tests use. */
let world: AsyncDisposableStack;
let project: ClusterProject;
let gate: Awaited<ReturnType<typeof testVolume>>;
let python: string;
let install: readonly string[];

beforeAll(async () => {
  await ensureBases('python', 'node');
  world = new AsyncDisposableStack();
  project = world.use(await ClusterProject.create());
  world.use(await testVolume(project.namespace, 'data-hpo-agent-0'));
  gate = world.use(await testVolume(project.namespace, 'gate'));
  project.write('train.py', script);
  install = ['cluster', 'agent', 'install', '--image', await ensureNodeImage('node'), '--yes'];
  python = await ensureNodeImage('python');
}, 900_000);
afterAll(() => world.disposeAsync(), 120_000);

it('a study goes on in the cluster’s agent when this machine is closed, and comes back with all values', {
  timeout: 400_000,
}, async () => {
  const { namespace } = project;
  // It is shown and asked for before anything changes.
  expect(await project.run(...install.slice(0, -1))).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/StatefulSet +hpo-agent[^]*HPO-2493: .*Make or change these in the namespace/),
  });
  expect(await namespace.names('statefulsets,roles', '')).toEqual([]);
  expect(await project.run(...install)).toMatchObject({ code: 0 });

  // Pods are refused in this namespace unless they are `restricted`; nothing of it listens for anybody.
  expect(await namespace.names('services,ingresses,endpointslices', '')).toEqual([]);
  const tokens = await namespace.kubectl(
    'get',
    'serviceaccounts',
    '--output',
    'jsonpath={.items[*].automountServiceAccountToken}',
  );
  expect(tokens).toBe('false');

  const start = ['--on', 'kubernetes', '--image', python, '-n', String(nTrials), '--parallel', '2', '--seed', '1'];
  const [{ studyId } = { studyId: '' }] = await project.json<{ studyId: string }>(
    'tune',
    'train.py',
    ...start,
    '--agent',
    'cluster',
    '--detach',
  );
  // The laptop is closed: no process of this home is left.
  expect(await project.run('agent', 'stop')).toMatchObject({ code: 0 });
  const there = async (): Promise<Summary | undefined> =>
    (await project.json<Summary>('status', studyId, '--agent', 'cluster'))[0];
  await expect
    .poll(async () => (await there())?.trials['complete'], { timeout: 120_000, interval: 1_000 })
    .toBeGreaterThanOrEqual(2);
  expect(await project.run('agent', 'status')).toMatchObject({ code: 3 });
  // Nobody removes it with studies on it by mistake, nor one of another home.
  expect(await project.run('cluster', 'agent', 'uninstall', '--yes')).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(`HPO-2517: .*would stand still or be lost: ${studyId}[^]*hpo move STUDY --to local`),
  });
  await namespace.kubectl('label', '--overwrite', 'statefulset', 'hpo-agent', 'hpo.made-by=another');
  expect(await project.run('cluster', 'agent', 'uninstall', '--yes')).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/HPO-2517: .*was installed by another home \(another\)/),
  });
  await namespace.kubectl('label', '--overwrite', 'statefulset', 'hpo-agent', `hpo.made-by=${homeId(project.home)}`);

  // A connection that is cut: the next goes on after the last entry, without a gap.
  const [profile] = readProfiles(project.home).profiles;
  if (profile === undefined) throw new Error('no cluster is connected');
  await using remote = clusterAgent(profile);
  const seen: JournalEntry[] = [];
  const take = (entries: readonly JournalEntry[]): void => void seen.push(...entries);
  const first = await remote.connect();
  await first.subscribe(studyId, 0, take);
  await expect.poll(() => seen.length).toBeGreaterThan(5);
  const kill = `const fs = require('node:fs'); for (const pid of fs.readdirSync('/proc').filter(Number)) {
    try { if (pid !== String(process.pid) && /cli\\.cjs\\0bridge/.test(fs.readFileSync('/proc/' + pid + '/cmdline', 'utf8'))) process.kill(Number(pid), 'SIGKILL'); } catch {} }`;
  await namespace.kubectl('exec', 'hpo-agent-0', '--container', 'agent', '--', 'node', '-e', kill);
  await first.closed;
  await expect(first.request('agent/status', {})).rejects.toMatchObject({ code: 'HPO-5002' });
  const cutAt = seen.at(-1)?.seq ?? 0;
  await using second = await remote.connect();
  await second.subscribe(studyId, cutAt, take);
  await expect.poll(() => seen.at(-1)?.seq ?? 0, { timeout: 60_000 }).toBeGreaterThan(cutAt);
  expect(seen.map(({ seq }) => seq)).toEqual([...new Set(seen.map(({ seq }) => seq))].toSorted((a, b) => a - b));

  // Taken back while trials run: they go on, and none is started twice.
  expect(await project.run('move', studyId, '--to', 'local')).toMatchObject({ code: 0 });
  expect((await there())?.movedTo).toMatch(/^this machine/);
  writeFileSync(join(gate.folder, 'open'), '');
  expect(await project.run('pause', studyId, '--agent', 'cluster')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('HPO-4314'),
  });
  await expect
    .poll(async () => (await project.json<Summary>('status', studyId))[0]?.state, { timeout: 120_000, interval: 1_000 })
    .toBe('ended');
  const trials = await project.json<Trial>('trials', studyId);
  expect(trials.map(({ state, attempts }) => ({ state, attempts }))).toEqual(
    Array.from({ length: nTrials }, () => ({ state: 'complete', attempts: 1 })),
  );
  for (const { params, values } of trials) expect(values.loss).toBeCloseTo(params.lr + 1 / 5, 12);
  expect(await project.run('doctor')).toMatchObject({ code: 0 });

  // What is left of it there takes nothing with it.
  expect(await project.run('delete', '--yes', studyId, '--agent', 'cluster')).toMatchObject({ code: 0 });
  expect(await project.json('trials', studyId)).toHaveLength(nTrials);
  await project.free(studyId);
  // What the cluster still removes is no trouble.
  expect(await project.run('doctor')).toMatchObject({ code: 0 });
});

it('a study whose agent is gone is taken back by force, and that agent leaves it alone when it comes back', {
  timeout: 400_000,
}, async () => {
  const { namespace } = project;
  rmSync(join(gate.folder, 'open'));
  const start = ['--on', 'kubernetes', '--image', python, '-n', '6', '--parallel', '2', '--seed', '1', '--detach'];
  const [{ studyId } = { studyId: '' }] = await project.json<{ studyId: string }>('tune', 'train.py', ...start);
  const there = async (): Promise<Summary | undefined> =>
    (await project.json<Summary>('status', studyId, '--agent', 'cluster'))[0];
  const scale = async (replicas: number): Promise<void> => {
    await namespace.kubectl('scale', 'statefulset', 'hpo-agent', `--replicas=${replicas}`);
    await expect
      .poll(() => namespace.kubectl('get', 'statefulset', 'hpo-agent', '--output', 'jsonpath={.status.readyReplicas}'), {
        timeout: 120_000,
        interval: 500,
      })
      .toBe(replicas === 0 ? '' : String(replicas));
  };
  expect(await project.run('move', studyId, '--to', 'cluster')).toMatchObject({ code: 0 });
  await expect.poll(async () => (await there())?.trials['running'], { timeout: 60_000, interval: 1_000 }).toBe(2);
  // While its agent is there, its words count.
  expect(await project.run('move', studyId, '--to', 'local', '--force', '--yes')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('HPO-2519'),
  });
  await scale(0);
  await namespace.kubectl('wait', 'pod', 'hpo-agent-0', '--for=delete', '--timeout=60s');
  expect(await project.run('move', studyId, '--to', 'local')).toMatchObject({
    code: 3,
    stderr: expect.stringContaining('HPO-2510'),
  });
  expect(await project.run('move', studyId, '--to', 'local', '--force')).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/of 6 trials ended[^]*is lost[^]*HPO-2493/),
  });
  expect(await project.run('move', studyId, '--to', 'local', '--force', '--yes')).toMatchObject({ code: 0 });
  await expect
    .poll(async () => (await project.json<Summary>('status', studyId))[0]?.trials['running'], {
      timeout: 60_000,
      interval: 1_000,
    })
    .toBe(2);

  // It comes back while trials run, and finds that they are another agent's: none of them has failed there.
  await scale(1);
  await expect.poll(async () => (await there())?.movedTo, { timeout: 60_000, interval: 1_000 }).toMatch(/^this machine/);
  expect((await there())?.trials['failed']).toBe(0);
  writeFileSync(join(gate.folder, 'open'), '');
  await expect
    .poll(async () => (await project.json<Summary>('status', studyId))[0]?.state, { timeout: 120_000, interval: 1_000 })
    .toBe('ended');
  const trials = await project.json<Trial>('trials', studyId);
  expect(trials.map(({ state }) => state)).toEqual(Array.from({ length: 6 }, () => 'complete'));
  expect(await project.run('doctor')).toMatchObject({ code: 0 });

  expect(await project.run('delete', '--yes', studyId, '--agent', 'cluster')).toMatchObject({ code: 0 });
  await project.free(studyId);
  expect(await project.run('cluster', 'agent', 'uninstall', '--yes')).toMatchObject({ code: 0 });
  await expect.poll(() => namespace.names('statefulsets,pods,roles,rolebindings', ''), { timeout: 60_000 }).toEqual([]);
  expect(await namespace.names('persistentvolumeclaims', '')).toEqual([
    'persistentvolumeclaim/data-hpo-agent-0',
    'persistentvolumeclaim/gate',
  ]);
});
