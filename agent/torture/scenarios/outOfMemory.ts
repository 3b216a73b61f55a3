import { accessSync, constants, mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from '../inspect.ts';
import { missingProc, until } from '../machine.ts';
import { trialProgram } from '../program.ts';
import type { Scenario } from '../scenario.ts';
import { World } from '../world.ts';

const trials = 4;
const limitBytes = 32 * 1024 * 1024;

/** Every second trial asks for more memory than its control group has: the kernel kills it. */
export const outOfMemory: Scenario = {
  name: 'trial out of memory',
  kind: 'out of memory',
  missing: () => Promise.resolve(missingProc() ?? missingGroups()),
  async run(context) {
    const group = makeGroup(`hpo-torture-${process.pid}-${context.seed}`);
    try {
      const first = `if [ $((HPO_TRIAL % 2)) = 1 ]; then
  echo $$ >'${join(group, 'cgroup.procs')}' || exit 9
  hog=$(head -c 400000000 /dev/zero | tr '\\0' x)
fi`;
      await using world = new World(context, { program: trialProgram({ first }) });
      const studyId = await world.create({ trials, parallel: 1 });
      await world.settled(studyId, 60_000);
      const view = await world.request('study/view', { studyId });
      for (const trial of view.trials) {
        const isHog = trial.number % 2 === 1;
        world.findings.injected(isHog ? trial.attempts.length : 0);
        const what = `trial ${trial.number} is ${trial.state} because of ${trial.failure?.kind ?? 'nothing'} (${trial.failure?.message ?? ''})`;
        const isRight = isHog ? trial.failure?.kind === 'outOfMemory' : trial.state === 'complete';
        world.findings.check('progress', isRight, what, studyId);
      }
      await inspect(world, { complete: null });
      return world.findings.outcome();
    } finally {
      await until(() => isRemoved(group), 5_000);
    }
  },
};

const hierarchies = ['/sys/fs/cgroup/memory', '/sys/fs/cgroup'];

function missingGroups(): string | null {
  return hierarchies.some(isUsable)
    ? null
    : 'needs a control group for memory that this user may make (root, or a delegated one)';
}

function isUsable(root: string): boolean {
  const probe = join(root, `hpo-torture-probe-${process.pid}`);
  try {
    mkdirSync(probe);
    const isLimited = limitFiles.some((name) => canWrite(join(probe, name)));
    rmdirSync(probe);
    return isLimited;
  } catch {
    return false;
  }
}

/** Of the first and the second version of control groups. */
const limitFiles = ['memory.limit_in_bytes', 'memory.max'];

function makeGroup(name: string): string {
  const root = hierarchies.find(isUsable);
  if (root === undefined) throw new Error('asked for missing() before');
  const group = join(root, name);
  mkdirSync(group);
  const limit = limitFiles.map((file) => join(group, file)).find(canWrite);
  if (limit !== undefined) writeFileSync(limit, String(limitBytes));
  return group;
}

function canWrite(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function isRemoved(group: string): boolean {
  try {
    rmdirSync(group);
    return true;
  } catch {
    return false;
  }
}
