// Addresses, bridges, control groups and mounts of a test cluster: what stays in the kernel when its processes are gone.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';

const groups = '/sys/fs/cgroup';

/** On the loopback interface: reached from this machine and its pods, from nowhere else. */
export function addAddress(address) {
  ip('address', 'replace', `${address}/32`, 'dev', 'lo');
}

export function removeNetwork({ addresses, bridges, networks }) {
  for (const address of addresses) ip('address', 'delete', `${address}/32`, 'dev', 'lo');
  for (const bridge of bridges) ip('link', 'delete', bridge);
  for (const network of networks) removeMasquerade(network);
}

/** What the bridge plugin leaves for pods that it was never told the end of: rules and chains with its network's name. */
function removeMasquerade(network) {
  const saved = spawnSync('iptables-save', ['-t', 'nat'], { encoding: 'utf8' }).stdout ?? '';
  const rules = saved.split('\n').filter((line) => line.startsWith('-A POSTROUTING') && line.includes(`name: \\"${network}\\"`));
  for (const rule of rules) {
    const chain = / -j (CNI-\w+)/.exec(rule)?.[1];
    const source = / -s (\S+)/.exec(rule)?.[1];
    if (chain === undefined || source === undefined) continue;
    const comment = /--comment "((?:[^"\\]|\\.)*)"/.exec(rule)?.[1]?.replaceAll('\\"', '"') ?? '';
    spawnSync('iptables', ['-t', 'nat', '-D', 'POSTROUTING', '-s', source, '-m', 'comment', '--comment', comment, '-j', chain]);
    for (const what of ['-F', '-X']) spawnSync('iptables', ['-t', 'nat', what, chain]);
  }
}

function ip(...args) {
  return spawnSync('ip', args, { stdio: 'ignore' }).status === 0;
}

/** In version 1 one of each controller, in version 2 the one, with the controllers that its parent has. */
export function makeControlGroup(name) {
  if (existsSync(join(groups, 'cgroup.controllers'))) {
    const controllers = readFileSync(join(groups, 'cgroup.controllers'), 'utf8').trim().split(' ');
    for (const controller of controllers) tryWrite(join(groups, 'cgroup.subtree_control'), `+${controller}`);
    mkdirSync(join(groups, name), { recursive: true });
    tryWrite(join(groups, name, 'cpu.weight'), '1000');
    return;
  }
  for (const controller of readdirSync(groups)) mkdirSync(join(groups, controller, name), { recursive: true });
  tryWrite(join(groups, 'cpu', name, 'cpu.shares'), '10240');
}

/** Kills what is in it and in those below it, and removes them. */
export function removeControlGroup(name) {
  const roots = existsSync(join(groups, 'cgroup.controllers')) ? [groups] : readdirSync(groups).map((one) => join(groups, one));
  for (const root of roots) removeTree(join(root, name));
}

function removeTree(folder) {
  if (!existsSync(folder)) return;
  for (const entry of readdirSync(folder, { withFileTypes: true })) if (entry.isDirectory()) removeTree(join(folder, entry.name));
  for (let tries = 0; tries < 50; tries++) {
    for (const pid of readFileSync(join(folder, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean)) {
      try {
        process.kill(Number(pid), 'SIGKILL');
      } catch {
        // It has ended by itself.
      }
    }
    try {
      rmdirSync(folder);
      return;
    } catch {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
    }
  }
}

function tryWrite(path, text) {
  try {
    writeFileSync(path, text);
  } catch {
    // A controller that this machine does not give away: its limits are not set then.
  }
}

export function unmountBelow(folder) {
  const points = readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((path) => path.startsWith(`${folder}/`));
  for (const point of points.toReversed()) spawnSync('umount', ['--lazy', point], { stdio: 'ignore' });
}

/** Whether nobody listens there. */
export function isFree(port) {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
