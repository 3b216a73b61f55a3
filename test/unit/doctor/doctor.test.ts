import { mkdirSync, rmdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from 'vitest';
import { checkDisk, checkPorts, checkProgram, checkPython } from '../../../agent/doctor/facts.ts';
import { examine } from '../../../agent/doctor/doctor.ts';
import { readHome } from '../../../agent/doctor/home.ts';
import { lookAtJournal } from '../../../agent/doctor/journal.ts';
import { readRecords } from '../../../agent/doctor/records.ts';
import { checkProcesses } from '../../../agent/doctor/remains.ts';
import { checkValues } from '../../../agent/doctor/values.ts';
import { StudyFolders } from '../../../agent/executors/attempt/studyFolders.ts';
import { AttemptOutputFiles } from '../../../agent/executors/attempt/outputFile.ts';
import type { JournalEntry, StudyEvent } from '../../../agent/protocol/events.ts';
import { createView, foldView, type StudyView } from '../../../agent/protocol/view.ts';
import { openJournal } from '../../../agent/store/index.ts';
import { nodeSystem } from '../../../agent/system/node.ts';
import { nodeFiles } from '../../../agent/system/nodeFiles.ts';
import { nodeProcesses } from '../../../agent/system/nodeProcesses.ts';
import { fidelity, Harness, metric, spec } from '../core/study/harness.ts';
import { of } from '../store/studies.ts';
import { tempDir } from '../store/tempDir.ts';
import { noClusters } from './noClusters.ts';
import { noEngine } from './noEngine.ts';

const options = { mayGoOn: () => true };

/** A study with one trial that reported three losses and ended. */
function oneTrial(): JournalEntry[] {
  const h = new Harness(spec({ budget: { trials: 1 } }));
  h.run(0, 3, 2, 1);
  return h.journal;
}

function viewOf([first, ...rest]: readonly JournalEntry[]): StudyView {
  if (first === undefined) throw new Error('an empty journal');
  const view = createView(first);
  for (const entry of rest) foldView(view, entry);
  return JSON.parse(JSON.stringify(view));
}

function printed(text: string): { readonly output: AttemptOutputFiles } & Disposable {
  const dir = tempDir();
  const files = new StudyFolders(dir.path);
  const folder = files.attemptDir({ studyId: 's1', trial: 0, attempt: 1 });
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'out.log'), text);
  return { output: new AttemptOutputFiles(files, nodeFiles), [Symbol.dispose]: () => dir[Symbol.dispose]() };
}

describe('what the agent shows', () => {
  test.each<[string, (view: StudyView) => StudyView, number]>([
    ['the fold', (view) => view, 0],
    ['another value', (view) => ({ ...view, incumbent: null }), 1],
  ])('%s', (_, change, nWrong) => {
    const journal = oneTrial();
    const half = viewOf(journal.slice(0, 6));
    for (const view of [viewOf(journal), half]) {
      const shown = new Map([['s1', change({ ...view, incumbent: view.incumbent ?? 0 })]]);
      if (view === half) shown.set('s1', nWrong === 0 ? view : { ...view, parallel: 7 });
      expect(readRecords(journal, shown, options).violations).toHaveLength(nWrong);
    }
  });
});

describe('values are compared with the output', () => {
  const loss = (values: readonly number[]) => values.map((value, i) => `epoch ${i + 1} loss=${value}\n`);
  const lines = loss([3, 2, 1]);
  const ends = lines.map((__, i) => lines.slice(0, i + 1).join('').length);
  /** With the cursors of these lines. */
  const records = (isWhole = true) => {
    const h = new Harness(spec({ budget: { trials: 1 } }));
    h.see({ type: 'started', number: 0, attempt: 1, pid: 1 });
    ends.slice(0, isWhole ? 3 : 2).forEach((out, i) => h.see({ ...metric(0, 1, i + 1, { loss: 3 - i }), cursor: { out } }));
    h.see({
      type: 'ended',
      number: 0,
      attempt: 1,
      exitCode: 0,
      signal: null,
      isTimeout: false,
      isOutOfMemory: false,
      isLost: false,
      outputTail: '',
    });
    return readRecords(h.journal, new Map(), options);
  };

  test.each<[string, string, boolean, string, RegExp]>([
    ['as printed', lines.join(''), true, 'ok', /^3 reports are what the trials printed/],
    [
      'another value',
      loss([3, 5, 1]).join(''),
      true,
      'wrong',
      /says step 2 \{"loss":2\}, but out up to byte \d+ says step 2 \{"loss":5\}/,
    ],
    ['another step', lines.join('').replace('epoch 2', 'epoch 7'), true, 'wrong', /says step 2 .*says step 7/],
    ['nothing there', `${lines[0]}${'-'.repeat(200)}`, true, 'wrong', /reports nothing/],
    ['one was left out', lines.join(''), false, 'wrong', /3 reports stand in out, and 2 are in the journal/],
    ['no output any more', '', true, 'unknown', /the output of 1 attempts is gone: their 3 reports/],
  ])('%s', async (_, text, isWhole, state, what) => {
    using given = printed(text);
    const findings = await checkValues(records(isWhole), given.output);
    expect(findings.find((finding) => finding.state === state)?.what).toMatch(what);
    expect(findings.some((finding) => finding.state === 'wrong')).toBe(state === 'wrong');
  });
});

test('a history that cannot be is told, with the event', () => {
  using dir = tempDir();
  const file = dir.file('journal.db');
  const created = (number: number): StudyEvent => ({
    type: 'trialCreated',
    at: 1,
    number,
    params: { lr: 0.1 },
    origin: 'sampler',
    reason: 'random',
    target: null,
  });
  {
    using journal = openJournal(file);
    journal.append(of('s', [{ type: 'studyCreated', at: 0, spec: spec({ fidelity: fidelity(1, 9) }) }, created(0), created(1)]));
  }
  const home = readHome(dir.path, Date.now());
  const { findings } = lookAtJournal({ home, studyId: undefined, shown: new Map(), aside: dir.file('aside') });
  expect(findings.filter(({ state }) => state === 'wrong')).toMatchObject([
    { check: 'history', what: expect.stringMatching(/trial 1 has the point of trial 0.* at event 3/) },
  ]);
});

describe('what keeps the agent from starting is told, and is not called damage', () => {
  const newer = (path: string): void => {
    {
      using journal = openJournal(path);
      journal.append(of('s', [{ type: 'studyCreated', at: 0, spec: spec({}) }]));
    }
    using db = new DatabaseSync(path);
    db.exec(`UPDATE hpo_meta SET value = '999' WHERE key = 'schemaVersion'`);
  };
  test.each<[string, string, (path: string) => void, RegExp]>([
    ['a newer version', 'journal.db', newer, /written by a newer version .*schema 999/],
    ['a folder', 'journal.db', (path) => mkdirSync(path), /journal\.db is a folder, where a file of the journal belongs/],
    ['a link to itself', 'journal.db', (path) => symlinkSync(path, path), /is a symbolic link that leads round in a circle/],
    ['a file for the studies', 'studies', (path) => writeFileSync(path, ''), /studies is a file, where a folder belongs/],
    ['a file for what is put aside', 'aside', (path) => writeFileSync(path, ''), /aside is a file, where a folder belongs/],
    [
      'a file for the home',
      '.',
      (path) => {
        rmdirSync(path);
        writeFileSync(path, '');
      },
      / is a file, where a folder belongs/,
    ],
    ['a link to itself for code', 'snapshots', (path) => symlinkSync(path, path), /snapshots cannot be looked into: ELOOP/],
  ])('%s', async (_, name, make, what) => {
    using dir = tempDir();
    make(dir.file(name));
    const findings = await examine({
      home: dir.path,
      cacheDir: dir.file('cache'),
      folder: dir.path,
      version: '1.2.3',
      system: nodeSystem(),
      agent: { type: 'none' },
      engine: noEngine,
      clusters: noClusters,
    });
    const wrong = findings.filter((finding) => finding.state === 'wrong' && what.test(finding.what));
    expect(wrong).toMatchObject([{ next: expect.any(String) }]);
    expect(wrong[0]?.mend).toBeUndefined();
    expect(findings.filter(({ state, what: said }) => state === 'wrong' && /damaged|get at/.test(said))).toEqual([]);
    if (name === 'journal.db') expect(() => openJournal(dir.file(name))).toThrow(what);
  });
});

describe('facts', () => {
  test('a port that is open is found', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : null;
    const open = checkPorts(process.pid);
    await new Promise((resolve) => server.close(resolve));
    if (process.platform !== 'linux') return expect(open.state).toBe('unknown');
    expect(open).toMatchObject({ state: 'wrong', what: expect.stringContaining(String(port)) });
    expect(checkPorts(process.pid).what).not.toContain(String(port));
    expect(checkPorts(null).state).toBe('ok');
    expect(checkPorts(2 ** 30).state).toBe('unknown');
  });

  test('the program, the disk, and an interpreter that is gone', async () => {
    using dir = tempDir();
    expect(checkProgram('1.2.3')).toMatchObject({ state: 'ok', what: expect.stringMatching(/^hpo 1\.2\.3 on Node \d+/) });
    expect(checkDisk(dir.file('not/there/yet'))).toMatchObject({ check: 'disk', what: expect.stringMatching(/free where/) });
    const environment = { interpreter: '/nowhere/python3', version: '3.12.1', reason: 'PATH' };
    const h = new Harness(spec({ environment }));
    const findings = await checkPython(dir.path, dir.path, readRecords(h.journal, new Map(), options));
    expect(findings[0]).toMatchObject({
      state: 'wrong',
      studyId: 's1',
      what: expect.stringMatching(/\/nowhere\/python3 of s1 is gone/),
    });
  });

  test('processes are not judged by a journal that cannot be trusted', async () => {
    using dir = tempDir();
    const findings = await checkProcesses(nodeProcesses, new StudyFolders(dir.path), () => null);
    expect(findings).toMatchObject([{ state: 'unknown' }]);
  });
});
