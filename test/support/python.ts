import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cacheDir } from './cache.ts';
import { exclusive } from './exclusive.ts';

const run = promisify(execFile);

/**
 * Path of a Python in a virtual environment that holds the requirements (`['optuna==5.0.0', …]`, as pip takes them).
 * Made once in the cache folder, keyed by the requirements and the base interpreter; processes that ask for the same
 * one at the same time wait for the first. The base is `HPO_TEST_PYTHON`, else `python3` on PATH.
 */
export async function pythonEnv(name: string, requirements: readonly string[]): Promise<string> {
  const base = process.env['HPO_TEST_PYTHON'] ?? 'python3';
  const identify = 'import sys; print(sys.version, sys.base_prefix)';
  const { stdout: identity } = await run(base, ['-c', identify]);
  const key = createHash('sha256')
    .update(JSON.stringify([identity, requirements.toSorted()]))
    .digest('hex')
    .slice(0, 10);
  const dir = join(cacheDir(), `venv-${name}-${key}`);
  const python = process.platform === 'win32' ? join(dir, 'Scripts', 'python.exe') : join(dir, 'bin', 'python');
  const ready = join(dir, '.ready');
  if (existsSync(ready)) return python;

  await using _lock = await exclusive(`${dir}.lock`);
  if (existsSync(ready)) return python;
  // A folder without the mark is what a killed run left behind.
  await rm(dir, { recursive: true, force: true });
  await createVenv(base, dir);
  if (requirements.length > 0) {
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...requirements];
    await run(python, pip, { maxBuffer: 64 << 20 });
  }
  await writeFile(ready, `${requirements.join('\n')}\n`);
  return python;
}

async function createVenv(base: string, dir: string): Promise<void> {
  try {
    await run(base, ['-m', 'venv', dir]);
  } catch (cause) {
    await rm(dir, { recursive: true, force: true });
    const hint = 'On Debian and Ubuntu: apt-get install python3-venv.';
    throw new Error(`${base} could not make a virtual environment at ${dir}. ${hint}`, { cause });
  }
}
