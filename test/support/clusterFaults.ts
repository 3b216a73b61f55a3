import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import type { TestCluster } from '../../.ci/cluster.mjs';
import { homeId } from '../../agent/client/home.ts';
import { testVolume } from '../kubernetes/testVolume.ts';
import { ClusterProject } from './clusterProject.ts';

/**
 * A script whose trials take a while and next to no processor, say once who they are, and report each step once. With `heldFrom` the
 * trials from that number on end when `/gate/open` is there, on the volume of the claim `gate`.
 */
export const steadyScript = (image: string, steps: number, heldFrom = Infinity): string =>
  [
    '# @hpo.objective loss min',
    `# @hpo.image ${image}`,
    '# @hpo.resources cpus=0.1 memory=100MB',
    ...(heldFrom === Infinity ? [] : [gateLine]),
    'import os, time, uuid',
    'x = 3.0  # @hpo float(0, 10)',
    'print(f"began {uuid.uuid4()}", flush=True)',
    `for step in range(1, ${steps} + 1):`,
    `    ${pauseLine}`,
    '    print(f"step {step} loss={(x - 4) ** 2 + 1 / step}", flush=True)',
    ...(heldFrom === Infinity
      ? []
      : [`while int(os.environ["HPO_TRIAL"]) >= ${heldFrom} and not os.path.exists("/gate/open"):`, `    ${pauseLine}`]),
    '',
  ].join('\n');

const gateLine = '# @hpo.data pvc://gate -> /gate ro';
const pauseLine = 'time.sleep(0.5)';

/** The same with the same results, at once, and without a volume. */
export function quickly(script: string): string {
  return script.replace(`${gateLine}\n`, '').replace('/gate/open', '/').replaceAll(pauseLine, 'pass');
}

type Gate = Awaited<ReturnType<typeof testVolume>>;

interface Trial {
  readonly number: number;
  readonly state: string;
  readonly attempts: number;
  readonly params: unknown;
  readonly values: unknown;
}

/** How long what a fault needs may take to be there: nothing of that is quick on a machine with much to do. */
const patienceMs = 180_000;

/** A study that runs on a cluster while faults are done to it. */
export class FaultedStudy implements AsyncDisposable {
  readonly project: ClusterProject;
  readonly studyId: string;
  readonly #cluster: TestCluster;
  readonly #steps: number;
  readonly #gate: Gate;
  /** Pods of one trial that were seen to run at the same time. */
  readonly doubled: string[] = [];
  readonly #ending = new AbortController();
  readonly #watched: Promise<void>;

  private constructor(project: ClusterProject, studyId: string, cluster: TestCluster, steps: number, gate: Gate) {
    this.project = project;
    this.studyId = studyId;
    this.#cluster = cluster;
    this.#steps = steps;
    this.#gate = gate;
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
    const gate = await testVolume(project.namespace, 'gate');
    project.write('train.py', script);
    const [started] = await project.json<{ studyId: string }>('tune', 'train.py', '--on', 'kubernetes', ...search, '--detach');
    return new FaultedStudy(project, started?.studyId ?? '', cluster, steps, gate);
  }

  /** Lets the trials end that wait for it. */
  openGate(): void {
    writeFileSync(join(this.#gate.folder, 'open'), '');
  }

  /** Names of pods that run; rejects while the API server does not say. */
  async running(): Promise<readonly { readonly name: string; readonly trial: string }[]> {
    const labels = `hpo.home=${homeId(this.project.home)},hpo.trial`;
    const columns =
      'NAME:.metadata.name,TRIAL:.metadata.labels.hpo\\.trial,PHASE:.status.phase,GOING:.metadata.deletionTimestamp';
    const args = ['get', 'pods', '--selector', labels, '--no-headers', '--output', `custom-columns=${columns}`];
    const text = await this.project.namespace.kubectl(...args);
    return text
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter(([, , phase, going]) => phase === 'Running' && going === '<none>')
      .map(([name = '', trial = '']) => ({ name, trial }));
  }

  /** Does something to a pod that runs, as soon as there is one; one that has ended in the meantime does not count. */
  async toSomePod(what: (name: string) => Promise<unknown>, nth: number): Promise<void> {
    let said: unknown = 'none runs';
    for (const deadline = performance.now() + patienceMs; performance.now() < deadline; await delay(100)) {
      try {
        const pods = await this.running();
        const pod = pods[nth % Math.max(1, pods.length)];
        if (pod === undefined) continue;
        await what(pod.name);
        return;
      } catch (error) {
        // The API server may be about to be there again, and the pod may have ended.
        said = error;
      }
    }
    throw new Error(`nothing could be done to a pod: ${String(said)}\n${await this.#situation()}`);
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

  /** Also where it waits by itself for a cluster that gives no answer. */
  async isRunning(): Promise<boolean> {
    const [status] = await this.project.json<{ state: string }>('status', this.studyId);
    return status?.state === 'running' || status?.state === 'paused';
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
    for (; !this.#ending.signal.aborted; await delay(1_000)) {
      const pods = await this.running().catch(() => []);
      for (const { name, trial } of pods)
        for (const other of pods) if (other.trial === trial && other.name < name) this.doubled.push(`${other.name} and ${name}`);
    }
  }

  /** For who looks into a failure: what hpo and the cluster say, and what its node wrote last. */
  async #situation(): Promise<string> {
    const kubelet = join(this.#cluster.folder, 'log', 'kubelet-0.log');
    const said = await Promise.all([
      this.project.run('status', this.studyId).then(({ stdout, stderr }) => `${stdout}${stderr}`),
      this.project.namespace.kubectl('get', 'jobs,pods', '--output', 'wide').catch(String),
      this.project.namespace.kubectl('get', 'events', '--sort-by', '.lastTimestamp').catch(String),
    ]);
    return [...said, readFileSync(kubelet, 'utf8').slice(-4_000)].join('\n');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    await this.#watched;
    await this.project[Symbol.asyncDispose]();
    await this.#gate[Symbol.asyncDispose]();
  }
}

function eviction(namespace: string, name: string): string {
  return JSON.stringify({ apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name, namespace } });
}
