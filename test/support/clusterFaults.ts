import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import type { TestCluster } from '../../.ci/cluster.mjs';
import { homeId } from '../../agent/client/home.ts';
import { ClusterProject } from './clusterProject.ts';

/** A script whose trials take a while, say once who they are, and report each step once. */
export const steadyScript = (image: string, steps: number): string =>
  [
    '# @hpo.objective loss min',
    `# @hpo.image ${image}`,
    '# @hpo.resources cpus=0.1 memory=100MB',
    'import time, uuid',
    'x = 3.0  # @hpo float(0, 10)',
    'print(f"began {uuid.uuid4()}", flush=True)',
    `for step in range(1, ${steps} + 1):`,
    '    time.sleep(0.2)',
    '    print(f"step {step} loss={(x - 4) ** 2 + 1 / step}", flush=True)',
    '',
  ].join('\n');

interface Trial {
  readonly number: number;
  readonly state: string;
  readonly attempts: number;
  readonly params: unknown;
  readonly values: unknown;
}

/** A study that runs on a cluster while faults are done to it. */
export class FaultedStudy implements AsyncDisposable {
  readonly project: ClusterProject;
  readonly studyId: string;
  readonly #cluster: TestCluster;
  readonly #steps: number;
  /** Pods of one trial that were seen to run at the same time. */
  readonly doubled: string[] = [];
  readonly #ending = new AbortController();
  readonly #watched: Promise<void>;

  private constructor(project: ClusterProject, studyId: string, cluster: TestCluster, steps: number) {
    this.project = project;
    this.studyId = studyId;
    this.#cluster = cluster;
    this.#steps = steps;
    this.#watched = this.#watch();
  }

  static async begin(
    cluster: TestCluster,
    kubeconfig: string,
    script: string,
    steps: number,
    search: readonly string[],
  ): Promise<FaultedStudy> {
    const project = await ClusterProject.create({ cluster, kubeconfig });
    project.write('train.py', script);
    const [started] = await project.json<{ studyId: string }>('tune', 'train.py', '--on', 'kubernetes', ...search, '--detach');
    return new FaultedStudy(project, started?.studyId ?? '', cluster, steps);
  }

  /** Names of pods that run; empty while the API server is away. */
  async running(): Promise<readonly { readonly name: string; readonly trial: string }[]> {
    const labels = `hpo.home=${homeId(this.project.home)},hpo.trial`;
    const columns =
      'NAME:.metadata.name,TRIAL:.metadata.labels.hpo\\.trial,PHASE:.status.phase,GOING:.metadata.deletionTimestamp';
    const args = ['get', 'pods', '--selector', labels, '--no-headers', '--output', `custom-columns=${columns}`];
    const text = await this.project.namespace.kubectl(...args).catch(() => '');
    return text
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter(([, , phase, going]) => phase === 'Running' && going === '<none>')
      .map(([name = '', trial = '']) => ({ name, trial }));
  }

  /** Does something to a pod that runs, as soon as there is one; one that has ended in the meantime does not count. */
  async toSomePod(what: (name: string) => Promise<unknown>, nth: number): Promise<void> {
    for (const deadline = performance.now() + 120_000; performance.now() < deadline; await delay(100)) {
      const pods = await this.running();
      const pod = pods[nth % Math.max(1, pods.length)];
      if (pod === undefined) continue;
      try {
        await what(pod.name);
        return;
      } catch (error) {
        if (!/not found|NotFound/.test(String(error))) throw error;
      }
    }
    throw new Error(`no pod of ${this.studyId} runs: ${JSON.stringify(await this.project.json('status', this.studyId))}`);
  }

  deletePod(nth: number): Promise<void> {
    return this.toSomePod((name) => this.project.namespace.kubectl('delete', 'pod', name, '--wait=false'), nth);
  }

  evictPod(nth: number): Promise<void> {
    const { name: namespace } = this.project.namespace;
    return this.toSomePod(async (name) => {
      const path = this.project.write('../eviction.json', eviction(namespace, name));
      await this.project.namespace.kubectl(
        'create',
        '--raw',
        `/api/v1/namespaces/${namespace}/pods/${name}/eviction`,
        '--filename',
        path,
      );
    }, nth);
  }

  async killAgent(): Promise<void> {
    const [agent] = await this.project.json<{ pid: number | null }>('agent', 'status');
    if (typeof agent?.pid !== 'number') throw new Error('no agent is there to be killed');
    process.kill(agent.pid, 'SIGKILL');
    // Any command starts the next one.
    expect(await this.isRunning()).toBe(true);
  }

  async isRunning(): Promise<boolean> {
    const [status] = await this.project.json<{ state: string }>('status', this.studyId);
    return status?.state === 'running';
  }

  /** Of the trials, when it has ended: each complete, and each of its attempts with one program whose output is whole and not doubled. */
  async trialsAtTheEnd(timeoutMs: number): Promise<readonly Trial[]> {
    await this.project.ended(this.studyId, timeoutMs);
    this.#ending.abort();
    await this.#watched;
    expect(this.doubled).toEqual([]);
    const trials = await this.project.json<Trial>('trials', this.studyId);
    for (const { number, state, attempts } of trials) {
      expect({ number, state }).toEqual({ number, state: 'complete' });
      for (let attempt = 1; attempt <= attempts; attempt++) this.#checkOutput(number, attempt, attempt === attempts);
    }
    return trials;
  }

  #checkOutput(trial: number, attempt: number, isLast: boolean): void {
    const path = join(this.project.home, 'studies', this.studyId, 'trials', String(trial), `attempt-${attempt}`, 'out.log');
    const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n').filter(Boolean) : [];
    const where = `trial ${trial}, attempt ${attempt}`;
    // What was ended before its first line has none.
    expect(lines.filter((line) => line.startsWith('began')).length, where).toBe(isLast || lines.length > 0 ? 1 : 0);
    const steps = lines.map((line) => /^step (\d+) /.exec(line)?.[1]).filter((step) => step !== undefined);
    expect(steps.map(Number), where).toEqual(Array.from({ length: isLast ? this.#steps : steps.length }, (_, n) => n + 1));
  }

  async #watch(): Promise<void> {
    for (; !this.#ending.signal.aborted; await delay(700)) {
      const pods = await this.running();
      for (const { name, trial } of pods)
        for (const other of pods) if (other.trial === trial && other.name < name) this.doubled.push(`${other.name} and ${name}`);
    }
  }

  /** Output of the cluster's parts, for who looks into a failure. */
  get logs(): string {
    return join(this.#cluster.folder, 'log');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    await this.#watched;
    await this.project[Symbol.asyncDispose]();
  }
}

function eviction(namespace: string, name: string): string {
  return JSON.stringify({ apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name, namespace } });
}
