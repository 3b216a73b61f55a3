/**
 * The agent under load, with real processes: many short trials, many at once, a flood of records, a kill, a large study.
 * Prints each target with what was measured, beside Optuna where it does a comparable thing, and writes it to
 * test/bench/results/load.md, each part in the place of its last run.
 * usage: npm run bench -- load [--only many,once,records,open] [--trials N] [--at-once N] [--seconds N] [--large N] [--no-peers] [--dist DIR] [-o FILE]
 */
import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { pythonEnv } from '../support/python.ts';
import { runAtOnce } from './load/atOnce.mjs';
import { runMany } from './load/manyTrials.mjs';
import { openLarge } from './load/open.mjs';
import { runRecords } from './load/records.mjs';

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: 'many,once,records,open' },
    trials: { type: 'string', default: '10000' },
    'at-once': { type: 'string', default: '300' },
    seconds: { type: 'string', default: '60' },
    large: { type: 'string', default: '100000' },
    'no-peers': { type: 'boolean', default: false },
    dist: { type: 'string', default: join(import.meta.dirname, '..', '..', 'dist') },
    output: { type: 'string', short: 'o', default: join(import.meta.dirname, 'results', 'load.md') },
  },
});
const parts = new Set(values.only.split(','));
const [nTrials, nAtOnce, nSeconds, nLarge] = [values.trials, values['at-once'], values.seconds, values.large].map(Number);
const perSecond = 20_000;
const nSlots = 16;
const maxMb = 400;

const lines = [];
const missed = [];
const base = mkdtempSync(join(tmpdir(), 'hpo-load-'));
/** A build that does not change under a long run. */
const dist = join(base, 'dist');
cpSync(values.dist, dist, { recursive: true });
const python = values['no-peers'] ? null : await pythonEnv('optuna', ['optuna==5.0.0', 'optuna-dashboard==0.21.0']);

const titles = {
  many: `${count(nTrials)} short trials`,
  once: `${nAtOnce} trials at once, and a kill`,
  records: `${count(perSecond)} records a second`,
  open: `A study of ${count(nLarge)} trials`,
};
const measure = { many, once: atOnce, records, open };

try {
  for (const part of Object.keys(titles).filter((name) => parts.has(name))) {
    lines.push(`## ${titles[part]}`, '');
    say(
      `${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC, ${availableParallelism()} processors, Node ${process.version}`,
    );
    say('');
    say('| what | measured | target | |');
    say('|---|---|---|---|');
    await measure[part]();
    writeResults(part, lines.splice(0));
  }
  console.log(missed.length === 0 ? 'All targets met.' : `Missed: ${missed.join('; ')}.`);
} finally {
  rmSync(base, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
}
process.exit(missed.length === 0 ? 0 : 1);

/** Puts a part in the place of what its last run gave; the other parts stay as they are. */
function writeResults(part, section) {
  const old = existsSync(values.output) ? readFileSync(values.output, 'utf8').split(/^<!-- (\w+) -->$/m) : [];
  const sections = new Map();
  for (let i = 1; i + 1 < old.length; i += 2) sections.set(old[i], old[i + 1].trim());
  sections.set(part, section.join('\n').trim());
  const text = Object.keys(titles).flatMap((name) =>
    sections.has(name) ? [`<!-- ${name} -->`, '', sections.get(name), ''] : [],
  );
  const about = [
    '# The agent under load',
    '',
    'Made by `npm run bench -- load`: the last run of each part, with the load that the machine had from other work. Where that is above',
    'the number of processors, times on the clock say little; the processor time that is given beside them does.',
  ];
  writeFileSync(values.output, `${[...about, '', ...text].join('\n').trim()}\n`);
}

async function many() {
  const before = machineLoad();
  const r = await runMany({ dist, base, trials: nTrials, parallel: nSlots });
  const name = `${count(nTrials)} short real trials in one study, ${nSlots} slots`;
  target(
    name,
    `${count(r.states.complete ?? 0)} complete, ${r.rate.toFixed(1)}/s (${before})`,
    `${count(nTrials)} complete`,
    r.states.complete === nTrials,
  );
  figure('its slots in use', percent(r.busy));
  figure("agent's processor time per trial", `${r.cpuMsPerTrial.toFixed(1)} ms`);
  memory(r);
  if (python === null) return;
  for (const kind of ['sqlite', 'journal']) {
    const { rate } = await peer('trials', kind, join(base, `peer-trials-${kind}`), '300', String(nSlots));
    figure(
      `Optuna, ${kind === 'sqlite' ? 'SQLite' : 'journal file'}, n_jobs=${nSlots}, 300 trials by subprocess`,
      `${rate.toFixed(1)}/s: ours is ${ratio(r.rate, rate)}`,
    );
  }
}

async function atOnce() {
  const before = machineLoad();
  const r = await runAtOnce({ dist, base, trials: nAtOnce });
  target(
    `${nAtOnce} trials at once`,
    `${r.nRunning} running, all reported after ${seconds(r.allRunMs)} (${before})`,
    `${nAtOnce} running`,
    r.nRunning === nAtOnce,
  );
  figure("agent's processor while they run and report every 3 s", percent(r.cpuShare));
  target(
    `ready again after kill -9 with ${nAtOnce} running`,
    `first request answered after ${seconds(r.readyMs)} (${seconds(r.readyCpuMs)} of processor time; ${machineLoad()})`,
    '≤ 2 s',
    r.readyMs <= 2_000,
  );
  figure('all of them adopted: a new report of each is recorded', seconds(r.adoptedMs));
  target(
    'each of them ends well, in its first attempt',
    `${r.complete} complete, ${r.repeated} repeated`,
    `${nAtOnce}, 0`,
    r.complete === nAtOnce && r.repeated === 0,
  );
  memory(r);
}

async function records() {
  const before = machineLoad();
  const r = await runRecords({ dist, base, perSecond, seconds: nSeconds, trials: 20, python: 'python3' });
  target(
    `${count(perSecond)} metric records a second for ${nSeconds} s, from 20 trials`,
    `${count(r.nWritten)} written at ${count(r.rate)}/s, ${count(r.nRecorded)} recorded, ${r.nLost} lost, ${r.nTwice} twice, ${r.nDropped} left out (${before})`,
    '0 lost',
    r.nLost === 0 && r.nTwice === 0 && r.nDropped === 0 && r.nRecorded === r.nWritten && r.nWritten >= perSecond * nSeconds,
  );
  figure('from printed to recorded and told to a client', `p50 ${count(r.p50)} ms, p99 ${count(r.p99)} ms`);
  figure("agent's processor meanwhile", percent(r.cpuShare));
  memory(r);
  if (python === null) return;
  for (const kind of ['sqlite', 'journal']) {
    const { rate } = await peer('records', kind, join(base, `peer-records-${kind}`), '5');
    figure(
      `Optuna, ${kind === 'sqlite' ? 'SQLite' : 'journal file'}, trial.report as fast as it goes`,
      `${count(rate)}/s: ours is ${ratio(r.rate, rate)}`,
    );
  }
}

async function open() {
  const before = machineLoad();
  const r = await openLarge({ dist, base, trials: nLarge });
  figure(
    `a journal of ${count(nLarge)} trials (${count(r.events)} events, ${Math.round(r.fileMb)} MB)`,
    `made in ${seconds(r.makeMs)}`,
  );
  target(
    `a study of ${count(nLarge)} trials opens: agent started, first request answered`,
    `${seconds(r.startMs)} (${seconds(r.startCpuMs)} of processor time; ${before})`,
    '≤ 3 s',
    r.startMs <= 3_000,
  );
  figure('the very first time, when everything is folded', `${seconds(r.firstMs)} (${seconds(r.firstCpuMs)} of processor time)`);
  target('`hpo status` of it', seconds(r.statusMs), '≤ 3 s', r.statusMs <= 3_000);
  target('`hpo trials` of it', seconds(r.trialsMs), '≤ 3 s', r.trialsMs <= 3_000);
  target(
    'its whole view at a client, as a window reads it',
    `${seconds(r.viewMs)} (${seconds(r.viewCpuMs)} of processor time of the agent; ${machineLoad()})`,
    '≤ 3 s',
    r.viewMs <= 3_000,
  );
  memory(r);
  if (python === null) return;
  const read = await peer('open', r.path, r.studyId);
  figure(
    'Optuna reads the same file (load_study, trials)',
    `${read.trials === null ? 'more than ' : ''}${seconds(read.seconds * 1000)}: ${ratio(read.seconds * 1000, r.startMs)} of our start`,
  );
}

/** The most that was ever resident, and what it was over time. */
function memory({ maxMb: most, samples }) {
  const at = (share) => Math.round(samples[Math.min(samples.length - 1, Math.floor(share * samples.length))]?.[1] ?? 0);
  target(
    "agent's memory throughout",
    `most ${Math.round(most)} MB; after a tenth, half and all of the time ${at(0.1)}, ${at(0.5)}, ${at(1)} MB`,
    `≤ ${maxMb} MB`,
    most <= maxMb,
  );
}

function target(what, measured, wanted, isMet) {
  say(`| ${what} | ${measured} | ${wanted} | ${isMet ? 'met' : '**missed**'} |`);
  if (!isMet) missed.push(`${what}: ${measured}`);
}

function figure(what, measured) {
  say(`| ${what} | ${measured} | | |`);
}

function say(line) {
  lines.push(line);
  console.log(line);
}

async function peer(...args) {
  const { stdout } = await promisify(execFile)(python, ['-W', 'ignore', join(import.meta.dirname, 'load', 'peer.py'), ...args]);
  return JSON.parse(stdout);
}

function machineLoad() {
  return `load of the machine ${loadavg()[0].toFixed(1)}`;
}

function seconds(ms) {
  return `${(ms / 1000).toFixed(2)} s`;
}

function percent(share) {
  return `${(100 * share).toFixed(0)} %`;
}

function ratio(a, b) {
  return `${(a / b).toFixed(a / b < 10 ? 1 : 0)} ×`;
}

function count(n) {
  return String(Math.round(n)).replaceAll(/\B(?=(?:\d{3})+$)/g, ',');
}
