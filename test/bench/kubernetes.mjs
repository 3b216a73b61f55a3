/**
 * Studies on a real cluster of this machine: how soon the first line of a pod's program is here, beside `kubectl create job` and `kubectl
 * logs --follow` of the same image, and what many short trials cost the agent and the API server. Prints each target with what was measured,
 * and writes it to test/bench/results/kubernetes.md, each part in the place of its last run.
 * usage: npm run bench -- kubernetes [--only lines,trials] [--rounds N] [--trials N] [--parallel N]
 * Ends with 1 where a target is missed, and with 4 where there can be no cluster.
 */
import { cpSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { execFile } from 'node:child_process';
import { parseArgs, promisify } from 'node:util';
import { MissingPrecondition } from '../../.ci/systemPackages.mjs';
import { ensureNodeImage, findCluster, sharedCluster } from '../support/cluster.ts';
import { median, ratio } from './core/statistics.mjs';
import { openEngine } from './containers/machine.mjs';
import { measureLines } from './kubernetes/lines.mjs';
import { writeReport } from './kubernetes/report.mjs';
import { measureTrials } from './kubernetes/trials.mjs';

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: 'lines,trials' },
    rounds: { type: 'string', default: '24' },
    trials: { type: 'string', default: '300' },
    parallel: { type: 'string', default: '15' },
  },
});
const execute = promisify(execFile);
const parts = new Set(values.only.split(','));
const rows = [];
const missed = [];

const engine = await openEngine('python:3.11-slim-bookworm');
if (engine === null) process.exit(4);
await using held = await hold();
if (held === null) process.exit(4);
const base = realpathSync(mkdtempSync(join(tmpdir(), 'hpo-kubernetes-')));
try {
  const image = await ensureNodeImage('python');
  const version = await serverVersion();
  // A build meanwhile changes nothing.
  const dist = join(base, 'dist');
  cpSync(join(import.meta.dirname, '..', '..', 'dist'), dist, { recursive: true, filter: (path) => !path.includes('types') });
  const measures = { lines, trials };
  for (const part of Object.keys(measures).filter((name) => parts.has(name))) {
    await measures[part](image, dist);
    const now = `${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC`;
    writeReport(
      part,
      rows.splice(0),
      `${now}, ${availableParallelism()} processors, Kubernetes ${version}, one node on this machine, Node ${process.version}`,
    );
  }
  console.log(missed.length === 0 ? 'All targets met.' : `Missed: ${missed.join('; ')}.`);
} finally {
  rmSync(base, { recursive: true, force: true, maxRetries: 5 });
  await engine[Symbol.asyncDispose]();
}
process.exitCode = missed.length === 0 ? 0 : 1;

async function lines(image) {
  const before = machineLoad();
  const rounds = await measureLines({ base: join(base, 'lines'), image, rounds: Number(values.rounds) });
  const medians = Object.fromEntries(['ours', 'kubectl', 'bare'].map((name) => [name, median(rounds.map((each) => each[name]))]));
  const beside = (peer) => {
    const { value, interval } = ratio(rounds.map((each) => [each.ours, each[peer]]));
    const text = `${value.toFixed(2)} × (95 %: ${interval.map((bound) => bound.toFixed(2)).join(' to ')}), medians ${seconds(medians.ours)} and ${seconds(medians[peer])}`;
    return { value, text };
  };
  const { value, text } = beside('kubectl');
  target(
    'from asking for an attempt to the first line of its program in its log here, beside `kubectl create job` and `kubectl logs --follow`',
    `${text} (${rounds.length} rounds, in turn; ${before})`,
    '≤ 1.15 ×',
    value <= 1.15,
  );
  figure(
    'beside the least that a pod can be: no volume, not even that of the service account, for which a node waits 0.3 s',
    beside('bare').text,
  );
  const most = ['ours', 'kubectl', 'bare'].map((name) => seconds(Math.max(...rounds.map((each) => each[name]))));
  figure('the slowest of them, by the executor, by `kubectl create job`, without volumes', most.join(', '));
}

async function trials(image, dist) {
  const nTrials = Number(values.trials);
  const parallel = Number(values.parallel);
  const before = machineLoad();
  const r = await measureTrials({ base: join(base, 'trials'), dist, image, trials: nTrials, parallel });
  const what = `${nTrials} short trials, ${parallel} at once`;
  target(
    what,
    `${r.complete} complete, ${r.furtherAttempts} further attempts, ${r.left} objects left (${before})`,
    'all, 0, 0',
    r.complete === nTrials && r.furtherAttempts === 0 && r.left === 0,
  );
  figure('they took', `${seconds(r.wallMs)}: ${seconds((r.wallMs * parallel) / nTrials)} of a slot per trial`);
  figure(
    'the agent meanwhile',
    `most ${Math.round(r.maxMb)} MB, ${Math.round(r.cpuMs / nTrials)} ms of its processor time per trial`,
  );
  target(
    'requests to the API server',
    `${(r.requests / nTrials).toFixed(1)} per trial (${r.busiest}); most in a minute: ${r.perMinute}`,
    '≤ 30 per trial',
    r.requests / nTrials <= 30,
  );
}

async function hold() {
  try {
    return await findCluster((step) => console.error(`· ${step}`));
  } catch (error) {
    if (!(error instanceof MissingPrecondition)) throw error;
    console.error(`Nothing was measured: ${error.message}.`);
    return null;
  }
}

async function serverVersion() {
  const { kubectl, kubeconfig } = sharedCluster();
  const { stdout } = await execute(kubectl, ['--kubeconfig', kubeconfig, 'get', '--raw', '/version']);
  return JSON.parse(stdout).gitVersion;
}

function target(what, measured, wanted, isMet) {
  say(`| ${what} | ${measured} | ${wanted} | ${isMet ? 'met' : '**missed**'} |`);
  if (!isMet) missed.push(`${what}: ${measured}`);
}

function figure(what, measured) {
  say(`| ${what} | ${measured} | | |`);
}

function say(row) {
  rows.push(row);
  console.log(row);
}

function machineLoad() {
  return `load of the machine ${loadavg()[0].toFixed(1)}`;
}

function seconds(ms) {
  return `${(ms / 1000).toFixed(2)} s`;
}
