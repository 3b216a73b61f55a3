import { execFile } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { inspect } from '../inspect.ts';
import { missingProc, until } from '../machine.ts';
import { trialProgram } from '../program.ts';
import type { Outcome, Scenario, TortureContext } from '../scenario.ts';
import { isRefusal, World } from '../world.ts';

const trials = 8;
const sizeMb = 8;
const rounds = 2;
const fullMs = 2_500;

/**
 * The disk of the agent's home gets full while trials run, twice, and then has room again. The disk is a small tmpfs in a mount
 * namespace of its own, so the run happens in a child of `unshare`: this very command line, told to run `diskFullInside`.
 */
export const diskFull: Scenario = {
  name: 'disk full, then room again',
  kind: 'disk full',
  async missing() {
    if (missingProc() !== null) return missingProc();
    return (await findUnshare()) === null ? 'needs root or user namespaces, to mount a small file system' : null;
  },
  async run(context) {
    const unshare = (await findUnshare()) ?? [];
    const cli = join(dirname(context.agentMain), 'cli.cjs');
    const place = join(context.folder, 'disk');
    mkdirSync(place);
    // The script gets the rest as its arguments: nothing is pasted into it.
    const script = `mount -t tmpfs -o size=${sizeMb}m tmpfs "$1" && shift && exec "$@"`;
    const inner = [context.node, cli, 'torture', '--inside', place, '--seed', String(context.seed)];
    const { stdout } = await promisify(execFile)('unshare', [...unshare, 'sh', '-c', script, 'sh', place, ...inner], {
      maxBuffer: 64 * 1024 * 1024,
      env: { ...process.env, TMPDIR: context.folder },
    });
    // Printed by `runInside`.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    const printed = JSON.parse(stdout) as { faults: number; checks: [never, number][]; violations: Outcome['violations'] };
    return { ...printed, checks: new Map(printed.checks) };
  },
};

/** What happens inside the mount namespace; the small disk is at `place`. */
export async function diskFullInside(context: TortureContext, place: string): Promise<Outcome> {
  const program = trialProgram({ steps: 8, pauseSeconds: 0.1 });
  await using world = new World(context, { home: join(place, 'home'), program });
  const { findings } = world;
  const studyId = await world.create({ trials, parallel: 2 });
  let nRefused = 0;
  for (let round = 0; round < rounds; round++) {
    await world.pause(800);
    const filler = join(place, 'filler');
    fill(filler);
    findings.injected();
    // Whatever is asked meanwhile is refused with the reason, or recorded.
    for (const deadline = performance.now() + fullMs; performance.now() < deadline; await delay(200)) {
      try {
        await world.command(studyId, { type: 'enqueue', params: { x: 2000 + world.rng.int(1000) } });
      } catch (error) {
        findings.check('progress', isRefusal(error), `a full disk is said to be: ${String(error)}`, studyId);
        nRefused++;
      }
    }
    if (world.rng.int(2) === 0) findings.injected(await world.killAgents());
    rmSync(filler);
    // An agent that could not start for want of room starts now.
    await until(async () => (await world.client()) !== null, 30_000);
  }
  if (nRefused === 0) throw new Error('the disk never was full');
  await inspect(world, { complete: null });
  return findings.outcome();
}

function fill(path: string): void {
  const file = openSync(path, 'a');
  try {
    for (let bytes = 1024 * 1024; bytes >= 1; bytes = Math.floor(bytes / 2)) {
      const block = Buffer.alloc(bytes);
      try {
        while (writeSync(file, block) === bytes) continue;
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
      }
    }
  } finally {
    closeSync(file);
  }
}

/** Arguments of `unshare` with which a file system can be mounted: as root, or in a user namespace; null where neither is allowed. */
async function findUnshare(): Promise<readonly string[] | null> {
  for (const args of [['-m'], ['-rm']]) {
    const isAllowed = await promisify(execFile)('unshare', [...args, 'sh', '-c', 'mount -t tmpfs -o size=1m tmpfs /mnt']).then(
      () => true,
      () => false,
    );
    if (isAllowed) return args;
  }
  return null;
}
