// A real Kubernetes cluster for tests and benchmarks: etcd, API server, controllers, scheduler, and nodes with kubelet and containerd, with
// a registry that the nodes pull from. All of it on this machine's loopback interface, as root on Linux; several at once are possible.
// usage: node .ci/cluster.mjs [--nodes N]   starts one, says how it is reached, and ends it when interrupted
//        node .ci/cluster.mjs --hold JSON   keeps one until stdin ends, and does meanwhile what its lines ask for
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { cacheDir } from '../test/support/cache.ts';
import { exclusive } from '../test/support/exclusive.ts';
import { isFree } from './cluster/network.mjs';
import { ClusterParts, maxNodes, placeOf, removeCluster } from './cluster/parts.mjs';
import { isOf } from './cluster/processes.mjs';
import { installKubernetes, installKueue } from './cluster/programs.mjs';
import { ensureControlGroups } from './dockerEngine.mjs';
import { installSystemPackages, MissingPrecondition } from './systemPackages.mjs';

export { installKueue };

const packages = [
  'etcd-server',
  'containerd',
  'containernetworking-plugins',
  'runc',
  'docker-registry',
  'iproute2',
  'iptables',
  'openssl',
];
const maxClusters = 16;

/**
 * A cluster that answers, with nodes that are ready. Disposing it, or the end of this process, ends all of it. Throws
 * MissingPrecondition where none can be started.
 * @param {{ log?: (step: string) => void, nodes?: number }} options
 * @returns {Promise<import('./cluster.mjs').TestCluster>}
 */
export async function startCluster({ log = console.log, nodes = 1 } = {}) {
  if (process.platform !== 'linux')
    throw new MissingPrecondition(`a Kubernetes cluster is started on Linux only, this is ${process.platform}`);
  if (process.getuid?.() !== 0) throw new MissingPrecondition('to start a Kubernetes cluster needs root');
  installSystemPackages(packages, log);
  const programs = await installKubernetes(log);
  return hold({ nodes, programs }, log);
}

/**
 * A process of its own holds the cluster, so that the cluster ends however this process does: by its end the pipe closes. It is in a
 * session of its own, so that an interrupt from the terminal does not reach it before the tests have ended.
 */
async function hold(options, log) {
  const holder = spawn(process.execPath, [fileURLToPath(import.meta.url), '--hold', JSON.stringify(options)], {
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true,
  });
  const waiting = new Map();
  let tellStarted = null;
  const started = new Promise((resolve, reject) => (tellStarted = { resolve, reject }));
  createInterface(holder.stdout).on('line', (line) => {
    const { step, missing, failed, cluster, answer, error } = JSON.parse(line);
    if (step !== undefined) log(step);
    else if (cluster !== undefined) tellStarted.resolve(cluster);
    else if (missing !== undefined) tellStarted.reject(new MissingPrecondition(missing));
    else if (failed !== undefined) tellStarted.reject(new Error(failed));
    else {
      const { resolve, reject } = waiting.get(answer);
      waiting.delete(answer);
      if (error === undefined) resolve();
      else reject(new Error(error));
    }
  });
  const ended = new Promise((resolve) => holder.once('exit', resolve));
  void ended.then(() => {
    const error = new Error('the process that holds the cluster has ended');
    tellStarted.reject(error);
    for (const { reject } of waiting.values()) reject(error);
  });
  holder.stdin.on('error', () => undefined);
  const cluster = await started;
  for (const part of [holder, holder.stdin, holder.stdout]) part.unref();
  let asked = 0;
  const ask = async (what) => {
    const number = asked++;
    const answered = new Promise((resolve, reject) => waiting.set(number, { resolve, reject }));
    holder.stdin.write(`${JSON.stringify({ number, ...what })}\n`);
    holder.stdout.ref();
    try {
      await answered;
    } finally {
      if (waiting.size === 0) holder.stdout.unref();
    }
  };
  return {
    ...cluster,
    start: (part, node = 0) => ask({ do: 'start', part, node }),
    stop: (part, node = 0, signal = 'SIGTERM') => ask({ do: 'stop', part, node, signal }),
    async restart(part, node = 0, signal = 'SIGKILL') {
      await ask({ do: 'stop', part, node, signal });
      await ask({ do: 'start', part, node });
    },
    async startKueue() {
      const kueue = await installKueue(log);
      await ask({ do: 'kueue', kueue });
    },
    async [Symbol.asyncDispose]() {
      holder.ref();
      holder.stdin.end();
      await ended;
    },
  };
}

/** The holder: says `{step}`, then `{cluster}`, `{missing}` or `{failed}`, and `{answer}` to each line; ends the cluster when stdin ends. */
async function holdCluster({ nodes, programs }) {
  const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
  // Nobody may be there any more to read.
  process.stdout.on('error', () => undefined);
  const lines = createInterface(process.stdin);
  const released = new Promise((resolve) => lines.once('close', resolve));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => lines.close());
  ensureControlGroups((step) => say({ step }));
  const { folder, place, record } = await takePlace(nodes);
  const parts = new ClusterParts({ folder, place, programs });
  const answer = async ({ number, do: what, part, node, signal, kueue }) => {
    try {
      if (what === 'start') await parts.start(part, node);
      else if (what === 'stop') await parts.stop(part, node, signal);
      else await parts.startKueue(kueue);
      say({ answer: number });
    } catch (error) {
      say({ answer: number, error: error.stack });
    }
  };
  lines.on('line', (line) => void answer(JSON.parse(line)));
  try {
    await parts.startAll();
    const { kubeconfig, server, registry, nodeNames } = parts;
    say({ cluster: { kubeconfig, server, registry, nodes: nodeNames, kubectl: programs.kubectl, folder } });
    await released;
  } catch (error) {
    say({ failed: error.stack });
  }
  await parts[Symbol.asyncDispose]();
  rmSync(record, { force: true });
}

/** A number that no other cluster has, with ports that nobody listens on. What a killed holder left is taken away first. */
async function takePlace(nodes) {
  if (nodes > maxNodes) throw new Error(`a test cluster has at most ${maxNodes} nodes`);
  const records = join(cacheDir(), 'clusters');
  mkdirSync(records, { recursive: true });
  await using _lock = await exclusive(join(records, 'lock'));
  for (const file of readdirSync(records).filter((name) => name.endsWith('.json'))) {
    const { pid, folder, index, nodes: itsNodes } = JSON.parse(readFileSync(join(records, file), 'utf8'));
    if (isOf(pid, '--hold')) continue;
    await removeCluster(folder, placeOf(index, itsNodes));
    rmSync(join(records, file));
  }
  for (let index = 0; index < maxClusters; index++) {
    const record = join(records, `${index}.json`);
    const place = placeOf(index, nodes);
    const ports = [...Object.values(place.ports), ...place.nodes.map(({ port }) => port)];
    if (existsSync(record) || !(await Promise.all(ports.map(isFree))).every(Boolean)) continue;
    const folder = mkdtempSync(join(tmpdir(), 'hpo-cluster-'));
    writeFileSync(record, JSON.stringify({ pid: process.pid, folder, index, nodes }));
    return { folder, place, record };
  }
  throw new Error(`no place is free for a test cluster (see ${records})`);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { values } = parseArgs({ options: { hold: { type: 'string' }, nodes: { type: 'string', default: '1' } } });
  if (values.hold !== undefined) await holdCluster(JSON.parse(values.hold));
  else {
    await using cluster = await startCluster({ nodes: Number(values.nodes) });
    const { kubeconfig, registry, kubectl, folder } = cluster;
    console.log(`export HPO_TEST_KUBECONFIG=${kubeconfig} HPO_TEST_REGISTRY=${registry} HPO_TEST_KUBECTL=${kubectl}`);
    console.log(`# its parts write to ${join(folder, 'log')}; by hand: ${kubectl} --kubeconfig ${kubeconfig} get nodes`);
    const waits = setInterval(() => undefined, 1 << 30);
    await new Promise((resolve) => {
      for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, resolve);
    });
    clearInterval(waits);
  }
}
