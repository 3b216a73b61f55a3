/**
 * Studies in containers, on a real engine: how soon the first trial runs after an edit, what an attempt costs over `docker run` of the
 * same image with the same flags, and what a second build does. Prints each target with what was measured, and writes it to
 * test/bench/results/containers.md, each part in the place of its last run, and the table of the README.
 * usage: npm run bench -- containers [--only starts,attempts,builds] [--edits N] [--blocks N] [--cold]
 *   --cold  also the very first start: empties the build cache of the engine, also of what it has from others
 * Ends with 1 where a target is missed, and with 4 where there is no engine.
 */
import { cpSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { measureAgent } from './containers/agentMemory.mjs';
import { measureAttempts } from './containers/attempts.mjs';
import { measureBuilds } from './containers/builds.mjs';
import { openEngine } from './containers/machine.mjs';
import { writeReport } from './containers/report.mjs';
import { measureStarts } from './containers/starts.mjs';
import { median, ratio } from './core/statistics.mjs';

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: 'starts,attempts,builds' },
    edits: { type: 'string', default: '10' },
    blocks: { type: 'string', default: '16' },
    cold: { type: 'boolean', default: false },
  },
});
const parts = new Set(values.only.split(','));
const baseImage = 'python:3.11-slim-bookworm';
const perBlock = 8;
const nTrials = 40;

const names = ['ours', 'run', 'api'];
const rows = [];
const missed = [];
const engine = await openEngine(baseImage);
if (engine === null) process.exit(4);
const base = realpathSync(mkdtempSync(join(tmpdir(), 'hpo-containers-')));
try {
  // A build meanwhile changes nothing.
  const dist = join(base, 'dist');
  cpSync(join(import.meta.dirname, '..', '..', 'dist'), dist, { recursive: true, filter: (path) => !path.includes('types') });
  const measures = { starts, attempts, builds };
  for (const part of Object.keys(measures).filter((name) => parts.has(name))) {
    await measures[part](dist);
    writeReport(
      part,
      rows.splice(0),
      `${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC, ${availableParallelism()} processors, ${engine.about}, client ${engine.client}, Node ${process.version}`,
    );
  }
  console.log(missed.length === 0 ? 'All targets met.' : `Missed: ${missed.join('; ')}.`);
} finally {
  rmSync(base, { recursive: true, force: true, maxRetries: 5 });
  await engine[Symbol.asyncDispose]();
}
process.exitCode = missed.length === 0 ? 0 : 1;

async function starts(dist) {
  const before = machineLoad();
  if (values.cold) {
    await engine.docker.pruneBuilder();
    const cold = await measureStarts({ docker: engine.docker, base: join(base, 'cold'), dist, edits: 0 });
    figure('first start, with an empty build cache: image made, packages fetched', seconds(cold.firstMs));
  }
  const r = await measureStarts({ docker: engine.docker, base: join(base, 'starts'), dist, edits: Number(values.edits) });
  figure('first start of a project, with a warm build cache: image made, packages from the cache', seconds(r.firstMs));
  target(
    `start after a one-line edit, from \`hpo tune --on docker\` to the first line of the trial's program, ${r.againMs.length} times`,
    `median ${seconds(median(r.againMs))}, most ${seconds(Math.max(...r.againMs))} (${before})`,
    '≤ 2 s',
    Math.max(...r.againMs) <= 2_000,
  );
  figure('the same where the agent has to be started first', seconds(r.withoutAgentMs));
  target(
    'the environment image meanwhile: its id, its layers, when it was made',
    `${r.isImageSame ? 'the same' : 'changed'} in ${r.nStarts} starts of ${r.nSnapshots} versions of the code`,
    'the same',
    r.isImageSame && r.nSnapshots === r.nStarts,
  );
}

async function attempts(dist) {
  for (const slots of [1, 2]) {
    const before = machineLoad();
    const { rows: measured, slowestMs } = await measureAttempts({
      docker: engine.docker,
      base: join(base, `attempts-${slots}`),
      image: baseImage,
      blocks: Number(values.blocks),
      perBlock,
      slots,
    });
    const against = (name) => ratio(measured.map((row) => [row.ours, row[name]]));
    const run = against('run');
    const api = against('api');
    const each = (name) => milliseconds(measured.reduce((sum, row) => sum + row[name], 0) / measured.length);
    target(
      `an attempt of an empty Python program, ${slots === 1 ? 'one at a time' : `${slots} at once`}, beside \`docker run\` with the same flags`,
      `${each('ours')} and ${each('run')}: ${interval(run)} (${measured.length} blocks of ${perBlock}, in turn; ${before})`,
      '≤ 1.20 ×',
      run.interval[1] <= 1.2,
    );
    figure('beside the API alone: create, start, wait, remove', `${each('api')}: ${interval(api)}`);
    figure(
      'the slowest of them, by the executor, by `docker run`, by the API',
      names.map((name) => milliseconds(slowestMs[name])).join(', '),
    );
  }
  for (const executor of ['docker', 'local']) {
    const options = { dist, base: join(base, `agent-${executor}`), image: baseImage, executor, trials: nTrials, slots: 2 };
    const { maxMb, cpuMsPerTrial, slotMsPerTrial } = await measureAgent(options);
    figure(
      `the agent with ${nTrials} empty trials, ${executor === 'docker' ? 'in containers' : 'as processes'}, 2 at once`,
      `most ${Math.round(maxMb)} MB, ${milliseconds(cpuMsPerTrial)} of its processor time and ${milliseconds(slotMsPerTrial)} of a slot per trial`,
    );
  }
}

async function builds() {
  const r = await measureBuilds({ base: join(base, 'builds') });
  figure('the image of a new list of packages', `${r.first.steps} steps run, ${seconds(r.first.ms)}`);
  target(
    'the same list again, other code',
    `${r.second.builds} builds, ${milliseconds(r.second.ms)}`,
    '0 builds',
    r.second.builds === 0,
  );
  target(
    'the same image after it was removed',
    `${r.restored.steps} steps run, ${r.restored.cached} from the cache, ${seconds(r.restored.ms)}`,
    '0 steps',
    r.restored.steps === 0,
  );
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

function interval({ value, interval: [low, high] }) {
  return `${value.toFixed(2)} × (95 %: ${low.toFixed(2)} to ${high.toFixed(2)})`;
}

function machineLoad() {
  return `load of the machine ${loadavg()[0].toFixed(1)}`;
}

function seconds(ms) {
  return `${(ms / 1000).toFixed(2)} s`;
}

function milliseconds(ms) {
  return `${Math.round(ms)} ms`;
}
