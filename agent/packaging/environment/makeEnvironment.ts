import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { HpoError } from '../../protocol/errors.ts';
import type { EnvironmentChoice } from '../../protocol/study.ts';
import { pythonIn } from './candidates.ts';
import { doneFile, madeBefore, noInterpreter } from './environment.ts';
import type { EnvironmentRecipe, EnvironmentReport } from './environment.ts';
import type { Manifest } from './manifest.ts';
import { probe } from './probe.ts';

export interface MakeOptions {
  readonly cacheDir: string;
  /** Lines for the user while it takes its time. */
  readonly onProgress: (line: string) => void;
  /** Aborting ends the installer and leaves nothing behind. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Makes the virtual environment that a report asks for, or takes the one that was made before. Several processes may ask
 * at once: one makes it, the others wait. pip and uv get the user's own configuration (indexes, proxies, certificates).
 * @throws HpoError HPO-2002 without any Python, HPO-2003 when Python lacks venv, HPO-2004 when no Python of the version
 * asked for is there, HPO-2005 with the installer's last lines when it fails.
 */
export async function makeEnvironment(report: EnvironmentReport, options: MakeOptions): Promise<EnvironmentChoice> {
  const { recipe } = report;
  if (recipe === null) {
    if (report.choice !== null && report.missing.length === 0) return report.choice;
    throw report.choice === null ? noInterpreter(report) : cannotMake(report);
  }
  const folder = join(options.cacheDir, recipe.key);
  await mkdir(options.cacheDir, { recursive: true });
  await using _lock = await exclusive(`${folder}.lock`, options);
  const before = await madeBefore(folder, recipe.manifest);
  if (before !== null) return before;
  // A folder that is not done is what a killed attempt left, or its Python is gone.
  await rm(folder, { recursive: true, force: true });
  try {
    await create(recipe, folder, options);
    await install(recipe, folder, options);
    const answer = await probe(pythonIn(folder), [], folder);
    if ('error' in answer) {
      throw new HpoError('HPO-2005', `The new environment in ${folder} ${answer.error}.`, ownInterpreter, { exitCode: 4 });
    }
    const done = { version: answer.version, manifest: recipe.manifest.path, requirements: report.requirements };
    await writeFile(join(folder, doneFile), JSON.stringify(done));
    return { interpreter: pythonIn(folder), version: answer.version, reason: `made from ${recipe.manifest.label}` };
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

function cannotMake(report: EnvironmentReport): HpoError {
  const python = report.missing.find((line) => line.startsWith('python'));
  if (python === undefined || report.choice === null) {
    return new HpoError('HPO-2005', `Packages are missing: ${report.missing.join(', ')}.`, 'Install them, or use --env auto.', {
      exitCode: 4,
    });
  }
  return new HpoError(
    'HPO-2004',
    `${report.manifest} asks for ${python}, and ${report.choice.interpreter} is Python ${report.choice.version}.`,
    'Name another interpreter with --python PATH, or install uv, which gets the version that is asked for.',
    { exitCode: 4 },
  );
}

async function create({ uv, base, manifest }: EnvironmentRecipe, folder: string, options: MakeOptions): Promise<void> {
  options.onProgress(`Making an environment for ${manifest.label}`);
  // Without a fitting base uv looks for one, and downloads it where it may.
  const command =
    uv === null
      ? [base ?? 'python3', '-I', '-m', 'venv', folder]
      : [uv, 'venv', '--quiet', '--python', base ?? (manifest.requiresPython || '3'), folder];
  const result = await run(command, dirname(folder), options);
  if (result.isOk) return;
  const output = result.lines.join('\n');
  if (/ensurepip|No module named '?venv/.test(output)) {
    throw new HpoError(
      'HPO-2003',
      `${base} cannot make virtual environments: its venv module is not complete.`,
      'On Debian and Ubuntu: sudo apt install python3-venv. Or install uv.',
      { exitCode: 4 },
    );
  }
  throw new HpoError('HPO-2005', `No environment could be made for ${manifest.label}:\n${output}`, ownInterpreter, {
    exitCode: 4,
  });
}

async function install({ uv, manifest }: EnvironmentRecipe, folder: string, options: MakeOptions): Promise<void> {
  const python = pythonIn(folder);
  const scratch = await mkdtemp(join(tmpdir(), 'hpo-requirements-'));
  try {
    // Isolated: a module beside the manifest must not stand in for one of pip's.
    const installer =
      uv === null
        ? [python, '-I', '-m', 'pip', 'install', '--disable-pip-version-check', '--no-input']
        : [uv, 'pip', 'install', '--python', python];
    // Relative paths in a requirements file are meant from its folder.
    const cwd = manifest.install.type === 'file' ? dirname(manifest.install.path) : scratch;
    const result = await run([...installer, ...(await requirementArguments(manifest.install, scratch))], cwd, options);
    if (result.isOk) return;
    throw new HpoError(
      'HPO-2005',
      `${manifest.label} could not be installed:\n${result.lines.join('\n')}`,
      `Correct ${manifest.path} or check the network. ${ownInterpreter}`,
      { exitCode: 4 },
    );
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

const ownInterpreter = 'Or use --env current with an interpreter that has the packages.';

async function requirementArguments(wanted: Manifest['install'], scratch: string): Promise<string[]> {
  if (wanted.type === 'file') return ['-r', wanted.path];
  const lines = join(scratch, 'requirements.txt');
  const constraints = join(scratch, 'constraints.txt');
  await writeFile(lines, `${wanted.lines.join('\n')}\n`);
  await writeFile(constraints, `${wanted.constraints.join('\n')}\n`);
  return wanted.constraints.length === 0 ? ['-r', lines] : ['-r', lines, '-c', constraints];
}

/** Runs to the end and hands on each line; `lines` are the last ones. */
async function run(
  [program = '', ...args]: readonly string[],
  cwd: string,
  { onProgress, signal }: MakeOptions,
): Promise<{ readonly isOk: boolean; readonly lines: readonly string[] }> {
  const subprocess = execa(program, args, {
    cwd,
    all: true,
    buffer: false,
    stdin: 'ignore',
    reject: false,
    forceKillAfterDelay: 3000,
    ...(signal === undefined ? {} : { cancelSignal: signal }),
  });
  const lines: string[] = [];
  for await (const line of subprocess.iterable({ from: 'all' })) {
    if (line.trim() === '') continue;
    lines.push(line);
    if (lines.length > keptLines) lines.shift();
    onProgress(line.trim());
  }
  const result = await subprocess;
  signal?.throwIfAborted();
  // An installer that did not even start has printed nothing.
  if (result.failed && lines.length === 0) lines.push(result.shortMessage ?? `${program} did not start`);
  return { isOk: !result.failed, lines };
}

const keptLines = 15;

/** Waits until nobody else holds the lock. It is a transaction on a file, so the kernel frees it when its holder is killed. */
async function exclusive(path: string, { onProgress, signal }: MakeOptions): Promise<AsyncDisposable> {
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    for (let nTries = 0; ; nTries++) {
      signal?.throwIfAborted();
      try {
        database.exec('BEGIN EXCLUSIVE');
        return { [Symbol.asyncDispose]: () => Promise.resolve(database.close()) };
      } catch (error) {
        if (!(error instanceof Error && error.message.includes('locked'))) throw error;
      }
      if (nTries === 0) onProgress('Waiting for another process that is making this environment');
      await sleep(200);
    }
  } catch (error) {
    database.close();
    throw error;
  }
}
