// `npm run torture`: 100,000 seeds of the simulated agent, 20,000 with its attempts in containers, and every real fault once; one
// table, and exit code 1 on a violation.
// usage: npm run torture [-- --minutes N]                   all, sharing the time, with seeds that nobody has tried yet
//        npm run torture -- --seed N [--executor docker]    one seed of the simulation, with all that happens in it
import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { ensureBuilt, environment, root, runOrExit } from './setup.mjs';
import { installSystemPackages, MissingPrecondition } from './systemPackages.mjs';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string' },
    seed: { type: 'string' },
    seeds: { type: 'string' },
    executor: { type: 'string', default: 'local' },
  },
});
const minutes = values.minutes === undefined ? null : Number(values.minutes);
const wanted = values.seeds === undefined ? 100_000 : Number(values.seeds);
if ((minutes !== null && !(minutes > 0)) || !(wanted > 0)) {
  console.error('usage: npm run torture [-- --minutes N | --seed N [--executor docker] | --seeds N]');
  process.exit(2);
}
ensureBuilt();
const simulation = join('test', 'simulation', 'agent', 'runSeeds.ts');
if (values.seed !== undefined) runOrExit('node', [simulation, '--executor', values.executor, '--seed', values.seed, '--trace']);
else await torture();

async function torture() {
  try {
    installSystemPackages(['libfaketime'], (text) => console.error(`· ${text}`));
  } catch (error) {
    if (!(error instanceof MissingPrecondition)) throw error;
    console.error(`· ${error.message}`);
  }
  const startedAt = performance.now();
  const half = minutes === null ? null : (minutes * 60_000) / 2;
  const seed = minutes === null ? 0 : randomInt(1_000_000_000);
  const simulated = [
    await simulate('local', wanted, seed, half === null ? null : half / 2),
    await simulate('docker', Math.ceil(wanted / 5), seed, half === null ? null : half / 2),
  ];
  const real = await torment(minutes === null ? 1 : seed, minutes === null ? null : startedAt + 2 * half - performance.now());
  print(simulated, real, performance.now() - startedAt);
  const isWell = simulated.every(({ failures }) => failures.length === 0) && real.violations === 0;
  process.exitCode = isWell ? 0 : 1;
}

/** The seeds from one on: all that are wanted, or as many as there is time for. */
async function simulate(executor, most, from, limitMs) {
  const { failureText, runSeeds } = await import('../test/simulation/agent/runSeeds.ts');
  const startedAt = performance.now();
  const total = { executor, from, seeds: 0, faults: new Map(), checks: new Map(), failures: [] };
  let saidAt = startedAt;
  // In pieces, as a piece cannot be cut short.
  const piece = limitMs === null ? 5_000 : 25 * availableParallelism();
  while (limitMs === null ? total.seeds < most : performance.now() - startedAt < limitMs) {
    const seeds = limitMs === null ? Math.min(piece, most - total.seeds) : piece;
    const result = await runSeeds({ from: from + total.seeds, seeds, executor, threads: availableParallelism() });
    total.seeds += seeds;
    for (const name of ['faults', 'checks']) for (const [key, n] of result[name]) add(total[name], key, n);
    total.failures.push(...result.failures);
    for (const failure of result.failures) console.error(failureText(failure));
    if (total.failures.length >= 20) break;
    if (performance.now() - saidAt < 10_000) continue;
    saidAt = performance.now();
    console.error(`· ${executor}: ${total.seeds.toLocaleString('en')} seeds, ${total.failures.length} with violations`);
  }
  return total;
}

/** `hpo torture`, every scenario once or as many as there is time for; its last line holds the sums. */
async function torment(seed, limitMs) {
  const time = limitMs === null ? [] : ['--minutes', String(Math.max(0.1, limitMs / 60_000))];
  const args = [join(root, 'dist', 'cli.cjs'), 'torture', '--json', '--seed', String(seed), ...time];
  const child = spawn('node', args, { cwd: root, env: environment(), stdio: ['ignore', 'pipe', 'inherit'] });
  process.on('SIGINT', () => undefined);
  let sums = null;
  for await (const line of createInterface(child.stdout)) {
    const run = JSON.parse(line);
    if (run.type === 'sums') {
      sums = run;
      continue;
    }
    const isWell = run.violations.length === 0 && run.broken === null;
    if (run.missing !== null) console.error(`· not here   ${run.name}: ${run.missing}`);
    else console.error(`· ${isWell ? 'ok        ' : 'VIOLATION '} ${run.name}  ${(run.ms / 1000).toFixed(1)} s`);
    for (const { invariant, what } of run.violations) console.error(`    ${invariant}: ${what}`);
    if (run.broken !== null) console.error(`    it came to no end: ${run.broken}`);
    if (!isWell)
      console.error(`    again: hpo torture --only ${JSON.stringify(run.name)} --seed ${run.seed}; what is left: ${run.folder}`);
  }
  if (sums === null) {
    console.error('hpo torture came to no end');
    process.exit(1);
  }
  return sums;
}

function print(simulated, real, ms) {
  const number = (value) => (value === null ? '' : value.toLocaleString('en')).padStart(13);
  const row = (name, runs, faults, checks, violations, note = '') =>
    console.log(`${name.padEnd(46)}${[runs, faults, checks, violations].map(number).join('')}${note === '' ? '' : `  ${note}`}`);
  console.log(
    `\n${'faults injected'.padEnd(46)}${['runs', 'faults', 'checks', 'violations'].map((word) => word.padStart(13)).join('')}`,
  );
  const kinds = new Map();
  // At which of some forty steps it was is not worth a line each.
  for (const [kind, n] of simulated.flatMap(({ faults }) => [...faults]))
    add(kinds, kind.replace(/^(\S+(?: \S+)?) (before|after) \S+\.\S+$/, '$1 $2 a step'), n);
  for (const [kind, faults] of [...kinds].toSorted(([a], [b]) => (a < b ? -1 : 1)))
    row(`simulated: ${kind}`, null, faults, null, null);
  const sum = (numbers) => [...numbers].reduce((total, n) => total + n, 0);
  for (const { executor, seeds, faults, checks, failures } of simulated)
    row(
      `simulated, ${executor}`,
      seeds,
      sum(faults.values()),
      sum(checks.values()),
      sum(failures.map(({ violations }) => violations.length)),
    );
  for (const kind of real.kinds)
    row(
      `real: ${kind.kind}`,
      kind.runs,
      kind.faults,
      kind.checks,
      kind.violations,
      kind.missing === null ? '' : `not here: ${kind.missing}`,
    );
  row('real, all', real.runs, real.faults, real.checks, real.violations);
  const invariants = new Map();
  for (const [name, n] of simulated.flatMap(({ checks }) => [...checks])) add(invariants, name, n);
  for (const [name, n] of Object.entries(real.invariants)) add(invariants, name, n);
  console.log('\ninvariants checked');
  for (const [name, n] of [...invariants].toSorted(([a], [b]) => (a < b ? -1 : 1)))
    console.log(`  ${name.padEnd(44)}${number(n)}`);
  console.log('');
  for (const { executor, from, seeds } of simulated) console.log(`seeds ${from} to ${from + seeds - 1} simulated, ${executor}`);
  console.log(`seed ${real.seed} real, ${(ms / 60_000).toFixed(1)} minutes`);
  for (const { seed, executor } of simulated.flatMap(({ failures }) => failures))
    console.log(`violation: npm run torture -- --seed ${seed} --executor ${executor}`);
}

function add(sums, key, n) {
  sums.set(key, (sums.get(key) ?? 0) + n);
}
