import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runningAttempts } from '../attempts.ts';
import { inspect } from '../inspect.ts';
import { missingProc, signal, until } from '../machine.ts';
import { trialProgram } from '../program.ts';
import type { Scenario } from '../scenario.ts';
import { World } from '../world.ts';

const trials = 8;
const offsets = ['+3d', '-10d', '+0', '-400d', '+2000d'];

/** The clock of the machine is set back and forward while trials run and a lost one waits for its next attempt. */
export const clock: Scenario = {
  name: 'clock thrown back and forward',
  kind: 'clock thrown back and forward',
  missing: () =>
    Promise.resolve(
      missingProc() ?? (library() === null ? 'needs libfaketime (Debian, Ubuntu: apt-get install libfaketime)' : null),
    ),
  async run(context) {
    const file = join(context.folder, 'offset');
    writeFileSync(file, '+0\n');
    const environment = {
      LD_PRELOAD: library() ?? '',
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: '1',
      // Set by whoever owns the machine, a clock moves; what counts durations does not.
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      FAKETIME_DONT_RESET: '1',
    };
    await using world = new World(context, { environment, program: trialProgram({ steps: 6, pauseSeconds: 0.1 }) });
    const studyId = await world.create({ trials, parallel: 2 });
    for (const offset of offsets) {
      await world.pause(600);
      // A lost attempt is tried again after a while, which must not become days.
      await until(() => runningAttempts(world, studyId).length > 0, 5_000);
      const [lost] = runningAttempts(world, studyId);
      if (lost !== undefined && world.rng.int(2) === 0) signal(lost.shim, 'SIGKILL');
      await world.pause(300);
      writeFileSync(file, `${offset}\n`);
      world.findings.injected();
      if (world.rng.int(3) === 0) world.findings.injected(await world.killAgents());
      await world.client();
    }
    await inspect(world, { complete: null });
    return world.findings.outcome();
  },
};

/** The one for programs with threads, as Node is; null where it is not installed. */
function library(): string | null {
  const roots = ['/usr/lib', '/usr/lib64', '/usr/local/lib'];
  const folders = roots.flatMap((root) => [root, ...(existsSync(root) ? readdirSync(root).map((name) => join(root, name)) : [])]);
  return folders.map((folder) => join(folder, 'faketime', 'libfaketimeMT.so.1')).find((path) => existsSync(path)) ?? null;
}
