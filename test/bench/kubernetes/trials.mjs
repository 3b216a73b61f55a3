import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readKubeconfig } from '../../../agent/cluster/index.ts';
import { StudyFolders } from '../../../agent/executors/attempt/studyFolders.ts';
import { ApiProxy } from '../../support/apiProxy.ts';
import { sharedCluster, TestNamespace } from '../../support/cluster.ts';
import { AgentProcess } from '../load/agentProcess.mjs';
import { commandLine } from '../containers/starts.mjs';

/** A study of short trials on the cluster, behind a proxy that counts what the agent asks of the API server. */
export async function measureTrials({ base, dist, image, trials, parallel }) {
  await using namespace = await TestNamespace.create();
  const { registry, kubeconfig: direct } = sharedCluster();
  await using proxy = await ApiProxy.start(upstreamOf(direct));
  const home = join(base, 'home');
  const project = join(base, 'project');
  for (const folder of [home, project]) mkdirSync(folder, { recursive: true });
  const kubeconfig = join(base, 'kubeconfig');
  writeFileSync(kubeconfig, JSON.stringify(kubeconfigOf(proxy.url)), { mode: 0o600 });
  process.env.KUBECONFIG = kubeconfig;
  const script = join(project, 'short.py');
  const about = ['# @hpo.objective loss min', `# @hpo.image ${image}`, '# @hpo.resources cpus=0.05 memory=64MB'];
  writeFileSync(script, [...about, 'x = 0.5  # @hpo float(0, 1)', 'print(f"loss={x}")', ''].join('\n'));
  const hpo = commandLine(dist, home);
  const agent = new AgentProcess(dist, home);
  await agent.start();
  try {
    const place = ['--context', 'test', '--namespace', namespace.name, '--registry', `${registry}/hpo`, '--plain', '--yes'];
    await hpo.run(['cluster', 'connect', ...place]);
    const perMinute = countPerMinute(proxy);
    const limits = ['-n', String(trials), '--parallel', String(parallel), '--search', 'random', '--scheduler', 'none'];
    const before = proxy.requests.length;
    const { events } = await hpo.run(['tune', script, '--on', 'kubernetes', ...limits, '--json']);
    const asked = proxy.requests.slice(before);
    const most = perMinute.stop();
    const end = events.at(-1);
    const starts = events.filter(({ type }) => type === 'attemptRequested').length;
    const wallMs =
      events.findLast(({ type }) => type === 'trialEnded').at - events.find(({ type }) => type === 'studyCreated').at;
    const cpuMs = agent.cpuMs();
    await hpo.deleteAll();
    return {
      complete: end.trials?.complete ?? 0,
      furtherAttempts: starts - trials,
      wallMs,
      cpuMs,
      maxMb: agent.maxMb,
      requests: asked.length,
      busiest: busiest(asked, trials),
      perMinute: most,
      left: await leftAfterAWhile(namespace, new StudyFolders(home).homeMark),
    };
  } finally {
    await agent.client?.[Symbol.asyncDispose]();
    await agent.stop();
  }
}

/** What was asked for most, without names. */
function busiest(requests, trials) {
  const counts = new Map();
  for (const line of requests) {
    const [method, url] = line.split(' ');
    const path = new URL(url, 'http://x').pathname.split('/namespaces/').at(-1).split('/').slice(1);
    const kind = `${method === 'GET' && url.includes('watch=') ? 'WATCH' : method} ${path.length > 2 ? `${path[0]}/${path[2]}` : path[0]}`;
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  const sorted = [...counts].toSorted(([, a], [, b]) => b - a).slice(0, 6);
  return sorted.map(([kind, count]) => `${kind} ${(count / trials).toFixed(1)}`).join(', ');
}

function countPerMinute(proxy) {
  let last = proxy.requests.length;
  let most = 0;
  const timer = setInterval(() => {
    most = Math.max(most, proxy.requests.length - last);
    last = proxy.requests.length;
  }, 60_000);
  return {
    stop() {
      clearInterval(timer);
      return Math.max(most, proxy.requests.length - last);
    },
  };
}

async function leftAfterAWhile(namespace, mark) {
  const count = async () => (await namespace.names('jobs,pods,configmaps,secrets', `hpo.home=${mark}`)).length;
  for (const deadline = performance.now() + 60_000; performance.now() < deadline; ) {
    if ((await count()) === 0) return 0;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  return count();
}

function upstreamOf(path) {
  const { server, tls } = readKubeconfig([path]).access('test');
  const read = (source) => (source === null ? '' : 'path' in source ? readFileSync(source.path, 'utf8') : source.text);
  return { server, ca: read(tls.ca), cert: read(tls.cert), key: read(tls.key) };
}

function kubeconfigOf(server) {
  return {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'test',
    clusters: [{ name: 'test', cluster: { server } }],
    users: [{ name: 'anybody', user: {} }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'anybody' } }],
  };
}
