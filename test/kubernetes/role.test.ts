import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, expect, it } from 'vitest';
import { stringify } from 'yaml';
import type { Cluster } from '../../agent/cluster/cluster.ts';
import { connectCluster, readKubeconfig } from '../../agent/cluster/index.ts';
import { manifestsOf, roleName, wireOf, yamlOf } from '../../agent/clusters/manifests.ts';
import { type Permission, permissions, resourceName, rulesOf } from '../../agent/clusters/permissions.ts';
import { rehearse } from '../../agent/preflight/cluster/clusterRehearsal.ts';
import { attemptOf, eventually, key, Observer } from '../contract/executorSuite.ts';
import { ApiProxy } from '../support/apiProxy.ts';
import { ensureNodeImage, sharedCluster, type TestNamespace } from '../support/cluster.ts';
import { openPodPlace, PodWorld } from './executorWorld.ts';

let image = '';
beforeAll(async () => {
  image = await ensureNodeImage('python');
}, 900_000);

/** What servers of this version ask for. */
const asked = permissions.filter(({ since }) => since === undefined);
const wordsOf = (permission: Permission): string => `${permission.verb} ${resourceName(permission)}`;
const studyId = 'study-9';

it('an executor with the Role and nothing else does all that it does, and uses each of its rights', async () => {
  await using world = await openRoleWorld();
  const { pods, proxy } = world;
  const { namespace } = pods;
  const script = `for n in 1 2 3 4 5 6 7 8 9 10 11 12; do head -c 1000000 /dev/zero | tr '\\0' x; done; echo "$HPO_TOKEN"; while :; do sleep 1; echo on; done`;
  const long = { ...attemptOf(pods, []), key: key(0, 1, studyId), command: ['/bin/sh', '-c', script] };
  const other = { ...attemptOf(pods, []), key: key(1, 1, studyId) };
  const told = new Observer();
  const { container, cluster, api } = pods;
  expect(await rehearse(api, attemptOf(pods, []), { container, cluster }, true)).toEqual({ refusal: null, isWhole: true });
  // Its log is not read for now, so that the node rotates away what nobody has seen.
  const silent = proxy.silence(/\/log\?/);
  {
    const first = pods.connect(told, { environment: { HPO_TOKEN: 'a secret' } });
    await using executor = first;
    await executor.prepare({
      studyId,
      root: pods.root,
      snapshot: pods.snapshot,
      container: { ...container, secrets: ['HPO_TOKEN'] },
      cluster,
    });
    await executor.start(long);
    await eventually(async () => (await namespace.names('pods')).length === 1, 'the first attempt has its pod');
    await namespace.kubectl('create', 'quota', 'full', '--hard=pods=1');
    await eventually(
      async () => (await namespace.kubectl('get', 'quota', 'full', '-o', 'yaml')).includes('used'),
      'the quota counts',
    );
    await executor.start(other);
    await eventually(() => told.told.includes(`waits ${studyId}/1/1 queued`), 'the full quota is told');
    await eventually(
      () => proxy.requests.some((line) => /^PATCH \S+\/jobs\//.test(line)),
      'its turn comes, in case that there is room',
    );
    await executor.stop(other.key, 1_000);
    expect(await told.ending(other.key)).toMatchObject({ exitCode: null });
  }
  await rotated(namespace);
  silent[Symbol.dispose]();
  const later = new Observer();
  await using executor = pods.connect(later, { environment: { HPO_TOKEN: 'another one' } });
  expect(await executor.list()).toContainEqual(expect.objectContaining({ key: long.key, state: 'running' }));
  // The values of secrets may have changed when an agent begins anew.
  await executor.prepare({
    studyId,
    root: pods.root,
    snapshot: pods.snapshot,
    container: { ...pods.container, secrets: ['HPO_TOKEN'] },
    cluster: pods.cluster,
  });
  await executor.start({ ...long, key: long.key });
  let text = '';
  for (const until = performance.now() + 60_000; !text.includes('a secret\non\n') && performance.now() < until; await sleep(200))
    text = Buffer.from(await pods.output.read(long.key, 'out', 0, 1 << 24)).toString();
  expect(text.indexOf('a secret\non\n')).toBe(12_000_000);
  await namespace.kubectl('delete', 'quota', 'full');
  const last = { ...attemptOf(pods, []), key: key(2, 1, studyId), command: ['/bin/sh', '-c', 'echo "$HPO_TOKEN"'] };
  await executor.start(last);
  expect(await later.ending(last.key)).toMatchObject({ exitCode: 0 });
  expect(await pods.read(last.key, 'out')).toBe('another one\n');
  await executor.stop(long.key, 1_000);
  expect(await later.ending(long.key)).toMatchObject({ exitCode: null });
  await executor.cleanup(studyId, { removeFiles: true });
  expect(await namespace.names('jobs,pods,configmaps,secrets', `hpo.home=${pods.files.homeMark}`)).toEqual([]);

  const used = new Set(proxy.requests.flatMap((line) => rightOf(line, namespace.name)));
  expect([...used].toSorted()).toEqual(asked.map(wordsOf).toSorted());
});

it('without a right of the Role, what it is for is refused', async () => {
  await using world = await openRoleWorld();
  const { namespace, api } = world.pods;
  for (const missing of asked) {
    const rules = JSON.stringify({ rules: rulesOf(permissions.filter((permission) => permission !== missing)) });
    await namespace.kubectl('patch', 'role', roleName, '--type=merge', '-p', rules);
    await eventually(async () => !(await api.may(missing.verb, missing)), `${wordsOf(missing)} is taken away`);
    await expect(act(api, missing), wordsOf(missing)).rejects.toMatchObject({
      code: 'HPO-2464',
      message: expect.stringContaining(missing.verb) as string,
    });
  }
  await namespace.kubectl('patch', 'role', roleName, '--type=merge', '-p', JSON.stringify({ rules: rulesOf(permissions) }));
});

/** The request that takes the right. */
async function act(api: Cluster, { verb, resource, subresource }: Permission): Promise<unknown> {
  const signal = AbortSignal.timeout(5_000);
  const kind = ({ jobs: 'Job', pods: 'Pod', configmaps: 'ConfigMap', secrets: 'Secret', events: 'Event' } as const)[resource];
  if (kind === undefined) throw new Error(`the test does not know ${resource}`);
  if (subresource === 'log') return await api.log('x', { container: 'trial', follow: false, signal }, () => undefined);
  const streams = { stdout: process.stdout, stderr: process.stderr, signal };
  if (subresource === 'exec') return await api.exec('x', 'trial', ['true'], streams);
  const metadata = { name: 'x' };
  switch (verb) {
    case 'create':
      return await api.create(kind, kind === 'Job' ? { metadata, spec: { template: {} } } : { metadata });
    case 'get':
      return await api.get(kind, 'x');
    case 'list':
      return await api.list(kind);
    case 'patch':
      return await api.patch(kind, 'x', {});
    case 'delete':
      return await api.remove(kind, 'x');
    case 'watch':
      // Watches try again for as long as they are wanted; what they would be told is asked for by hand.
      return await watched(api, resource);
    default:
      throw new Error(`the test does not know ${verb}`);
  }
}

async function watched(api: Cluster, resource: string): Promise<never> {
  const { namespace, server } = api.place;
  const group = resource === 'jobs' ? 'apis/batch/v1' : 'api/v1';
  const answer = await fetch(`${server}/${group}/namespaces/${namespace}/${resource}?watch=1`, {
    headers: { 'Impersonate-User': `system:serviceaccount:${namespace}:${roleName}` },
    signal: AbortSignal.timeout(5_000),
  });
  const { message } = (await answer.json()) as { readonly message: string }; // the server's Status
  throw Object.assign(new Error(message), { code: answer.status === 403 ? 'HPO-2464' : answer.status });
}

/** `get pods/log`; empty for what is not of the namespace. */
function rightOf(line: string, namespace: string): readonly string[] {
  const [method = '', target = ''] = line.split(' ');
  const url = new URL(target, 'http://x');
  const [, resource = '', name, subresource] =
    new RegExp(`/namespaces/${namespace}/([a-z]+)(?:/([^/]+))?(?:/([a-z]+))?$`).exec(url.pathname) ?? [];
  if (resource === '') return [];
  const reading = url.searchParams.has('watch') ? 'watch' : name === undefined ? 'list' : 'get';
  const verb = { GET: reading, POST: subresource === undefined ? 'create' : 'get', DELETE: 'delete', PATCH: 'patch' }[method];
  return [`${verb ?? method} ${resource}${subresource === undefined ? '' : `/${subresource}`}`];
}

/** Waits until the log of the namespace's pod does not begin any more with what the pod wrote first. */
async function rotated(namespace: TestNamespace): Promise<void> {
  const [pod = ''] = await namespace.names('pods');
  for (const until = performance.now() + 120_000; performance.now() < until; await sleep(500)) {
    const first = await namespace.kubectl('logs', pod, '--limit-bytes=100').catch(() => '');
    if (first !== '' && !/^.hpo \S+ (?:begin|out 0 )/.test(first)) return;
  }
  throw new Error('the node has not rotated the log');
}

/** The namespace as `hpo cluster create --dry-run` prints it, and an executor as its service account. */
async function openRoleWorld(): Promise<AsyncDisposable & { readonly pods: PodWorld; readonly proxy: ApiProxy }> {
  const shared = sharedCluster();
  const place = await openPodPlace(image);
  const { namespace } = place;
  const folder = mkdtempSync(join(tmpdir(), 'hpo-role-'));
  const manifests = manifestsOf({ name: 'role', namespace: namespace.name }, 'm4rk');
  expect(manifests.map(({ object }) => wireOf(object))).toContainEqual(expect.objectContaining({ rules: rulesOf(permissions) }));
  writeFileSync(join(folder, 'all.yml'), yamlOf(manifests, ['what is printed can be applied']));
  await namespace.kubectl('apply', '-f', join(folder, 'all.yml'));
  const { server, tls } = readKubeconfig([shared.kubeconfig]).access('test');
  const read = (source: typeof tls.ca): string =>
    source === null ? '' : 'path' in source ? readFileSync(source.path, 'utf8') : source.text;
  const proxy = await ApiProxy.start({ server, ca: read(tls.ca), cert: read(tls.cert), key: read(tls.key) });
  const kubeconfig = join(folder, 'config');
  const user = { as: `system:serviceaccount:${namespace.name}:${roleName}` };
  const config = {
    clusters: [{ name: 'proxy', cluster: { server: proxy.url } }],
    users: [{ name: 'role', user }],
    contexts: [{ name: 'test', context: { cluster: 'proxy', user: 'role', namespace: namespace.name } }],
  };
  writeFileSync(kubeconfig, stringify(config), { mode: 0o600 });
  const api = await connectCluster({ kubeconfig: [kubeconfig], context: 'test', namespace: namespace.name, environment: {} });
  const pods = new PodWorld(api, place);
  await pods.store({ 'train.py': 'lr = 0.1\n' });
  return {
    pods,
    proxy,
    async [Symbol.asyncDispose]() {
      await pods[Symbol.asyncDispose]();
      await place[Symbol.asyncDispose]();
      await proxy[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
