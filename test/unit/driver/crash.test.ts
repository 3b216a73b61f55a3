import { setTimeout as sleep } from 'node:timers/promises';
import { type Arbitrary, array, assert, asyncProperty, boolean, integer, record } from 'fast-check';
import { expect, test } from 'vitest';
import type { AttemptStart } from '../../../agent/executors/executor.ts';
import { countTrials } from '../../../agent/protocol/view.ts';
import { ended, keyOf, type Life, lossOf, study, training, World } from './world.ts';

interface Crash {
  /** Counted from the last crash. */
  readonly atAppend: number;
  /** Whether the append was on the disk when the agent died. */
  readonly isWritten: boolean;
  /** How long no agent is there. */
  readonly awayMs: number;
}

const crash: Arbitrary<Crash> = record({
  atAppend: integer({ min: 1, max: 8 }),
  isWritten: boolean(),
  awayMs: integer({ min: 0, max: 6 }),
});

/** Runs a study through the crashes to its end, and checks it against what its programs did. */
async function runThrough(crashes: readonly Crash[], parallel: number, steps: number): Promise<readonly unknown[]> {
  const started = new Map<string, AttemptStart>();
  const train = training(steps);
  using world = new World({
    program: (process) => {
      started.set(keyOf(process.attempt.key), process.attempt);
      return train(process);
    },
  });
  let isCreated = false;
  for (const next of [...crashes, null]) {
    let count = 0;
    const died = Promise.withResolvers<void>();
    const life: Life = await world.open((append) => (events) => {
      if (next === null || ++count < next.atAppend) return append(events);
      if (next.isWritten) append(events);
      died.resolve();
      life.isDead = true;
      throw new Error('killed');
    });
    // The command that makes the study is given again by a user who got no answer.
    isCreated ||= world.journal.studies().length > 0;
    const creation = isCreated ? Promise.resolve() : life.driver.createStudy('s', study({ search: { parallel } }));
    await Promise.race([creation.catch(() => {}), died.promise]);
    isCreated ||= world.journal.studies().length > 0;
    if (next === null) {
      await ended(life.driver, 's');
      await life[Symbol.asyncDispose]();
      break;
    }
    await Promise.race([died.promise, ended(life.driver, 's').catch(() => {})]);
    life.kill();
    await sleep(next.awayMs);
  }
  const again = await world.open();
  const view = again.driver.view('s');
  expect(countTrials(view)).toMatchObject({ complete: 6 });
  expect(world.journal.verifyChain()).toMatchObject({ ok: true });
  const attempts = view.trials.flatMap((trial) => trial.attempts.map(({ attempt }) => ({ trial: trial.number, attempt })));
  // Nothing was started that is not recorded, and nothing twice.
  expect(Object.fromEntries(world.starts)).toEqual(
    Object.fromEntries(attempts.map(({ trial, attempt }) => [keyOf({ studyId: 's', trial, attempt }), 1])),
  );
  for (const { trial, attempt } of attempts) {
    const environment = started.get(keyOf({ studyId: 's', trial, attempt }))?.environment ?? {};
    const said = Array.from({ length: steps }, (_, i) => ({ step: i + 1, values: { loss: lossOf({ environment }, i + 1) } }));
    expect(world.recorded('s', trial, attempt)).toEqual(said);
  }
  await again[Symbol.asyncDispose]();
  return view.trials.map(({ params }) => params);
}

test('an agent that dies at any point, again and again, loses nothing and does nothing twice', async () => {
  const undisturbed = await runThrough([], 1, 3);
  let nRuns = 0;
  await assert(
    asyncProperty(
      array(crash, { minLength: 1, maxLength: 4 }),
      integer({ min: 1, max: 3 }),
      integer({ min: 1, max: 4 }),
      async (crashes, parallel, steps) => {
        nRuns++;
        const params = await runThrough(crashes, parallel, steps);
        // Random points depend on seed and number alone: a crash changes none.
        expect(params).toEqual(undisturbed);
      },
    ),
    { numRuns: 200, interruptAfterTimeLimit: 100_000, markInterruptAsFailure: true },
  );
  expect(nRuns).toBe(200);
}, 120_000);
