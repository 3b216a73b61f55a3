// What a trial costs beyond its own work: durable storage (points 5), and real processes (point 6), beside Optuna and Ray Tune.
// usage: npm run bench -- overhead [TRIALS]   (default 200)
import { execFile, spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { pythonEnv } from '../support/python.ts';
import { run as storage } from './storage.mjs';

const execute = promisify(execFile);
const folder = join(import.meta.dirname, 'overhead');
const cli = join(import.meta.dirname, '..', '..', 'dist', 'cli.cjs');
const nTrials = Number(process.argv[2] ?? 200);
const nSecondTrials = 40;
// Ray Tune takes seconds for each: fewer give the same figure per trial.
const nRayTrials = Math.min(nTrials, 40);
const nSlots = 2;

await storage();
const ray = await pythonEnv('overhead', ['ray[tune]==2.60.0']);

// The interpreter itself, as the trials get it: what stands on the PATH may be a shim that costs more than an attempt.
const python = (await execute('python3', ['-c', 'import sys; print(sys.executable)'])).stdout.trim();

console.log(`\n# ${nTrials} empty trials, ${nSlots} slots, real processes`);
const empty = await inTurn('empty.py', nTrials);
const rays = await rayTune(0, nRayTrials);
const perTrial = (wallMs, n = nTrials) => (wallMs / n - empty.bare / nTrials) * nSlots;
print([
  ['', 'wall', 'over a bare start, per trial', '× ours'],
  ['bare python processes', seconds(empty.bare), '', ''],
  ['hpo', seconds(empty.ours), `${perTrial(empty.ours).toFixed(1)} ms (to reach: ≤ 40 ms)`, '1.0'],
  [
    `Ray Tune (${nRayTrials} trials)`,
    seconds(rays),
    `${perTrial(rays, nRayTrials).toFixed(1)} ms`,
    (perTrial(rays, nRayTrials) / perTrial(empty.ours)).toFixed(1),
  ],
]);

console.log(`\n# ${nSecondTrials} trials of 1 s, ${nSlots} slots`);
const second = await inTurn('second.py', nSecondTrials);
const raySecond = await rayTune(1, nSecondTrials);
// Busy with the trial's own work, its interpreter's start included: what bare processes back to back take.
const busy = (wallMs) => `${((100 * second.bare) / wallMs).toFixed(1)} %`;
print([
  ['', 'wall', 'slots busy'],
  ['bare python processes', seconds(second.bare), '100 %'],
  ['hpo', seconds(second.ours), `${busy(second.ours)} (to reach: ≥ 98 %)`],
  ['Ray Tune', seconds(raySecond), busy(raySecond)],
]);

/** Bare and ours in turn, a quarter each time, so that a disturbance of the machine meets both. */
async function inTurn(script, n) {
  const base = mkdtempSync(join(tmpdir(), 'hpo-bench-'));
  const env = { ...process.env, HPO_HOME: join(base, 'home') };
  mkdirSync(join(base, 'project'));
  const path = join(base, 'project', script);
  copyFileSync(join(folder, script), path);
  const total = { bare: 0, ours: 0 };
  try {
    await execute(process.execPath, [cli, 'status'], { env });
    for (let round = 0; round < 4; round++) {
      total.bare += await bareProcesses(path, n / 4);
      total.ours += await study(path, n / 4, env);
    }
    return total;
  } finally {
    await execute(process.execPath, [cli, 'agent', 'stop'], { env });
    rmSync(base, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** The same program without any tuner, as many at once. */
async function bareProcesses(script, n) {
  const start = performance.now();
  let started = 0;
  const worker = async () => {
    while (started++ < n) await execute(python, ['-u', script]);
  };
  await Promise.all(Array.from({ length: nSlots }, worker));
  return performance.now() - start;
}

/** From the study's creation to its last trial's end, as the journal has it. */
async function study(script, n, env) {
  const args = [
    'tune',
    script,
    '-n',
    String(n),
    '--parallel',
    String(nSlots),
    '--search',
    'random',
    '--env',
    'current',
    '--json',
  ];
  const events = (await linesOf(process.execPath, [cli, ...args], env)).map((line) => JSON.parse(line));
  const end = events.at(-1);
  if (end.trials.complete !== n) throw new Error(`expected ${n} complete trials: ${JSON.stringify(end)}`);
  const created = events.find((event) => event.type === 'studyCreated');
  const last = events.findLast((event) => event.type === 'trialEnded');
  return last.at - created.at;
}

async function rayTune(eachSeconds, n) {
  const { stdout } = await execute(ray, [join(folder, 'ray_peer.py'), String(eachSeconds), String(n)], { maxBuffer: 64 << 20 });
  return JSON.parse(stdout.trim().split('\n').at(-1)).wallMs;
}

function linesOf(command, args, env) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    child.stdout.on('data', (chunk) => (text += chunk));
    child.once('error', reject);
    child.once('close', (code) => (code === 0 ? resolve(text.trim().split('\n')) : reject(new Error(`hpo ended with ${code}`))));
  });
}

function seconds(value) {
  return `${(value / 1000).toFixed(2)} s`;
}

function print(rows) {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  for (const row of rows)
    console.log(
      row
        .map((cell, i) => cell.padEnd(widths[i]))
        .join('  ')
        .trimEnd(),
    );
}
