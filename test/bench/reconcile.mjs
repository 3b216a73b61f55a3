/**
 * What 1,000 Jobs cost the agent: the very executor of clusters on the simulated one, a fifth of whose pods run while the others wait for
 * room. Prints the processor time of one look at all of them, with what reading such answers from a real server takes besides, and the
 * requests of a minute in which nothing happens; each beside its target. Nothing else than Node is needed, and virtual time passes at once.
 * usage: npm run bench -- reconcile [--jobs N]
 * Ends with 1 where a target is missed.
 */
import { setImmediate as settled } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { KubernetesExecutor } from '../../agent/executors/kubernetes/kubernetesExecutor.ts';
import { podContainer, simulatedClusterSettings } from '../simulation/agent/clusterSettings.ts';
import { homeDir } from '../simulation/agent/simulatedAgent.ts';
import { snapshotsOf } from '../simulation/agent/snapshots.ts';
import { clusterOf } from '../simulation/machine/cluster/client.ts';
import { Kube } from '../simulation/machine/cluster/kube.ts';
import { Machine } from '../simulation/machine/machine.ts';

const mostSeconds = 1;
const mostRequests = 100;
const looks = 5;
const nodes = 10;

const { values } = parseArgs({ options: { jobs: { type: 'string', default: '1000' } } });
const nJobs = Number(values.jobs);
const nRunning = Math.ceil(nJobs / 5);

const machine = new Machine({ seed: 1, program: () => null });
const { timeline } = machine;
const kube = new Kube({ seed: 1, timeline, program: () => forever, nodes, cpus: nRunning / nodes });
const agent = machine.agent();
const started = new Set();
const executor = new KubernetesExecutor({
  system: agent.system,
  homeDir,
  snapshots: snapshotsOf(agent, { 'train.py': 'print("training")\n' }),
  listener: { waits() {}, room() {}, output() {}, ended() {}, started: ({ trial }) => void started.add(trial) },
  environment: {},
  cluster: clusterOf(kube, agent),
});

await done(
  executor.prepare({
    studyId: 's',
    root: '/project',
    snapshot: 'code',
    container: podContainer,
    cluster: simulatedClusterSettings,
  }),
);
await done(Promise.all(Array.from({ length: nJobs }, (_, trial) => executor.start(attemptOf(trial)))));
await until(() => started.size >= nRunning);
await pass(60_000);

const before = kube.server.nRequests;
await pass(60_000);
const requests = kube.server.nRequests - before;

const seconds = [];
let running = 0;
for (let i = 0; i < looks; i++) {
  const begun = process.cpuUsage();
  const listed = await done(executor.list());
  const { user, system } = process.cpuUsage(begun);
  seconds.push((user + system) / 1e6 + readingSeconds());
  running = listed.filter(({ state }) => state === 'running').length;
}
const took = seconds.toSorted((a, b) => a - b)[Math.floor(looks / 2)];
await done(executor[Symbol.asyncDispose]());

const rows = [
  ['Jobs that are seen', running, nJobs, running === nJobs],
  ['of them running', started.size, nRunning, started.size === nRunning],
  ['processor time of a look at all, in s', took.toFixed(2), `at most ${mostSeconds}`, took <= mostSeconds],
  ['requests in a quiet minute', requests, `at most ${mostRequests}`, requests <= mostRequests],
];
for (const [what, is, target, isMet] of rows) console.log(`${isMet ? 'met   ' : 'MISSED'}  ${what}: ${is} (target: ${target})`);
process.exitCode = rows.every(([, , , isMet]) => isMet) ? 0 : 1;

function* forever() {
  yield 3_600_000;
  return 0;
}

async function until(isOver) {
  for (await settled(); !isOver(); await settled()) timeline.step();
}

async function pass(ms) {
  const end = timeline.now + ms;
  await until(() => timeline.now > end);
}

async function done(work) {
  let isOver = false;
  void work.finally(() => (isOver = true));
  await until(() => isOver);
  return await work;
}

/** What the texts of a real server's answers take, which the simulated cluster hands over as they are. */
function readingSeconds() {
  const texts = ['Job', 'Pod'].map((kind) => JSON.stringify({ items: kube.store.list(kind) }));
  const begun = process.cpuUsage();
  for (const text of texts) JSON.parse(text);
  const { user, system } = process.cpuUsage(begun);
  return (user + system) / 1e6;
}

function attemptOf(trial) {
  return {
    key: { studyId: 's', trial, attempt: 1 },
    snapshot: 'code',
    command: ['wait'],
    environment: {},
    files: [],
    metricFiles: [],
    checkpointDir: null,
    checkpointFrom: null,
    timeoutMs: null,
    graceMs: 1_000,
    outputBytes: 1 << 20,
    pool: null,
    cpus: 1,
  };
}
