// Packages of the system that the tests need; installed on Debian by root, else the reason of a skip.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

/** Something that this machine cannot offer (no root, not Linux): its message is the printed reason of a skip. */
export class MissingPrecondition extends Error {}

/**
 * Installs those of the packages that are not there.
 * @param {readonly string[]} packages
 * @param {(step: string) => void} log
 */
export function installSystemPackages(packages, log) {
  const names = packages.filter((name) => !isInstalled(name));
  if (names.length === 0) return;
  if (!existsSync('/usr/bin/apt-get')) throw new MissingPrecondition(`needs ${names.join(' ')}, and this system has no apt-get`);
  if (process.getuid?.() !== 0)
    throw new MissingPrecondition(`needs root to install ${names.join(' ')} (or: sudo apt-get install ${names.join(' ')})`);
  log(`system packages: ${names.join(' ')}`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  for (const args of [
    ['update', '-q'],
    ['install', '-q', '-y', '--no-install-recommends', ...names],
  ]) {
    const { status, stderr, stdout } = spawnSync('apt-get', args, { env, encoding: 'utf8' });
    if (status !== 0) throw new Error(`apt-get ${args.join(' ')} failed:\n${stdout.slice(-2000)}${stderr.slice(-2000)}`);
  }
}

function isInstalled(name) {
  return spawnSync('dpkg', ['-s', name], { stdio: 'ignore' }).status === 0;
}
