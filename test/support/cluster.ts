import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startCluster } from '../../.ci/cluster.mjs';
import { ensureBaseImage } from './baseImages.ts';
import { cacheDir } from './cache.ts';
import { type Base, bases, engineClient } from './docker.ts';
import { exclusive } from './exclusive.ts';

const run = promisify(execFile);

/**
 * What names the cluster of the tests to their processes. A developer who keeps one up (`node .ci/cluster.mjs`) sets them; else the
 * project's set-up starts one.
 */
const variables = { kubeconfig: 'HPO_TEST_KUBECONFIG', registry: 'HPO_TEST_REGISTRY', kubectl: 'HPO_TEST_KUBECTL' } as const;

/** As much of a cluster as tests share: none of its parts is ended, and each test has a namespace of its own. */
export interface SharedCluster {
  /** Path; its context is `test`, and who uses it may do everything. */
  readonly kubeconfig: string;
  /** `HOST:PORT`, by http, as this machine and the nodes reach it. */
  readonly registry: string;
  readonly kubectl: string;
}

/** The one of this run of the tests. */
export function sharedCluster(): SharedCluster {
  const read = (name: string): string => {
    const value = process.env[name];
    if (value === undefined) throw new Error(`${name} is not set: tests on a cluster run in the project kubernetes`);
    return value;
  };
  return {
    kubeconfig: read(variables.kubeconfig),
    registry: read(variables.registry),
    kubectl: process.env[variables.kubectl] ?? 'kubectl',
  };
}

/** The one that the variables name, else a new one that they name until it is disposed. */
export async function findCluster(log: (step: string) => void): Promise<AsyncDisposable> {
  if (process.env[variables.kubeconfig] !== undefined) return { [Symbol.asyncDispose]: () => Promise.resolve() };
  const cluster = await startCluster({ log });
  for (const key of ['kubeconfig', 'registry', 'kubectl'] as const) process.env[variables[key]] = cluster[key];
  return {
    async [Symbol.asyncDispose]() {
      for (const name of Object.values(variables)) delete process.env[name];
      await cluster[Symbol.asyncDispose]();
    },
  };
}

/** A namespace of its own; what is in it goes with it, and it is gone when this is disposed. */
export class TestNamespace implements AsyncDisposable {
  readonly name: string;
  readonly cluster: SharedCluster;

  private constructor(cluster: SharedCluster, name: string) {
    this.cluster = cluster;
    this.name = name;
  }

  /** `labels` as `kubectl label` takes them; pods that are not `restricted` are refused in it if nothing else is said. */
  static async create(
    cluster: SharedCluster = sharedCluster(),
    labels: readonly string[] = ['pod-security.kubernetes.io/enforce=restricted'],
  ): Promise<TestNamespace> {
    const namespace = new TestNamespace(cluster, `hpo-test-${randomBytes(4).toString('hex')}`);
    await namespace.kubectl('create', 'namespace', namespace.name);
    if (labels.length > 0) await namespace.kubectl('label', 'namespace', namespace.name, ...labels);
    return namespace;
  }

  /** In the namespace; returns what it prints. */
  async kubectl(...args: readonly string[]): Promise<string> {
    const { kubeconfig, kubectl } = this.cluster;
    const options = { maxBuffer: 64 << 20 };
    return (await run(kubectl, ['--kubeconfig', kubeconfig, '--namespace', this.name, ...args], options)).stdout;
  }

  /** Makes or changes an object. */
  async apply(object: object): Promise<void> {
    const dir = mkdtempSync(join(tmpdir(), 'hpo-apply-'));
    try {
      const file = join(dir, 'object.json');
      writeFileSync(file, JSON.stringify(object));
      await this.kubectl('apply', '--filename', file);
    } finally {
      rmSync(dir, { recursive: true });
    }
  }

  /** `kind/name` of all that is there of these kinds, with the labels. */
  async names(kinds: string, labels = ''): Promise<readonly string[]> {
    const selector = labels === '' ? [] : ['--selector', labels];
    return (await this.kubectl('get', kinds, ...selector, '--output', 'name', '--ignore-not-found')).split('\n').filter(Boolean);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kubectl('delete', 'namespace', this.name, '--ignore-not-found', '--wait');
  }
}

/** Sees to it that nodes of the cluster can pull the base image, and returns the name by which they do. */
export async function ensureNodeImage(base: Base, cluster: SharedCluster = sharedCluster()): Promise<string> {
  const docker = engineClient();
  const name = bases[base];
  await ensureBaseImage(docker, name);
  // The name for the registry is there for the time of a push, and others push the same one.
  await using _lock = await exclusive(join(cacheDir(), 'push.lock'));
  const repo = `${cluster.registry}/hpo-test/${name.split(':')[0]}`;
  const tag = name.split(':')[1] ?? 'latest';
  const image = docker.getImage(name);
  await image.tag({ repo, tag });
  const pushed = docker.getImage(`${repo}:${tag}`);
  try {
    const stream = await pushed.push({ tag, authconfig: { username: '', password: '' } });
    await new Promise<void>((resolve, reject) => {
      docker.modem.followProgress(stream, (error) => (error === null ? resolve() : reject(error)));
    });
  } finally {
    await pushed.remove();
  }
  return `${repo}:${tag}`;
}
