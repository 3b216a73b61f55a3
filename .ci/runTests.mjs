// All gates and all suites, each counted; the last line is `N passed, N failed` (`, N skipped`).
// A suite whose precondition this machine cannot meet is skipped with the reason; with CI=true that is a failure.
// usage: npm test [-- SUITE …]
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findCluster } from '../test/support/cluster.ts';
import { startEngine } from './dockerEngine.mjs';
import { environment, root } from './setup.mjs';
import { installSystemPackages, MissingPrecondition } from './systemPackages.mjs';
import { installVscodeServer } from './vscodeServer.mjs';

const isCi = process.env.CI === 'true';
const temporary = mkdtempSync(join(tmpdir(), 'hpo-test-'));
const total = { passed: 0, failed: 0, skipped: 0 };
/** What failed, once more at the end, where it is found. */
const failures = [];

/** One result each: it passes or it fails. */
const gates = {
  types: ['tsc', '-b'],
  lint: ['oxlint', '--type-aware', '--deny-warnings', 'agent', 'extension', 'webview', 'test'],
  format: ['biome', 'format', '.'],
  'dead code': ['knip', '--config', '.knip.json'],
  boundaries: ['node', '.ci/boundaries.mjs'],
  build: ['node', '.ci/build.mjs'],
  documentation: ['node', '.ci/docs.mjs', '--check'],
};

const vitest = (project, config = 'test/vitest.config.ts') => ({ project, config });
const suites = {
  unit: vitest('unit'),
  contract: vitest('contract'),
  simulation: vitest('simulation'),
  mutation: vitest('mutation'),
  integration: { ...vitest('integration'), needs: [virtualEnvironments, browser, clockFaults] },
  docker: { ...vitest('docker'), needs: [virtualEnvironments, containerEngine] },
  // Until a run of all of it has been green on a quiet machine it runs where it is named.
  kubernetes: { ...vitest('kubernetes'), needs: [virtualEnvironments, containerEngine, kubernetesCluster], isByName: true },
  extension: { ...vitest('extension', 'test/extension/vitest.config.ts'), needs: [virtualEnvironments, browser] },
};

const chosen = process.argv.slice(2);
const isChosen = (name) => (chosen.length === 0 ? suites[name]?.isByName !== true : chosen.includes(name));
for (const [name, command] of Object.entries(gates)) if (isChosen(name)) runGate(name, command);
for (const [name, suite] of Object.entries(suites)) if (isChosen(name)) await runSuite(name, suite);
rmSync(temporary, { recursive: true, force: true });
const left = chosen.length === 0 ? Object.keys(suites).filter((name) => suites[name].isByName === true) : [];
for (const name of left) console.log(`not run ${name}: only where it is named, npm test -- ${name}`);
for (const failure of failures) console.log(`failed  ${failure}`);
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exitCode = total.failed > 0 ? 1 : 0;

function runGate(name, [command, ...args]) {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: root, env: environment(), encoding: 'utf8' });
  if (status === 0) {
    total.passed++;
    console.log(`ok      ${name}`);
    return;
  }
  total.failed++;
  failures.push(name);
  console.log(`not ok  ${name}\n${`${stdout}${stderr}`.trimEnd().slice(-8000)}`);
}

async function runSuite(name, { project, config, needs = [] }) {
  // What a need makes for the suite alone; undone after it.
  await using made = new AsyncDisposableStack();
  let missing = null;
  for (const need of needs) missing ??= await need(made);
  if (missing !== null) {
    total[isCi ? 'failed' : 'skipped']++;
    if (isCi) failures.push(`${name}: ${missing}`);
    console.log(`${isCi ? 'not ok ' : 'skipped'} ${name}: ${missing}`);
    return;
  }
  const report = join(temporary, `${name}.json`);
  const args = [
    'run',
    '--config',
    config,
    '--project',
    project,
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
  ];
  console.log(`\n# ${name}`);
  const { status } = spawnSync('vitest', args, { cwd: root, env: environment(), stdio: 'inherit' });
  count(name, status, report);
}

/** A run that ended without a report, or that failed outside of its tests, counts as one failure. */
function count(name, exitCode, report) {
  let results;
  try {
    results = JSON.parse(readFileSync(report, 'utf8'));
  } catch {
    total.failed++;
    failures.push(`${name}: no report`);
    console.log(`not ok  ${name}: no report was written (exit code ${exitCode})`);
    return;
  }
  const { numPassedTests: passed, numFailedTests: failed, numPendingTests: pending, numTodoTests: todo } = results;
  const skipped = pending + todo;
  total.passed += passed;
  total.failed += failed + (isCi ? skipped : 0);
  total.skipped += isCi ? 0 : skipped;
  for (const { assertionResults } of results.testResults ?? [])
    for (const { status, fullName, failureMessages } of assertionResults)
      if (status === 'failed') failures.push(`${name}: ${fullName}\n        ${failureMessages[0]?.split('\n')[0] ?? ''}`);
  if (passed + failed === 0 || (exitCode !== 0 && failed === 0)) {
    total.failed++;
    console.log(`not ok  ${name}: ${passed + failed === 0 ? 'no test ran' : `ended with exit code ${exitCode}`}`);
    failures.push(`${name}: exit code ${exitCode}`);
  }
}

/** Null when the real VS Code and the browser are there, else why they cannot be. */
function browser() {
  return reasonOf(() => installVscodeServer(step));
}

/** Null when Python can make virtual environments, else why it cannot: Debian has that in a package of its own. */
function virtualEnvironments() {
  const canMake = () => spawnSync('python3', ['-c', 'import ensurepip, venv']).status === 0;
  return reasonOf(() => {
    if (!canMake()) installSystemPackages(['python3', 'python3-venv'], step);
    if (!canMake()) throw new MissingPrecondition('python3 cannot make virtual environments (it lacks ensurepip or venv)');
  });
}

/** Null when a container engine answers, which DOCKER_HOST then names for the suite, else why there is none. */
function containerEngine(made) {
  return reasonOf(async () => {
    const engine = made.use(await startEngine(step));
    const before = process.env.DOCKER_HOST;
    process.env.DOCKER_HOST = engine.host;
    made.defer(() => {
      if (before === undefined) delete process.env.DOCKER_HOST;
      else process.env.DOCKER_HOST = before;
    });
  });
}

/** Null when there is a cluster, which the suite finds by what names it to its processes, else why there is none. */
function kubernetesCluster(made) {
  return reasonOf(async () => made.use(await findCluster(step)));
}

/** Never in the way: the one test that throws the clock about says by itself what it lacks. */
function clockFaults() {
  try {
    installSystemPackages(['libfaketime'], step);
  } catch (error) {
    if (!(error instanceof MissingPrecondition)) throw error;
    step(error.message);
  }
  return null;
}

async function reasonOf(prepare) {
  try {
    await prepare();
    return null;
  } catch (error) {
    if (error instanceof MissingPrecondition) return error.message;
    throw error;
  }
}

function step(text) {
  console.log(`· ${text}`);
}
