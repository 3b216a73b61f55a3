// What a trial costs beyond its own work: durable storage (points 5), and real processes (point 6), beside Optuna and Ray Tune.
// usage: npm run bench -- overhead [TRIALS]   (default 200)
import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
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

console.log(`\n# ${nTrials} empty trials, ${nSlots} slots, real processes`);
const bare = await bareProcesses('empty.py', nTrials);
const ours = await study('empty.py', nTrials);
const rays = await rayTune(0, nRayTrials);
const perTrial = (wallMs, n = nTrials) => (wallMs / n - bare / nTrials) * nSlots;
print([
  ['', 'wall', 'over a bare start, per trial', '× ours'],
  ['bare python processes', ms(bare), '', ''],
  ['hpo', ms(ours), `${perTrial(ours).toFixed(1)} ms (to reach: ≤ 40 ms)`, '1.0'],
  [
    `Ray Tune (${nRayTrials} trials)`,
    ms(rays),
    `${perTrial(rays, nRayTrials).toFixed(1)} ms`,
    (perTrial(rays, nRayTrials) / perTrial(ours)).toFixed(1),
  ],
]);

console.log(`\n# ${nSecondTrials} trials of 1 s, ${nSlots} slots`);
const bareSecond = await bareProcesses('second.py', nSecondTrials);
const oursSecond = await study('second.py', nSecondTrials);
const raySecond = await rayTune(1, nSecondTrials);
// Busy with the trial's own work, its interpreter's start included: what bare processes back to back take.
const busy = (wallMs) => `${((100 * bareSecond) / wallMs).toFixed(1)} %`;
print([
  ['', 'wall', 'slots busy'],
  ['bare python processes', ms(bareSecond), '100 %'],
  ['hpo', ms(oursSecond), `${busy(oursSecond)} (to reach: ≥ 98 %)`],
  ['Ray Tune', ms(raySecond), busy(raySecond)],
]);

/** The same program without any tuner, as many at once. */
async function bareProcesses(script, n) {
  const start = performance.now();
  let started = 0;
  const worker = async () => {
    while (started++ < n) await execute('python3', ['-u', join(folder, script)]);
  };
  await Promise.all(Array.from({ length: nSlots }, worker));
  return performance.now() - start;
}

/** From the study's creation to its end, as the journal has it; the agent is started before. */
async function study(script, n) {
  const home = mkdtempSync(join(tmpdir(), 'hpo-bench-'));
  const env = { ...process.env, HPO_HOME: home };
  try {
    await execute(process.execPath, [cli, 'status'], { env });
    const args = [
      cli,
      'tune',
      join(folder, script),
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
    const lines = await linesOf(process.execPath, args, env);
    const events = lines.map((line) => JSON.parse(line));
    const end = events.at(-1);
    if (end.trials.complete !== n) throw new Error(`expected ${n} complete trials: ${JSON.stringify(end)}`);
    const created = events.find((event) => event.type === 'studyCreated');
    const last = events.findLast((event) => event.type === 'trialEnded');
    return last.at - created.at;
  } finally {
    await execute(process.execPath, [cli, 'agent', 'stop'], { env });
    rmSync(home, { recursive: true, force: true });
  }
}

async function rayTune(seconds, n) {
  const { stdout } = await execute(ray, [join(folder, 'ray_peer.py'), String(seconds), String(n)], { maxBuffer: 64 << 20 });
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

function ms(value) {
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
