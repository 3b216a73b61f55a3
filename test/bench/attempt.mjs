// What one attempt costs over a bare process: 200 empty Python programs in 2 slots, through the local executor and bare.
// Run alone: node test/bench/attempt.mjs [attempts]
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { LocalExecutor } from '../../agent/executors/local/localExecutor.ts';
import { nodeSystem } from '../../agent/system/node.ts';
import { SnapshotStore } from '../../agent/packaging/snapshot.ts';

const slots = 2;

/** @returns {Promise<{attempts: number, slots: number, bareMs: number, executorMs: number, overheadMs: number, agentCpuMs: number}>} times per attempt in milliseconds */
export async function run({ attempts = 200, python = 'python3' } = {}) {
  const base = mkdtempSync(join(tmpdir(), 'hpo-bench-'));
  try {
    // Blocks of 20 in turn, so that a disturbance of the machine meets both.
    const block = 20;
    let bareMs = 0;
    let executorMs = 0;
    const ours = await openExecutor(base, python);
    for (let done = 0; done < attempts; done += block) {
      bareMs += await timed(() => inSlots(block, () => bare(python)));
      executorMs += await timed(() => inSlots(block, (index) => ours.attempt(done + index)));
    }
    await ours.dispose();
    // Two slots work at once: an attempt takes this long in its slot.
    const each = (total) => (total * slots) / attempts;
    return {
      attempts,
      slots,
      bareMs: each(bareMs),
      executorMs: each(executorMs),
      overheadMs: each(executorMs) - each(bareMs),
      agentCpuMs: ours.cpuMs() / attempts,
    };
  } finally {
    rmSync(base, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function openExecutor(base, python) {
  const snapshots = new SnapshotStore(join(base, 'snapshots'));
  writeFileSync(join(base, 'train.py'), 'pass\n');
  const { hash } = await snapshots.take({ root: base, mustHave: ['train.py'] });
  const waiting = new Map();
  const listener = { started() {}, output() {}, ended: (key) => waiting.get(key.trial)() };
  const executor = new LocalExecutor({
    system: nodeSystem(),
    homeDir: join(base, 'home'),
    snapshots,
    listener,
    environment: process.env,
  });
  let cpu = 0;
  return {
    async attempt(trial) {
      const before = process.cpuUsage();
      const ended = new Promise((resolve) => waiting.set(trial, resolve));
      await executor.start({
        key: { studyId: 'bench', trial, attempt: 1 },
        snapshot: hash,
        command: [python, '-c', 'pass'],
        environment: {},
        files: [{ path: 'train.py', content: 'pass  # trial\n' }],
        checkpointDir: null,
        timeoutMs: null,
        graceMs: 1_000,
        outputBytes: 1 << 30,
        cpus: 1,
      });
      await ended;
      const { user, system } = process.cpuUsage(before);
      cpu += (user + system) / 1000 / slots;
    },
    cpuMs: () => cpu,
    dispose: () => executor[Symbol.asyncDispose](),
  };
}

function bare(python) {
  return new Promise((resolve, reject) => {
    // In a session of its own as well: Linux shares out processor time by session when the machine is busy.
    spawn(python, ['-c', 'pass'], { stdio: 'ignore', detached: true }).once('exit', resolve).once('error', reject);
  });
}

async function inSlots(count, work) {
  let next = 0;
  const slot = async () => {
    for (let index = next++; index < count; index = next++) await work(index);
  };
  await Promise.all(Array.from({ length: slots }, slot));
}

async function timed(work) {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

if (import.meta.main)
  console.log(
    JSON.stringify(await run({ attempts: Number(process.argv[2] ?? 200), python: process.env.HPO_TEST_PYTHON ?? 'python3' })),
  );
