import { type RunningAttempt, runningAttempts } from '../attempts.ts';
import { inspect } from '../inspect.ts';
import { missingProc, signal, until } from '../machine.ts';
import { trialProgram } from '../program.ts';
import type { Scenario } from '../scenario.ts';
import { World } from '../world.ts';

const trials = 8;
const kills = 4;
const waitMs = 20_000;

/** The shim gone, nobody records the end: the program is killed too, and the trial starts again. */
export const shimKilled: Scenario = {
  name: 'shim killed',
  kind: 'kill -9 of a shim',
  missing: () => Promise.resolve(missingProc()),
  run: async (context) => {
    await using world = new World(context, { program: trialProgram({ steps: 6, pauseSeconds: 0.1 }) });
    await killSome(world, ({ shim }) => shim);
    // Nothing of that is the trial's fault.
    await inspect(world, { complete: trials });
    return world.findings.outcome();
  },
};

/** The program alone, as the kernel or another user does. */
export const programKilled: Scenario = {
  name: 'trial killed',
  kind: 'kill -9 of a trial',
  missing: () => Promise.resolve(missingProc()),
  run: async (context) => {
    await using world = new World(context, { program: trialProgram({ steps: 6, pauseSeconds: 0.1 }) });
    await killSome(world, ({ program }) => program);
    await inspect(world, { complete: null });
    return world.findings.outcome();
  },
};

/** No trial twice, so that none uses up its attempts. */
async function killSome(world: World, victim: (attempt: RunningAttempt) => number): Promise<void> {
  const studyId = await world.create({ trials, parallel: 2 });
  const done = new Set<number>();
  while (done.size < kills) {
    const isFresh = ({ trial }: RunningAttempt): boolean => !done.has(trial);
    await until(() => runningAttempts(world, studyId).some(isFresh), waitMs);
    await world.pause(200);
    const found = runningAttempts(world, studyId).find(isFresh);
    if (found !== undefined && signal(victim(found), 'SIGKILL')) world.findings.injected();
    if (found !== undefined) done.add(found.trial);
    else if ((await world.request('study/view', { studyId })).state === 'ended') return;
  }
}
