import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { Cluster } from '../../agent/cluster/cluster.ts';
import { connectCluster, readKubeconfig } from '../../agent/cluster/index.ts';
import { type ClusterLimits, usualLimits } from '../../agent/cluster/transport.ts';
import type { ClusterWorld, PodStep } from '../contract/clusterSuite.ts';
import { ApiProxy, type Upstream } from '../support/apiProxy.ts';
import { sharedCluster, type TestNamespace } from '../support/cluster.ts';

/** What tests of one process wait for at most. */
export const testLimits: ClusterLimits = { ...usualLimits, answerMs: 15_000, callMs: 30_000 };

export interface RealWorld extends ClusterWorld {
  readonly proxy: ApiProxy;
  readonly namespace: string;
  /** Path; its contexts `test` and `stranger` lead to the proxy. */
  readonly kubeconfig: string;
  connect(limits?: Partial<ClusterLimits>): Promise<Cluster>;
}

/** A part of a namespace of the real cluster, told apart by its labels and the names in it, behind a proxy of its own. */
export async function openRealWorld(image: string, namespace: TestNamespace): Promise<RealWorld> {
  const prefix = `hpo-${randomBytes(4).toString('hex')}-`;
  const proxy = await ApiProxy.start(upstreamOf(sharedCluster().kubeconfig));
  const dir = mkdtempSync(join(tmpdir(), 'hpo-kubeconfig-'));
  const kubeconfig = join(dir, 'config');
  writeFileSync(kubeconfig, stringify(kubeconfigOf(proxy.url)), { mode: 0o600 });
  const connect = (context: string, limits: Partial<ClusterLimits> = {}): Promise<Cluster> =>
    connectCluster({
      kubeconfig: [kubeconfig],
      context,
      namespace: namespace.name,
      environment: {},
      limits: { ...testLimits, ...limits },
    });
  return {
    proxy,
    namespace: namespace.name,
    kubeconfig,
    labels: { 'hpo.home': prefix.slice(0, -1) },
    prefix,
    connect: (limits) => connect('test', limits),
    connectStranger: () => connect('stranger'),
    podSpec: (steps) => podSpec(image, ['/bin/sh', '-c', steps.map(asShell).join('\n')]),
    cut: () => proxy.cut(),
    leave: () => proxy.leave(),
    fail: (nRequests) => proxy.answer(/./, { status: 500, body: '{"message":"etcdserver: request timed out"}' }, nRequests),
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** As the pod security of a namespace wants it that is `restricted`. */
export function podSpec(image: string, command: readonly string[]): ReturnType<ClusterWorld['podSpec']> {
  return {
    restartPolicy: 'Never',
    automountServiceAccountToken: false,
    terminationGracePeriodSeconds: 0,
    securityContext: { runAsNonRoot: true, runAsUser: 65_532, runAsGroup: 65_532, seccompProfile: { type: 'RuntimeDefault' } },
    containers: [
      {
        name: 'trial',
        image,
        command: [...command],
        securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
      },
    ],
  };
}

function upstreamOf(kubeconfig: string): Upstream {
  const { server, tls } = readKubeconfig([kubeconfig]).access('test');
  const read = (source: typeof tls.ca): string =>
    source === null ? '' : 'path' in source ? readFileSync(source.path, 'utf8') : source.text;
  return { server, ca: read(tls.ca), cert: read(tls.cert), key: read(tls.key) };
}

function kubeconfigOf(server: string): object {
  return {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'test',
    clusters: [{ name: 'proxy', cluster: { server } }],
    users: [
      { name: 'anybody', user: {} },
      { name: 'stranger', user: { as: 'stranger' } },
    ],
    contexts: [
      { name: 'test', context: { cluster: 'proxy', user: 'anybody' } },
      { name: 'stranger', context: { cluster: 'proxy', user: 'stranger' } },
    ],
  };
}

// oxlint-disable-next-line consistent-return -- the switch is exhaustive
function asShell(step: PodStep): string {
  switch (step.do) {
    case 'print':
      return `printf %s ${quote(step.text)}`;
    case 'write':
      return `printf %s ${quote(step.text)} >${quote(step.path)} || exit 9`;
    case 'sleep':
      return `sleep ${step.ms / 1000}`;
    case 'exit':
      return `exit ${step.code}`;
  }
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
