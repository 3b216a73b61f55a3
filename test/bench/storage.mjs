/**
 * What durable storage costs: ask, five reports and tell, trials a second, beside Optuna's storages in the same run,
 * and how fast 10,000 trials are there again after a start.
 * usage: node test/bench/storage.mjs [--seconds N] [--reopen N] [--no-peers]
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { createView, foldView } from '../../agent/protocol/view.ts';
import { openJournal } from '../../agent/store/journal.ts';
import { pythonEnv } from '../support/python.ts';

/**
 * Measures and prints. Resolves with the figures: trials a second by storage, seconds to reopen, and what was to be
 * reached (`missed` names what was not).
 *
 * @param {{ seconds?: number, reopen?: number, peers?: boolean, print?: (line: string) => void }} [options]
 */
export async function run({ seconds = 4, reopen = 10_000, peers = true, print = console.log } = {}) {
  const dir = await mkdtemp(join(tmpdir(), 'hpo-bench-'));
  try {
    const rates = await measureOurs(dir, seconds);
    const others = peers ? await measurePeers(dir, seconds) : {};
    const opened = await measureReopening(dir, reopen, peers);
    return report({ rates, others, opened, reopen }, print);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

const target = { trialsPerSecond: 1000, reopenSeconds: 1 };

async function measureOurs(dir, seconds) {
  return {
    // Everything that happens within 50 ms is one group, as the driver sends it when trials are many and short.
    'hpo, groups of 50 ms': await groupedRate(join(dir, 'grouped.db'), seconds, 50),
    'hpo, 16 trials at once, a group per round': await roundRate(join(dir, 'rounds.db'), seconds, 16),
    'hpo, 2 trials at once, a group per round': await roundRate(join(dir, 'two.db'), seconds, 2),
    'hpo, one by one (8 fsyncs a trial)': await roundRate(join(dir, 'single.db'), seconds, 1),
  };
}

/** Events keep coming; what came within `groupMs` is appended at once. The rate includes making the events. */
async function groupedRate(path, seconds, groupMs) {
  using journal = openJournal(path);
  journal.append([created('s')]);
  const start = performance.now();
  let number = 0;
  while (performance.now() - start < seconds * 1000) {
    const group = [];
    const since = performance.now();
    while (performance.now() - since < groupMs && group.length < maxGroup) group.push(...trialSteps(number++).flat());
    journal.append(group);
    // The journal's own checkpoints run between groups, as they do in the agent.
    await new Promise(setImmediate);
  }
  return (number / (performance.now() - start)) * 1000;
}

/** Events that 50 trials end with: making events is so fast that 50 ms of it would be one huge group. */
const maxGroup = 500;

/**
 * `parallel` trials go on in step: each waits until its last event is on the disk before it does the next thing
 * (created and requested, started, five reports, ended), and one group holds one step of each.
 */
async function roundRate(path, seconds, parallel) {
  using journal = openJournal(path);
  journal.append([created('s')]);
  const start = performance.now();
  let number = 0;
  while (performance.now() - start < seconds * 1000) {
    const trials = Array.from({ length: parallel }, () => trialSteps(number++));
    for (let step = 0; step < 8; step++) {
      journal.append(trials.flatMap((steps) => steps[step]));
      await new Promise(setImmediate);
    }
  }
  return (number / (performance.now() - start)) * 1000;
}

async function measurePeers(dir, seconds) {
  const python = await pythonEnv('optuna', ['optuna==5.0.0', 'optuna-dashboard==0.21.0']);
  const rate = async (kind) => (await runPeer(python, [kind, join(dir, `peer-${kind}`), String(seconds)])).rate;
  return {
    'Optuna, in memory (not durable)': await rate('memory'),
    'Optuna, journal file': await rate('journal'),
    'Optuna, SQLite': await rate('sqlite'),
  };
}

async function measureReopening(dir, trials, peers) {
  const path = join(dir, 'reopen.db');
  {
    using journal = openJournal(path);
    journal.append([created('s')]);
    let group = [];
    for (let number = 0; number < trials; number++) {
      group.push(...trialSteps(number).flat());
      if (number % 100 === 99) journal.append(group.splice(0));
    }
    journal.append(group);
  }
  globalThis.gc?.();
  const heapBefore = process.memoryUsage().heapUsed;
  const start = performance.now();
  using journal = openJournal(path);
  const entries = journal.read('s', 0)[Symbol.iterator]();
  const view = createView(entries.next().value);
  for (const entry of entries) foldView(view, entry);
  const seconds = (performance.now() - start) / 1000;
  if (view.trials.length !== trials) throw new Error(`${view.trials.length} of ${trials} trials came back`);
  globalThis.gc?.();
  const bytesPerTrial = globalThis.gc === undefined ? null : (process.memoryUsage().heapUsed - heapBefore) / trials;
  const chain = timed(() => journal.verifyChain());
  const rebuild = timed(() => journal.rebuild());
  journal.checkpoint();
  const python = peers ? await pythonEnv('optuna', ['optuna==5.0.0', 'optuna-dashboard==0.21.0']) : null;
  const optunaSeconds = python === null ? null : (await runPeer(python, ['open', path, 's'])).seconds;
  return { seconds, chain, rebuild, optunaSeconds, bytesPerTrial, megabytes: (await stat(path)).size / 1e6 };
}

function timed(act) {
  const start = performance.now();
  act();
  return (performance.now() - start) / 1000;
}

async function runPeer(python, args) {
  const script = join(import.meta.dirname, 'storagePeer.py');
  const { stdout } = await promisify(execFile)(python, ['-W', 'ignore', script, ...args]);
  return JSON.parse(stdout);
}

function report({ rates, others, opened, reopen }, print) {
  const all = { ...rates, ...others };
  const journalFile = others['Optuna, journal file'];
  const sqlite = others['Optuna, SQLite'];
  print('ask + 5 reports + tell            trials/s   × Optuna journal   × Optuna SQLite');
  for (const [name, rate] of Object.entries(all)) {
    const ratio = (peer) => (peer === undefined ? '–' : (rate / peer).toFixed(rate / peer < 10 ? 1 : 0)).padStart(17);
    print(`${name.padEnd(42)}${rate.toFixed(0).padStart(8)}${ratio(journalFile)}${ratio(sqlite)}`);
  }
  const inSeconds = (value) => (value === null ? '–' : `${value.toFixed(2)} s`);
  print('');
  print(`${reopen} trials reopened (open, read all, fold)   ${inSeconds(opened.seconds)}`);
  print(`  the same file read by Optuna               ${inSeconds(opened.optunaSeconds)}`);
  print(`  every hash checked                         ${inSeconds(opened.chain)}`);
  print(`  derived tables rebuilt                     ${inSeconds(opened.rebuild)}`);
  print(`  file                                       ${opened.megabytes.toFixed(1)} MB`);
  if (opened.bytesPerTrial !== null)
    print(`  view in memory                             ${(opened.bytesPerTrial / 1000).toFixed(2)} kB a trial`);
  const missed = [];
  const grouped = rates['hpo, groups of 50 ms'];
  if (grouped < target.trialsPerSecond) missed.push(`durable trials a second: ${grouped.toFixed(0)} < ${target.trialsPerSecond}`);
  if (opened.seconds > target.reopenSeconds) missed.push(`reopening: ${opened.seconds.toFixed(2)} s > ${target.reopenSeconds} s`);
  print(
    missed.length === 0
      ? `reached: ≥ ${target.trialsPerSecond} durable trials/s, reopened ≤ ${target.reopenSeconds} s`
      : `MISSED: ${missed.join('; ')}`,
  );
  return { rates, others, opened, missed };
}

const parameters = [
  ...['a', 'b', 'c', 'd'].map((name) => ({
    name,
    distribution: { type: 'float', low: 1e-5, high: 1, log: true, revlog: false, step: null },
  })),
  { name: 'e', distribution: { type: 'categorical', choices: ['x', 'y', 'z'] } },
].map((parameter, index) => ({
  ...parameter,
  when: null,
  sink: { type: 'literal' },
  site: { file: 'train.py', line: index + 1, column: 1 },
  literal: null,
}));

function created(studyId) {
  const spec = {
    name: 'bench',
    root: '/bench',
    script: 'train.py',
    command: ['python', '{script}'],
    space: { parameters, where: [] },
    objectives: [{ metric: 'loss', direction: 'min', goal: null }],
    constraints: [],
    fidelity: null,
    metrics: [],
    search: { sampler: 'random', scheduler: 'none', seed: 1, parallel: 16, liar: 'mean' },
    budget: { trials: null, wallTimeMs: null, resource: null },
    limits: { timeoutMs: null, graceMs: 5000, outputBytes: 1e8, cpus: 1 },
    checkpoint: null,
    executor: 'local',
    environment: { interpreter: 'python3', version: '3', reason: 'PATH' },
    snapshot: '0',
    spaceHash: '0',
  };
  return { studyId, event: { type: 'studyCreated', at: Date.now(), spec } };
}

/** All ten events of a trial, in the eight steps in which they become known. */
function trialSteps(number) {
  const at = Date.now();
  const step = (...events) => events.map((event) => ({ studyId: 's', event: { ...event, at, number } }));
  const params = { a: Math.random(), b: Math.random(), c: Math.random(), d: Math.random(), e: 'y' };
  const reports = [1, 2, 3, 4, 5].map((epoch) =>
    step({
      type: 'metricReported',
      attempt: 1,
      step: epoch,
      values: { loss: Math.random() },
      cursor: { out: epoch * 20, metrics: 0 },
    }),
  );
  return [
    step(
      { type: 'trialCreated', params, origin: 'sampler', reason: 'random', target: null },
      { type: 'attemptRequested', attempt: 1, slot: 0, target: null },
    ),
    step({ type: 'attemptStarted', attempt: 1, pid: 4711 }),
    ...reports,
    step(
      { type: 'attemptEnded', attempt: 1, exitCode: 0, signal: null, failure: null },
      { type: 'trialEnded', state: 'complete', values: { loss: Math.random() }, failure: null },
    ),
  ];
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { seconds: { type: 'string' }, reopen: { type: 'string' }, 'no-peers': { type: 'boolean' } },
  });
  const number = (text) => (text === undefined ? undefined : Number(text));
  const { missed } = await run({
    trials: number(values.trials),
    reopen: number(values.reopen),
    peers: values['no-peers'] !== true,
  });
  process.exitCode = missed.length === 0 ? 0 : 1;
}
