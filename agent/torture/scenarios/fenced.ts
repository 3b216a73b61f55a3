import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { FailpointName } from '../../system/failpoints.ts';
import { inspect } from '../inspect.ts';
import { isRunning, missingProc, signal, stateOf, until } from '../machine.ts';
import { trialProgram } from '../program.ts';
import type { Scenario } from '../scenario.ts';
import { World } from '../world.ts';

const trials = 8;
const waitMs = 20_000;

/** Where an agent is stopped: between what it recorded and what it does. */
const places: readonly `${FailpointName}.${'before' | 'after'}`[] = [
  'journal.append.before',
  'journal.append.after',
  'journal.checkpoint.before',
  'turn.tell.before',
  'turn.tell.after',
  'attempt.folder.before',
  'attempt.folder.after',
  'attempt.label.after',
  'attempt.spawn.before',
  'attempt.spawn.after',
  'study.prepare.before',
];

/**
 * An agent is stopped (SIGSTOP), the lock's file is deleted, and a second agent takes over: only the epoch guards then. When the
 * first is continued it must write nothing, harm nothing of the second, and end.
 */
export const fenced: readonly Scenario[] = [null, ...places].map((place) => ({
  name: place === null ? 'agent stopped at random, another takes over' : `agent stopped at ${place}, another takes over`,
  kind: 'SIGSTOP while another takes over',
  missing: () => Promise.resolve(missingProc()),
  async run(context) {
    await using world = new World(context, { program: trialProgram({ steps: 5, pauseSeconds: 0.1 }) });
    const { findings } = world;
    const first = world.spawnAgent(
      place === null ? {} : { HPO_FAILPOINTS: `${place}=stop@${place.startsWith('study.') ? 1 : 1 + world.rng.int(2)}` },
    );
    await until(() => world.discovered() !== null || stateOf(first) === 'T', waitMs);
    const creating = stateOf(first) === 'T' ? null : world.create({ trials, parallel: 2 });
    if (place === null) {
      await creating;
      await world.pause(1_000);
      signal(first, 'SIGSTOP');
    }
    if (!(await until(() => stateOf(first) === 'T', waitMs))) throw new Error(`the agent never came to ${place}`);
    findings.injected();
    for (const suffix of ['', '-journal']) rmSync(join(world.home, `journal.db.lock${suffix}`), { force: true });
    const second = await takeOver(world, first);
    await (creating ?? world.create({ trials, parallel: 2 }));
    await world.pause(1_500);
    const before = JSON.stringify(world.discovered());
    signal(first, 'SIGCONT');
    const hasEnded = await until(() => !isRunning(first), waitMs);
    findings.check('nothingLeft', hasEnded, 'the agent that was in charge no more does not end');
    const after = JSON.stringify(world.discovered());
    findings.check('nothingLeft', before === after, `it changed the discovery file from ${before} to ${after}`);
    const answers = await world.request('agent/status', {});
    findings.check('nothingLeft', answers.pid === second, `${answers.pid} answers instead of ${second}`);
    await inspect(world, { complete: trials });
    return findings.outcome();
  },
}));

/** The second agent, once it is in charge. */
async function takeOver(world: World, first: number): Promise<number> {
  for (let tries = 0; tries < 10; tries++) {
    const second = world.spawnAgent();
    const isInCharge = (): boolean => world.discovered()?.pid === second;
    await until(() => isInCharge() || !isRunning(second), waitMs);
    if (isInCharge()) return second;
    // Stopped in the middle of a transaction, the first holds the journal itself: none can begin until it goes on a little.
    signal(first, 'SIGCONT');
    await world.pause(100);
    signal(first, 'SIGSTOP');
  }
  throw new Error('no second agent took over');
}
