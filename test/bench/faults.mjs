/**
 * Seven faults, done in one run to this program and to Optuna (5.0.0, the newest release; two storages), and what is left afterwards.
 *
 *   npm run bench -- faults [--faults "stale lock,full disk"] [--systems ours,journal,sqlite]
 *   npm run bench -- faults --go-on           measures only what an interrupted run has left
 *   npm run bench -- faults --report          the tables from what is recorded, without running anything
 *
 * What was counted is kept in results/recorded/faults.jsonl, fault by fault. Prints a table; once all is there, also writes
 * results/faults.md and the table in the README. Takes about half an hour. Linux alone: processes
 * are found through /proc, and the full disk is a small tmpfs, which needs root or user namespaces.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { appendFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { pythonEnv } from '../support/python.ts';
import { findUnshare } from '../support/smallDisk.ts';
import { Optuna } from './faults/optuna.mjs';
import { Ours } from './faults/ours.mjs';
import { tables, writeReport } from './faults/report.mjs';
import { perform, scenarios } from './faults/scenarios.mjs';

const { values: options } = parseArgs({
  options: {
    faults: { type: 'string' },
    systems: { type: 'string' },
    'go-on': { type: 'boolean', default: false },
    report: { type: 'boolean', default: false },
    inside: { type: 'boolean', default: false },
  },
});

const recorded = join(import.meta.dirname, 'results', 'recorded', 'faults.jsonl');

if (options.inside) await main();
else inOwnMounts();

/** Disks that are mounted here are seen by this run alone, and gone with it. */
function inOwnMounts() {
  const unshare = findUnshare();
  if (unshare === null)
    throw new Error('no small disk can be mounted here: run it as root, or where user namespaces are allowed');
  const args = [...unshare, process.execPath, import.meta.filename, ...process.argv.slice(2), '--inside'];
  process.exitCode = spawnSync('unshare', args, { stdio: 'inherit' }).status ?? 1;
}

async function main() {
  const base = mkdtempSync(join(tmpdir(), 'hpo-faults-'));
  try {
    // A build meanwhile changes nothing.
    cpSync(join(import.meta.dirname, '..', '..', 'dist'), join(base, 'dist'), {
      recursive: true,
      filter: (path) => !path.includes('types'),
    });
    const python = await pythonEnv('optuna', ['optuna==5.0.0', 'optuna-dashboard==0.21.0']);
    const version = execFileSync(python, ['-c', 'import optuna; print(optuna.__version__)'], { encoding: 'utf8' }).trim();
    const all = {
      ours: new Ours(join(base, 'dist')),
      journal: new Optuna(python, version, 'journal'),
      sqlite: new Optuna(python, version, 'sqlite'),
    };
    const wanted = (text, name) => text === undefined || text.split(',').includes(name);
    const systems = Object.entries(all).flatMap(([name, system]) => (wanted(options.systems, name) ? [system] : []));
    const isChosen = ({ name }) => wanted(options.faults, name);
    mustBeKnown(
      options.faults,
      scenarios.map(({ name }) => name),
    );
    mustBeKnown(options.systems, Object.keys(all));
    const measured = readRecorded().filter(
      ({ scenario, system }) =>
        options['go-on'] || options.report || !isChosen({ name: scenario }) || !systems.some(({ key }) => key === system),
    );
    writeFileSync(recorded, measured.map((measurement) => `${JSON.stringify(measurement)}\n`).join(''));
    const undisturbed = new Map(systems.map((system) => [system, new Map()]));
    for (const [at, scenario] of (options.report ? [] : scenarios.filter(isChosen)).entries()) {
      const missing = systems.filter(
        ({ key }) => !measured.some((known) => known.scenario === scenario.name && known.system === key),
      );
      // At the same time: what an evaluation takes is a sleep, and no count depends on how long it is.
      await Promise.all(
        missing.map(async (system, i) => {
          const folder = join(base, `${at}-${i}`);
          mkdirSync(folder);
          const runs = await perform(scenario, system, folder, undisturbed.get(system));
          const measurement = { scenario: scenario.name, system: system.key, runs };
          measured.push(measurement);
          appendFileSync(recorded, `${JSON.stringify(measurement)}\n`);
          console.error(`· ${scenario.name}, ${system.name}`);
          for (const run of runs) console.error(`  ${JSON.stringify(run)}`);
        }),
      );
    }
    const inOrder = scenarios.flatMap(({ name }) =>
      Object.values(all).flatMap(({ key }) => measured.filter(({ scenario, system }) => scenario === name && system === key)),
    );
    const text = tables(inOrder, Object.values(all));
    console.log(text.full);
    if (inOrder.length === scenarios.length * Object.keys(all).length) writeReport(text, Object.values(all));
  } finally {
    rmSync(base, { recursive: true, force: true, maxRetries: 5 });
  }
}

function mustBeKnown(text, names) {
  const unknown = (text?.split(',') ?? []).filter((name) => !names.includes(name));
  if (unknown.length > 0) throw new Error(`there is no "${unknown.join('", "')}"; there are: ${names.join(', ')}`);
}

function readRecorded() {
  if (!existsSync(recorded)) return [];
  const lines = readFileSync(recorded, 'utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line));
}
