import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { connectCluster } from '../../../agent/cluster/index.ts';
import { KubernetesExecutor } from '../../../agent/executors/kubernetes/kubernetesExecutor.ts';
import { AttemptOutputFiles } from '../../../agent/executors/attempt/outputFile.ts';
import { StudyFolders } from '../../../agent/executors/attempt/studyFolders.ts';
import { SnapshotStore } from '../../../agent/packaging/snapshot.ts';
import { nodeSystem } from '../../../agent/system/node.ts';
import { nodeFiles } from '../../../agent/system/nodeFiles.ts';
import { sharedCluster, TestNamespace } from '../../support/cluster.ts';

const studyId = 'bench-lines';
const program = ['python3', '-c', 'print("first", flush=True)'];
const resources = { cpus: 0.5, memoryBytes: 128 * 1024 ** 2 };

/**
 * Milliseconds until the first line of a program is here: `ours` by the executor of clusters, from `start` to the bytes in the attempt's
 * log; `kubectl` by `kubectl create job`, and `bare` by `kubectl create` of a Job whose pod has no volume at all, not even that of the
 * service account, both followed by `kubectl logs --follow`, asked anew at once as long as there is none. They take turns in who is
 * first; each begins when the pod before it is gone.
 */
export async function measureLines({ base, image, rounds }) {
  // Where nothing is demanded of pods, as `kubectl create job` demands nothing for its own.
  await using namespace = await TestNamespace.create(sharedCluster(), []);
  await using ours = await Ours.open(base, image, namespace.name);
  const contenders = {
    ours: () => ours.firstLine(),
    kubectl: () => byKubectl(namespace, (name) => ['job', name, '--image', image, '--', ...program]),
    bare: () => byKubectl(namespace, (name) => ['--filename', bareJob(name, image, base)]),
  };
  // Once each before: the node pulls the image, programs are read from the disk.
  for (const measure of Object.values(contenders)) await measure();
  const results = [];
  const names = Object.keys(contenders);
  for (let n = 0; n < rounds; n++) {
    const round = {};
    for (let k = 0; k < names.length; k++) {
      const name = names[(n + k) % names.length];
      await noPods(namespace);
      // A node looks at its containers once a second, and the pod before ended with such a look: all phases of that come in turn.
      await delay(((n * goldenRatio) % 1) * 1_000);
      round[name] = await contenders[name]();
    }
    results.push(round);
  }
  return results;
}

const goldenRatio = (Math.sqrt(5) - 1) / 2;

async function noPods(namespace) {
  for (const deadline = performance.now() + 60_000; (await namespace.names('pods')).length > 0; await delay(200))
    if (performance.now() > deadline) throw new Error('the pod before is not gone within a minute');
}

/** The executor, used as the driver uses it. */
class Ours {
  #next = 0;
  #waiting = new Map();

  static async open(base, image, namespace) {
    const ours = new Ours();
    const root = join(base, 'project');
    const homeDir = join(base, 'home');
    mkdirSync(root, { recursive: true });
    writeFileSync(join(root, 'train.py'), 'x = 0\n');
    const snapshots = new SnapshotStore(join(homeDir, 'snapshots'));
    ours.snapshot = (await snapshots.take({ root, mustHave: ['train.py'] })).hash;
    const { kubeconfig } = sharedCluster();
    ours.cluster = await connectCluster({
      kubeconfig: [kubeconfig],
      context: 'test',
      namespace,
      environment: {},
      confirmedCommands: [],
    });
    const files = new StudyFolders(homeDir);
    ours.output = new AttemptOutputFiles(files, nodeFiles);
    const tell = (key) => void ours.#waiting.get(key.trial)?.look();
    ours.executor = new KubernetesExecutor({
      system: nodeSystem(),
      homeDir,
      snapshots,
      cluster: async () => ours.cluster,
      listener: {
        waits() {},
        room() {},
        started() {},
        output: tell,
        ended: (key, ending) => ours.#waiting.get(key.trial)?.end(ending),
      },
      environment: {},
    });
    await ours.executor.prepare({
      studyId,
      root,
      snapshot: ours.snapshot,
      container: {
        image: { name: image, id: image, recipe: null },
        mounts: [],
        network: false,
        memoryBytes: resources.memoryBytes,
        shmBytes: 16 * 1024 ** 2,
        pids: 200,
        gpus: 0,
        secrets: [],
      },
      cluster: {
        context: 'test',
        namespace,
        home: files.homeMark,
        codeIn: 'objects',
        pullSecrets: [],
        queue: null,
        priorityClass: null,
        volumes: [],
        checkpoints: null,
        pools: [
          { name: 'default', when: null, slots: null, gpus: 0, gpuResource: 'nvidia.com/gpu', nodeSelector: {}, tolerations: [] },
        ],
        podTemplate: null,
        followsCapacity: false,
      },
    });
    return ours;
  }

  async firstLine() {
    const key = { studyId, trial: this.#next++, attempt: 1 };
    const startedAt = performance.now();
    let tell;
    const first = new Promise((resolve) => (tell = resolve));
    const ended = new Promise((resolve) =>
      this.#waiting.set(key.trial, {
        end: resolve,
        look: async () => {
          if ((await this.output.read(key, 'out', 0, 64)).includes(10)) tell(performance.now() - startedAt);
        },
      }),
    );
    await this.executor.start({
      key,
      snapshot: this.snapshot,
      command: program,
      environment: {},
      files: [{ path: 'train.py', content: `x = ${key.trial}\n` }],
      metricFiles: [],
      checkpointDir: null,
      checkpointFrom: null,
      timeoutMs: null,
      graceMs: 1_000,
      outputBytes: 1 << 30,
      cpus: resources.cpus,
      pool: 'default',
    });
    const ending = await ended;
    if (ending.exitCode !== 0) throw new Error(`the attempt ended so: ${JSON.stringify(ending)}`);
    return first;
  }

  async [Symbol.asyncDispose]() {
    await this.executor.cleanup(studyId, { removeFiles: true });
    await this.executor[Symbol.asyncDispose]();
    await this.cluster[Symbol.asyncDispose]();
  }
}

let nJobs = 0;

async function byKubectl(namespace, what) {
  const name = `bench-${nJobs++}`;
  const args = what(name);
  const startedAt = performance.now();
  await namespace.kubectl('create', ...args);
  for (const deadline = startedAt + 60_000; performance.now() < deadline; ) {
    if (await followsFirstLine(namespace, name)) {
      const ms = performance.now() - startedAt;
      await namespace.kubectl('delete', 'job', name, '--wait=true', '--cascade=foreground');
      return ms;
    }
  }
  throw new Error(`${name} has no log`);
}

/** Path of a manifest: a pod with the bounds that ours has, and no volume. */
function bareJob(name, image, base) {
  const security = {
    allowPrivilegeEscalation: false,
    capabilities: { drop: ['ALL'] },
    runAsNonRoot: true,
    runAsUser: 1000,
    seccompProfile: { type: 'RuntimeDefault' },
  };
  const each = { cpu: String(resources.cpus), memory: String(resources.memoryBytes) };
  const container = {
    name: 'trial',
    image,
    command: program,
    securityContext: security,
    resources: { requests: each, limits: each },
  };
  const manifest = join(base, 'job.json');
  const spec = { restartPolicy: 'Never', automountServiceAccountToken: false, containers: [container] };
  writeFileSync(
    manifest,
    JSON.stringify({ apiVersion: 'batch/v1', kind: 'Job', metadata: { name }, spec: { backoffLimit: 0, template: { spec } } }),
  );
  return manifest;
}

async function followsFirstLine({ cluster: { kubectl, kubeconfig }, name: namespace }, job) {
  const child = spawn(kubectl, ['--kubeconfig', kubeconfig, '--namespace', namespace, 'logs', '--follow', `job/${job}`], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const line = await new Promise((resolve) => {
    createInterface(child.stdout)
      .once('line', resolve)
      .once('close', () => resolve(null));
  });
  child.kill();
  return line === 'first';
}
