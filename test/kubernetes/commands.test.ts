import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, expect, it } from 'vitest';
import { ensureNodeImage, sharedCluster } from '../support/cluster.ts';
import { Hpo } from '../support/hpo.ts';

const run = promisify(execFile);

let image = '';
beforeAll(async () => {
  image = await ensureNodeImage('python');
}, 900_000);

/** A home of its own, with the kubeconfig of the tests and a cluster.yml for a namespace that is not there yet. */
class Commands extends Hpo {
  readonly namespace = `hpo-test-${randomBytes(4).toString('hex')}`;

  constructor() {
    super({ KUBECONFIG: sharedCluster().kubeconfig });
    this.write(
      'cluster.yml',
      `name: lab # ours\nnamespace: ${this.namespace}\nquota: {cpu: 4, memory: 8Gi, pods: 20}\ntrial: {most: {memory: 2Gi}}\nregistry: {push: "${sharedCluster().registry}/${this.namespace}", plain: true}\n`,
    );
  }

  /** As an administrator, in the namespace. */
  async kubectl(...args: readonly string[]): Promise<string> {
    const { kubeconfig, kubectl } = sharedCluster();
    return (await run(kubectl, ['--kubeconfig', kubeconfig, '--namespace', this.namespace, ...args])).stdout;
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await super[Symbol.asyncDispose]();
    await this.kubectl('delete', 'namespace', this.namespace, '--ignore-not-found', '--wait');
  }
}

it('a cluster is created, tried, used, cleaned and destroyed, and what studies found stays', async () => {
  await using hpo = new Commands();
  const made = await hpo.run('cluster', 'create', '-f', 'cluster.yml', '--yes');
  expect(made).toMatchObject({ code: 0 });
  expect(made.stdout).toContain('made  Namespace');
  const labels = await hpo.kubectl('get', 'namespace', hpo.namespace, '--output', 'jsonpath={.metadata.labels}');
  expect(labels).toContain('"pod-security.kubernetes.io/enforce":"restricted"');
  // Once more: nothing changes; and what has changed in the file is changed there.
  const [again] = await hpo.json<{ objects: { result: string }[] }>('cluster', 'create', '-f', 'cluster.yml', '--yes');
  expect(new Set(again?.objects.map(({ result }) => result))).toEqual(new Set(['unchanged']));

  const [test] = await hpo.json<{ ok: boolean; checks: { check: string; isOk: boolean }[] }>('cluster', 'test', '--image', image);
  expect(test?.ok).toBe(true);
  expect(test?.checks.map(({ check }) => check)).toEqual(
    expect.arrayContaining(['reaches', 'may', 'namespace', 'pushes', 'stores', 'runs', 'logs', 'exec', 'ends']),
  );
  expect(await hpo.kubectl('get', 'jobs,pods,configmaps', '--selector=hpo.test', '--output=name')).toBe('');

  hpo.write(
    'train.py',
    '# @hpo.resources cpus=0.05 memory=100MB\nx = 1.0  # @hpo float(0, 2)\n# @hpo.objective loss min\nprint("loss =", (x - 0.5) ** 2)\n',
  );
  const study = await hpo.run(
    'run',
    'train.py',
    '--on',
    'kubernetes',
    '--image',
    image,
    '-n',
    '3',
    '--parallel',
    '2',
    '--seed',
    '1',
    '--json',
  );
  expect(study.stderr).not.toContain('error');
  expect(study.code).toBe(0);
  const lines = study.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { type: string; studyId: string; best: unknown });
  const end = lines.at(-1);
  expect(end).toMatchObject({ type: 'studyEnded', trials: { complete: 3 } });
  const studyId = end?.studyId ?? '';
  expect((await hpo.run('status', studyId)).stdout).toContain(studyId);
  expect((await hpo.run('logs', '--follow', studyId)).stdout).toMatch(/\[0\] loss = /);

  // What a study has left whose records are gone.
  await hpo.kubectl('create', 'configmap', 'left');
  const id = await hpo.kubectl('get', 'serviceaccount', 'hpo', '--output', 'jsonpath={.metadata.labels.hpo\\.made-by}');
  await hpo.kubectl('label', 'configmap', 'left', `hpo.home=${id}`, 'hpo.study=gone');
  const [dry] = await hpo.json<{ removed: { name: string }[] }>('cluster', 'clean', '--dry-run');
  expect(dry?.removed.map(({ name }) => name)).toContain('left');
  expect((await hpo.run('cluster', 'clean')).stdout).toContain('left');
  expect(await hpo.kubectl('get', 'configmap', 'left', '--ignore-not-found', '--output=name')).toBe('');

  // Somebody else's in the namespace is in the way.
  await hpo.kubectl('create', 'configmap', 'of-somebody');
  await hpo.kubectl('create', 'service', 'clusterip', 'of-somebody', '--tcp=80:80');
  const refused = await hpo.run('cluster', 'destroy', 'lab', '--yes');
  expect(refused.stderr).toMatch(
    /HPO-2494: the namespace \S+ would go with what is not ours: ConfigMap of-somebody, Service of-somebody/,
  );
  await hpo.kubectl('delete', 'configmap,service', 'of-somebody');
  expect((await hpo.run('cluster', 'destroy', '-n', 'lab')).stderr).toContain('HPO-2493');
  const gone = await hpo.run('cluster', 'destroy', '-n', 'lab', '--yes');
  expect(gone).toMatchObject({ code: 0 });
  expect(await hpo.kubectl('get', 'namespace', hpo.namespace, '--ignore-not-found', '--output=name')).toBe('');

  // Nothing of these needs the cluster.
  expect(await hpo.json('trials', studyId)).toHaveLength(3);
  expect(await hpo.json('best', studyId)).toMatchObject([end?.best]);
  expect((await hpo.run('export', studyId, '--format', 'csv')).code).toBe(0);
  expect((await hpo.run('report', studyId, '-o', 'report.html')).code).toBe(0);
  expect((await hpo.run('delete', studyId, '--yes')).stdout).toContain(`${studyId} deleted`);
});

it('what is not ours is neither changed nor removed', async () => {
  await using hpo = new Commands();
  await hpo.kubectl('create', 'namespace', hpo.namespace);
  await hpo.kubectl('create', 'serviceaccount', 'hpo');
  const foreign = await hpo.run('cluster', 'create', '-f', 'cluster.yml', '--yes');
  expect(foreign.code).toBe(1);
  expect(foreign.stderr).toContain('has ServiceAccount hpo already');
  expect(await hpo.kubectl('get', 'roles', '--output=name')).toBe('');
  await hpo.kubectl('delete', 'serviceaccount', 'hpo');

  expect((await hpo.run('cluster', 'create', '-f', 'cluster.yml', '--yes')).code).toBe(0);
  // One that somebody has made anew in its place is theirs, although it looks the same.
  const role = await hpo.kubectl('get', 'role', 'hpo', '--output=json');
  await hpo.kubectl('delete', 'role', 'hpo');
  const { metadata, ...rest } = JSON.parse(role) as { metadata: { labels: object } };
  hpo.write('role.json', JSON.stringify({ ...rest, metadata: { name: 'hpo', labels: metadata.labels } }));
  await hpo.kubectl('create', '-f', `${hpo.project}/role.json`);
  const gone = await hpo.run('cluster', 'destroy', '--yes');
  expect(gone.code).toBe(0);
  expect(gone.stderr).toMatch(/stays +Role +hpo: it was made anew by somebody else/);
  expect(await hpo.kubectl('get', 'role', 'hpo', '--ignore-not-found', '--output=name')).toContain('role');
});

it('nothing is done in a cluster that has come to another one’s place', async () => {
  await using hpo = new Commands();
  expect((await hpo.run('cluster', 'create', '-f', 'cluster.yml', '--yes')).code).toBe(0);
  const path = join(hpo.home, 'clusters.json');
  const file = JSON.parse(readFileSync(path, 'utf8')) as { profiles: { identity: object }[] };
  const uid = (await hpo.kubectl('get', 'namespace', 'kube-system', '--output=jsonpath={.metadata.uid}')).trim();
  expect(file.profiles.map(({ identity }) => identity)).toMatchObject([{ cluster: uid }]);
  const as = (identity: object): void =>
    writeFileSync(path, JSON.stringify({ ...file, profiles: file.profiles.map((profile) => ({ ...profile, identity })) }));
  as({ cluster: 'another', namespace: null });
  for (const words of [
    ['destroy', '--yes'],
    ['clean'],
    ['status'],
    ['create', '-f', 'cluster.yml', '--yes'],
    ['connect', '--name', 'lab', '--namespace', hpo.namespace],
  ]) {
    const { code, stderr } = await hpo.run('cluster', ...words);
    expect([words[0], code === 0, /HPO-2515: another cluster|HPO-2496: lab is what .* in another cluster/.test(stderr)]).toEqual([
      words[0],
      false,
      true,
    ]);
  }
  expect(await hpo.kubectl('get', 'role', 'hpo', '--output=name')).toContain('role');
  as({ cluster: uid, namespace: null });
  expect((await hpo.run('cluster', 'destroy', '--yes')).code).toBe(0);
});

it('connect, list, use and disconnect change nothing in a cluster', async () => {
  await using hpo = new Commands();
  const [connected] = await hpo.json('cluster', 'connect', '--context', 'test', '--namespace', 'default', '--name', 'a', '--yes');
  expect(connected).toMatchObject({ name: 'a', inUse: true, context: 'test', namespace: 'default', madeBy: null });
  await hpo.json('cluster', 'connect', '--name', 'b');
  expect(await hpo.json('cluster', 'list')).toMatchObject([
    { name: 'a', inUse: false },
    { name: 'b', inUse: true },
  ]);
  expect((await hpo.run('cluster', 'use', 'a')).stdout).toBe('a is in use\n');
  const [look] = await hpo.json<{ nodes: { isOpen: boolean }[]; version: string }>('cluster', 'status');
  expect(look?.nodes[0]?.isOpen).toBe(true);
  const doctor = await hpo.run('doctor');
  expect(doctor.stdout).toMatch(/ok +clusters +a \(v1\.\d+.*lets studies do all that they have to/);
  expect((await hpo.run('cluster', 'destroy', 'a', '--yes')).stderr).toContain('HPO-2494');
  expect((await hpo.run('cluster', 'disconnect', 'a')).stdout).toContain('nothing in it was changed');
  expect(await hpo.json('cluster', 'list')).toMatchObject([{ name: 'b', inUse: true }]);
});
