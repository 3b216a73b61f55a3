import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type FailpointAction, failpointActions, type FailpointName, failpointNames } from '../../system/failpoints.ts';
import { runningAttempts } from '../attempts.ts';
import { inspect } from '../inspect.ts';
import { isRunning, missingProc, signal, until } from '../machine.ts';
import { trialProgram } from '../program.ts';
import type { Scenario } from '../scenario.ts';
import { isRefusal, World } from '../world.ts';

const kinds: Readonly<Record<Exclude<FailpointAction, 'stop'>, string>> = {
  kill: 'kill -9 at a durable step',
  error: 'I/O error at a durable step',
  full: 'disk full at a durable step',
  short: 'short write at a durable step',
};

const trials = 3;
const passMs = 20_000;
/** Steps that an agent passes once in its life, or seldom. */
const seldom: ReadonlySet<FailpointName> = new Set([
  'journal.epoch',
  'agent.discovery',
  'attempt.loss',
  'attempt.stop',
  'study.prepare',
  'study.clean',
  'study.delete',
]);

/** Every step that outlives the agent, with every fault before and after it. */
export const failpoints: readonly Scenario[] = failpointNames.flatMap((name) =>
  failpointActions.flatMap((action) =>
    // `fenced.ts` has those that stop. What was written in part is neither before nor after.
    action === 'stop'
      ? []
      : (action === 'short' ? (['after'] as const) : (['before', 'after'] as const)).map((when) => scenario(name, when, action)),
  ),
);

function scenario(name: FailpointName, when: 'before' | 'after', action: keyof typeof kinds): Scenario {
  return {
    name: `${name}.${when}=${action}`,
    kind: kinds[action],
    missing: () => Promise.resolve(missingProc()),
    async run(context) {
      await using world = new World(context, { program: trialProgram({ steps: 8, pauseSeconds: 0.1 }) });
      const at = seldom.has(name) ? 1 : 1 + world.rng.int(3);
      // The first agent alone has the fault: what follows it must live with what it left.
      const first = world.spawnAgent({ HPO_FAILPOINTS: `${name}.${when}=${action}@${at}` });
      await until(() => world.discovered() !== null || !isRunning(first), passMs);
      const studyId = await world.create({ trials, parallel: 2 });
      // One attempt is lost and one is stopped, so that those steps are passed too.
      await until(async () => {
        // Dead, it starts nothing; the next one does.
        await world.client();
        return runningAttempts(world, studyId).length > 0;
      }, passMs);
      const lost = runningAttempts(world, studyId)[0];
      if (lost !== undefined) signal(lost.shim, 'SIGKILL');
      const isDead = action === 'kill' && (await until(() => !isRunning(first), 500));
      if (!isDead) await stopOne(world, studyId, lost?.trial);
      await inspect(world, { complete: null });
      const times = timesPassed(world.home, first, name);
      // One that said nothing at its end has died of the fault, if not of nothing.
      if (times !== null && (action === 'kill' || times < at))
        throw new Error(`the fault was not injected: the agent came to ${name} ${times} times`);
      world.findings.injected();
      return world.findings.outcome();
    },
  };
}

/** Another than the one that is lost, and may not be known to be. */
async function stopOne(world: World, studyId: string, lost: number | undefined): Promise<void> {
  await until(async () => {
    const { trials: all, state } = await world.request('study/view', { studyId });
    const running = all.find(
      (trial) => trial.number !== lost && trial.state === 'running' && trial.attempts.at(-1)?.state === 'started',
    );
    if (state === 'ended') return true;
    if (running === undefined) return false;
    return await world.command(studyId, { type: 'stopTrial', trial: running.number }).catch((error: unknown) => {
      if (isRefusal(error)) return false;
      throw error;
    });
  }, passMs);
}

/** How often the agent passed a step, as it says at its end; null for one that did not come to an orderly end. */
function timesPassed(home: string, pid: number, name: FailpointName): number | null {
  const path = join(home, 'agent.log');
  const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n') : [];
  for (const line of lines) {
    if (!line.includes('"failpoints"')) continue;
    const entry: { readonly pid?: number; readonly failpoints?: Readonly<Record<string, number>> } = JSON.parse(line);
    if (entry.pid === pid) return entry.failpoints?.[name] ?? 0;
  }
  return null;
}
