import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { V1Pod } from '@kubernetes/client-node';
import { expect } from 'vitest';
import type { TestCluster } from '../../.ci/cluster.mjs';
import { homeId } from '../../agent/client/home.ts';
import { StudyFolders } from '../../agent/executors/attempt/studyFolders.ts';
import { testVolume } from '../kubernetes/testVolume.ts';
import { nodeProcesses } from '../../agent/system/nodeProcesses.ts';
import { ClusterProject } from './clusterProject.ts';
import { gateClaim, keptFolder, pulseFile, quickly } from './clusterScripts.ts';
import { Hpo } from './hpo.ts';

type Gate = Awaited<ReturnType<typeof testVolume>>;

export interface Trial {
  readonly number: number;
  readonly state: string;
  readonly attempts: number;
  readonly resource: number;
  readonly params: unknown;
  readonly values: unknown;
}

/** What programs wrote down themselves, on the volume: of one start. */
interface Start {
  readonly attempt: number;
  readonly id: string;
  /** Step of the checkpoint that was there. */
  readonly from: number;
  readonly steps: number[];
}

interface StudyPod {
  readonly trial: number;
  readonly attempt: number;
  readonly node: string;
}

/** How long what a fault needs may take to be there: nothing of that is quick on a machine with much to do. */
const patienceMs = 180_000;

/** A study that runs on a cluster while faults are done to it. */
export class FaultedStudy implements AsyncDisposable {
  readonly project: ClusterProject;
  readonly studyId: string;
  /** By which processes are known. */
  readonly #folders: StudyFolders;
  readonly #cluster: TestCluster;
  readonly #gate: Gate;
  /** What was in the namespace before. */
  readonly #before: readonly string[];
  /** Programs of one trial that ran at the same time; of an attempt as often as it ran. */
  readonly #doubled = new Set<string>();
  /** Any program at all. */
  #hasSeen = false;
  readonly #ending = new AbortController();
  readonly #watched: Promise<void>;

  private constructor(project: ClusterProject, studyId: string, cluster: TestCluster, gate: Gate, before: readonly string[]) {
    this.project = project;
    this.studyId = studyId;
    this.#folders = new StudyFolders(project.home);
    this.#cluster = cluster;
    this.#gate = gate;
    this.#before = before;
    this.#watched = this.#watch();
  }

  /** `template`: of its pods, as who starts it gives it. */
  static async begin(
    cluster: TestCluster,
    kubeconfig: string,
    script: string,
    search: readonly string[],
    template: object | null = null,
  ): Promise<FaultedStudy> {
    const project = await ClusterProject.create({ cluster, kubeconfig });
    const gate = await testVolume(project.namespace, gateClaim);
    const before = await everythingIn(project);
    project.write('train.py', script);
    const words = ['--on', 'kubernetes', ...search, '--detach'];
    if (template !== null) words.push('--pod-template', project.write('../pod.json', JSON.stringify(template)));
    const [started] = await project.json<{ studyId: string }>('tune', 'train.py', ...words);
    return new FaultedStudy(project, started?.studyId ?? '', cluster, gate, before);
  }

  /** Lets the trials end that wait for it. */
  openGate(): void {
    writeFileSync(join(this.#gate.folder, 'open'), '');
  }

  /** Names of pods that run and that nobody has asked to end, to which something can be done; rejects while the API server does not say. */
  async #targets(): Promise<readonly string[]> {
    const labels = `hpo.home=${homeId(this.project.home)},hpo.trial`;
    const columns = 'NAME:.metadata.name,PHASE:.status.phase,GOING:.metadata.deletionTimestamp';
    const args = ['get', 'pods', '--selector', labels, '--no-headers', '--output', `custom-columns=${columns}`];
    const text = await this.project.namespace.kubectl(...args);
    return text
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter(([, phase, going]) => phase === 'Running' && going === '<none>')
      .map(([name = '']) => name);
  }

  /** Does something to a pod that runs, as soon as there is one; one that has ended in the meantime does not count. */
  async toSomePod(what: (name: string) => Promise<unknown>, nth: number): Promise<void> {
    let said: unknown = 'none runs';
    for (const deadline = performance.now() + patienceMs; performance.now() < deadline; await delay(100)) {
      try {
        const pods = await this.#targets();
        const pod = pods[nth % Math.max(1, pods.length)];
        if (pod === undefined) continue;
        await what(pod);
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

  /** Empties the node of some pod that runs, as for its maintenance; resolves with its name when nothing of ours is there any more. */
  async drainNode(): Promise<string> {
    let node = '';
    await this.toSomePod(async (name) => {
      node = await this.project.namespace.kubectl('get', 'pod', name, '--output', 'jsonpath={.spec.nodeName}');
      await this.project.namespace.kubectl(
        'drain',
        node,
        '--force',
        '--ignore-daemonsets',
        '--delete-emptydir-data',
        '--timeout=120s',
      );
    }, 0);
    return node;
  }

  /** Of all pods of the study. */
  async nodes(): Promise<readonly string[]> {
    return (await this.pods()).map(({ node }) => node).filter(Boolean);
  }

  /** Of the study, by trial and attempt; those without a node have an empty one. */
  async pods(): Promise<readonly StudyPod[]> {
    const labels = `hpo.home=${homeId(this.project.home)},hpo.trial`;
    const text = await this.project.namespace.kubectl('get', 'pods', '--selector', labels, '--output', 'json');
    const { items } = JSON.parse(text) as { readonly items: readonly V1Pod[] };
    return items
      .map(({ metadata, spec }) => ({
        trial: Number(metadata?.labels?.['hpo.trial']),
        attempt: Number(metadata?.labels?.['hpo.attempt']),
        node: spec?.nodeName ?? '',
      }))
      .toSorted((a, b) => a.trial - b.trial || a.attempt - b.attempt);
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

  /**
   * Of the trials, when it has ended: each got to its end, no two programs of one ran at the same time, each attempt began one program,
   * each program went on from the checkpoint that the one before it left, and what it did is in its output, whole and once.
   * `beside`: what `besideOf` says of the only programs that did run, and had to run, at the same time.
   */
  async trialsAtTheEnd(timeoutMs: number, beside: readonly string[] = []): Promise<readonly Trial[]> {
    await this.project.ended(this.studyId, timeoutMs);
    this.#ending.abort();
    await this.#watched;
    expect(this.#hasSeen).toBe(true);
    expect([...this.#doubled].toSorted()).toEqual([...beside].toSorted());
    const trials = await this.project.json<Trial>('trials', this.studyId);
    for (const trial of trials) {
      expect(['complete', 'pruned'], `trial ${trial.number}`).toContain(trial.state);
      this.#checkWork(trial);
    }
    return trials;
  }

  /** Of the first two attempts of a trial. */
  besideOf(trial: number): string {
    const [first, second] = [1, 2].map((attempt) => this.#folders.mark({ studyId: this.studyId, trial, attempt }));
    return pair(first ?? '', second ?? '');
  }

  /** Who keeps writing to the folder of an attempt, oldest first: one word for each time. Empty while nobody does. */
  pulse(trial: number, attempt: number): readonly string[] {
    const path = join(this.#keptDir(), String(trial), `a${attempt}`, pulseFile);
    return existsSync(path) ? readFileSync(path, 'utf8').split('\n').filter(Boolean) : [];
  }

  /** What is recorded of the end of an attempt. */
  ending(trial: number, attempt: number): unknown {
    const folder = join(this.project.home, 'studies', this.studyId, 'trials', String(trial), `attempt-${attempt}`);
    return JSON.parse(readFileSync(join(folder, 'exit.json'), 'utf8'));
  }

  /** Starts of programs that went on from a checkpoint. */
  resumed(): number {
    const trials = readdirSync(this.#keptDir()).map(Number);
    return trials.flatMap((number) => this.#starts(number)).filter(({ from }) => from > 0).length;
  }

  /** Deletes the study: then all is as before, on the cluster and on the volume. */
  async free(): Promise<void> {
    await this.project.free(this.studyId);
    await expect.poll(() => everythingIn(this.project), { timeout: 90_000, interval: 500 }).toEqual(this.#before);
    expect(existsSync(this.#keptDir())).toBe(false);
  }

  #checkWork({ number, attempts, resource }: Trial): void {
    let saved = { least: 0, most: 0 };
    let attemptBefore = 0;
    for (const { attempt, id, from, steps } of this.#starts(number)) {
      const where = `trial ${number}, attempt ${attempt}`;
      // Once each, one after the other.
      expect(attempt, where).toBeGreaterThan(attemptBefore);
      expect(attempt, where).toBeLessThanOrEqual(attempts);
      attemptBefore = attempt;
      // A step is done again only where its program was ended before it had saved it.
      expect(from, where).toBeGreaterThanOrEqual(saved.least);
      expect(from, where).toBeLessThanOrEqual(saved.most);
      const last = from + steps.length;
      expect(steps, where).toEqual(count(from + 1, last));
      saved = { least: Math.max(from, last - 1), most: last };
      this.#checkOutput(where, number, { attempt, id, from, steps }, attempt === attempts);
    }
    expect({ number, attempt: attemptBefore, step: saved.most }).toEqual({ number, attempt: attempts, step: resource });
  }

  /** All that a program did it has printed, but for what it was about to print when it was ended. */
  #checkOutput(where: string, trial: number, { attempt, id, from, steps }: Start, isLast: boolean): void {
    const path = join(this.project.home, 'studies', this.studyId, 'trials', String(trial), `attempt-${attempt}`, 'out.log');
    const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n').filter(Boolean) : [];
    const done = [`began ${id} from ${from}`, ...steps.map((step) => `step ${step}`)];
    const printed = lines.map((line) => line.replace(/ loss=.*/, ''));
    const missing = done.length - printed.length;
    expect(printed, where).toEqual(done.slice(0, printed.length));
    expect(missing, `${where}: lines that are missing`).toBeLessThanOrEqual(isLast ? 0 : 1);
  }

  /** In the order in which programs wrote it down. */
  #starts(trial: number): readonly Start[] {
    const starts: Start[] = [];
    for (const line of readFileSync(join(this.#latestKept(trial), 'ledger'), 'utf8')
      .trim()
      .split('\n')) {
      const [word, first, id = '', from] = line.split(' ');
      if (word === 'began') starts.push({ attempt: Number(first), id, from: Number(from), steps: [] });
      // Of another program than the last one that began it is a step too many, or one in a wrong place.
      else starts.findLast((start) => start.id === id)?.steps.push(Number(first));
    }
    return starts;
  }

  /** Of the last attempt that kept anything: it began with all that those before it had. */
  #latestKept(trial: number): string {
    const folder = join(this.#keptDir(), String(trial));
    const numbers = readdirSync(folder)
      .filter((name) => existsSync(join(folder, name, 'ledger')))
      .map((name) => Number(name.slice('a'.length)));
    return join(folder, `a${Math.max(...numbers)}`);
  }

  #keptDir(): string {
    return join(this.#gate.folder, keptFolder, `hpo-${homeId(this.project.home)}`, this.studyId);
  }

  /** `TRIAL/ATTEMPT` of each program that runs. */
  async running(): Promise<readonly string[]> {
    return (await this.#marks()).map((mark) => mark.replace(/@.*$/, '').split('/').slice(1).join('/'));
  }

  async #marks(): Promise<readonly string[]> {
    const marks: string[] = [];
    await nodeProcesses.findMarked((mark) => this.#folders.keyOf(mark) !== null && marks.push(mark) > 0);
    this.#hasSeen ||= marks.length > 0;
    return marks;
  }

  /** The nodes are on this machine, and so are all processes of their pods, whatever the API server says of them. */
  async #watch(): Promise<void> {
    for (; !this.#ending.signal.aborted; await delay(250)) {
      const marks = await this.#marks();
      const trials = marks.map((mark) => mark.split('/').slice(0, 2).join('/'));
      for (const [n, mark] of marks.entries())
        if (trials.indexOf(trials[n] ?? '') !== n) this.#doubled.add(pair(mark, marks[trials.indexOf(trials[n] ?? '')] ?? ''));
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

/** The same study in processes of this machine. */
export async function undisturbed(script: string, search: readonly string[]): Promise<readonly Trial[]> {
  await using hpo = new Hpo();
  hpo.write('train.py', quickly(script));
  const lines = await hpo.json<{ studyId: string }>('tune', 'train.py', '--on', 'local', ...search);
  return await hpo.json('trials', lines.at(-1)?.studyId ?? '');
}

/** What has to be the same, whatever is done to a study. */
export function decisions(trials: readonly Trial[]): unknown {
  return trials.map(({ number, state, resource, params, values }) => ({ number, state, resource, params, values }));
}

/** `kind/name`, also of what no study has. */
function everythingIn({ namespace }: ClusterProject): Promise<readonly string[]> {
  return namespace.names('jobs,pods,configmaps,secrets');
}

function pair(...marks: readonly [string, string]): string {
  return marks.toSorted().join(' beside ');
}

function count(from: number, to: number): readonly number[] {
  return Array.from({ length: to - from + 1 }, (_, n) => from + n);
}

function eviction(namespace: string, name: string): string {
  return JSON.stringify({ apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name, namespace } });
}
