// What every entry point needs first: the packages, and the Node that the project is pinned to.
// Runs on any Node ≥ 20, before anything is installed.
import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));

/** Installs the packages where they are missing or older than the lockfile. */
export function ensurePackages() {
  const lockfile = join(root, 'package-lock.json');
  const installed = join(root, 'node_modules', '.package-lock.json');
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lockfile).mtimeMs - 1) return;
  console.error('· installing packages');
  // The versions of the lockfile, which stays as it is. `npm ci` would refuse it wherever a package index lacks the builds of
  // other platforms. npm's warnings about the Node that is installed do not concern the one the project brings.
  runOrExit('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error'], {
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  });
}

/** The environment in which scripts run: the project's Node and tools first on the PATH. */
export function environment() {
  return { ...process.env, PATH: `${join(root, 'node_modules', '.bin')}${delimiter}${process.env.PATH}` };
}

/** Runs a program; ends this one with its exit code when it fails. */
export function runOrExit(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: root, env: environment(), stdio: 'inherit', ...options });
  if (result.error) throw result.error;
  if (result.status !== 0) process.exit(result.status ?? 1);
}

/** Builds dist/ where a source is newer than it. */
export function ensureBuilt() {
  ensurePackages();
  runOrExit('node', [join('.ci', 'build.mjs'), '--if-needed'], { stdio: ['ignore', 2, 2] });
}
