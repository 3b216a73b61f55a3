// Packages of the system that the tests need; installed on Debian by root, else the reason of a skip.
import { spawnSync } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';

/** Something that this machine cannot offer (no root, not Linux): its message is the printed reason of a skip. */
export class MissingPrecondition extends Error {}

/** Asked by Debian's packages before they start a service. */
const servicePolicy = '/usr/sbin/policy-rc.d';

/**
 * Installs those of the packages that are not there. Services that come with them are not started: the tests start their own.
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
  const isPolicyOurs = !existsSync(servicePolicy);
  if (isPolicyOurs) writeFileSync(servicePolicy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    aptGet(['update', '-q']);
    aptGet(['install', '-q', '-y', '--no-install-recommends', ...names]);
  } finally {
    if (isPolicyOurs) rmSync(servicePolicy);
  }
}

function aptGet(args) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const { status, stderr, stdout } = spawnSync('apt-get', args, { env, encoding: 'utf8' });
  if (status !== 0) throw new Error(`apt-get ${args.join(' ')} failed:\n${stdout.slice(-2000)}${stderr.slice(-2000)}`);
}

function isInstalled(name) {
  return spawnSync('dpkg', ['-s', name], { stdio: 'ignore' }).status === 0;
}
