import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, test } from 'vitest';
import { openJournal, type SqliteJournal } from '../../../agent/store/journal.ts';
import { optunaStates } from '../../../agent/store/optunaForm.ts';
import type { StudyEvent } from '../../../agent/protocol/events.ts';
import { createView, foldView, type StudyView } from '../../../agent/protocol/view.ts';
import { derivedTableNames } from '../../../agent/store/schema.ts';
import { query } from '../../unit/store/dump.ts';
import { make, of, params, startMs, studyCreated, studySpec, wholeTrial } from '../../unit/store/studies.ts';
import { tempDir } from '../../unit/store/tempDir.ts';
import { type OptunaStudy, optunaPython, runScript } from './optuna.ts';

beforeAll(async () => {
  await optunaPython();
}, 600_000);

describe('the journal as an Optuna database', () => {
  test('has the very tables that Optuna makes', async () => {
    using dir = tempDir();
    await runScript('makeDatabase.py', [dir.file('theirs.db')]);
    using _journal = openJournal(dir.file('ours.db'));
    const sql = `SELECT type, name, tbl_name, sql FROM sqlite_master WHERE tbl_name NOT LIKE 'hpo\\_%' ESCAPE '\\' ORDER BY name`;
    const tables = (path: string) =>
      query(path, sql).map(({ type, name, tbl_name: table, sql: text }) => ({
        type,
        name,
        table,
        sql: String(text).replaceAll(/\s+/g, ' ').trim(),
      }));
    expect(tables(dir.file('ours.db'))).toEqual(tables(dir.file('theirs.db')));
    for (const table of ['version_info', 'alembic_version']) {
      expect(query(dir.file('ours.db'), `SELECT * FROM ${table}`)).toEqual(
        query(dir.file('theirs.db'), `SELECT * FROM ${table}`),
      );
    }
    expect(derivedTableNames.every((name) => query(dir.file('ours.db'), `SELECT 1 FROM ${name} LIMIT 1`).length <= 1)).toBe(true);
  });

  test('shows every trial as it is, while the journal is open', async () => {
    using dir = tempDir();
    using journal = openJournal(dir.file('journal.db'));
    journal.append(everyState('study-a'));
    journal.append(of('gone', [studyCreated(), ...wholeTrial(0), { type: 'studyDeleted', at: startMs }]));
    const seen = await runScript<OptunaStudy>('dumpStudy.py', [journal.path, 'study-a']);

    expect(seen.studies).toEqual(['study-a']);
    expect(seen.directions).toEqual(['MINIMIZE']);
    expect(seen.metricNames).toEqual(['loss']);
    expect(seen.userAttributes).toMatchObject({ hpo_name: 'digits', hpo_script: 'train.py' });
    expect(seen.userAttributes['hpo_space']).toHaveLength(8);
    const view = viewOf(journal, 'study-a');
    expect(seen.trials).toHaveLength(view.trials.length);
    for (const trial of view.trials) {
      const theirs = seen.trials[trial.number];
      if (theirs === undefined) throw new Error(`Optuna has no trial ${trial.number}`);
      expect.soft(theirs.number).toBe(trial.number);
      // Trial 7 ended complete without a number for the objective, which Optuna calls a failure.
      expect.soft(theirs.state).toBe(trial.number === 7 ? 'FAIL' : optunaStates[trial.state]);
      expect.soft(theirs.params).toEqual({ ...trial.params, shape: '[128,64,"x"]' });
      expect.soft(theirs.start).toBe(trial.startedAt);
      expect.soft(theirs.complete).toBe(trial.endedAt);
      const curve = trial.curve.filter(({ values }) => values['loss'] !== undefined);
      expect
        .soft(theirs.intermediate)
        .toEqual(Object.fromEntries(curve.map(({ step, values }) => [String(step), values['loss']])));
    }
    expect(seen.trials.map(({ values }) => values)).toEqual([
      [0.5],
      [1.5],
      null,
      [-1],
      null,
      null,
      null,
      null,
      ['-inf'],
      ['inf'],
    ]);
    expect(seen.trials.map(({ constraints }) => constraints)).toEqual([[0], [], [], [1], [], [], [], [0], [0], [0]]);
    // The infeasible trial 3 has the lowest finite value and must not win; trial 8's −inf does.
    expect(seen.best).toBe(8);
    expect(seen.trials[0]?.userAttributes).toEqual({
      hpo_origin: 'default',
      hpo_reason: 'tpe over 10 trials',
      hpo_values: { acc: 0.5 },
      hpo_resource: 5,
    });
    expect(seen.trials[2]?.userAttributes['hpo_failure']).toBe('HPO-3001 userError: ValueError: no such file');
    expect(seen.trials[7]?.userAttributes['hpo_values']).toEqual({ loss: 'nan' });
  });

  test('keeps each distribution as Optuna would have written it', async () => {
    using dir = tempDir();
    using journal = openJournal(dir.file('journal.db'));
    journal.append(of('a', [studyCreated(), make.trial(0)]));
    const seen = await runScript<OptunaStudy>('dumpStudy.py', [journal.path, 'a']);
    // `distribution_to_json` after loading: a fixed point only when nothing had to be adjusted.
    expect(seen.trials[0]?.distributions).toEqual({
      lr: { name: 'FloatDistribution', attributes: { step: null, low: 1e-5, high: 0.1, log: true } },
      momentum: { name: 'FloatDistribution', attributes: { step: null, low: 0.5, high: 0.99, log: false } },
      dropout: { name: 'FloatDistribution', attributes: { step: 0.1, low: 0, high: 0.5, log: false } },
      layers: { name: 'IntDistribution', attributes: { log: false, step: 2, low: 1, high: 9 } },
      units: { name: 'IntDistribution', attributes: { log: true, step: 1, low: 8, high: 512 } },
      optimizer: { name: 'CategoricalDistribution', attributes: { choices: ['adam', 'sgd', null, true, 0.5] } },
      batch: { name: 'CategoricalDistribution', attributes: { choices: [32, 64, 128] } },
      shape: {
        name: 'CategoricalDistribution',
        attributes: {
          choices: ['[64,32]', '[128,64,"x"]'],
        },
      },
    });
  });

  test('several objectives are values and directions; there are no intermediate values', async () => {
    using dir = tempDir();
    using journal = openJournal(dir.file('journal.db'));
    const objectives = [
      { metric: 'loss', direction: 'min', goal: null },
      { metric: 'acc', direction: 'max', goal: null },
    ] as const;
    journal.append(of('pareto', [studyCreated(studySpec({ objectives })), ...wholeTrial(0), ...wholeTrial(1)]));
    const seen = await runScript<OptunaStudy>('dumpStudy.py', [journal.path, 'pareto']);
    expect(seen.directions).toEqual(['MINIMIZE', 'MAXIMIZE']);
    expect(seen.trials.map(({ values }) => values)).toEqual([
      [1, 0.5],
      [0.5, 0.5],
    ]);
    expect(seen.trials.every(({ intermediate }) => Object.keys(intermediate).length === 0)).toBe(true);
  });

  test('Optuna goes on with a copy of the main file alone', async () => {
    using dir = tempDir();
    using journal = openJournal(dir.file('journal.db'));
    journal.append(of('a', [studyCreated(), ...Array.from({ length: 12 }, (_, number) => wholeTrial(number)).flat()]));
    expect(journal.checkpoint()).toBe(true);
    // By another process: closing a file that SQLite holds open in this one would free its locks (POSIX).
    execFileSync('cp', [journal.path, dir.file('copy.db')]);
    const result = await runScript<object>('continueStudy.py', [dir.file('copy.db'), 'a']);
    expect(result).toEqual({ before: 12, after: 22, complete: 10, numbers: [12, 13, 14, 15, 16, 17, 18, 19, 20, 21] });
    // Our events in the copy are untouched, and ours goes on too.
    using copy = openJournal(dir.file('copy.db'));
    expect(copy.verifyChain()).toEqual({ ok: true, events: 121 });
    journal.append(of('a', wholeTrial(12)));
    expect((await runScript<OptunaStudy>('dumpStudy.py', [journal.path, 'a'])).trials).toHaveLength(13);
  });
});

test('Optuna may read and even write notes beside an agent that keeps on writing; neither gets in the way', async () => {
  using dir = tempDir();
  using journal = openJournal(dir.file('journal.db'), { checkpointMs: 50 });
  journal.append(of('a', [studyCreated()]));
  const guest = runScript<object>('annotateStudy.py', [journal.path, 'a']);
  const ended = guest.then(() => true);
  let nTrials = 0;
  // Few enough that a slow machine's guest does not read thousands of trials in each of its rounds.
  while (!(await Promise.race([ended, sleep(40, false)]))) if (nTrials < 100) journal.append(of('a', wholeTrial(nTrials++)));
  expect(await guest).toEqual({ notes: 10, torn: 0 });
  expect(journal.failure).toBeNull();
  expect(journal.verifyChain().ok).toBe(true);
  expect((await runScript<OptunaStudy>('dumpStudy.py', [journal.path, 'a'])).trials).toHaveLength(nTrials);
});

/** Of each state and each awkward value one trial; a study with a constraint. */
function everyState(studyId: string) {
  const failure = { kind: 'userError', code: 'HPO-3001', message: 'ValueError: no such file' } as const;
  return of(studyId, [
    studyCreated(studySpec({ constraints: ['acc >= 0.2'] })),
    ...wholeTrial(0, 0.5),
    ...started(1),
    make.report(1, 1, { loss: 2 }),
    make.report(1, 2, { loss: 1.5 }),
    make.attemptEnd(1),
    make.end(1, 'pruned', {}),
    ...started(2),
    make.attemptEnd(2, 1, failure),
    make.end(2, 'failed', {}, failure),
    ...started(3),
    make.attemptEnd(3),
    make.end(3, 'infeasible', { loss: -1, acc: 0.1 }),
    ...started(4),
    make.attemptEnd(4),
    { type: 'trialPaused', at: startMs + 1, number: 4, resource: 3 },
    ...started(5),
    make.report(5, 1, { loss: 'nan' }),
    make.report(5, 2, { loss: 'inf' }),
    make.report(5, 3, { acc: 1 }),
    make.report(5, 4, { loss: '-inf' }),
    make.trial(6, 6, withoutMomentum),
    ...wholeTrial(7, 'nan').slice(0, -1),
    make.end(7, 'complete', { loss: 'nan' }),
    ...started(8),
    make.attemptEnd(8),
    make.end(8, 'complete', { loss: '-inf' }),
    ...started(9),
    make.attemptEnd(9),
    make.end(9, 'complete', { loss: 'inf' }),
  ]);
}

function started(number: number): StudyEvent[] {
  return [make.trial(number), make.request(number), make.start(number)];
}

/** A parameter whose condition is false is absent. */
const { momentum: _, ...withoutMomentum } = params;

function viewOf(journal: SqliteJournal, studyId: string): StudyView {
  const [first, ...rest] = journal.read(studyId, 0);
  if (first === undefined) throw new Error(`no study ${studyId}`);
  const view = createView(first);
  for (const entry of rest) foldView(view, entry);
  return view;
}
