import { runningAttempts } from '../attempts.ts';
import { inspect } from '../inspect.ts';
import { missingProc, until } from '../machine.ts';
import { trialProgram } from '../program.ts';
import type { Scenario } from '../scenario.ts';
import { World } from '../world.ts';

/** Trials end in the end: 5 s of grace, a kill, and a second look. */
const endMs = 30_000;

/** Does not end when it is asked, and leaves processes in other sessions, one of them twice removed. */
const program = trialProgram({
  first: `trap '' TERM INT HUP
setsid sh -c 'trap "" TERM HUP; sleep 1000' &
( ( trap '' TERM HUP; setsid sleep 1001 ) & )`,
  last: 'sleep 1002 & wait; while :; do sleep 1; done',
});

const ways = [
  'the study is stopped',
  'a trial is stopped',
  'the study is deleted',
  'its time is over',
  'the study is stopped and the agent dies',
] as const;

/** A trial that ignores SIGTERM and forks away is ended all the same, with everything that it started. */
export const stubborn: readonly Scenario[] = ways.map((way) => ({
  name: `stubborn trial: ${way}`,
  kind: 'trial that ignores SIGTERM and forks away',
  missing: () => Promise.resolve(missingProc()),
  async run(context) {
    await using world = new World(context, { program });
    const { findings } = world;
    const studyId = await world.create({
      trials: 2,
      parallel: 2,
      ...(way === 'its time is over' ? { trialTimeoutMs: 1_000 } : {}),
    });
    // Each has two children away and one at home.
    await until(() => runningAttempts(world, studyId).length === 2 && world.processes().length >= 2 * 4, endMs);
    await world.pause(200);
    findings.injected(2);
    if (way === 'a trial is stopped') for (const trial of [0, 1]) await world.command(studyId, { type: 'stopTrial', trial });
    if (way === 'the study is stopped') await world.command(studyId, { type: 'stop' });
    if (way === 'the study is deleted') await world.command(studyId, { type: 'delete' });
    if (way === 'the study is stopped and the agent dies') {
      await world.command(studyId, { type: 'stop' });
      await world.pause(2_000);
      findings.injected(await world.killAgents());
      await world.client();
    }
    const onlyAgents = (): boolean => world.processes().length === world.agents().length;
    const areGone = await until(onlyAgents, endMs);
    const left = world.processes().filter((pid) => !world.agents().includes(pid));
    findings.check('nothingLeft', areGone, `processes of the trial are left: ${left.join(', ')}`, studyId);
    await inspect(world, { complete: null });
    return findings.outcome();
  },
}));
