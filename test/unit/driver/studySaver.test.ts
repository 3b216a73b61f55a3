import { statSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createStudy, fold, stateHash, type StudyState } from '../../../agent/core/study/index.ts';
import { StudySaver } from '../../../agent/driver/studySaver.ts';
import type { JournalEntry, StudyEvent } from '../../../agent/protocol/events.ts';
import { openJournal, SavedStates, type SqliteJournal } from '../../../agent/store/index.ts';
import type { Clock } from '../../../agent/system/clock.ts';
import { tempDir } from '../store/tempDir.ts';
import { study } from './world.ts';

const studyId = 's';
const nTrials = 1_200;

function events(): StudyEvent[] {
  const all: StudyEvent[] = [{ type: 'studyCreated', at: 1, spec: study({ budget: { trials: null }, search: { parallel: 3 } }) }];
  for (let number = 0; number < nTrials; number++) {
    const trial = { at: 2, number };
    all.push(
      {
        ...trial,
        type: 'trialCreated',
        params: { lr: 1e-4 + number / nTrials / 2 },
        origin: 'sampler',
        reason: 'r',
        target: null,
      },
      { ...trial, type: 'attemptRequested', attempt: 1, slot: number % 3, target: null },
      { ...trial, type: 'attemptStarted', attempt: 1, pid: 7 },
      { ...trial, type: 'metricReported', attempt: 1, step: 1, values: { loss: number }, cursor: { out: 9 } },
    );
    // The last ones still run.
    if (number >= nTrials - 2) continue;
    all.push(
      { ...trial, type: 'attemptEnded', attempt: 1, exitCode: 0, signal: null, failure: null },
      { ...trial, type: 'trialEnded', state: 'complete', values: { loss: number }, failure: null },
    );
  }
  return all;
}

/** Runs what is to come only when told. */
class StillClock implements Clock {
  readonly #due: (() => void)[] = [];
  now(): number {
    return 1;
  }
  monotonic(): number {
    return 1;
  }
  after(_ms: number, act: () => void): Disposable {
    this.#due.push(act);
    return { [Symbol.dispose]: () => void this.#due.splice(this.#due.indexOf(act) >>> 0, 1) };
  }
  soon(act: () => void): Disposable {
    return this.after(0, act);
  }
  /** False when there was nothing to run. */
  run(): boolean {
    const act = this.#due.shift();
    act?.();
    return act !== undefined;
  }
}

describe('the saved state of a study', () => {
  let dir: ReturnType<typeof tempDir>;
  let journal: SqliteJournal;
  let whole: StudyState;
  let created: JournalEntry;
  const logged: string[] = [];
  const log = { info: () => undefined, error: (message: string) => void logged.push(message) };

  beforeAll(() => {
    dir = tempDir();
    journal = openJournal(join(dir.path, 'journal.db'), { checkpointMs: null });
    const entries = journal.append(events().map((event) => ({ studyId, event })));
    created = entries[0] ?? expect.fail('no entry');
    whole = folded(entries);
  });
  afterAll(() => {
    journal[Symbol.dispose]();
    dir[Symbol.dispose]();
  });

  function folded([first, ...rest]: readonly JournalEntry[]): StudyState {
    const state = createStudy(first ?? expect.fail('no entry'));
    for (const entry of rest) fold(state, entry);
    return state;
  }

  function save(path: string, build = 'this'): void {
    using saved = new SavedStates(path, build, journal);
    const saver = new StudySaver({ saved, clock: new StillClock(), log }, () => whole);
    for (const entry of journal.read(studyId, 0)) saver.folded(entry);
    saver[Symbol.dispose]();
  }

  function load(path: string, build = 'this', from: { hashAt(seq: number): Uint8Array | null } = journal): StudyState | null {
    using saved = new SavedStates(path, build, from);
    return new StudySaver({ saved, clock: new StillClock(), log }, () => undefined).load(created);
  }

  test('is the same when it is loaded', () => {
    const path = join(dir.path, 'same.db');
    save(path);
    const loaded = load(path) ?? expect.fail('nothing was loaded');
    expect(stateHash(loaded)).toBe(stateHash(whole));
    // It holds what the journal holds.
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect([...loaded.live.keys()]).toEqual([nTrials - 2, nTrials - 1]);
  });

  test.each<[string, (path: string) => StudyState | null]>([
    ['of another program', (path) => load(path, 'another')],
    ['of another journal', (path) => load(path, 'this', { hashAt: () => new Uint8Array(32) })],
    ['ahead of the journal', (path) => load(path, 'this', { hashAt: () => null })],
    [
      'with a page that was changed',
      (path) => {
        change(path, `UPDATE page SET body = replace(body, '"complete"', '"failed"') WHERE page = 1`);
        return load(path);
      },
    ],
    [
      'with a page that is missing',
      (path) => {
        change(path, 'DELETE FROM page WHERE page = 1');
        return load(path);
      },
    ],
    [
      'with a page of a later state',
      (path) => {
        change(path, 'UPDATE page SET seq = seq + 1 WHERE page = 0');
        return load(path);
      },
    ],
    [
      'with another rest',
      (path) => {
        change(path, `UPDATE state SET rest = rest || ' '`);
        return load(path);
      },
    ],
    [
      'in a file that is none',
      (path) => {
        for (const suffix of ['', '-wal', '-shm']) writeFileSync(`${path}${suffix}`, 'no database, '.repeat(1_000));
        return load(path);
      },
    ],
  ])('does not count: %s', (what, loadChanged) => {
    const path = join(dir.path, `${what.replaceAll(' ', '-')}.db`);
    save(path);
    expect(load(path)).not.toBeNull();
    expect(loadChanged(path)).toBeNull();
  });

  test('is made a page at a time while the study goes on, and only what changed is made again', () => {
    const path = join(dir.path, 'pages.db');
    const written: (number | string)[] = [];
    using saved = new SavedStates(path, 'this', journal);
    const noting = {
      load: () => null,
      savePage: (...args: Parameters<SavedStates['savePage']>) => {
        written.push(args[1]);
        saved.savePage(...args);
      },
      save: (...args: Parameters<SavedStates['save']>) => {
        written.push(...[...args[4]].map(([page]) => page), 'state');
        saved.save(...args);
      },
      forget: () => undefined,
    };
    const clock = new StillClock();
    const saver = new StudySaver({ saved: noting, clock, log }, () => whole);
    for (let time = 0; time < 9; time++) for (const entry of journal.read(studyId, 0)) saver.folded(entry);
    saver.committed();
    while (clock.run());
    expect(written).toEqual([0, 1, 2, 'state']);
    expect(stateHash(load(path) ?? expect.fail('nothing was loaded'))).toBe(stateHash(whole));
    written.length = 0;
    saver.committed();
    expect(clock.run()).toBe(false);
    const late = {
      ...created,
      event: { type: 'metricReported', at: 3, number: 600, attempt: 1, step: 2, values: {}, cursor: {} },
    } as const;
    for (let time = 0; time < 50_000; time++) saver.folded(late);
    saver.committed();
    while (clock.run());
    expect(written).toEqual([1, 'state']);
  });

  test('that cannot be written is given up with a word in the log', () => {
    logged.length = 0;
    const failing = {
      load: () => null,
      savePage: () => {},
      forget: () => {},
      save: () => expect.fail('database or disk is full'),
    };
    const saver = new StudySaver({ saved: failing, clock: new StillClock(), log }, () => whole);
    for (const entry of journal.read(studyId, 0)) saver.folded(entry);
    expect(() => saver[Symbol.dispose]()).not.toThrow();
    expect(logged).toEqual(['the state of a study cannot be saved; it will be folded from the journal']);
  });
});

function change(path: string, sql: string): void {
  const db = new DatabaseSync(path);
  db.exec(sql);
  db.close();
}
