// The container engine of the tests: the one that the developer has, else, as root on Debian, one of their own that ends with the run.
// usage: node .ci/dockerEngine.mjs          says on which engine the tests would run
//        node .ci/dockerEngine.mjs --hold   keeps an own engine running until stdin ends; its first line says where it listens
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import Docker from 'dockerode';
import { connectEngine } from '../agent/engine/index.ts';
import { HpoError } from '../agent/protocol/errors.ts';
import { cacheDir } from '../test/support/cache.ts';
import { exclusive } from '../test/support/exclusive.ts';
import { installSystemPackages, MissingPrecondition } from './systemPackages.mjs';

/** BuildKit lets go of what was used longest ago above this. */
const buildCache = '10GB';

/**
 * An engine that answers. Of an own one, disposing ends it with all that runs on it; the developer's is left as it is. Throws
 * MissingPrecondition where there is none and none can be started.
 * @param {(step: string) => void} log
 * @returns {Promise<AsyncDisposable & { host: string, isOwn: boolean }>} host: as DOCKER_HOST takes it
 */
export async function startEngine(log = console.log) {
  const found = await findEngine();
  if (found !== null) return { host: found, isOwn: false, [Symbol.asyncDispose]: () => Promise.resolve() };
  if (process.platform !== 'linux')
    throw new MissingPrecondition(`no container engine answers, and none is started on ${process.platform}`);
  try {
    installSystemPackages(['docker.io', 'iptables', 'iproute2'], log);
  } catch (error) {
    if (!(error instanceof MissingPrecondition)) throw error;
    throw new MissingPrecondition(`no container engine answers, and to start one ${error.message}`);
  }
  if (process.getuid?.() !== 0) throw new MissingPrecondition('no container engine answers, and to start one needs root');
  return holdEngine(log);
}

/** DOCKER_HOST of the engine that the product itself would take; null when none answers. */
async function findEngine() {
  try {
    await using engine = await connectEngine({ host: null, environment: process.env });
    // The address, and behind it in brackets where that was found.
    return (await engine.info()).endpoint.split(' ')[0];
  } catch (error) {
    if (error instanceof HpoError) return null;
    throw error;
  }
}

async function answers(socketPath) {
  try {
    await new Docker({ socketPath }).ping({ abortSignal: AbortSignal.timeout(5_000) });
    return true;
  } catch {
    return false;
  }
}

/**
 * A process of its own holds the engine, so that the engine ends however this process does: by its end the pipe closes. It is in a
 * session of its own, so that an interrupt from the terminal reaches neither it nor the engine before the tests have ended.
 */
async function holdEngine(log) {
  const holder = spawn(process.execPath, [fileURLToPath(import.meta.url), '--hold'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true,
  });
  const ended = new Promise((resolve) => holder.once('exit', resolve));
  for await (const line of createInterface(holder.stdout)) {
    const { step, missing, host } = JSON.parse(line);
    if (missing !== undefined) throw new MissingPrecondition(missing);
    if (host === undefined) {
      log(step);
      continue;
    }
    holder.stdout.destroy();
    holder.unref();
    holder.stdin.unref();
    return {
      host,
      isOwn: true,
      async [Symbol.asyncDispose]() {
        holder.ref();
        holder.stdin.end();
        await ended;
      },
    };
  }
  throw new Error('the process that holds the container engine ended without a word');
}

/** The holder: says `{step}`, then `{host}` or `{missing}`; ends the engine when stdin ends. */
async function hold() {
  const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
  const released = new Promise((resolve) => process.stdin.once('end', resolve).once('close', resolve).resume());
  // Nobody may be there any more to read.
  process.stdout.on('error', () => undefined);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.stdin.destroy());
  const folder = join(cacheDir(), 'docker-engine');
  mkdirSync(folder, { recursive: true });
  // Two engines cannot share their data: a second run of the tests waits here for the first.
  await using _lock = await exclusive(join(folder, 'lock'));
  await endLeftover(folder);
  ensureControlGroups((step) => say({ step }));
  let bridge;
  try {
    bridge = makeBridge();
  } catch (error) {
    if (!(error instanceof MissingPrecondition)) throw error;
    say({ missing: error.message });
    return;
  }
  const engine = await launch(folder, bridge);
  if (engine.missing !== undefined) say({ missing: engine.missing });
  else {
    say({ host: engine.host });
    await Promise.race([released, engine.ended]);
    await stop(engine.pid, engine.execRoot);
  }
  removeBridge(bridge);
}

/** Starts dockerd with the first storage driver that works here. */
async function launch(folder, bridge) {
  const reasons = [];
  for (const driver of ['overlay2', 'vfs']) {
    const execRoot = mkdtempSync(join(tmpdir(), 'hpo-engine-'));
    chmodSync(execRoot, 0o711);
    const socket = join(execRoot, 'docker.sock');
    const config = join(execRoot, 'daemon.json');
    writeFileSync(config, JSON.stringify({ builder: { gc: { enabled: true, defaultKeepStorage: buildCache } } }));
    const logFile = join(folder, 'dockerd.log');
    const log = openSync(logFile, 'w');
    const child = spawn(
      'dockerd',
      [
        `--storage-driver=${driver}`,
        `--data-root=${join(folder, `data-${driver}`)}`,
        `--exec-root=${execRoot}`,
        `--pidfile=${join(execRoot, 'pid')}`,
        `--host=unix://${socket}`,
        `--config-file=${config}`,
        `--bridge=${bridge}`,
      ],
      { detached: true, stdio: ['ignore', log, log] },
    );
    const ended = new Promise((resolve) => child.once('exit', resolve).once('error', resolve));
    if (child.pid === undefined) return { missing: 'no container engine answers, and there is no dockerd on PATH' };
    writeFileSync(join(folder, 'running.json'), JSON.stringify({ pid: child.pid, execRoot, bridge }));
    const host = `unix://${socket}`;
    const deadline = performance.now() + 60_000;
    while (child.exitCode === null && child.signalCode === null && performance.now() < deadline) {
      if (await answers(socket)) {
        await removeContainers(socket);
        return { host, pid: child.pid, execRoot, ended };
      }
      await delay(100);
    }
    await stop(child.pid, execRoot);
    reasons.push(`${driver}: ${lastError(logFile)}`);
  }
  return { missing: `no container engine answers, and dockerd does not start here (${reasons.join('; ')})` };
}

function lastError(logFile) {
  const lines = readFileSync(logFile, 'utf8').trim().split('\n');
  const last = lines.findLast((line) => /failed|error|fatal/i.test(line)) ?? lines.at(-1) ?? '';
  return (/msg="((?:[^"\\]|\\.)*)"/.exec(last)?.[1] ?? last).slice(0, 400);
}

/** What a run that was killed left in the engine's data. */
async function removeContainers(socket) {
  const client = new Docker({ socketPath: socket });
  const containers = await client.listContainers({ all: true });
  await Promise.all(containers.map(({ Id }) => client.getContainer(Id).remove({ force: true, v: true })));
}

/** Ends the dockerd of a run whose holder was killed, and only that one: a process with its id and its folder. */
async function endLeftover(folder) {
  const record = join(folder, 'running.json');
  if (!existsSync(record)) return;
  const { pid, execRoot, bridge } = JSON.parse(readFileSync(record, 'utf8'));
  // Where its process is gone, so is what keeps another one from using its bridge.
  if (commandLine(pid).includes(`--exec-root=${execRoot}`)) {
    await stop(pid, execRoot);
    removeBridge(bridge);
  }
  rmSync(record, { force: true });
}

/** dockerd ends its containers and its containerd by itself, where it is left the time for it. */
async function stop(pid, execRoot) {
  const containerd = readPid(join(execRoot, 'containerd', 'containerd.pid'));
  await end(pid, (line) => line.includes(`--exec-root=${execRoot}`));
  if (containerd !== null) await end(containerd, (line) => line.some((part) => part.startsWith(execRoot)));
  for (const point of mountPoints()
    .filter((path) => path.startsWith(`${execRoot}/`))
    .toReversed())
    spawnSync('umount', ['--lazy', point], { stdio: 'ignore' });
  rmSync(execRoot, { recursive: true, force: true });
}

async function end(pid, isOurs) {
  for (const [signal, ms] of [
    ['SIGTERM', 30_000],
    ['SIGKILL', 5_000],
  ]) {
    if (!isOurs(commandLine(pid))) return;
    process.kill(pid, signal);
    const deadline = performance.now() + ms;
    while (isOurs(commandLine(pid)) && performance.now() < deadline) await delay(50);
  }
}

/** Empty for a process that is gone, or that has ended and not been waited for. */
function commandLine(pid) {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return [];
  }
}

function mountPoints() {
  return readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '');
}

function readPid(path) {
  return existsSync(path) ? Number(readFileSync(path, 'utf8')) : null;
}

/** Control groups: mounted by init where there is one, else (in a bare machine or a chroot) here, version 1 as Debian's package does it. */
export function ensureControlGroups(log) {
  const isMounted = () => / cgroup2? /.test(readFileSync('/proc/mounts', 'utf8'));
  if (isMounted()) return;
  log('control groups are not mounted: mounting them');
  installSystemPackages(['cgroupfs-mount'], log);
  if (!isMounted()) spawnSync('cgroupfs-mount', { stdio: 'ignore' });
}

/**
 * A bridge of the engine's own, with addresses that no other one has: two engines on one bridge would give out the same, and
 * one without any takes docker0 away, whoever uses it.
 */
function makeBridge() {
  for (let n = 0; n < 200; n++) {
    const name = `hpo-test-${n}`;
    const ip = (...args) => spawnSync('ip', args, { stdio: 'ignore' }).status === 0;
    if (!ip('link', 'add', name, 'type', 'bridge')) continue;
    if (ip('address', 'add', `10.89.${n}.1/24`, 'dev', name) && ip('link', 'set', name, 'up')) return name;
    removeBridge(name);
    break;
  }
  throw new MissingPrecondition('no container engine answers, and no network can be made for one here');
}

function removeBridge(name) {
  spawnSync('ip', ['link', 'delete', name], { stdio: 'ignore' });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  if (process.argv.includes('--hold')) await hold();
  else {
    await using engine = await startEngine();
    console.log(`${engine.host}${engine.isOwn ? ' (started for the tests)' : ''}`);
  }
}
