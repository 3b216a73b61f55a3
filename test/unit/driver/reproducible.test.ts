import { describe, expect, test } from 'vitest';
import { DecisionCheck } from '../../../agent/core/study/index.ts';
import type { JournalEntry } from '../../../agent/protocol/events.ts';
import { type SamplerName, samplerNames, type StudySpec } from '../../../agent/protocol/study.ts';
import type { FakeProgram } from '../../../agent/executors/fake.ts';
import { fidelity } from '../core/study/harness.ts';
import { thread } from './thread.ts';
import { ended, keyOf, lossOf, study, World, type WorldOptions } from './world.ts';

/** Where an agent dies: at the first append with a new trial that it makes, before or after it is on the disk. */
type Death = 'before' | 'after';

/** Runs a study to its end; each agent of `deaths` dies at the first trial that it decides, the last one lives. */
async function run(spec: StudySpec, deaths: readonly Death[], options: WorldOptions = {}): Promise<World> {
  const world = new World({ cpus: 8, program: uneven(1), ...options });
  for (const death of [...deaths, null]) {
    const died = Promise.withResolvers<void>();
    const life = await world.open((append) => (events) => {
      if (death === null || life.isDead || !events.some(({ event }) => event.type === 'trialCreated')) return append(events);
      if (death === 'after') append(events);
      life.isDead = true;
      died.resolve();
      throw new Error('killed');
    });
    if (world.journal.studies().length === 0) await life.driver.createStudy('s', spec).catch(() => {});
    // The study itself is made in the turn that decides its first trials.
    const isThere = world.journal.studies().length > 0;
    if (isThere && death === null) await ended(life.driver, 's');
    else if (isThere) await Promise.race([died.promise, ended(life.driver, 's')]);
    if (death === null) await life[Symbol.asyncDispose]();
    else life.kill();
  }
  return world;
}

/** Epochs of uneven length, so that trials end in another order with each `salt`. */
function uneven(salt: number): FakeProgram {
  return async (process) => {
    const { trial } = process.attempt.key;
    for (let step = 1; step <= 3; step++) {
      await process.sleep((trial * 7 + salt * 5 + step) % 9);
      process.print(`epoch ${step} loss=${lossOf(process, step)}\n`);
    }
    return 0;
  };
}

/** What was decided of each trial. */
function trials(world: World) {
  const { state } = checked(world.entries('s'));
  return state.view.trials.map(({ params, reason, target, state: end, values }) => ({
    params,
    reason,
    target,
    state: end,
    values,
  }));
}

/** Makes all decisions again. */
function checked(entries: readonly JournalEntry[]): DecisionCheck {
  const [first, ...others] = entries;
  if (first === undefined) throw new RangeError('an empty journal');
  const check = new DecisionCheck(first);
  expect(others.flatMap((entry) => check.next(entry) ?? [])).toEqual([]);
  return check;
}

function isStartedOnce(world: World): void {
  const { view } = checked(world.entries('s')).state;
  const keys = view.trials.flatMap(({ number, attempts }) =>
    attempts.map(({ attempt }) => keyOf({ studyId: 's', trial: number, attempt })),
  );
  expect(Object.fromEntries(world.starts)).toEqual(Object.fromEntries(keys.map((key) => [key, 1])));
}

const deaths: readonly Death[] = ['after', 'before', 'after', 'before', 'before', 'after', 'before', 'after'];

describe('an agent that dies between a decision and the start', () => {
  const spec = (sampler: SamplerName, search: Partial<StudySpec['search']> = {}): StudySpec =>
    study({ search: { sampler, seed: 5, ...search }, budget: { trials: 11 } });

  const oneByOne = [
    ['one at a time', { parallel: 1 }, null],
    ['one at a time, points from the thread', { parallel: 1 }, 0],
  ] as const;
  const inBatches = [
    ['in batches', { parallel: 3, batch: 3 }, null],
    ['in batches, points from the thread, prepared but not recorded', { parallel: 2, batch: 4 }, 1],
  ] as const;

  describe.each(samplerNames)('%s', (sampler) => {
    // Trials are over here sooner than any real program starts, and `auto` looks at that, but not in batches.
    const rows = sampler === 'auto' ? inBatches : [...oneByOne, ...inBatches];
    test.each(rows)('%s: the next one starts the same trials', async (_, search, threadMs) => {
      const options = threadMs === null ? {} : { proposer: thread(threadMs) };
      using undisturbed = await run(spec(sampler, search), [], options);
      using disturbed = await run(spec(sampler, search), deaths, options);
      expect(trials(disturbed)).toEqual(trials(undisturbed));
      expect(trials(disturbed)).toHaveLength(11);
      isStartedOnce(disturbed);
    });
  });

  test('several at a time: what the next one decides follows from what was recorded', async () => {
    for (const proposer of [thread(0), thread(3)]) {
      using world = await run(spec('gp', { parallel: 4 }), deaths, { proposer });
      expect(trials(world)).toHaveLength(11);
      isStartedOnce(world);
    }
  });
});

describe('in batches', () => {
  const spec = (sampler: SamplerName, parallel: number, batch: number | null): StudySpec =>
    study({
      fidelity: { ...fidelity(1, 3), sink: { type: 'env', name: 'EPOCHS' } },
      search: { sampler, seed: 9, parallel, ...(batch === null ? {} : { batch }) },
      budget: { trials: 22 },
    });
  const runAll = async (sampler: SamplerName, batch: number | null) => {
    const found: ReturnType<typeof trials>[] = [];
    for (const [salt, parallel] of [1, 2, 4, 8].entries()) {
      using world = await run(spec(sampler, parallel, batch), salt % 2 === 0 ? [] : deaths, {
        program: uneven(salt),
        proposer: thread(salt),
      });
      found.push(trials(world));
    }
    return found;
  };

  test.each(['random', 'tpe', 'gp', 'auto', 'cmaes'] as const)(
    '%s decides the same with 1, 2, 4 and 8 workers, other durations and crashes',
    async (sampler) => {
      const [first, ...others] = await runAll(sampler, 4);
      for (const other of others) expect(other).toEqual(first);
      expect(first?.some(({ state }) => state === 'pruned')).toBe(true);
    },
  );

  test('and without batches it does not', async () => {
    const [first, ...others] = await runAll('tpe', null);
    expect(others.some((other) => JSON.stringify(other) !== JSON.stringify(first))).toBe(true);
  });
});
